"""CloudTrail as Parquet, with the lower-case columns that Athena and Glue tables have.

A column may be a struct, a map or JSON text where CloudTrail has an object, and text or a
timestamp where it has a time. A missing column is null, an extra one is not read.
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from transforms.events import record

_FROM_PATH = ("aws_region", "recipient_account_id")
_NESTED = (T.ArrayType, T.MapType, T.StructType)
_TEXT_OF_REJECT = ("event_time", "event_source", "event_name", "event_id", "arn")


def parquet_records(rows: DataFrame, max_record_chars: int) -> DataFrame:
    """``schemas.RECORDS`` of Parquet rows of one schema.

    Args:
        rows: the files' own columns, ``input_file`` and ``position``.
        max_record_chars: bound on the text that is kept of a reject.
    """
    schema = rows.schema

    def value(path: str) -> Column:
        found = _text(schema, path.split("."))
        return F.lit(None).cast("string") if found is None else found

    def time(path: str) -> Column:
        kind = _type(schema, path.split("."))
        is_time = isinstance(kind, T.TimestampType | T.TimestampNTZType)
        return value(path).try_cast("timestamp") if is_time else record.readable_time(value(path))

    found = record.Found(
        value=lambda path: _or_from_path(path, value(path), schema),
        time=time,
        text=F.to_json(F.struct(*[value(record.PATHS[c]).alias(c) for c in _TEXT_OF_REJECT])),
        broken=F.lit(None).cast("string"),
        is_marker=F.lit(False),
    )
    return record.records(rows, found, max_record_chars)


def misfits(schema: T.StructType) -> list[str]:
    """Columns whose type cannot hold what CloudTrail has there, each with its type."""
    wrong = {}
    for path in record.PATHS.values():
        head, *rest = path.split(".")
        kind = _type(schema, [head])
        if kind is None:
            continue
        free = path in ("requestParameters", "responseElements", "tlsDetails")
        holds_object = isinstance(kind, T.StructType | T.MapType | T.StringType)
        if (rest and not holds_object) or (not rest and not free and isinstance(kind, _NESTED)):
            wrong[head.lower()] = f"{head.lower()} ({kind.simpleString()})"
    return list(wrong.values())


def _text(schema: T.StructType, path: list[str]) -> Column | None:
    """Text at a path; null column where a part of it is missing."""
    field = _field(schema, path[0])
    if field is None:
        return None
    return _below(F.col(f"`{field.name}`"), field.dataType, path[1:])


def _below(column: Column, kind: T.DataType, rest: list[str]) -> Column | None:
    if not rest:
        return _as_text(column, kind)
    if isinstance(kind, T.StringType):
        return F.get_json_object(column, "$." + ".".join(rest))
    if isinstance(kind, T.MapType):
        value = F.coalesce(column[rest[0]], column[rest[0].lower()])
        return _below(value, kind.valueType, rest[1:])
    if isinstance(kind, T.StructType):
        field = _field(kind, rest[0])
        if field is None:
            return None
        return _below(column.getField(field.name), field.dataType, rest[1:])
    return None


def _as_text(column: Column, kind: T.DataType) -> Column:
    """Text of a value: JSON where it is nested; of TLS details only that they are there."""
    if isinstance(kind, T.StructType) and _field(kind, "tlsVersion"):
        parts = [column.getField(f.name).cast("string") for f in kind]
        return F.coalesce(*parts)
    if isinstance(kind, _NESTED):
        return F.to_json(column)
    return column.cast("string")


def _or_from_path(path: str, value: Column, schema: T.StructType) -> Column:
    """Take a column that the files lack from the folder ``name=value`` that they lie in."""
    names = [column for column in _FROM_PATH if record.PATHS[column] == path]
    if not names or _field(schema, path) is not None:
        return value
    folder = f"(?i)/(?:{path}|{names[0]})=([^/]+)/"
    return F.nullif(F.regexp_extract("input_file", folder, 1), F.lit(""))


def _type(schema: T.StructType, path: list[str]) -> T.DataType | None:
    def step(kind: T.DataType | None, name: str) -> T.DataType | None:
        field = _field(kind, name) if isinstance(kind, T.StructType) else None
        return field.dataType if field else None

    return reduce(step, path, schema)


def _field(schema: T.StructType, name: str) -> T.StructField | None:
    return next((f for f in schema if f.name.lower() == name.lower()), None)
