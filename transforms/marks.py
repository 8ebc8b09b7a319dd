"""What a call tells beyond its source, as bits that merge with ``bit_or``."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

DELIVERY_V1, DELIVERY_V2, DELIVERY_UNTOLD = 1, 2, 4

CONSOLE, TAMPERING, ROLE_CHAINING = 1, 2, 4
TLS_OLD, TLS_1_2, TLS_1_3, TLS_NONE = 8, 16, 32, 64
DATA_EVENT = 128

_CONSOLE_CALLS = ("GetSigninToken", "ConsoleLogin")
_TAMPERING_CALLS = (
    "StopLogging",
    "DeleteTrail",
    "UpdateTrail",
    "PutEventSelectors",
    "AssociateAddress",
)
_RECON_CALLS = (
    "ListBuckets",
    "ListRoles",
    "ListUsers",
    "ListAccessKeys",
    "ListAttachedRolePolicies",
    "ListSecrets",
    "ListFunctions",
    "GetAccountAuthorizationDetails",
    "GetAccountSummary",
    "DescribeInstances",
    "DescribeSnapshots",
    "DescribeSecurityGroups",
    "DescribeOrganization",
    "ListAccounts",
)


def delivery_bits(ec2_role_delivery: Column) -> Column:
    """How the credential was delivered: IMDSv1, IMDSv2, or not told."""
    return (
        F.when(ec2_role_delivery.startswith("1"), F.lit(DELIVERY_V1))
        .when(ec2_role_delivery.startswith("2"), F.lit(DELIVERY_V2))
        .otherwise(F.lit(DELIVERY_UNTOLD))
    )


def marks(
    event_name: Column,
    event_category: Column,
    credential_from_console: Column,
    tls_version: Column,
    error_code: Column,
) -> Column:
    """Bits of one call: console pivot, tampering, role chaining, TLS family, and data event.

    An attempt to blind the detector counts though it failed; only a key that was issued chains.
    Most calls have none of the telling names, so one look is enough for them.
    """
    from_console = F.coalesce(F.lower(credential_from_console) == "true", F.lit(False))
    by_name = (
        F.when(event_name.isin(*_CONSOLE_CALLS), F.lit(CONSOLE))
        .when(event_name.isin(*_TAMPERING_CALLS), F.lit(TAMPERING))
        .when((event_name == "AssumeRole") & error_code.isNull(), F.lit(ROLE_CHAINING))
        .otherwise(F.lit(0))
    )
    telling = event_name.isin(*_CONSOLE_CALLS, *_TAMPERING_CALLS, "AssumeRole")
    tls = (
        F.when(tls_version.isNull(), F.lit(TLS_NONE))
        .when(tls_version.endswith("1.3"), F.lit(TLS_1_3))
        .when(tls_version.endswith("1.2"), F.lit(TLS_1_2))
        .otherwise(F.lit(TLS_OLD))
    )
    return (
        _bit(from_console, CONSOLE)
        .bitwiseOR(F.when(telling, by_name).otherwise(F.lit(0)))
        .bitwiseOR(tls)
        .bitwiseOR(_bit(event_category == "Data", DATA_EVENT))
    )


def is_recon(event_name: Column) -> Column:
    """Tell whether a call is what thieves do to look around; GetCallerIdentity alone is not."""
    return event_name.isin(*_RECON_CALLS)


def _bit(condition: Column, bit: int) -> Column:
    return F.when(condition, F.lit(bit)).otherwise(F.lit(0))
