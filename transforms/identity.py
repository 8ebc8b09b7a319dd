"""Who made a call: the role session of a workload, or nobody that is judged.

Method, section 1. The session is account, role id and session name, never the access key:
one instance holds several keys at once. ``arn`` and ``principalId`` are both read, as either
may be missing, masked or cut.
"""

from __future__ import annotations

from collections.abc import Collection

from pyspark.sql import Column
from pyspark.sql import functions as F

from transforms.workloads import (
    INSTANCE_IDENTITY,
    INSTANCE_NAME,
    LAMBDA,
    MANAGED_INSTANCE,
    MANAGEMENT_ROLE,
    WORKLOADS,
)

PROOF_IN_SCOPE, PROOF_DELIVERY, PROOF_UNKNOWN_KEY = "in_scope_of", "delivery", "unknown key"


def session_columns(others: Collection[str] = ()) -> dict[str, Column]:
    """Columns of the session of a record: all null where it is none that is judged.

    ``proof`` says why it is one: the word of AWS, the kind of workload where the role itself
    tells it, or else the key, which the AssumeRole calls settle later.

    Args:
        others: kinds of workload that are judged beside EC2 instances.
    """
    arn, principal = F.col("arn"), F.col("principal_id")
    by_arn = arn.like("%:assumed-role/%/%")
    role_name = F.when(by_arn, F.substring_index(F.substring_index(arn, "/", 2), "/", -1))
    name = F.when(by_arn, F.substring_index(arn, "/", -1)).when(
        principal.like("%:%"), F.substring_index(principal, ":", -1)
    )
    account = F.coalesce(
        F.when(by_arn, _arn_part(arn, 5)), F.col("account_id"), F.col("issuer_account_id")
    )
    proof = _proof(name, role_name, principal, others)
    judged = (
        F.coalesce(by_arn | (F.col("identity_type") == "AssumedRole"), F.lit(False))
        & proof.isNotNull()
        & name.isNotNull()
        & account.isNotNull()
    )
    in_scope = _in_scope_of_instance()
    told = in_scope | _in_scope_of_function() if LAMBDA in others else in_scope
    instance = F.coalesce(F.when(in_scope, _issued_to_instance()), name)
    return {
        "account_id": F.when(judged, account),
        "role_id": F.when(judged, _role_id(principal)),
        "role_arn": F.when(judged, F.coalesce(F.col("issuer_arn"), _role_arn(arn, role_name))),
        "session_name": F.when(judged, name),
        "instance_id": F.when(judged, instance),
        "instance_region": F.when(
            judged & told, F.nullif(_arn_part(F.col("in_scope_issued_to"), 4), F.lit(""))
        ),
        "proof": F.when(judged, proof),
    }


def role_name(role_arn: Column) -> Column:
    """Name of a role without its path: all that an assumed-role ARN has of it."""
    return F.substring_index(role_arn, "/", -1)


def may_be_workload(session_name: Column, others: Collection[str] = ()) -> Column:
    """Tell whether a session name looks like that of a judged workload."""
    looks = _looks_like_instance(session_name)
    for kind, workload in WORKLOADS.items():
        if kind in others and workload.named:
            looks = looks | session_name.rlike(workload.named)
    return looks


def _looks_like_instance(session_name: Column) -> Column:
    return session_name.startswith("i-") & session_name.rlike(INSTANCE_NAME)


def _in_scope(issuer: str, issued_to: str) -> Column:
    told = F.col("in_scope_issued_to").like(issued_to)
    return F.coalesce((F.col("in_scope_issuer_type") == issuer) & told, F.lit(False))


def _in_scope_of_instance() -> Column:
    return _in_scope("AWS::EC2::Instance", "arn:%:ec2:%:instance/%")


def _in_scope_of_function() -> Column:
    return _in_scope("AWS::Lambda::Function", "arn:%:lambda:%:function:%")


def _issued_to_instance() -> Column:
    return F.substring_index(F.col("in_scope_issued_to"), "/", -1)


def _proof(name: Column, role: Column, principal: Column, others: Collection[str]) -> Column:
    """Say what makes the session a workload's; a key where only the name speaks for it.

    Roles that AWS itself gives an instance come first: they are never merged with the
    instance's own role.
    """
    no = F.lit(False)
    identity = F.coalesce(role.startswith("aws:") | _is_own_of_aws(principal), no)
    managed = F.coalesce(role == MANAGEMENT_ROLE, no)
    looks_like_instance = _looks_like_instance(name)

    def if_judged(kind: str) -> Column:
        return F.when(looks_like_instance, F.lit(kind)) if kind in others else F.lit(None)

    proof = F.when(identity, if_judged(INSTANCE_IDENTITY)).when(
        managed, if_judged(MANAGED_INSTANCE)
    )
    if LAMBDA in others:
        proof = proof.when(_in_scope_of_function(), F.lit(LAMBDA))
    return (
        proof.when(_in_scope_of_instance(), PROOF_IN_SCOPE)
        .when(looks_like_instance & F.col("ec2_role_delivery").isNotNull(), PROOF_DELIVERY)
        .when(
            may_be_workload(name, others),
            F.coalesce(F.col("access_key_id"), F.lit(PROOF_UNKNOWN_KEY)),
        )
    )


def _role_id(principal: Column) -> Column:
    """Unique id of the role; that of AWS's own roles is ``account:aws:ec2-instance``."""
    return F.coalesce(
        F.col("issuer_principal_id"),
        F.when(_is_own_of_aws(principal), F.substring_index(principal, ":", 3)),
        F.nullif(F.substring_index(principal, ":", 1), F.lit("")),
    )


def _is_own_of_aws(principal: Column) -> Column:
    return principal.like("%:aws:ec2-%")


def _role_arn(arn: Column, role: Column) -> Column:
    account = _arn_part(arn, 5)
    return F.when(
        role.isNotNull(),
        F.concat(F.lit("arn:"), _arn_part(arn, 2), F.lit(":iam::"), account, F.lit(":role/"), role),
    )


def _arn_part(arn: Column, number: int) -> Column:
    return F.substring_index(F.substring_index(arn, ":", number), ":", -1)
