"""Parquet files of CloudTrail: those with equal columns are read together, each by its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.errors import InputError
from jobs.file_rows import file_rows
from jobs.footers import Footer, read_footers
from jobs.input_sniffing import PARQUET
from jobs.uris import LOCAL_OPTIONS, READ_OPTIONS, file_uri, hadoop_path, load_path
from transforms.events.cloudtrail_parquet import needed_columns, parquet_records
from transforms.events.stored_values import UnusableColumnError

if TYPE_CHECKING:
    from pyspark.sql import DataFrameReader, SparkSession
    from pyspark.sql.types import StructType

    from jobs.inputs import InputFile

_DAMAGED = "no Parquet, or cut off: its footer cannot be read"
_NO_TIMES = "no CloudTrail as Athena and Glue store it: no column eventtime. There is: {}"
_NAMED_COLUMNS = 20


def read_parquet(spark: SparkSession, files: list[InputFile]) -> DataFrame:
    """``schemas.RECORDS`` of Parquet files, whatever their columns.

    Raises:
        InputError: a column of a file is of a type that cannot be used.
    """
    footers = _footers(spark, [file.path for file in files])
    alike: dict[str, list[str]] = defaultdict(list)
    words: dict[str, str | None] = {}
    for path, footer in footers.items():
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


def row_counts(spark: SparkSession, files: Iterable[InputFile]) -> dict[str, int]:
    """How many rows each Parquet file should give, by its URI.

    Where fewer come, the rest of the file is damaged, and Spark has left it out without a word.
    """
    paths = [file.path for file in files if file.format == PARQUET]
    return {file_uri(path): foot.rows for path, foot in _footers(spark, paths).items() if foot}


def _footers(spark: SparkSession, paths: list[str]) -> dict[str, Footer | None]:
    """Footers by path; None where it is damaged, and no entry where the file is gone."""
    by_uri = {hadoop_path(path): path for path in paths}
    found = read_footers(spark, by_uri, LOCAL_OPTIONS)
    return {by_uri[uri]: footer for uri, footer in found.items()}


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
