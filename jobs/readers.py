"""Input files -> ``schemas.RECORDS``: one reader per format, found by its name.

One bad file never fails a run. A file that was read has one row at least; a file without any
vanished, or is damaged.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.errors import InputError
from jobs.footers import read_footers
from jobs.input_sniffing import JSON, PARQUET
from transforms import schemas
from transforms.events.cloudtrail_parquet import needed_columns, parquet_records
from transforms.events.json_files import json_records
from transforms.events.stored_values import UnusableColumnError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.types import StructType

    from jobs.inputs import InputFile

_LOCAL = {
    "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "fs.file.impl.disable.cache": "true",
}
"""Local files as they are: Hadoop's usual way trips over colons and over stale checksums."""

_OPTIONS = {
    **_LOCAL,
    "ignoreCorruptFiles": "true",
    "ignoreMissingFiles": "true",
    "recursiveFileLookup": "true",
    "datetimeRebaseMode": "CORRECTED",
    "int96RebaseMode": "CORRECTED",
}
_KEPT_IN_URIS = "/-_.!~*'()@:&=+$,;"
_GLOB = re.compile(r"([\[\]{}*?\\])")

_DAMAGED = "no Parquet, or cut off: its footer cannot be read"
_NO_TIMES = "no CloudTrail as Athena and Glue store it: there is no column eventtime, but {}"


def read_records(spark: SparkSession, files: list[InputFile], max_record_chars: int) -> DataFrame:
    """``schemas.RECORDS`` of files.

    Args:
        spark: the session to read with.
        files: what to read, each by the reader of its format.
        max_record_chars: bound on the text that is kept of a reject.

    Raises:
        InputError: a column of a file is of a type that cannot be used.
    """
    paths: dict[str, list[str]] = defaultdict(list)
    for file in files:
        if "://" in file.path or Path(file.path).exists():
            paths[file.format].append(file.path)
    parts = [READERS[name](spark, found, max_record_chars) for name, found in paths.items()]
    return reduce(DataFrame.union, parts) if parts else spark.createDataFrame([], schemas.RECORDS)


def file_uri(path: str) -> str:
    """URI of a file as Spark reports it: ``file:`` before a local path, some characters encoded.

    >>> file_uri("/data/day=1/a b%20#1.json")
    'file:/data/day=1/a%20b%2520%231.json'
    """
    scheme, _, rest = path.rpartition("://")
    return (f"{scheme}://" if scheme else "file:") + "".join(map(_encoded, rest))


def row_counts(spark: SparkSession, files: list[InputFile]) -> dict[str, int]:
    """Rows that each Parquet file should give, by its URI.

    Where a file gives fewer, the rest of it is damaged: Spark leaves that out without a word.
    """
    uris = {_uri(file.path): file_uri(file.path) for file in files if file.format == PARQUET}
    footers = read_footers(spark, uris, _LOCAL)
    return {uris[uri]: footer.rows for uri, footer in footers.items() if footer}


def _read_json(spark: SparkSession, paths: list[str], max_record_chars: int) -> DataFrame:
    files = (
        spark.read.format("text")
        .options(**_OPTIONS, wholetext="true")
        .load([_GLOB.sub(r"\\\1", _uri(path)) for path in paths])
        .select("value", F.col("_metadata.file_path").alias("input_file"))
    )
    return json_records(files, max_record_chars)


def _read_parquet(spark: SparkSession, paths: list[str], max_record_chars: int) -> DataFrame:
    """Files of equal columns are read together; the others say in one row what they are."""
    footers = read_footers(spark, map(_uri, paths), _LOCAL)
    alike: dict[StructType, list[str]] = defaultdict(list)
    words: list[tuple[str, str | None]] = []
    shapes: dict[str, StructType] = {}
    for path in paths:
        footer = footers.get(_uri(path))
        if not footer:
            words += [(path, _DAMAGED)] if _uri(path) in footers else []
            continue
        if footer.columns not in shapes:
            shapes[footer.columns] = _columns_of(spark, path)
        needed = 

'''
