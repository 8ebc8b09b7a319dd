"""Reading files of any supported shape: one entry per shape, one module each.

A file without any row in the result could not be read: damaged files and those that vanish while
they are read are passed over by Spark, so that they do not take the others with them.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from typing import TYPE_CHECKING
from urllib.parse import quote

from pyspark.sql import functions as F

from jobs.errors import InputError
from transforms import schemas
from transforms.events.cloudtrail_parquet import misfits, parquet_records
from transforms.events.json_files import json_records

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameReader, SparkSession

    from jobs.inputs import InputFile

Reader = Callable[["SparkSession", Sequence["InputFile"], int], "DataFrame"]

_KEPT_IN_URIS = string.ascii_letters + string.digits + "_-!.~'()*,;:$&+=@/"
_SMALL = "65536"
"""Bytes that opening a file is taken to cost: small files are packed many to a task."""


def read_records(
    spark: SparkSession, files: Sequence[InputFile], max_record_chars: int
) -> DataFrame:
    """``schemas.RECORDS`` of files of any shapes.

    Args:
        spark: the session.
        files: files to read; none gives no rows.
        max_record_chars: bound on the text that is kept of a reject.
    """
    shapes = sorted({file.format for file in files})
    parts = [
        READERS[shape](spark, [f for f in files if f.format == shape], max_record_chars)
        for shape in shapes
    ]
    if not parts:
        return spark.createDataFrame([], schemas.RECORDS)
    return reduce(lambda one, other: one.unionByName(other), parts)


def file_uri(path: str) -> str:
    """URI of a listed file, letter by letter as Spark reports it.

    >>> file_uri("/trail/a b#1.json")
    'file:/trail/a%20b%231.json'
    """
    if "://" in path:
        return path
    return "file:" + "".join(
        c if c in _KEPT_IN_URIS or (ord(c) > 127 and c.isprintable()) else quote(c)  # noqa: PLR2004
        for c in path
    )


def _json(spark: SparkSession, files: Sequence[InputFile], max_record_chars: int) -> DataFrame:
    texts = (
        _reader(spark, "text")
        .option("wholetext", value=True)
        .load([file.path for file in files])
        .select("value", F.col("_metadata.file_path").alias("input_file"))
    )
    return json_records(texts, max_record_chars)


def _parquet(spark: SparkSession, files: Sequence[InputFile], max_record_chars: int) -> DataFrame:
    """Read files of equal schema together; a file without rows has a marker of its own."""
    groups: dict[str, list[InputFile]] = {}
    empty: list[InputFile] = []
    with ThreadPoolExecutor(max_workers=8) as pool:
        for file, footer in zip(files, pool.map(_footer, files), strict=True):
            if footer is None:
                continue
            schema, rows = footer
            (groups.setdefault(schema, []) if rows else empty).append(file)
    parts = [_of_one_schema(spark, group, max_record_chars) for group in groups.values()]
    markers = [(file_uri(file.path),) for file in empty]
    parts.append(_markers(spark, markers))
    return reduce(lambda one, other: one.unionByName(other), parts)


def _of_one_schema(
    spark: SparkSession, files: Sequence[InputFile], max_record_chars: int
) -> DataFrame:
    rows = _reader(spark, "parquet").load([file.path for file in files])
    wrong = misfits(rows.schema)
    if wrong:
        msg = (
            f"{files[0].path}: these columns cannot hold what CloudTrail has there: "
            f"{', '.join(wrong)}. Write them as text, or as structs like Athena's table for "
            "CloudTrail, or leave the file out."
        )
        raise InputError(msg)
    placed = rows.select(
        "*",
        F.col("_metadata.file_path").alias("input_file"),
        F.concat(F.lit("row "), F.col("_metadata.row_index")).alias("position"),
    )
    return parquet_records(placed, max_record_chars)


def _footer(file: InputFile) -> tuple[str, int] | None:
    """Schema and number of rows of a Parquet file; none where it has no readable footer."""
    import pyarrow as pa  # noqa: PLC0415 - half a second, for Parquet alone
    from pyarrow import parquet  # noqa: PLC0415

    try:
        with parquet.ParquetFile(file.path) as opened:
            return str(opened.schema), opened.metadata.num_rows
    except (OSError, pa.ArrowException):
        return None


def _markers(spark: SparkSession, uris: list[tuple[str]]) -> DataFrame:
    files = spark.createDataFrame(uris, "input_file string")
    names = schemas.RECORDS.fieldNames()
    kinds = {field.name: field.dataType for field in schemas.RECORDS}
    return files.select(
        *[F.col(n) if n == "input_file" else F.lit(None).cast(kinds[n]).alias(n) for n in names]
    )


def _reader(spark: SparkSession, shape: str) -> DataFrameReader:
    """A reader of listed files: no globbing, no partition columns, damaged files passed over."""
    spark.conf.set("spark.sql.files.openCostInBytes", _SMALL)
    return (
        spark.read.format(shape)
        .option("recursiveFileLookup", value=True)
        .option("__globPaths__", value=False)
        .option("ignoreCorruptFiles", value=True)
        .option("ignoreMissingFiles", value=True)
    )


READERS: dict[str, Reader] = {"cloudtrail-json": _json, "cloudtrail-parquet": _parquet}
