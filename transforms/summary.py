"""The one pass over all records: sightings, credentials, inventory, rejects, counts per file.

Every record is turned into two or three short rows - who was where, which file it came from,
and what rare thing it carries - and all of them are combined in one aggregation, map side
first. Its small result is then split. So the events are read once and never cached.
"""

from __future__ import annotations

from collections.abc import Collection

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms import marks, schemas
from transforms.addresses import address_changes as changes_told
from transforms.addresses import is_address_change
from transforms.identity import SESSION_COLUMNS, in_session, may_be_workload
from transforms.source import (
    NONE,
    agent_family,
    canonical_source,
    endpoint_id,
    is_sdk_or_cli,
    is_service_name,
    with_source,
)
from transforms.workloads import LAMBDA, WORKLOADS

SUMMARY_VERSION = 1
"""Rises when a summary would come out otherwise: files read before are then read again."""

FILE_GROUPS = 64

FILE, SIGHTING, CREDENTIAL, CHANGE, REJECT = range(5)
"""Kinds of rows of a summary."""

_PRE_SIGNED_S3_CALLS = ("GetObject", "HeadObject", "PutObject", "UploadPart")

_SIGHTING_KEY = (
    *SESSION_COLUMNS,
    "source_ip_address",
    "vpc_endpoint_id",
    "vpc_endpoint_account_id",
    "endpoint_region",
    "recipient_account_id",
    "invoked_by",
    "forwarded",
    "agent_family",
    "bucket",
)


def summary(records: DataFrame, bucket_hours: int, others: Collection[str] = ()) -> DataFrame:
    """One row per sighting, file, and rare record; ``kind`` says which, and what else is null.

    Args:
        records: rows of ``schemas.RECORDS``.
        bucket_hours: width of a bucket of event time.
        others: kinds of workload that are judged beside EC2 instances.
    """
    rows = _rows(records, bucket_hours, others)
    key = ["kind", *_SIGHTING_KEY, "credential", "change", "reject", "input_file"]
    return rows.groupBy(*key).agg(
        F.min("event_time").alias("first_seen"),
        F.max("event_time").alias("last_seen"),
        F.count("event_time").alias("calls"),
        F.sum("error").alias("errors"),
        F.sum("rejected").alias("rejected"),
        F.min("credential_issued_at").alias("issued_min"),
        F.max("credential_issued_at").alias("issued_max"),
        F.max("key_age").alias("key_age_max"),
        F.bit_or("delivery").alias("delivery"),
        F.bit_or("marks").alias("marks"),
        F.min("recon_time").alias("first_recon"),
        F.bit_or("file_bit").alias("file_bits"),
    )


def sightings(summarised: DataFrame, batch_id: int) -> DataFrame:
    """``schemas.SIGHTINGS`` of one batch."""
    rows = with_source(summarised.where(_is(SIGHTING) & F.col("session_name").isNotNull()))
    return rows.withColumns(
        {
            "agent_family": F.coalesce(F.nullif("agent_family", F.lit("")), F.lit(NONE)),
            "batch_id": F.lit(batch_id).cast("bigint"),
        }
    ).select(*schemas.SIGHTINGS.columns)


def credentials(summarised: DataFrame, batch_id: int) -> DataFrame:
    """``schemas.CREDENTIALS`` of one batch."""
    return (
        summarised.where(_is(CREDENTIAL))
        .select("credential.*", F.lit(batch_id).cast("bigint").alias("batch_id"))
        .withColumn("expires_at", _expiry(F.col("expires_at")))
        .select(*schemas.CREDENTIALS.columns)
    )


def address_changes(summarised: DataFrame, batch_id: int) -> DataFrame:
    """``schemas.ADDRESS_CHANGES`` of one batch."""
    told = summarised.where(_is(CHANGE)).select(
        "change.*", F.lit(batch_id).cast("bigint").alias("batch_id")
    )
    return changes_told(told)


def inventory(summarised: DataFrame, batch_id: int) -> DataFrame:
    """``schemas.INVENTORY`` of one batch: whose trails reach us, and who owns which endpoint."""
    seen = summarised.where(_is(SIGHTING))
    account = F.struct(
        F.lit("account").alias("what"),
        F.col("recipient_account_id").alias("id"),
        F.lit(None).cast("string").alias("owner_account_id"),
    )
    endpoint = F.struct(
        F.lit("endpoint").alias("what"),
        endpoint_id(F.col("vpc_endpoint_id")).alias("id"),
        F.when(
            F.col("vpc_endpoint_account_id").rlike("^[0-9]{12}$"), F.col("vpc_endpoint_account_id")
        ).alias("owner_account_id"),
    )
    return (
        seen.select(F.explode(F.array(account, endpoint)).alias("named"), "first_seen", "last_seen")
        .select("named.*", "first_seen", "last_seen")
        .where("id is not null and (what = 'endpoint' or id rlike '^[0-9]{12}$')")
        .groupBy("what", "id", "owner_account_id")
        .agg(F.min("first_seen").alias("first_seen"), F.max("last_seen").alias("last_seen"))
        .select("*", F.lit(batch_id).cast("bigint").alias("batch_id"))
        .select(*schemas.INVENTORY.columns)
    )


