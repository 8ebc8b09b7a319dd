"""Parquet files of CloudTrail: those with equal columns are read together, each by its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.errors import InputError
from jobs.file_rows import file_rows
from jobs.footers import Footer, read_footers
from jobs.input_sniffing import PARQUET
from jobs.local_rows import local_rows
from jobs.uris import LOCAL_OPTIONS, READ_OPTIONS, file_uri, hadoop_path, load_path
from transforms.events.cloudtrail_parquet import needed_columns, parquet_records
from transforms.events.stored_values import UnusableColumnError

if TYPE_CHECKING:
    from pyspark.sql import DataFrameReader, SparkSession
    from pyspark.sql.types import StructType

    from jobs.input_files import InputFile

_DAMAGED = "no Parquet, or cut off: its footer cannot be read"
_NO_TIMES = "no CloudTrail as Athena and Glue store it: no column eventtime. There is: {}"
_NAMED_COLUMNS = 20


Footers = Mapping[str, Footer | None]
"""Footers by path; None where it is damaged, and no entry where the file is gone."""


def read_parquet(
    spark: SparkSession,
    files: list[InputFile],
    known: Footers | None = None,
) -> DataFrame:
    """``schemas.RECORDS`` of Parquet files, whatever their columns.

    Args:
        spark: the session to read with.
        files: what to read.
        known: footers of these files and others, if they were read before.

    Raises:
        InputError: a column of a file is of a type that cannot be used.
    """
    by_path = footers(spark, files) if known is None else known
    alike: dict[str, list[str]] = defaultdict(list)
    words: dict[str, str | None] = {}
    for path in (file.path for file in files if file.path in by_path):
        footer = by_path[path]
        if footer and footer.rows:
            alike[footer.columns].append(path)
        else:
            words[path] = None if footer else _DAMAGED
    groups: dict[StructType, list[str]] = defaultdict(list)
    for like in alike.values():
        stored = _columns(spark, like[0])
        needed = _needed(like[0], stored)
        if needed.fields:
            groups[needed] += like
        else:
            words |= dict.fromkeys(like, _NO_TIMES.format(_names(stored)))
    parts = [_rows(spark, *group) for group in groups.items()]
    if words or not parts:
        parts.append(file_rows(spark, words))
    return reduce(DataFrame.union, parts)


def footers(spark: SparkSession, files: Iterable[InputFile]) -> Footers:
    """Footers of those files that are Parquet."""
    by_uri = {hadoop_path(file.path): file.path for file in files if file.format == PARQUET}
    found = read_footers(spark, by_uri, LOCAL_OPTIONS)
    return {by_uri[uri]: footer for uri, footer in found.items()}


def row_counts(spark: SparkSession, stored: Footers) -> DataFrame:
    """How many rows each file should give: ``input_file`` (its URI) and ``rows``.

    Where fewer come, the rest of the file is damaged, and Spark has left it out without a word.
    """
    rows = [(file_uri(path), footer.rows) for path, footer in stored.items() if footer]
    return local_rows(spark, rows, "input_file string, rows bigint")


def _reader(spark: SparkSession) -> DataFrameReader:
    """Times are taken as they stand, those of the old calendars, too."""
    rebase = {"datetimeRebaseMode": "CORRECTED", "int96RebaseMode": "CORRECTED"}
    return spark.read.options(**READ_OPTIONS, **rebase, mergeSchema=False)


def _columns(spark: SparkSession, path: str) -> StructType:
    try:
        return _reader(spark).parquet(load_path(path)).schema
    except PySparkException as error:
        why = str(error).splitlines()[0]
        msg = f"{path}: Spark cannot read its columns: {why} Write them as text or timestamps."
        raise InputError(msg) from error


def _needed(path: str, stored: StructType) -> StructType:
    try:
        return needed_columns(stored)
    except UnusableColumnError as error:
        msg = (
            f"{path}: column {error.column} is {error.found}; expected {error.expected}. "
            "Convert the column, or leave such files out of the input."
        )
        raise InputError(msg) from error


def _rows(spark: SparkSession, columns: StructType, paths: list[str]) -> DataFrame:
    rows = (
        _reader(spark)
        .schema(columns)
        .parquet(*[load_path(path) for path in paths])
        .select(
            "*",
            F.col("_metadata.file_path").alias("input_file"),
            F.col("_metadata.row_index").alias("row_index"),
        )
    )
    return parquet_records(rows)


def _names(stored: StructType) -> str:
    names = stored.fieldNames()
    return ", ".join(names[:_NAMED_COLUMNS]) + (" …" if len(names) > _NAMED_COLUMNS else "")
