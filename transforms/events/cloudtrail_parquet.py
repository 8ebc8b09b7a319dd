"""CloudTrail as Athena and Glue store it: Parquet with CloudTrail's own columns in lower case.

One row is one record. ``useridentity`` and its like may be structs, maps or JSON text; times may
be text or timestamps; what is missing is null. Only what counts is read.
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from transforms.events import record
from transforms.events.stored_values import (
    Stored,
    UnusableColumnError,
    field_of,
    is_text,
    is_time,
    object_of_text,
)

_FREE_FORM = ("requestParameters", "responseElements")
_TIMES = (record.EVENT_TIME, record.ISSUED_AT)
_ADDITIONAL = "additionaleventdata"
_QUERY_STRING = '"QueryString"'
_PARTITION_KEYS = {
    "awsRegion": "(?i)/(?:awsregion|aws_region|region)=([a-z0-9-]+)/",
    "recipientAccountId": (
        "(?i)/(?:recipientaccountid|recipient_account_id|accountid|account_id|account)=([0-9]+)/"
    ),
}
"""Where the paths of a partitioned copy tell what its files then lack."""


def needed_columns(stored: T.StructType) -> T.StructType:
    """The part of a file's columns that counts; empty where there is no time of an event.

    Raises:
        UnusableColumnError: a column is of a type that cannot hold what it should.
    """
    if not field_of(stored, record.EVENT_TIME):
        return T.StructType()
    return _needed(stored, record.fields(), ())


def parquet_records(rows: DataFrame) -> DataFrame:
    """``schemas.RECORDS`` of rows of files that have the same columns.

    Args:
        rows: the needed columns, ``input_file`` and ``row_index``.
    """
    stored = {
        field.name.lower(): Stored(F.col(field.name), field.dataType) for field in rows.schema
    }
    as_text = F.to_json(F.struct(*rows.drop("input_file", "row_index").columns))
    objects = _objects_of_text(stored)
    parsed = rows.select(
        "*",
        F.concat(F.lit("row "), "row_index").alias("position"),
        *[column.alias(f"{name}_object") for name, (column, _) in objects.items()],
    )
    stored |= {name: Stored(F.col(f"{name}_object"), kind) for name, (_, kind) in objects.items()}
    found = record.Found(
        value=_value(stored),
        time=_time(stored),
        text=as_text,
        broken=F.lit(None).cast("string"),
        is_marker=F.lit(False),
    )
    return record.records(parsed, found)


def _needed(stored: T.StructType, wanted: T.StructType, inside: tuple[str, ...]) -> T.StructType:
    """The fields of a struct that count; if none does, its first, which shows that it is there."""
    needed = []
    for field in wanted:
        found = field_of(stored, field.name)
        if found:
            kind = _checked(found, field.dataType, (*inside, field.name))
            needed.append(T.StructField(found.name, kind))
    return T.StructType(needed or stored.fields[:1])


def _checked(found: T.StructField, wanted: T.DataType, path: tuple[str, ...]) -> T.DataType:
    """The part of a column that counts, if its type can hold what it should."""
    kind, name = found.dataType, ".".join(path)
    if isinstance(wanted, T.StructType):
        if isinstance(kind, T.StructType):
            return _needed(kind, wanted, path)
        usable, expected = is_text(kind) or isinstance(kind, T.MapType), "a struct, or JSON text"
    elif name in _TIMES:
        usable, expected = is_time(kind), "a timestamp, or text such as 2026-03-02T12:00:00Z"
    else:
        is_simple = not isinstance(kind, (T.StructType, T.MapType, T.ArrayType))
        usable, expected = name in _FREE_FORM or is_simple, "text"
    if not usable:
        raise UnusableColumnError(name.lower(), kind.simpleString(), expected)
    return kind


def _objects_of_text(stored: dict[str, Stored]) -> dict[str, tuple[Column, T.StructType]]:
    """Objects that are stored as JSON text, parsed once, with their types.

    One that counts for a single field is left as it is: Spark does not generate code for such
    parsing, and copies each row before and after it.
    """
    objects = {}
    for field in record.fields():
        found, kind = stored.get(field.name.lower()), field.dataType
        if found and is_text(found.kind) and isinstance(kind, T.StructType) and len(kind) > 1:
            objects[field.name.lower()] = (object_of_text(found.text, kind), kind)
    return objects


def _reach(stored: dict[str, Stored], path: str) -> Stored | None:
    name, *rest = path.split(".")
    found = stored.get(name.lower())
    return found and found.reach(rest)


def _value(stored: dict[str, Stored]) -> Callable[[str], Column]:
    def value(path: str) -> Column:
        found = _reach(stored, path)
        if not found:
            key = _PARTITION_KEYS.get(path)
            return F.regexp_extract("input_file", key, 1) if key else F.lit(None).cast("string")
        if path == record.PATHS["tls_present"]:
            return found.column
        if path == record.PATHS["authentication_method"]:
            whole = stored[_ADDITIONAL]
            if is_text(whole.kind):  # most calls are signed otherwise: nothing to parse
                return F.when(whole.text.contains(_QUERY_STRING), found.text)
        return found.account_id if path.lower().endswith("accountid") else found.text

    return value


def _time(stored: dict[str, Stored]) -> Callable[[str], Column]:
    def time(path: str) -> Column:
        found = _reach(stored, path)
        return found.time if found else F.lit(None).cast("timestamp")

    return time
