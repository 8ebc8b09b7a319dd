"""Footers of Parquet files: columns and count of rows, without reading a row.

They are read here, by Parquet's own classes in the JVM, some at a time: so a damaged file is
known before its batch is read, files of different columns are told apart, and a file of no rows
is not taken for an unreadable one. It works for every storage that Spark can read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_AT_ONCE = 8
_GONE = "java.io.FileNotFoundException"


@dataclass(frozen=True, slots=True)
class Footer:
    """What the footer of a file says.

    Attributes:
        rows: how many rows the file has.
        columns: its columns, as Parquet writes a schema.
    """

    rows: int
    columns: str


def read_footers(
    spark: SparkSession, uris: Iterable[str], options: Mapping[str, str]
) -> dict[str, Footer | None]:
    """Footer of each file; None where it is damaged. A file that is gone is left out.

    Args:
        spark: the session whose Hadoop settings reach the files.
        uris: the files, as Hadoop writes their paths.
        options: Hadoop settings beside those of the session.
    """
    hadoop = spark._jsparkSession.sessionState().newHadoopConf()  # noqa: SLF001
    for name, value in options.items():
        hadoop.set(name, value)
    schemas: dict[str, str] = {}

    def read(uri: str) -> tuple[str, Footer | None] | None:
        try:
            footer = _read_footer(spark._jvm, hadoop, uri)  # noqa: SLF001
        except Py4JJavaError as error:
            is_gone = error.java_exception.getClass().getName() == _GONE
            return None if is_gone else (uri, None)
        one_copy = schemas.setdefault(footer.columns, footer.columns)
        return uri, Footer(footer.rows, one_copy)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(found for found in pool.map(read, uris) if found)


def _read_footer(jvm: Any, hadoop: Any, uri: str) -> Footer:  # noqa: ANN401 - Java's own objects
    path = jvm.org.apache.hadoop.fs.Path(uri)
    file = jvm.org.apache.parquet.hadoop.util.HadoopInputFile.fromPath(path, hadoop)
    reader = jvm.org.apache.parquet.hadoop.ParquetFileReader.open(file)
    try:
        columns = reader.getFileMetaData().getSchema().toString()
        return Footer(reader.getRecordCount(), columns)
    finally:
        reader.close()
