"""The one pass over all records: sightings, credentials, inventory, rejects, counts per file.

Every record is turned into two or three short rows - who was where, which file it came from,
and what rare thing it carries - and all of them are combined in one aggregation, map side
first. Its small result is then split. So the events are read once and never cached.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms import marks, schemas
from transforms.addresses import address_changes as changes_told
from transforms.addresses import is_address_change
from transforms.events.record import reject_reason, reject_record
from transforms.identity import (
    IN_SCOPE_FUNCTION,
    IN_SCOPE_INSTANCE,
    SESSION_COLUMNS,
    in_scope_of_instance,
    in_session,
    may_be_workload,
    names_instance,
)
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

_AS_WRITTEN = (
    "principal_id",
    "arn",
    "account_id",
    "issuer_arn",
    "issuer_principal_id",
    "in_scope_issued_to",
    "ec2_role_delivery",
    "access_key_id",
    "source_ip_address",
    "vpc_endpoint_id",
    "vpc_endpoint_account_id",
    "aws_region",
    "recipient_account_id",
    "invoked_by",
    "user_agent",
    "bucket",
    "told",
)
"""What calls are first combined by: as records have it, with no text read yet.

Each column of a key costs every event; what is one of few words is a bit of ``told``.
"""

_ASSUMED_ROLE, _TO_INSTANCE, _TO_FUNCTION, _TLS, _ASKS_IDENTITY, _PRE_SIGNED = (
    1 << bit for bit in range(6)
)
"""Bits of ``told``."""

_RARE = (
    "event_id",
    "event_name",
    "identity_type",
    "request_parameters",
    "response_elements",
    "position",
    "reject",
)
"""What makes a rare row one of its own."""

_CALL = (
    "event_id",
    "event_name",
    "aws_region",
    "identity_type",
    "arn",
    "principal_id",
    "account_id",
    "recipient_account_id",
    "invoked_by",
    "access_key_id",
    "source_ip_address",
    "vpc_endpoint_id",
    "request_parameters",
    "response_elements",
)
"""What is read of a rare call."""

_RARE_CALL = ("event_id", "event_name", "request_parameters", "response_elements")
"""What is read of a rare call beside what all groups have."""

_MAKER = ("account_id", "role_id", "session_name")

_REQUEST = "roleArn string, roleSessionName string"
_RESPONSE = "credentials struct<accessKeyId: string, expiration: string>"
"""What is read of an AssumeRole."""

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

SIGHTING_FACTS: dict[str, Callable[[Column], Column]] = {
    "first_seen": F.min,
    "last_seen": F.max,
    "calls": F.sum,
    "errors": F.sum,
    "issued_min": F.min,
    "issued_max": F.max,
    "key_age_max": F.max,
    "delivery": F.bit_or,
    "marks": F.bit_or,
    "first_recon": F.min,
    "file_bits": F.bit_or,
}
"""What is known of a sighting, and how two of them become one."""

_FACTS = {name: merge for name, merge in SIGHTING_FACTS.items() if name != "delivery"} | {
    "rejected": F.sum
}
"""What is known of calls before their texts are read: how they were delivered is a text yet."""


def summary(records: DataFrame, bucket_hours: int, others: Collection[str] = ()) -> DataFrame:
    """One row per group of like calls, per file, and per rare record; ``kind`` says which.

    Calls are combined by what their records say, letter by letter. What that means - of a session,
    an address, a user agent - is read by the functions below, once for many calls. Several rows
    may be one sighting, in two spellings: :func:`sightings` makes them one.

    Args:
        records: rows of ``schemas.RECORDS``.
        bucket_hours: width of a bucket of event time.
        others: kinds of workload that are judged beside EC2 instances.
    """
    seconds = bucket_hours * 3600
    rows = _with_facts(_split(records, any_name=bool(others)), seconds)
    rows = _keyed(rows, any_name=bool(others))
    return rows.groupBy("kind", *_AS_WRITTEN, "rare", "input_file").agg(*merged_facts(_FACTS))


def sightings(summarised: DataFrame, batch_id: int, others: Collection[str] = ()) -> DataFrame:
    """``schemas.SIGHTINGS`` of one batch.

    Args:
        summarised: rows of :func:`summary`.
        batch_id: the batch.
        others: kinds of workload that are judged beside EC2 instances.
    """
    seen = in_session(_as_records(summarised.where(_is(SIGHTING))), others).select(
        *[column.alias(name) for name, column in _sighting().items()],
        marks.delivery_bits(F.col("ec2_role_delivery")).alias("delivery"),
        *_FACTS,
    )
    # Who is in no session goes afterwards: before, Spark would tell the session twice, for the
    # condition and for the column, in one method that is too large for Java to compile.
    merged = seen.groupBy(*_SIGHTING_KEY).agg(
        *merged_facts(SIGHTING_FACTS), F.count("session_name").alias("named")
    )
    rows = with_source(merged.where("named > 0"))
    return rows.withColumns(
        {
            "agent_family": F.coalesce(F.nullif("agent_family", F.lit("")), F.lit(NONE)),
            "batch_id": F.lit(batch_id).cast("bigint"),
        }
    ).select(*schemas.SIGHTINGS.columns)


def credentials(summarised: DataFrame, batch_id: int, others: Collection[str] = ()) -> DataFrame:
    """``schemas.CREDENTIALS`` of one batch.

    Args:
        summarised: rows of :func:`summary`.
        batch_id: the batch.
        others: kinds of workload that are judged beside EC2 instances.
    """
    request, response = F.col("request"), F.col("response")["credentials"]
    name, role_arn = request["roleSessionName"], request["roleArn"]
    calls = _rare(summarised, CREDENTIAL, others).withColumns(
        {
            "request": F.from_json("request_parameters", _REQUEST),
            "response": F.from_json("response_elements", _RESPONSE),
        }
    )
    named = F.coalesce(may_be_workload(name, others), F.lit(False))
    made_by = F.coalesce(F.lower("invoked_by"), F.col("arn"), F.col("principal_id"))
    return calls.where(named | F.col("by_workload")).select(
        "event_id",
        response["accessKeyId"].alias("access_key_id"),
        F.substring_index(F.substring_index(role_arn, ":", 5), ":", -1).alias("account_id"),
        role_arn.alias("role_arn"),
        name.alias("session_name"),
        _issued_for().alias("issued_for"),
        made_by.alias("issued_by"),
        *[F.col(f"maker_{name}").alias(f"issued_by_{name}") for name in _MAKER],
        F.col("access_key_id").alias("issued_by_key"),
        _made_from().alias("issued_from"),
        F.col("event_time").alias("issued_at"),
        _expiry(response["expiration"]).alias("expires_at"),
        "aws_region",
        F.lit(batch_id).cast("bigint").alias("batch_id"),
    )


def address_changes(
    summarised: DataFrame, batch_id: int, others: Collection[str] = ()
) -> DataFrame:
    """``schemas.ADDRESS_CHANGES`` of one batch.

    Args:
        summarised: rows of :func:`summary`.
        batch_id: the batch.
        others: kinds of workload that are judged beside EC2 instances.
    """
    told = _rare(summarised, CHANGE, others).select(
        "event_id",
        "event_time",
        "event_name",
        F.coalesce("recipient_account_id", "account_id").alias("account_id"),
        "aws_region",
        F.coalesce("arn", "principal_id", "invoked_by").alias("made_by"),
        *[F.col(f"maker_{name}").alias(f"made_by_{name}") for name in _MAKER],
        _made_from().alias("made_from"),
        F.col("access_key_id").alias("made_with_key"),
        "request_parameters",
        "response_elements",
        F.lit(batch_id).cast("bigint").alias("batch_id"),
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


def rejects(summarised: DataFrame, max_record_chars: int) -> DataFrame:
    """Rejected records: input_file, position, reason, and the first characters of the record."""
    reject = F.col("rare.reject")
    return summarised.where(_is(REJECT)).select(
        "input_file",
        "rare.position",
        reject_reason(reject).alias("reason"),
        reject_record(reject, max_record_chars).alias("record"),
    )


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
    return _forwarded(_asks_identity(), _pre_signed())


def _asks_identity() -> Column:
    return F.coalesce(
        (F.col("event_name") == "GetCallerIdentity")
        & (F.col("event_source") == "sts.amazonaws.com"),
        F.lit(False),
    )


def _pre_signed() -> Column:
    return F.coalesce(
        (F.col("event_source") == "s3.amazonaws.com")
        & F.col("event_name").isin(*_PRE_SIGNED_S3_CALLS)
        & (F.col("authentication_method") == "QueryString"),
        F.lit(False),
    )


def _forwarded(asks_identity: Column, pre_signed: Column) -> Column:
    return pre_signed | (asks_identity & ~is_sdk_or_cli(F.col("user_agent")))


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


def merged_facts(facts: Mapping[str, Callable[[Column], Column]]) -> list[Column]:
    """Facts of several rows as those of one, under their own names."""
    return [merge(F.col(name)).alias(name) for name, merge in facts.items()]


def _split(records: DataFrame, *, any_name: bool) -> DataFrame:
    """A row for each kind of row that a record becomes.

    Before the facts are told, though each is then told twice: Spark starts a method of its own
    here, and Java leaves methods of more than 8,000 bytes uncompiled.
    """
    return records.withColumn("maybe", _may_be_session(any_name=any_name)).select(
        "*", F.explode(_kinds(any_name=any_name)).alias("kind")
    )


def _with_facts(split: DataFrame, bucket_seconds: int) -> DataFrame:
    """Rows with what calls are counted by; only plain comparisons, as every event pays."""
    seconds = F.unix_seconds("event_time")
    of_call = {
        "errors": F.col("error_code").isNotNull().cast("int"),
        "issued_min": F.col("credential_issued_at"),
        "issued_max": F.col("credential_issued_at"),
        "key_age_max": seconds - F.unix_seconds("credential_issued_at"),
        "marks": marks.marks(
            F.col("event_name"),
            F.col("event_category"),
            F.col("credential_from_console"),
            F.col("tls_version"),
            F.col("error_code"),
        ),
        "first_recon": F.when(marks.is_recon(F.col("event_name")), F.col("event_time")),
        "file_bits": file_bit(F.col("input_file")),
    }
    return split.withColumns(
        {
            "bucket": seconds - F.pmod(seconds, F.lit(bucket_seconds)),
            "told": _told(),
            "account_id": F.coalesce("account_id", "issuer_account_id"),
            "first_seen": F.col("event_time"),
            "last_seen": F.col("event_time"),
            "calls": F.col("event_time").isNotNull().cast("int"),
            "rejected": F.col("reject").isNotNull().cast("int"),
            **{name: F.when(_is(SIGHTING), fact) for name, fact in of_call.items()},
        }
    )


def _told() -> Column:
    """What a record says in one of few words, as bits."""
    bits = {
        _ASSUMED_ROLE: F.col("identity_type") == "AssumedRole",
        _TO_INSTANCE: F.col("in_scope_issuer_type") == IN_SCOPE_INSTANCE,
        _TO_FUNCTION: F.col("in_scope_issuer_type") == IN_SCOPE_FUNCTION,
        _TLS: F.col("tls_present") & F.col("invoked_by").isNotNull(),
        _ASKS_IDENTITY: _asks_identity(),
        _PRE_SIGNED: _pre_signed(),
    }
    return reduce(
        Column.bitwiseOR, [F.when(is_so, F.lit(bit)).otherwise(0) for bit, is_so in bits.items()]
    )


def _is_told(bit: int) -> Column:
    return F.col("told").bitwiseAND(bit) != 0


def _keyed(rows: DataFrame, *, any_name: bool) -> DataFrame:
    """The short rows of all records, with the key they are first grouped by."""
    is_call = _is(SIGHTING)
    is_rare = _is(CREDENTIAL) | _is(CHANGE)
    key = {
        name: F.when(is_rare | (is_call & counts), F.col(name))
        for name, counts in _told_of_calls(any_name=any_name).items()
    }
    return rows.select(
        "kind",
        *[column.alias(name) for name, column in key.items()],
        F.when(is_rare | _is(REJECT), F.struct(*_RARE)).alias("rare"),
        F.when(_is(FILE) | _is(REJECT), F.col("input_file")).alias("input_file"),
        *_FACTS,
    )


def _told_of_calls(*, any_name: bool) -> dict[str, Column]:
    """What calls are combined by, and when it counts; elsewhere it is left out.

    Of calls that are no session's only what the inventory needs. A key counts where nothing
    better proves the session.
    """
    maybe, by_endpoint = F.col("maybe"), F.col("vpc_endpoint_id").isNotNull()
    proved = in_scope_of_instance()
    if not any_name:
        proved = proved | (F.col("ec2_role_delivery").isNotNull() & names_instance())
    return dict.fromkeys(_AS_WRITTEN, maybe) | {
        "access_key_id": maybe & ~proved,
        "aws_region": maybe & by_endpoint,
        "vpc_endpoint_id": F.lit(True),
        "vpc_endpoint_account_id": by_endpoint,
        "recipient_account_id": F.lit(True),
    }


def _may_be_session(*, any_name: bool) -> Column:
    """A cheap look: all calls of judged sessions pass, and few others."""
    if any_name:
        return F.lit(True)
    return (
        F.col("in_scope_issuer_type").isNotNull()
        | F.col("ec2_role_delivery").isNotNull()
        | names_instance()
    )


def _as_records(groups: DataFrame) -> DataFrame:
    """Groups with the columns of records that their bits stand for."""
    return groups.withColumns(
        {
            "identity_type": F.when(_is_told(_ASSUMED_ROLE), "AssumedRole").otherwise(
                F.col("rare.identity_type")
            ),
            "in_scope_issuer_type": F.when(_is_told(_TO_INSTANCE), IN_SCOPE_INSTANCE).when(
                _is_told(_TO_FUNCTION), IN_SCOPE_FUNCTION
            ),
            "tls_present": _is_told(_TLS),
            "issuer_account_id": F.lit(None).cast("string"),
        }
    )


def _sighting() -> dict[str, Column]:
    """What sightings are grouped by."""
    key = {
        "source_ip_address": F.trim("source_ip_address"),
        "vpc_endpoint_id": F.col("vpc_endpoint_id"),
        "vpc_endpoint_account_id": F.col("vpc_endpoint_account_id"),
        "endpoint_region": F.col("aws_region"),
        "recipient_account_id": F.col("recipient_account_id"),
        "invoked_by": service_behind(),
        "forwarded": _forwarded(_is_told(_ASKS_IDENTITY), _is_told(_PRE_SIGNED)),
        "agent_family": agent_family(F.col("user_agent")),
        "bucket": F.timestamp_seconds("bucket"),
    }
    return {name: key.get(name, F.col(f"session_{name}")) for name in _SIGHTING_KEY}


def _kinds(*, any_name: bool) -> Column:
    """The rows one record becomes. A file marker (no event, no reject) is a file row alone."""

    def rows(*kinds: int) -> Column:
        return F.array(*[F.lit(kind) for kind in kinds])

    is_event = F.col("event_time").isNotNull()
    return (
        F.when(F.col("reject").isNotNull(), rows(FILE, REJECT))
        .when(is_event & _may_be_credential(any_name=any_name), rows(FILE, SIGHTING, CREDENTIAL))
        .when(is_event & is_address_change(), rows(FILE, SIGHTING, CHANGE))
        .when(is_event, rows(FILE, SIGHTING))
        .otherwise(rows(FILE))
    )


def _is_assume_role() -> Column:
    return F.coalesce(
        (F.col("event_name") == "AssumeRole")
        & (F.col("event_source") == "sts.amazonaws.com")
        & F.col("error_code").isNull()
        & F.col("error_message").isNull(),
        F.lit(False),
    )


def _may_be_credential(*, any_name: bool) -> Column:
    """A successful AssumeRole that may name a workload session, or was made by one.

    A cheap look at the text of its parameters; they are read where that finds something.
    """
    if any_name:
        return _is_assume_role()
    names = F.coalesce(F.col("request_parameters").contains('"i-'), F.lit(False))
    return _is_assume_role() & (F.col("maybe") | names)


def _rare(summarised: DataFrame, kind: int, others: Collection[str]) -> DataFrame:
    """Rare calls with what is read of them, and the session that made each.

    A session that has no home to be judged by makes none of its calls.
    """
    rows = summarised.where(_is(kind)).select("*", *[f"rare.{name}" for name in _RARE_CALL])
    with_home = F.col("session_proof") != LAMBDA
    return in_session(_as_records(rows), others).select(
        F.col("first_seen").alias("event_time"),
        *_CALL,
        F.col("session_session_name").isNotNull().alias("by_workload"),
        *[F.when(with_home, F.col(f"session_{n}")).alias(f"maker_{n}") for n in _MAKER],
    )


def _made_from() -> Column:
    return canonical_source(F.col("source_ip_address"), F.col("vpc_endpoint_id"))


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
