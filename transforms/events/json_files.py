"""Trail files as CloudTrail delivers them, and what people make of them: JSON, one file a row.

A file is one document, or one document a line. A document is an object with ``Records``, a list
of records, or one record; objects with nothing between them are documents of their own. A
document that is not JSON is one reject; otherwise each record is one row.

Nearly every document is parsed once, whole, into the fields that count. A document in which that
finds anything odd - a record that is no event, text where an object was expected, broken JSON -
is taken apart record by record: that costs twice as much and misses nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from transforms.events import record

_LOGSTASH_TIME = "@timestamp"
_FIELDS = record.fields(_LOGSTASH_TIME)
_TEXTS = T.ArrayType(T.StringType())
_WHOLE = (
    T.StructType()
    .add("d", T.StructType().add("Records", T.ArrayType(_FIELDS)))
    .add("end", T.StringType())
    .add("odd", T.StringType())
)
_APART = T.StructType().add("d", _TEXTS).add("end", T.StringType())
_OPTIONS = {
    "columnNameOfCorruptRecord": "odd",
    "allowSingleQuotes": "false",
    "maxNestingDepth": "100000",
    "maxNumLen": "100000",
}
"""JSON as the standard has it, however deep; ``odd`` is filled where a value is not as expected."""

_LINE_OF_OBJECTS = r"\}[ \t\r]*\n\s*\{"
_OBJECTS_MEET = r'\G((?:[^"}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+"|\}(?!\s*+\{))*+\})\s*+(?=\{)'
"""A brace that closes, outside of any text, before one that opens: never within one document."""


def json_records(files: DataFrame, max_record_chars: int) -> DataFrame:
    """``schemas.RECORDS`` of JSON files.

    Args:
        files: ``value``, the whole text of a file, and ``input_file``.
        max_record_chars: bound on the text that is kept of a reject.
    """
    document, whole = F.col("document"), F.col("whole")
    items = F.when(_is_clean(whole), _clean_items(whole["d"]["Records"], F.col("kind"))).otherwise(
        _taken_apart(document, F.col("kind"))
    )
    rows = (
        _documents(files)
        .select("*", _kind(document).alias("kind"))
        .select("*", _parsed_whole(document, F.col("kind")).alias("whole"))
        .select("input_file", "line", F.explode_outer(items).alias("item"))
        .select("*", F.nullif(F.concat_ws(" ", "line", "item.place"), F.lit("")).alias("position"))
    )
    value = _value_in(F.col("item.event"))
    found = record.Found(
        value=value,
        time=lambda path: record.readable_time(value(path)),
        text=F.coalesce("item.text", F.lit("null")),
        broken=F.col("item.broken"),
        is_marker=F.col("item").isNull(),
    )
    return record.records(rows, found, max_record_chars)


def _documents(files: DataFrame) -> DataFrame:
    """One row per document: input_file, line (null where the file is one document), document."""
    value, mark = F.col("value"), F.lit("\ufeff")
    text = F.when(value.startswith(mark), F.substring(value, 2, 2**31 - 1)).otherwise(value)
    lines = F.filter(_lines(text), lambda line: line["document"] != "")
    whole = F.array(F.struct(F.lit(None).cast("string").alias("line"), text.alias("document")))
    return files.select(
        "input_file", F.inline_outer(F.when(_is_one_a_line(text), lines).otherwise(whole))
    )


def _lines(text: Column) -> Column:
    return F.transform(
        F.split(text, "\n"),
        lambda line, index: F.struct(
            F.concat(F.lit("line "), index + 1).alias("line"),
            F.btrim(line, F.lit(" \t\r")).alias("document"),
        ),
    )


def _is_one_a_line(text: Column) -> Column:
    """Whether most lines are objects; pretty-printed ones that follow each other are not."""

    def balance(so_far: Column, line: Column) -> Column:
        document = line["document"]
        is_object = document.startswith("{") & document.endswith("}")
        return so_far + F.when(document == "", 0).when(is_object, 1).otherwise(-1)

    return text.contains("\n") & text.rlike(_LINE_OF_OBJECTS) & (F.aggregate(_lines(text), F.lit(0), balance) >= 0)


def _kind(document: Column) -> Column:
    start = F.ltrim(F.substring(document, 1, 200))
    return (
        F.when(start.rlike(r'^\{\s*"Records"\s*:'), "trail")
        .when(start.rlike(r"^\s*\["), "list")
        .otherwise("object")
    )


def _parsed_whole(document: Column, kind: Column) -> Column:
    """A document as a struct: records; an end, missed where brackets close too soon; oddities."""
    text = (
        F.when(kind == "trail", F.concat(F.lit('{"d":'), document, F.lit(',"end":1}')))
        .when(kind == "list", F.concat(F.lit('{"d":{"Records":'), document, F.lit('},"end":1}')))
        .otherwise(F.concat(F.lit('{"d":{"Records":['), document, F.lit(']},"end":1}')))
    )
    return F.from_json(text, _WHOLE, _OPTIONS)


def _is_whole(whole: Column) -> Column:
    return (whole["end"] == "1") & whole["d"]["Records"].isNotNull()


def _is_clean(whole: Column) -> Column:
    def is_event(event: Column) -> Column:
        value = _value_in(event)
        return record.is_usable(value, record.readable_time(value(record.EVENT_TIME)))

    return _is_whole(whole) & whole["odd"].isNull() & F.forall(whole["d"]["Records"], is_event)


def _taken_apart(document: Column, kind: Column, whole: Column) -> Column:
    """The items of a document, each with its text and place; none of an empty object."""
    listed = F.when(kind == "list", document).otherwise(_bracketed(document))
    separated = F.when(
        kind != "list", _bracketed(F.regexp_replace(document, _OBJECTS_MEET, "$1,"))
    )
    if_whole = F.when(_is_whole(whole), _items_without_text(whole["d"]["Records"], kind))
    broken = if_whole.otherwise(F.array(_item(text=document, broken=_why_broken(document))))
    is_empty_file = F.col("kind").eqNullSafe("object")

    def items(texts: Column) -> Column:
        name = F.when(kind == "list", "")
        found = F.flatten(F.transform(texts, lambda one, i: _of_element(one, _indexed(name, i))))
        return F.when((kind == "object") & (texts[0] == "{}"), F.slice(found, 1, 0)).otherwise(found)

    def items_apart(texts: Column) -> Column:
        number = F.lit("document ")
        return F.flatten(
            F.transform(texts, lambda one, i: _of_element(one, F.concat(number, i + 1)))
        )

    return _let(
        _elements(listed),
        lambda texts: F.when(texts.isNotNull(), items(texts)).otherwise(
            _let(
                _elements(separated),
                lambda apart: F.when(apart.isNotNull(), items_apart(apart)).otherwise(broken),
            )
        ),
    )


def _items_without_text(events: Column, kind: Column) -> Column:
    """Items of a document that is nested too deep to be taken apart."""
    name = F.when(kind == "trail", "Records").when(kind == "list", "")
    return F.transform(
        events, lambda event, i: _item(_indexed(name, i), F.to_json(event), event)
    )


def _elements(listed: Column) -> Column:
    """Texts of the elements of a JSON list; null where it is not JSON."""
    text = F.concat(F.lit('{"d":'), listed, F.lit(',"end":1}'))
    return _let(
        F.from_json(text, _APART, _OPTIONS), lambda apart: F.when(apart["end"] == "1", apart["d"])
    )


def _of_element(element: Column, place: Column) -> Column:
    """Items of an object with ``Records``; any other element is one item."""
    inner = F.from_json(element, T.StructType().add("Records", _TEXTS), _OPTIONS)["Records"]
    return _let(
        inner,
        lambda texts: F.when(
            texts.isNotNull(),
            F.transform(
                texts,
                lambda text, index: _item(
                    F.concat_ws(" ", place, _indexed(F.lit("Records"), index)), text, _event(text)
                ),
            ),
        ).otherwise(F.array(_item(place, element, _event(element)))),
    )


def _event(text: Column) -> Column:
    """The fields of a record; an object that stands there as text is read, too."""

    def with_texts(event: Column) -> Column:
        columns = []
        for field in _FIELDS:
            column = event[field.name]
            if isinstance(field.dataType, T.StructType):
                inner = F.get_json_object(text, f"$.{field.name}")
                column = F.coalesce(column, F.from_json(inner, field.dataType, _OPTIONS))
            columns.append(column.alias(field.name))
        return F.struct(*columns)

    return _let(F.from_json(text, _FIELDS, _OPTIONS), with_texts)


def _why_broken(document: Column) -> Column:
    start = F.ltrim(F.substring(document, 1, 200))
    end = F.btrim(F.substring(document, -200, 200), F.lit(" \t\r\n"))
    return (
        F.when(document.startswith("\x1f"), F.lit("gzip, but the name does not end in .gz"))
        .when(~start.rlike(r"^\s*[\[{]"), F.concat(F.lit("not JSON: "), F.substring(start, 1, 60)))
        .when(end.endswith("}") | end.endswith("]"), F.lit("not valid JSON"))
        .otherwise(F.lit("JSON that is cut off"))
    )


def _item(
    place: Column | None = None,
    text: Column | None = None,
    event: Column | None = None,
    broken: Column | None = None,
) -> Column:
    nothing = F.lit(None)
    return F.struct(
        *[
            (nothing if column is None else column).cast(kind).alias(name)
            for name, column, kind in (
                ("place", place, T.StringType()),
                ("text", text, T.StringType()),
                ("broken", broken, T.StringType()),
                ("event", event, _FIELDS),
            )
        ]
    )


def _indexed(name: Column, index: Column) -> Column:
    return F.concat(name, F.lit("["), index, F.lit("]"))


def _value_in(event: Column) -> Callable[[str], Column]:
    def value(path: str) -> Column:
        column = event
        for name in path.split("."):
            column = column[name]
        if path == record.EVENT_TIME:
            return F.coalesce(record.plain(column), event[_LOGSTASH_TIME])
        return column

    return value


def _let(column: Column, body: Callable[[Column], Column]) -> Column:
    """``body`` of a column that is evaluated once."""
    return F.transform(F.array(column), body)[0]
