"""Rows that stand for a whole file: rejected, or read and empty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from jobs.local_rows import local_rows
from jobs.uris import file_uri
from transforms import schemas

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def file_rows(spark: SparkSession, reasons: Mapping[str, str | None]) -> DataFrame:
    """``schemas.RECORDS``: a reject of each path that has a reason, a marker of each other."""
    broken = dict.fromkeys(schemas.REJECT.fieldNames())
    nothing = dict.fromkeys(schemas.RECORDS.fieldNames())
    rows = [
        {
            **nothing,
            "input_file": file_uri(path),
            "reject": why and {**broken, "broken": why, "is_time": False},
            "tls_present": False,
        }
        for path, why in reasons.items()
    ]
    return local_rows(spark, [tuple(row.values()) for row in rows], schemas.RECORDS)
