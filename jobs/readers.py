"""Input files -> ``schemas.RECORDS``: one reader per format, found by its name.

One bad file never fails a run. A file that was read has one row at least; a file without any has
vanished, or is damaged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.file_rows import file_rows
from jobs.input_sniffing import JSON, PARQUET
from jobs.parquet_files import Footers, read_parquet
from jobs.uris import READ_OPTIONS, file_uri, load_path
from transforms.events.json_files import json_records

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from jobs.input_files import InputFile

Reader = Callable[["SparkSession", list["InputFile"]], DataFrame]

__all__ = ["READERS", "file_uri", "read_records"]


def read_records(
    spark: SparkSession,
    files: list[InputFile],
    known: Footers | None = None,
) -> DataFrame:
    """``schemas.RECORDS`` of files.

    Args:
        spark: the session to read with.
        files: what to read, each by the reader of its format.
        known: footers of the Parquet files, if they were read before.

    Raises:
        InputError: a column of a file is of a type that cannot be used.
    """
    by_format: dict[str, list[InputFile]] = defaultdict(list)
    for file in files:
        if "://" in file.path or Path(file.path).exists():
            by_format[file.format].append(file)
    readers: dict[str, Reader] = {**READERS, PARQUET: partial(read_parquet, known=known)}
    parts = [readers[name](spark, found) for name, found in by_format.items()]
    return reduce(DataFrame.union, parts) if parts else file_rows(spark, {})


def read_json(spark: SparkSession, files: list[InputFile]) -> DataFrame:
    """``schemas.RECORDS`` of JSON files, each of them read whole.

    Spark skips files of no bytes. They hold no record, unless they should be packed.
    """
    empty = [file.path for file in files if not file.bytes and not file.path.endswith(".gz")]
    texts = (
        spark.read.format("text")
        .options(**READ_OPTIONS, wholetext=True)
        .load([load_path(file.path) for file in files])
        .select("value", F.col("_metadata.file_path").alias("input_file"))
    )
    records = json_records(texts)
    return records.union(file_rows(spark, dict.fromkeys(empty))) if empty else records


READERS: dict[str, Reader] = {
    JSON: read_json,
    PARQUET: read_parquet,
}
"""The reader of each format. Another format is one module and one entry here."""
