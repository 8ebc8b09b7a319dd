"""An item: one record of a JSON document, with its text and its place where these are known."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from transforms.events import record

_LOGSTASH_TIME = "@timestamp"

FIELDS = record.fields(_LOGSTASH_TIME)
"""What is parsed of a record."""

_ITEM = (
    T.StructType()
    .add("place", T.StringType())
    .add("text", T.StringType())
    .add("broken", T.StringType())
    .add("event", FIELDS)
)


def item(**parts: Column) -> Column:
    """An item of the parts that are known.

    Args:
        **parts: ``place`` in the document, ``text`` of the record, its fields as ``event``, or
            why the document is ``broken``.
    """
    nothing = F.lit(None)
    return F.struct(
        *[parts.get(part.name, nothing).cast(part.dataType).alias(part.name) for part in _ITEM]
    )


def value_in(event: Column) -> Callable[[str], Column]:
    """Return what gives the text at a path of an event."""

    def value(path: str) -> Column:
        column = event
        for name in path.split("."):
            column = column[name]
        if path == record.EVENT_TIME:
            return F.coalesce(record.plain(column), event[_LOGSTASH_TIME])
        return column

    return value


def indexed(name: Column, index: Column) -> Column:
    """Place of an element: ``name[index]``; null where there is no name."""
    return F.concat(name, F.lit("["), index, F.lit("]"))