def rejects(summarised: DataFrame) -> DataFrame:
    """Rejected records: input_file, position, reason, record."""
    return summarised.where(_is(REJECT)).select("reject.*")


def file_counts(summarised: DataFrame) -> DataFrame:
    """One row per file that could be read: input_file, events, rejected, first and last event."""
    return summarised.where(_is(FILE)).select(
        "input_file",
        F.col("calls").alias("events"),
        "rejected",
        F.col("first_seen").alias("min_event_time"),
        F.col("last_seen").alias("max_event_time"),
    )


def file_bit(input_file: Column) -> Column:
    """One of 64 bits: the group of files a record belongs to."""
    group = F.pmod(F.xxhash64(input_file), F.lit(FILE_GROUPS)).cast("int")
    return F.call_function("shiftleft", F.lit(1).cast("bigint"), group)


def is_forwarded() -> Column:
    """Signed by the session, sent by another party: method, section 2, ``forwarded``."""
    caller_identity = (
        (F.col("event_name") == "GetCallerIdentity")
        & (F.col("event_source") == "sts.amazonaws.com")
        & ~is_sdk_or_cli(F.col("user_agent"))
    )
    pre_signed = (
        (F.col("event_source") == "s3.amazonaws.com")
        & F.col("event_name").isin(*_PRE_SIGNED_S3_CALLS)
        & (F.col("authentication_method") == "QueryString")
    )
    return F.coalesce(caller_identity | pre_signed, F.lit(False))


def service_behind() -> Column:
    """Service that made the call on the session's behalf; null where a client did.

    TLS details are those of a client's connection: AWS leaves them out when a service calls.
    The console's own calls (signin) are a person's.
    """
    invoked_by = F.lower(F.trim(F.col("invoked_by")))
    return F.when(
        is_service_name(invoked_by)
        & (invoked_by != "signin.amazonaws.com")
        & ~F.col("tls_present"),
        invoked_by,
    )


def _is(kind: int) -> Column:
    return F.col("kind") == kind


def _rows(records: DataFrame, bucket_hours: int, others: Collection[str]) -> DataFrame:
    """The short rows of all records, with the key they are grouped by.

    What only one kind of row needs is computed for such rows alone, behind the split: a rare
    record costs what it costs once, and all others nothing.
    """
    name = F.get_json_object("request_parameters", "$.roleSessionName")
    events = in_session(records, others).withColumn(
        "issued_session_name", F.when(_is_assume_role(), name)
    )
    split = events.select("*", F.explode(_kinds(others)).alias("kind"))
    key = {
        **{name: F.when(_is(SIGHTING), column) for name, column in _sighting(bucket_hours).items()},
        "credential": F.when(_is(CREDENTIAL), _credential()),
        "change": F.when(_is(CHANGE), _change()),
        "reject": F.when(_is(REJECT), _reject()),
        "input_file": F.when(_is(FILE), F.col("input_file")),
    }
    facts = {
        "error": F.col("error_code").isNotNull().cast("int"),
        "key_age": _key_age(),
        "delivery": marks.delivery_bits(F.col("ec2_role_delivery")),
        "marks": marks.marks(
            F.col("event_name"),
            F.col("event_category"),
            F.col("credential_from_console"),
            F.col("tls_version"),
            F.col("error_code"),
        ),
        "recon_time": F.when(marks.is_recon(F.col("event_name")), F.col("event_time")),
        "file_bit": file_bit(F.col("input_file")),
    }
    return split.select(
        "kind",
        *[column.alias(name) for name, column in key.items()],
        "event_time",
        F.col("reject_reason").isNotNull().cast("int").alias("rejected"),
        "credential_issued_at",
        *[F.when(_is(SIGHTING), fact).alias(name) for name, fact in facts.items()],
    )


def _sighting(bucket_hours: int) -> dict[str, Column]:
    """What sightings are grouped by; outside of a session only what the inventory needs."""
    seconds = bucket_hours * 3600
    bucket = F.timestamp_seconds(
        F.floor(F.unix_seconds("event_time") / seconds).cast("bigint") * seconds
    )
    named = F.col("session_session_name").isNotNull()
    endpoint = F.col("vpc_endpoint_id")
    key = {
        "source_ip_address": F.when(named, F.trim("source_ip_address")),
        "vpc_endpoint_id": endpoint,
        "vpc_endpoint_account_id": F.when(endpoint.isNotNull(), F.col("vpc_endpoint_account_id")),
        "endpoint_region": F.when(named & endpoint.isNotNull(), F.col("aws_region")),
        "recipient_account_id": F.col("recipient_account_id"),
        "invoked_by": F.when(named, service_behind()),
        "forwarded": F.when(named, is_forwarded()),
        "agent_family": F.when(named, agent_family(F.col("user_agent"))),
        "bucket": F.when(named, bucket),
    }
    return {name: key.get(name, F.col(f"session_{name}")) for name in _SIGHTING_KEY}


