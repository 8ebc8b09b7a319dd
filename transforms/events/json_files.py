"""Trail files as CloudTrail delivers them, and what people make of them: JSON, one file a row.

A file is one document, or one document a line. A document is an object with ``Records``, a list
of records, or one record; objects with nothing between them are documents of their own. A
document that is not JSON is one reject; otherwise each record is one row.

Nearly every document is parsed once, whole, into the fields that count. Only where that finds
something odd is the document taken apart record by record, at about twice the cost.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.events import record
from transforms.events.json_apart import taken_apart
from transforms.events.json_documents import documents, kind, parsed
from transforms.events.json_items import FIELDS, item, value_in


def json_records(files: DataFrame) -> DataFrame:
    """``schemas.RECORDS`` of JSON files.

    Args:
        files: ``value``, the whole text of a file, and ``input_file``.
    """
    whole = (
        documents(files)
        .select("*", kind(F.col("document")).alias("kind"))
        .select("*", parsed(F.col("document"), F.col("kind"), FIELDS).alias("whole"))
    )
    value = value_in(F.col("item.event"))
    found = record.Found(
        value=value,
        time=lambda path: record.readable_time(value(path)),
        text=F.col("item.text"),
        broken=F.col("item.broken"),
        is_marker=F.col("item").isNull(),
    )
    rows = whole.select("input_file", "line", F.explode_outer(_items()).alias("item")).select(
        "input_file",
        F.nullif(F.concat_ws(" ", "line", "item.place"), F.lit("")).alias("position"),
        "item",
    )
    return record.records(rows, found)


def _items() -> Column:
    """Items of a document: as parsed at once if all of them are events, else taken apart."""
    whole = F.col("whole")
    events = whole["d"]["Records"]
    is_clean = (whole["end"] == "1") & whole["odd"].isNull() & F.forall(events, _is_event)
    at_once = F.transform(events, lambda event: item(event=event))
    return F.when(is_clean, at_once).otherwise(taken_apart(F.col("document"), F.col("kind")))


def _is_event(event: Column) -> Column:
    value = value_in(event)
    return record.is_usable(value, record.readable_time(value(record.EVENT_TIME)))
