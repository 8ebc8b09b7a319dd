"""A document taken apart record by record: slow, and it misses nothing.

For documents in which something is odd: a record that is no event, text where an object was
expected, an object between others without a comma, JSON that is broken.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from transforms.columns import let
from transforms.events.json_documents import LIST, OPTIONS, TRAIL, parsed, why_broken
from transforms.events.json_items import FIELDS, indexed, item

_TEXTS = T.ArrayType(T.StringType())
_ELEMENTS = T.StructType().add("d", _TEXTS).add("end", T.StringType())
_RECORDS = T.StructType().add("Records", _TEXTS)

_FREE_FORM = ("requestParameters", "responseElements")
_SHALLOW = T.StructType([field for field in FIELDS if field.name not in _FREE_FORM])

_OBJECTS_MEET = r'\G((?:[^"}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+"|\}(?!\s*+\{))*+\})\s*+(?=\{)'
"""A brace that closes, outside of any text, before one that opens: never within one document."""


def taken_apart(document: Column, kind: Column) -> Column:
    """The items of a document, each with its text and place; none of an empty object."""
    whole = F.when(kind == LIST, document).otherwise(_bracketed(document))
    apart = F.when(kind != LIST, _bracketed(F.regexp_replace(document, _OBJECTS_MEET, "$1,")))
    broken = F.array(item(text=document, broken=why_broken(document)))

    def in_depth(shallow: Column) -> Column:
        is_whole = (shallow["end"] == "1") & shallow["odd"].isNull()
        return F.when(is_whole, _shallow_items(shallow["d"]["Records"], kind)).otherwise(broken)

    def in_parts(texts: Column) -> Column:
        deep = let(parsed(document, kind, _SHALLOW), in_depth)
        return F.when(texts.isNotNull(), _numbered(texts)).otherwise(deep)

    return let(
        _elements(whole),
        lambda texts: F.when(texts.isNotNull(), _items(texts, kind)).otherwise(
            let(_elements(apart), in_parts)
        ),
    )


def _bracketed(document: Column) -> Column:
    return F.concat(F.lit("["), document, F.lit("]"))


def _elements(listed: Column) -> Column:
    """Texts of the elements of a JSON list; null where it is none."""
    text = F.concat(F.lit('{"d":'), listed, F.lit(',"end":1}'))
    return let(F.from_json(text, _ELEMENTS, OPTIONS), lambda p: F.when(p["end"] == "1", p["d"]))


def _items(texts: Column, kind: Column) -> Column:
    name = F.when(kind == LIST, F.lit(""))
    found = F.flatten(F.transform(texts, lambda one, i: _of_element(one, indexed(name, i))))
    is_empty_object = (kind != LIST) & (F.get(texts, F.lit(0)) == "{}")
    return F.when(is_empty_object, F.slice(found, 1, 0)).otherwise(found)


def _numbered(texts: Column) -> Column:
    number = F.lit("document ")
    return F.flatten(F.transform(texts, lambda one, i: _of_element(one, F.concat(number, i + 1))))


def _of_element(element: Column, place: Column) -> Column:
    """Items of an object with ``Records``; any other element is one item."""
    name = F.lit("Records")
    return let(
        F.from_json(element, _RECORDS, OPTIONS)["Records"],
        lambda texts: F.when(
            texts.isNotNull(),
            F.transform(
                texts, lambda text, i: _of_text(text, F.concat_ws(" ", place, indexed(name, i)))
            ),
        ).otherwise(F.array(_of_text(element, place))),
    )


def _of_text(text: Column, place: Column) -> Column:
    return item(text=F.coalesce(text, F.lit("null")), place=place, event=_event(text))


def _event(text: Column) -> Column:
    """The fields of a record; an object that stands there as text is read, too."""

    def with_texts(event: Column) -> Column:
        columns = []
        for field in FIELDS:
            column = event[field.name]
            if isinstance(field.dataType, T.StructType):
                inner = F.get_json_object(text, f"$.{field.name}")
                column = F.coalesce(column, F.from_json(inner, field.dataType, OPTIONS))
            columns.append(column.alias(field.name))
        return F.struct(*columns)

    return let(F.from_json(text, FIELDS, OPTIONS), with_texts)


def _shallow_items(events: Column, kind: Column) -> Column:
    """Items of a document that is nested deeper than Spark can write as text.

    They lack what only their free-form fields tell, and their text.
    """
    name = F.when(kind == TRAIL, F.lit("Records")).when(kind == LIST, F.lit(""))

    def shallow(event: Column, index: Column) -> Column:
        columns = [
            (F.lit(None).cast("string") if field.name in _FREE_FORM else event[field.name]).alias(
                field.name
            )
            for field in FIELDS
        ]
        return item(text=F.to_json(event), place=indexed(name, index), event=F.struct(*columns))

    return F.transform(events, shallow)
