"""The documents of a file: the file itself, or its lines where each holds an object."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

OPTIONS = {
    "columnNameOfCorruptRecord": "odd",
    "allowSingleQuotes": "false",
    "maxNestingDepth": "100000",
    "maxNumLen": "100000",
}
"""JSON as the standard has it, however deep; a column ``odd`` tells of values of a wrong type."""

TRAIL, LIST, OBJECT = "trail", "list", "object"
"""Kinds of document, by how it begins: an object with ``Records``, a list, anything else."""

_BYTE_ORDER_MARK = "\ufeff"
_OBJECT_BELOW_OBJECT = r"\}[ \t\r]*\n\s*\{"


def documents(files: DataFrame) -> DataFrame:
    """One row per document: input_file, line (null where the file is one document), document."""
    value = F.col("value")
    text = F.when(value.startswith(_BYTE_ORDER_MARK), F.substring(value, 2, 2**31 - 1)).otherwise(
        value
    )
    lines = F.filter(_lines(text), lambda line: line["document"] != "")
    whole = F.array(F.struct(F.lit(None).cast("string").alias("line"), text.alias("document")))
    return files.select(
        "input_file", F.inline(F.when(_is_one_a_line(text), lines).otherwise(whole))
    )


def kind(document: Column) -> Column:
    """Kind of a document; ``list`` is certain, ``trail`` is not: other kinds may have Records."""
    start = F.substring(document, 1, 200)
    return (
        F.when(start.rlike(r'^\s*\{\s*"Records"\s*:'), F.lit(TRAIL))
        .when(start.rlike(r"^\s*\["), F.lit(LIST))
        .otherwise(F.lit(OBJECT))
    )


def parsed(document: Column, kind: Column, fields: T.StructType) -> Column:
    """A document parsed at once, as a struct: its records as ``d.Records``, and end, odd.

    ``end`` is 1, unless brackets close too early or something follows the document. ``odd`` is
    null, unless a value is of a wrong type.
    """
    trail = F.concat(F.lit('{"d":'), document, F.lit(',"end":1}'))
    start, end = F.lit('{"d":{"Records":'), F.lit('},"end":1}')
    text = (
        F.when(kind == TRAIL, trail)
        .when(kind == LIST, F.concat(start, document, end))
        .otherwise(F.concat(start, F.lit("["), document, F.lit("]"), end))
    )
    records = T.StructType().add("Records", T.ArrayType(fields))
    shape = T.StructType().add("d", records).add("end", T.StringType()).add("odd", T.StringType())
    return F.from_json(text, shape, OPTIONS)


def why_broken(document: Column) -> Column:
    """Say why a document that cannot be parsed is none."""
    start = F.substring(document, 1, 200)
    end = F.btrim(F.substring(document, -200, 200), F.lit(" \t\r\n"))
    return (
        F.when(document.startswith("\x1f"), F.lit("gzip, but the name does not end in .gz"))
        .when(
            ~start.rlike(r"^\s*[\[{]"),
            F.concat(F.lit("not JSON, it begins with: "), F.substring(F.ltrim(start), 1, 60)),
        )
        .when(end.endswith("}") | end.endswith("]"), F.lit("not valid JSON"))
        .otherwise(F.lit("JSON that is cut off"))
    )


def _is_one_a_line(text: Column) -> Column:
    """Whether most lines are objects; pretty-printed ones that follow each other are not.

    Within one document a line that ends an object is never followed by a line that begins one:
    there would be a comma.
    """

    def balance(so_far: Column, line: Column) -> Column:
        document = line["document"]
        is_object = document.startswith("{") & document.endswith("}")
        return so_far + F.when(document == "", 0).when(is_object, 1).otherwise(-1)

    most_are = F.aggregate(_lines(text), F.lit(0), balance) >= 0
    return text.contains("\n") & text.rlike(_OBJECT_BELOW_OBJECT) & most_are


def _lines(text: Column) -> Column:
    return F.transform(
        F.split(text, "\n"),
        lambda line, index: F.struct(
            F.concat(F.lit("line "), index + 1).alias("line"),
            F.btrim(line, F.lit(" \t\r")).alias("document"),
        ),
    )