def _kinds(others: Collection[str]) -> Column:
    """The rows one record becomes. A file marker (no event, no reject) is a file row alone."""

    def rows(*kinds: int) -> Column:
        return F.array(*[F.lit(kind) for kind in kinds])

    is_event = F.col("event_time").isNotNull()
    return (
        F.when(F.col("reject_reason").isNotNull(), rows(FILE, REJECT))
        .when(is_event & _is_credential(others), rows(FILE, SIGHTING, CREDENTIAL))
        .when(is_event & is_address_change(), rows(FILE, SIGHTING, CHANGE))
        .when(is_event, rows(FILE, SIGHTING))
        .otherwise(rows(FILE))
    )


def _reject() -> Column:
    return F.struct(
        "input_file",
        "position",
        F.col("reject_reason").alias("reason"),
        F.col("reject_record").alias("record"),
    )


def _key_age() -> Column:
    return F.unix_seconds("event_time") - F.unix_seconds("credential_issued_at")


def _is_assume_role() -> Column:
    return F.coalesce(
        (F.col("event_name") == "AssumeRole")
        & (F.col("event_source") == "sts.amazonaws.com")
        & F.col("error_code").isNull()
        & F.col("error_message").isNull(),
        F.lit(False),
    )


def _is_credential(others: Collection[str]) -> Column:
    """A successful AssumeRole that names a workload session, or was made by one."""
    named = may_be_workload(F.col("issued_session_name"), others)
    by_workload = F.col("session_session_name").isNotNull()
    return _is_assume_role() & (F.coalesce(named, F.lit(False)) | by_workload)


def _credential() -> Column:
    role_arn = F.get_json_object("request_parameters", "$.roleArn")
    by = F.coalesce(F.lower("invoked_by"), F.col("arn"), F.col("principal_id"))
    return F.struct(
        "event_id",
        F.get_json_object("response_elements", "$.credentials.accessKeyId").alias("access_key_id"),
        F.substring_index(F.substring_index(role_arn, ":", 5), ":", -1).alias("account_id"),
        role_arn.alias("role_arn"),
        F.col("issued_session_name").alias("session_name"),
        _issued_for().alias("issued_for"),
        by.alias("issued_by"),
        *_maker("issued_by"),
        F.col("access_key_id").alias("issued_by_key"),
        canonical_source(F.col("source_ip_address"), F.col("vpc_endpoint_id")).alias("issued_from"),
        F.col("event_time").alias("issued_at"),
        F.get_json_object("response_elements", "$.credentials.expiration").alias("expires_at"),
        "aws_region",
    )


def _change() -> Column:
    return F.struct(
        "event_id",
        "event_time",
        "event_name",
        F.coalesce("recipient_account_id", "account_id").alias("account_id"),
        "aws_region",
        F.coalesce("arn", "principal_id", "invoked_by").alias("made_by"),
        *_maker("made_by"),
        canonical_source(F.col("source_ip_address"), F.col("vpc_endpoint_id")).alias("made_from"),
        F.col("access_key_id").alias("made_with_key"),
        "request_parameters",
        "response_elements",
    )


def _maker(prefix: str) -> list[Column]:
    """The session that made a call, if it has a home to be judged by."""
    with_home = F.col("session_proof") != LAMBDA
    return [
        F.when(with_home, F.col(f"session_{name}")).alias(f"{prefix}_{name}")
        for name in ("account_id", "role_id", "session_name")
    ]


def _issued_for() -> Column:
    """Kind of workload that a service assumes its role for; no caller can write this identity."""
    service = F.coalesce(F.col("identity_type"), F.lit("AWSService")) == "AWSService"
    by = F.lower("invoked_by")
    return F.coalesce(
        *[
            F.when(service & by.isin(*workload.issuers), F.lit(kind))
            for kind, workload in WORKLOADS.items()
            if workload.issuers
        ]
    )


def _expiry(text: Column) -> Column:
    """Expiry in either of CloudTrail's spellings: with a comma before the time, or without."""
    plain = F.regexp_replace(text, "(\\d{4}),", "$1")
    return F.coalesce(
        F.try_to_timestamp(plain, F.lit("MMM d, yyyy h:mm:ss a")),
        F.try_to_timestamp(text),
    )
