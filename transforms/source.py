"""Where a call came from: canonical sources, their kinds, and user agents.

Method, sections 2 and 3. Everything in CloudTrail's source field may be junk; what is neither an
address nor a name stays as bounded text.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.ip import host, is_private

NONE = "(none)"
INTERNAL = "AWS Internal"

_LONGEST = 128
_AGENT_LONGEST = 40
_BLANKS = " \t\n\v\f\r"

# Java: \z is the end of the text ($ would let a line break follow), *+ and ++ never go back.
_ENDPOINT = r"(?i)^\s*+vpce-[0-9a-f]{1,32}\s*+\z"
_INTERNAL = r"(?i)^\s*+aws[\s_-]*+internal(?:\s*+/.*)?\s*+\z"
_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SUFFIX = (
    r"amazonaws\.com(?:\.cn)?|amazonaws\.eu|aws\.internal|c2s\.ic\.gov|sc2s\.sgov\.gov|"
    r"cloud\.adc-e\.uk|csp\.hci\.ic\.gov"
)
_SERVICE = rf"(?i)^\s*+(?=\S{{1,253}}\s*+\z)(?:{_LABEL}\.){{1,16}}(?:{_SUFFIX})\s*+\z"

_WORD = r"(aws internal|[^\s/\[\](;,]++)"
_BEHIND_GO = r"aws-sdk-go/\S++ \([^)]*+\) (?!exec-env/|s3manager)"
_BEHIND_APN = r"apn/\S++ (?:\S++ (?!aws-sdk|boto|python|\())?"
_AGENT = rf"(?i)^[\[\s]*+(?:{_BEHIND_GO}|{_BEHIND_APN})?{_WORD}"
_VERSION = r"(?is)(?!^)[-_]?(?:v?[0-9]+\.[0-9]|[0-9a-f]{8}-[0-9a-f]{4}-).*"
_SDK = (
    r"(?i)(?:^|[^a-z0-9-])(?:boto3?|botocore|aws-(?:sdk-[a-z0-9-]+|cli|chalice|internal|tools[a-z-]*)"
    r"|awspowershell[a-z.]*|rusoto|apn)(?:[/ ;#\]]|\z)"
)


def is_endpoint_id(vpc_endpoint_id: Column) -> Column:
    """Tell whether the field names a VPC endpoint; it may hold ``AWS Internal`` or a service."""
    return F.coalesce(vpc_endpoint_id.rlike(_ENDPOINT), F.lit(False))


def endpoint_id(vpc_endpoint_id: Column) -> Column:
    """Id of a VPC endpoint in lower case, or null where the field holds something else."""
    return F.when(is_endpoint_id(vpc_endpoint_id), F.lower(_trimmed(vpc_endpoint_id)))


def endpoint_address(source_ip_address: Column) -> Column:
    """Canonical address of a source that is one a caller can have, or null."""
    return host(source_ip_address)


def is_service_name(text: Column) -> Column:
    """Tell whether the text is a service's name, such as ``s3.amazonaws.com``."""
    return F.coalesce(text.rlike(_SERVICE), F.lit(False))


def is_aws_internal(text: Column) -> Column:
    """Tell whether the source is hidden: ``AWS Internal`` in any spelling."""
    return F.coalesce(text.rlike(_INTERNAL), F.lit(False))


def canonical_source(source_ip_address: Column, vpc_endpoint_id: Column) -> Column:
    """Canonical text of a source: address, endpoint/address, service name, or what stood there."""
    return _source(
        source_ip_address, endpoint_address(source_ip_address), endpoint_id(vpc_endpoint_id)
    )


def _source(text: Column, address: Column, endpoint: Column) -> Column:
    """Canonical text of a source whose address and endpoint are known."""
    plain = F.nullif(_trimmed(text), F.lit(""))
    name = (
        F.when(is_aws_internal(text), F.lit(INTERNAL))
        .when(is_service_name(text), F.lower(plain))
        .otherwise(F.coalesce(F.substring(plain, 1, _LONGEST), F.lit(NONE)))
    )
    through = F.coalesce(F.concat(endpoint, F.lit("/")), F.lit(""))
    return F.coalesce(F.concat(through, address), name)


def with_source(rows: DataFrame) -> DataFrame:
    """Rows with ``source``, ``source_kind``, ``source_address``, and the endpoint's id alone.

    ``source_kind`` is an address's network, ``service``, ``internal``, or ``unreadable``;
    ``vpc_endpoint_id`` stays only where a call came through an endpoint. In steps, so that an
    address is read once.

    Args:
        rows: ``source_ip_address`` and ``vpc_endpoint_id`` as CloudTrail has them, and more.
    """
    text, address, endpoint = (
        F.col(n) for n in ("source_ip_address", "source_address", "vpc_endpoint_id")
    )
    located = rows.withColumns(
        {"source_address": endpoint_address(text), "vpc_endpoint_id": endpoint_id(endpoint)}
    )
    return located.withColumns(
        {
            "source_kind": F.when(address.isNotNull() & endpoint.isNotNull(), F.lit("endpoint"))
            .when(is_private(address), F.lit("private"))
            .when(address.contains(":"), F.lit("public_ipv6"))
            .when(address.isNotNull(), F.lit("public_ipv4"))
            .when(is_aws_internal(text), F.lit("internal"))
            .when(is_service_name(text), F.lit("service"))
            .otherwise(F.lit("unreadable")),
            "source": _source(text, address, endpoint),
            "vpc_endpoint_id": F.when(address.isNotNull(), endpoint),
        }
    )


def agent_family(user_agent: Column) -> Column:
    """The SDK or tool that made a call, without versions.

    The first word counts, without brackets. A tool that names itself behind the SDK for Go, or
    a partner's product behind ``APN``, is more telling and counts instead. Empty or null where
    there is none.

    >>> from pyspark.sql import functions as F
    >>> agents = [("aws-sdk-go/1.44 (go1.20; linux; amd64) amazon-ssm-agent/",), ("[Boto3/1.9]",)]
    >>> spark.createDataFrame(agents, "agent string").select(
    ...     agent_family(F.col("agent")).alias("family")
    ... ).show()
    +----------------+
    |          family|
    +----------------+
    |amazon-ssm-agent|
    |           boto3|
    +----------------+
    <BLANKLINE>
    """
    name = F.regexp_replace(F.regexp_extract(user_agent, _AGENT, 1), _VERSION, "")
    return F.lower(F.substring(name, 1, _AGENT_LONGEST))


def is_sdk_or_cli(user_agent: Column) -> Column:
    """Tell whether an AWS SDK, CLI or tool built on one made the request, and no web client."""
    return F.coalesce(user_agent.rlike(_SDK), F.lit(False))


def _trimmed(text: Column) -> Column:
    return F.btrim(text, F.lit(_BLANKS))
