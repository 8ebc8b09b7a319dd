"""Where a call came from: canonical sources, their kinds, and user agents.

Method, sections 2 and 3. Everything in CloudTrail's source field may be junk; what is neither an
address nor a name stays as bounded text.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from transforms.columns import let
from transforms.ip import address, is_host, is_private

NONE = "(none)"
INTERNAL = "AWS Internal"

_LONGEST = 128
_AGENT_LONGEST = 40
_SERVICE = (
    r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+"
    r"(amazonaws\.com(\.cn)?|aws\.internal|c2s\.ic\.gov|sc2s\.sgov\.gov|aws\.com)$"
)
_SDK = (
    r"(?i)(^|[^a-z])(boto|boto3|botocore|aws-sdk-[a-z0-9]+|aws-cli|aws-chalice|aws-tools|"
    r"awspowershell(\.[a-z]+)?|aws\.internal|apn)[/ ;]"
)
_TOOLS = (
    "amazon-ssm-agent",
    "amazon-vpc-cni-k8s",
    "amazon-ecs-agent",
    "amazon-cloudwatch-agent",
    "terraform",
    "aws-cli",
    "boto3",
    "kubernetes",
    "karpenter",
    "cluster-autoscaler",
)


def is_endpoint_id(vpc_endpoint_id: Column) -> Column:
    """Tell whether the field names a VPC endpoint; it may hold ``AWS Internal`` or a service."""
    return F.coalesce(F.trim(vpc_endpoint_id).rlike("(?i)^vpce-[0-9a-f]+$"), F.lit(False))


def endpoint_id(vpc_endpoint_id: Column) -> Column:
    """Id of a VPC endpoint in lower case, or null where the field holds something else."""
    return F.when(is_endpoint_id(vpc_endpoint_id), F.lower(F.trim(vpc_endpoint_id)))


def endpoint_address(source_ip_address: Column) -> Column:
    """Canonical address of a source that is one a caller can have, or null."""
    return let(address(source_ip_address), lambda at: F.when(is_host(at), at))


def is_service_name(text: Column) -> Column:
    """Tell whether the text is a service's name, such as ``s3.amazonaws.com``."""
    return F.coalesce(F.lower(F.trim(text)).rlike(_SERVICE), F.lit(False))


def is_aws_internal(text: Column) -> Column:
    """Tell whether the source is hidden: ``AWS Internal`` in any spelling."""
    return F.coalesce(F.trim(text).rlike("(?i)^aws[ _-]?internal(/.*)?$"), F.lit(False))


def canonical_source(source_ip_address: Column, vpc_endpoint_id: Column) -> Column:
    """Canonical text of a source: address, endpoint/address, service name, or what stood there."""
    trimmed = F.nullif(F.trim(source_ip_address), F.lit(""))
    name = (
        F.when(is_aws_internal(trimmed), F.lit(INTERNAL))
        .when(is_service_name(trimmed), F.lower(trimmed))
        .otherwise(F.coalesce(F.substring(trimmed, 1, _LONGEST), F.lit(NONE)))
    )
    endpoint = F.concat(endpoint_id(vpc_endpoint_id), F.lit("/"))
    return let(
        endpoint_address(source_ip_address),
        lambda at: F.coalesce(F.concat(endpoint, at), at, name),
    )


def source_kind(source_ip_address: Column, vpc_endpoint_id: Column) -> Column:
    """Kind of source: an address by its network, ``service``, ``internal``, or ``unreadable``."""

    def kind(at: Column) -> Column:
        return (
            F.when(at.isNotNull() & is_endpoint_id(vpc_endpoint_id), F.lit("endpoint"))
            .when(is_private(at), F.lit("private"))
            .when(at.contains(":"), F.lit("public_ipv6"))
            .when(at.isNotNull(), F.lit("public_ipv4"))
            .when(is_aws_internal(source_ip_address), F.lit("internal"))
            .when(is_service_name(source_ip_address), F.lit("service"))
            .otherwise(F.lit("unreadable"))
        )

    return let(endpoint_address(source_ip_address), kind)


def agent_family(user_agent: Column) -> Column:
    """The SDK or tool that made a call, without versions.

    A tool that names itself behind its SDK is more telling than the SDK; otherwise the first
    token counts. Brackets that some services put around the text are dropped.
    """
    text = F.lower(user_agent)
    tool = F.regexp_extract(text, "(" + "|".join(_TOOLS) + ")", 1)
    first = F.regexp_extract(text, r"^[\[\s]*([^\s/\]\[(;,]+)", 1)
    family = F.when(tool != "", tool).when(first != "", F.substring(first, 1, _AGENT_LONGEST))
    return F.coalesce(family, F.lit(NONE))


def is_sdk_or_cli(user_agent: Column) -> Column:
    """Tell whether an AWS SDK, CLI or tool built on one made the request, and no web client."""
    return F.coalesce(F.concat(user_agent, F.lit("/")).rlike(_SDK), F.lit(False))
