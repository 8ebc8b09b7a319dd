"""Rows of this process as a DataFrame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
from pyspark.sql import types as T
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def local_rows(
    spark: SparkSession, rows: Iterable[Sequence[Any]], schema: str | T.StructType
) -> DataFrame:
    """A few rows as a DataFrame, handed over by Arrow.

    Lists would be pickled, and Python processes started beside the JVM to turn them into rows.

    Args:
        spark: the session.
        rows: values in the order of the schema; a map is a dict.
        schema: names and types, as DDL or a struct.
    """
    shape = cast("T.StructType", T.DataType.fromDDL(schema)) if isinstance(schema, str) else schema
    columns = list(zip(*rows, strict=True)) or [()] * len(shape)
    arrays = [
        pa.array(_arrow_values(field.dataType, values), arrow.type)
        for field, values, arrow in zip(shape, columns, to_arrow_schema(shape), strict=True)
    ]
    return arrow_rows(spark, pa.Table.from_arrays(arrays, names=shape.names), shape)


def arrow_rows(
    spark: SparkSession, table: pa.Table, schema: T.StructType | None = None
) -> DataFrame:
    """An Arrow table as a DataFrame: no row of it becomes an object of Python.

    Args:
        spark: the session.
        table: the rows.
        schema: names and types; those of the table where none is given.
    """
    return spark.createDataFrame(table, schema=schema or from_arrow_schema(table.schema))


def _arrow_values(kind: T.DataType, values: Sequence[Any]) -> list[Any]:
    """Values as Arrow takes them: a map is a list of pairs."""
    if isinstance(kind, T.MapType):
        return [value and list(value.items()) for value in values]
    return list(values)
