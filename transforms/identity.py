"""Who made a call: the role session of an EC2 instance, or nobody that is judged.

Method, section 1. The session is account, role id and session name, never the access key:
one instance holds several keys at once. ``arn`` and ``principalId`` are both read, as either
may be missing, masked or cut.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

INSTANCE_NAME = "^i-[0-9a-f]{8,17}$"
"""Session names that look like an instance id; applications choose such names, too."""

PROOF_IN_SCOPE, PROOF_DELIVERY, PROOF_UNKNOWN_KEY = "in_scope_of", "delivery", "unknown key"

_SSM_DEFAULT_ROLE = "AWSSystemsManagerDefaultEC2InstanceManagementRole"


def session_columns() -> dict[str, Column]:
    """Columns of the session of a record: all null where it is none that is judged."""
    arn, principal = F.col("arn"), F.col("principal_id")
    by_arn = arn.like("%:assumed-role/%/%")
    role_name = F.when(by_arn, F.substring_index(F.substring_index(arn, "/", 2), "/", -1))
    name = F.when(by_arn, F.substring_index(arn, "/", -1)).when(
        principal.like("%:%"), F.substring_index(principal, ":", -1)
    )
    account = F.coalesce(
        F.when(by_arn, _arn_part(arn, 5)), F.col("account_id"), F.col("issuer_account_id")
    )
    proof = _proof(name)
    judged = (
        F.coalesce(by_arn | (F.col("identity_type") == "AssumedRole"), F.lit(False))
        & proof.isNotNull()
        & name.isNotNull()
        & account.isNotNull()
        & ~_of_another_role(role_name, principal)
    )
    role_id = F.coalesce(
        F.col("issuer_principal_id"), F.nullif(F.substring_index(principal, ":", 1), F.lit(""))
    )
    instance = F.coalesce(F.when(_in_scope(), _issued_to_instance()), name)
    return {
        "account_id": F.when(judged, account),
        "role_id": F.when(judged, role_id),
        "role_arn": F.when(judged, F.coalesce(F.col("issuer_arn"), _role_arn(arn, role_name))),
        "session_name": F.when(judged, name),
        "instance_id": F.when(judged, instance),
        "instance_region": F.when(
            judged & _in_scope(), F.nullif(_arn_part(F.col("in_scope_issued_to"), 4), F.lit(""))
        ),
        "proof": F.when(judged, proof),
    }


def role_name(role_arn: Column) -> Column:
    """Name of a role without its path: all that an assumed-role ARN has of it."""
    return F.substring_index(role_arn, "/", -1)


def _in_scope() -> Column:
    issued_to = F.col("in_scope_issued_to")
    return F.coalesce(
        (F.col("in_scope_issuer_type") == "AWS::EC2::Instance")
        & issued_to.like("arn:%:ec2:%:instance/%"),
        F.lit(False),
    )


def _issued_to_instance() -> Column:
    return F.substring_index(F.col("in_scope_issued_to"), "/", -1)


def _proof(name: Column) -> Column:
    """Say what makes the session an instance's; a key where only the name speaks for it."""
    looks_like_instance = name.startswith("i-") & name.rlike(INSTANCE_NAME)
    return (
        F.when(_in_scope(), F.lit(PROOF_IN_SCOPE))
        .when(looks_like_instance & F.col("ec2_role_delivery").isNotNull(), F.lit(PROOF_DELIVERY))
        .when(looks_like_instance, F.coalesce(F.col("access_key_id"), F.lit(PROOF_UNKNOWN_KEY)))
    )


def _of_another_role(role: Column, principal: Column) -> Column:
    """Roles that AWS itself gives an instance: never merged with the instance's own role."""
    return F.coalesce(role.startswith("aws:") | (role == _SSM_DEFAULT_ROLE), F.lit(False)) | (
        F.coalesce(principal.like("%:aws:ec2-%"), F.lit(False))
    )


def _role_arn(arn: Column, role: Column) -> Column:
    account = _arn_part(arn, 5)
    return F.when(
        role.isNotNull(),
        F.concat(F.lit("arn:"), _arn_part(arn, 2), F.lit(":iam::"), account, F.lit(":role/"), role),
    )


def _arn_part(arn: Column, number: int) -> Column:
    return F.substring_index(F.substring_index(arn, ":", number), ":", -1)
