"""One CloudTrail record, however it was stored: the fields that count, and whether it can be used.

A record is an event if it has a readable time, a name and a source service; everything else may
be missing or of another type than expected. What is no event is rejected, with a sentence that
says what was found instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from transforms import schemas

EVENT_TIME, ISSUED_AT = "eventTime", "userIdentity.sessionContext.attributes.creationDate"

PATHS = {
    "event_id": "eventID",
    "shared_event_id": "sharedEventID",
    "original_event_id": "addendum.originalEventID",
    "event_time": EVENT_TIME,
    "event_source": "eventSource",
    "event_name": "eventName",
    "aws_region": "awsRegion",
    "source_ip_address": "sourceIPAddress",
    "user_agent": "userAgent",
    "error_code": "errorCode",
    "error_message": "errorMessage",
    "read_only": "readOnly",
    "event_category": "eventCategory",
    "recipient_account_id": "recipientAccountId",
    "vpc_endpoint_id": "vpcEndpointId",
    "vpc_endpoint_account_id": "vpcEndpointAccountId",
    "identity_type": "userIdentity.type",
    "principal_id": "userIdentity.principalId",
    "arn": "userIdentity.arn",
    "account_id": "userIdentity.accountId",
    "access_key_id": "userIdentity.accessKeyId",
    "invoked_by": "userIdentity.invokedBy",
    "issuer_arn": "userIdentity.sessionContext.sessionIssuer.arn",
    "issuer_principal_id": "userIdentity.sessionContext.sessionIssuer.principalId",
    "issuer_account_id": "userIdentity.sessionContext.sessionIssuer.accountId",
    "credential_issued_at": ISSUED_AT,
    "ec2_role_delivery": "userIdentity.sessionContext.ec2RoleDelivery",
    "in_scope_issuer_type": "userIdentity.inScopeOf.issuerType",
    "in_scope_issued_to": "userIdentity.inScopeOf.credentialsIssuedTo",
    "tls_version": "tlsDetails.tlsVersion",
    "tls_present": "tlsDetails",
    "authentication_method": "additionalEventData.AuthenticationMethod",
    "credential_from_console": "sessionCredentialFromConsole",
    "request_parameters": "requestParameters",
    "response_elements": "responseElements",
}
"""Where each column of ``schemas.RECORDS`` stands in a CloudTrail record."""

_FREE_FORM = ("request_parameters", "response_elements")

_SOMETHING_ELSE = {
    "detail": "an EventBridge event, with the record under 'detail'",
    "CloudTrailEvent": "a result of lookup-events, with the record as text in 'CloudTrailEvent'",
    "logEvents": "a CloudWatch Logs message, with the records as text in 'logEvents'",
    "jsonPayload": "a log entry, with the record under 'jsonPayload'",
    "insightDetails": "a CloudTrail Insight, which is not a call",
    "digestStartTime": "a CloudTrail digest, which holds no calls",
    "configurationItems": "an AWS Config file, which holds no calls",
    "Records": "an object whose 'Records' is no list",
}
"""What stands where a record is expected, by the field that gives it away."""

MOST_CHARS = 262_144
"""Bound on what is looked at of a rejected record: CloudTrail's own are no longer."""

_AWS_BEGAN, _FAR_FUTURE = 1136073600, 4133980800  # 2006-01-01 and 2101-01-01: else a clock is wrong
_TIME = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|[+-]\d\d(:?\d\d)?))?$"


@dataclass(frozen=True)
class Found:
    """What a shape has found: columns of one DataFrame, one row per record.

    Attributes:
        value: gives the text at a path of the record.
        time: gives the time at a path of the record; null where it is unreadable.
        text: the record as text; evaluated for rejected records alone.
        broken: why there is no record at all; null where there is one.
        is_marker: the row stands for a file that holds no record.
    """

    value: Callable[[str], Column]
    time: Callable[[str], Column]
    text: Column
    broken: Column
    is_marker: Column


def fields(*more: str) -> T.StructType:
    """The fields that count, and more, nested as CloudTrail nests them; every leaf is text."""
    return _nested([path.split(".") for path in (*PATHS.values(), *more)])


def records(rows: DataFrame, found: Found) -> DataFrame:
    """``schemas.RECORDS``: a row is an event, a reject, or the marker of a file without records.

    Only an event has an event time; only a reject has ``reject``, and a position where it is not
    the whole file; a marker has none of these. A file that was read has one row at least, so a
    file without any could not be read. Why something is rejected is told later, of the few rows
    that need it (:func:`reject_reason`): every row pays for what stands here.

    Args:
        rows: one row per record, with ``input_file`` and ``position``.
        found: what stands in these rows.
    """
    steps = _found(rows, found)
    is_event, value = F.col("_is_event"), _value_found
    is_reject = ~is_event & ~found.is_marker
    columns = {
        **{column: plain(value(path)) for column, path in PATHS.items()},
        "input_file": F.col("input_file"),
        "position": F.when(is_reject, F.col("position")),
        "reject": F.when(is_reject, _reject(found)),
        **{name: _json_text(value(PATHS[name])) for name in _FREE_FORM},
        "event_time": F.when(is_event, whole_seconds(F.col("_time"))),
        "credential_issued_at": whole_seconds(F.col("_issued_at")),
        "read_only": _flag(value(PATHS["read_only"])),
        "tls_present": F.coalesce(value(PATHS["tls_present"]).isNotNull(), F.lit(False)),
    }
    return steps.select(*[columns[name].alias(name) for name in schemas.RECORDS.fieldNames()])


