"""Who made a call: the role session of a workload, or nobody that is judged.

Method, section 1. The session is account, role id and session name, never the access key:
one instance holds several keys at once. ``arn`` and ``principalId`` are both read, as either
may be missing, masked or cut.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.workloads import (
    INSTANCE_IDENTITY,
    INSTANCE_NAME,
    LAMBDA,
    MANAGED_INSTANCE,
    MANAGEMENT_ROLE,
    WORKLOADS,
)

_ASSUMED_ROLE = ":assumed-role/"

IN_SCOPE_INSTANCE, IN_SCOPE_FUNCTION = "AWS::EC2::Instance", "AWS::Lambda::Function"
"""Types that inScopeOf names as what a credential was issued to."""

PROOF_IN_SCOPE, PROOF_DELIVERY, PROOF_UNKNOWN_KEY = "in_scope_of", "delivery", "unknown key"

SESSION_COLUMNS = (
    "account_id",
    "role_id",
    "role_arn",
    "session_name",
    "instance_id",
    "instance_region",
    "proof",
)
"""What is told of the session of a record."""


def in_session(records: DataFrame, others: Collection[str] = ()) -> DataFrame:
    """Records with :data:`SESSION_COLUMNS` as ``session_*``: null where no judged session calls.

    ``proof`` says why it is one: the word of AWS, the kind of workload where the role itself
    tells it, or else the key, which the AssumeRole calls settle later. In steps, as Spark
    computes again in each of a step's columns what several of them share in a condition.

    Args:
        records: rows of ``schemas.RECORDS``.
        others: kinds of workload that are judged beside EC2 instances.
    """
    arn, principal, name = F.col("arn"), F.col("principal_id"), F.col("_name")
    in_scope, judged = F.col("_in_scope"), F.col("_judged")
    told = in_scope | _in_scope_of_function() if LAMBDA in others else in_scope
    session = {
        "account_id": F.col("_account"),
        "role_id": _role_id(principal),
        "role_arn": F.coalesce(F.col("issuer_arn"), _role_arn(arn, F.col("_role"))),
        "session_name": name,
        "instance_id": F.coalesce(F.when(in_scope, _issued_to_instance()), name),
        "instance_region": F.when(
            told, F.nullif(_arn_part(F.col("in_scope_issued_to"), 4), F.lit(""))
        ),
        "proof": F.col("_proof"),
    }
    return _proved(_named(records), others).select(
        *records.columns,
        *[F.when(judged, session[name]).alias(f"session_{name}") for name in SESSION_COLUMNS],
    )


def _named(records: DataFrame) -> DataFrame:
    """Records with what their ARN or principal names: role, session and account."""
    arn, principal = F.col("arn"), F.col("principal_id")
    by_arn, assumed = F.col("_by_arn"), F.col("_assumed")
    is_assumed = arn.contains(_ASSUMED_ROLE) & assumed.contains("/")
    account = F.when(by_arn, _arn_part(arn, 5))
    return (
        records.withColumn("_assumed", F.substring_index(arn, _ASSUMED_ROLE, -1))
        .withColumn("_by_arn", F.coalesce(is_assumed, F.lit(False)))
        .withColumns(
            {
                "_role": F.when(by_arn, F.substring_index(assumed, "/", 1)),
                "_name": F.when(by_arn, F.substring_index(assumed, "/", -1)).when(
                    principal.contains(":"), F.substring_index(principal, ":", -1)
                ),
                "_account": F.coalesce(account, F.col("account_id"), F.col("issuer_account_id")),
            }
        )
    )


def _proved(named: DataFrame, others: Collection[str]) -> DataFrame:
    """Named records with what makes their session a workload's, and whether it is judged."""
    name, role, proof = F.col("_name"), F.col("_role"), F.col("_proof")
    is_session = F.col("_by_arn") | F.coalesce(
        F.col("identity_type") == "AssumedRole", F.lit(False)
    )
    is_told = proof.isNotNull() & name.isNotNull() & F.col("_account").isNotNull()
    return (
        named.withColumn("_in_scope", in_scope_of_instance())
        .withColumn("_proof", _proof(name, role, F.col("principal_id"), others))
        .withColumn("_judged", is_session & is_told)
    )


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


def may_name(session_names: Collection[str]) -> Column:
    """A cheap look at a record: every one of the sessions of these names passes, others may, too.

    What is costly to tell of a record is then told of few.
    """
    by_arn, by_principal = [
        F.coalesce(F.substring_index(text, end, -1).isin(*session_names), F.lit(False))
        for text, end in (("arn", "/"), ("principal_id", ":"))
    ]
    return by_arn | by_principal


def _looks_like_instance(session_name: Column) -> Column:
    return session_name.startswith("i-") & session_name.rlike(INSTANCE_NAME)


def names_instance() -> Column:
    """A cheap look at a record: its session may be named as an instance is."""
    by_arn, by_principal = F.col("arn").contains("/i-"), F.col("principal_id").contains(":i-")
    return F.coalesce(by_arn, F.lit(False)) | F.coalesce(by_principal, F.lit(False))


def in_scope_of_instance() -> Column:
    """Tell whether AWS itself says that the credential was issued to an instance."""
    return _in_scope(IN_SCOPE_INSTANCE, ":ec2:", ":instance/")


def _in_scope(issuer: str, *parts: str) -> Column:
    issued_to = F.col("in_scope_issued_to")
    told = reduce(and_, [issued_to.contains(part) for part in parts], issued_to.startswith("arn:"))
    return F.coalesce((F.col("in_scope_issuer_type") == issuer) & told, F.lit(False))


def _in_scope_of_function() -> Column:
    return _in_scope(IN_SCOPE_FUNCTION, ":lambda:", ":function:")


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
        proof.when(F.col("_in_scope"), PROOF_IN_SCOPE)
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
