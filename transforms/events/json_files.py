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
from pyspark.sql import types as T

from transforms.events import record
from transforms.events.json_apart import taken_apart
from transforms.events.json_documents import LIST, TRAIL, documents, kind
from transforms.events.json_items import FIELDS, OPTIONS, item, value_in

_WHOLE = (
    T.StructType()
    .add("d", T.StructType().add("Records", T.ArrayType(FIELDS)))
    .add("end", T.StringType())
    .add("odd", T.StringType())
)


def json_records(files: DataFrame, max_record_chars: int) -> DataFrame:
    """``schemas.RECORDS`` of JSON files.

    Args:
        files: ``value``, the whole text of a file, and ``input_file``.
        max_record_chars: bound on the text that is kept of a reject.
    """
    parsed = (
        documents(files)
        .select("*", kind(F.col("document")).alias("kind"))
        .select("*", _parsed(F.col("document"), F.col("kind")).alias("whole"))
    )
    value = value_in(F.col("item.event"))
    found = record.Found(
        value=value,
        time=lambda path: record.readable_time(value(path)),
        text=F.col("item.text"),
        broken=F.col("item.broken"),
        is_marker=F.col("item").isNull(),
    )
    rows = parsed.select("input_file", "line", F.explode_outer(_items()).alias("item")).select(
        "input_file",
        F.nullif(F.concat_ws(" ", "line", "item.place"), F.lit("")).alias("position"),
        "item",
    )
    return record.records(rows, found, max_record_chars)


def _parsed(document: Column, kind: Column) -> Column:
    """A document parsed at once: its records as ``d``, an ``end``, and ``odd``.

    The end is missed where brackets close too early or something follows the document.
    """
    before = {TRAIL: '{"d":', LIST: '{"d":{"Records":'}
    after = {TRAIL: ',"end":1}', LIST: '},"end":1}'}

    def around(name: str) -> Column:
        return F.concat(F.lit(before[name]), document, F.lit(after[name]))

    one = F.concat(F.lit('{"d":{"Records":['), document, F.lit(']},"end":1}'))
    text = F.when(kind == TRAIL, around(TRAIL)).when(kind == LIST, around(LIST)).otherwise(one)
    return F.from_json(text, _WHOLE, OPTIONS)


def _items() -> Column:
    """Items of a document: as parsed at once if all of them are events, else taken apart."""
    whole = F.col("whole")
    events = F.when(whole["end"] == "1", whole["d"]["Records"])
    is_clean = events.isNotNull() & whole["odd"].isNull() & F.forall(events, _is_event)
    return F.when(is_clean, F.transform(events, lambda event: item(event=event))).otherwise(
        taken_apart(F.col("document"), F.col("kind"), events)
    )


def _is_event(event: Column) -> Column:
    value = value_in(event)
    return record.is_usable(value, record.readable_time(value(record.EVENT_TIME)))