def _found(rows: DataFrame, found: Found) -> DataFrame:
    """Rows with what was found in them, in steps: what many columns share is computed once."""
    values = {_name_found(path): found.value(path) for path in PATHS.values()}
    times = {"_time": found.time(EVENT_TIME), "_issued_at": found.time(ISSUED_AT)}
    return rows.withColumns(values | times).withColumn(
        "_is_event", is_usable(_value_found, F.col("_time"))
    )


def _name_found(path: str) -> str:
    return "_" + path.replace(".", "_")


def _value_found(path: str) -> Column:
    return F.col(_name_found(path))


def _reject(found: Found) -> Column:
    """What is kept of a record that is no event: no more than taking it along costs every row."""
    return F.struct(
        found.broken.alias("broken"),
        F.substring(found.text, 1, MOST_CHARS).alias("text"),
        _value_found(EVENT_TIME).alias("time"),
        F.col("_time").isNotNull().alias("is_time"),
        _value_found("eventName").alias("name"),
        _value_found("eventSource").alias("source"),
    )


def is_usable(value: Callable[[str], Column], time: Column) -> Column:
    """Whether a record is an event; never null."""
    seconds = F.unix_seconds(time)
    source = plain(value("eventSource"))
    return F.coalesce(
        (seconds >= _AWS_BEGAN)
        & (seconds < _FAR_FUTURE)
        & plain(value("eventName")).isNotNull()
        & ~source.startswith("aws:"),
        F.lit(False),
    )


def readable_time(text: Column) -> Column:
    """Time of a text in ISO format, UTC where it names no zone; null where it is no such text."""
    is_usual = (
        (F.octet_length(text) == 20)  # noqa: PLR2004 - the length of most spares them the pattern
        & text.endswith("Z")
        & (F.substring(text, 5, 1) == "-")
    )
    return F.try_to_timestamp(F.when(is_usual | text.rlike(_TIME), text))


def whole_seconds(time: Column) -> Column:
    """Time without its fraction of a second."""
    return F.timestamp_seconds(F.unix_seconds(time))


def plain(text: Column) -> Column:
    """Null where a text is empty."""
    return F.when(F.octet_length(text) > 0, text)


def reject_record(reject: Column, max_chars: int) -> Column:
    """The first characters of a rejected record."""
    return _printable(F.substring(reject["text"], 1, max_chars))


def reject_reason(reject: Column) -> Column:
    """Say why a record is no event.

    Args:
        reject: the column ``reject`` of ``schemas.RECORDS``.
    """
    text, time, source = reject["text"], reject["time"], reject["source"]
    is_unnamed = plain(reject["name"]).isNull()
    reason = (
        F.when(reject["broken"].isNotNull(), reject["broken"])
        .when(~F.ltrim(text).startswith("{"), _quoted("no JSON object but", text))
        .when(
            source.startswith("aws:"), _quoted("a notification, not a call: eventSource is", source)
        )
    )
    for name, words in _SOMETHING_ELSE.items():
        is_there = F.get_json_object(text, f"$.{name}").isNotNull()
        reason = reason.when(is_unnamed & is_there, F.lit(f"not a CloudTrail record: {words}"))
    told = (
        reason.when(plain(time).isNull(), F.lit("has no eventTime"))
        .when(~reject["is_time"], _quoted("eventTime is no time:", time))
        .when(is_unnamed, F.lit("has no eventName"))
        .when(plain(source).isNull(), F.lit("has no eventSource"))
        .otherwise(_quoted("eventTime is not between 2006 and 2100:", time))
    )
    return F.when(reject.isNotNull(), _printable(told))


def _quoted(words: str, text: Column) -> Column:
    return F.concat(F.lit(f"{words} "), F.substring(text, 1, 60))


def _printable(text: Column) -> Column:
    """Text without NUL; bytes that are not UTF-8 are replaced on the way."""
    return F.translate(text, "\x00", "\ufffd")


def _json_text(text: Column) -> Column:
    """Null where a text is empty, or what JSON writes for null."""
    return F.when(~text.isin("", "null"), text)


def _flag(text: Column) -> Column:
    return F.when(F.lower(text) == "true", F.lit(True)).when(F.lower(text) == "false", F.lit(False))


def _nested(paths: list[list[str]]) -> T.StructType:
    """Struct of the paths: what has something below it is a struct, the rest is text."""
    below: dict[str, list[list[str]]] = {}
    for head, *rest in paths:
        below.setdefault(head, []).extend([rest] if rest else [])
    return reduce(
        lambda shape, name: shape.add(
            name, _nested(below[name]) if below[name] else T.StringType()
        ),
        below,
        T.StructType(),
    )
