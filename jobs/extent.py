"""How much a run has to do, as far as it can be told before Spark starts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from jobs.catalog import local_warehouse

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.input_files import InputFile

LITTLE = 16_000_000
"""Bytes of input up to which a run is small: some 100,000 events."""

REMEMBERED = 4_000_000
"""Bytes of a warehouse up to which a run is small: some 80,000 rows, which pack much better."""

_UNPACKED = 10
"""How much larger packed JSON is when it is read."""


def is_small(files: Iterable[InputFile], warehouse: str) -> bool:
    """Tell whether all there is to read is little: the files listed, and what is remembered.

    Files that were taken in before count as well: which these are only the warehouse knows. One
    in S3 is never small: there the platform starts Spark.

    Args:
        files: what is listed.
        warehouse: a folder, or an ``s3://`` prefix.
    """
    folder = local_warehouse(warehouse)
    if folder is None:
        return False
    listed = (file.bytes * (_UNPACKED if file.path.endswith(".gz") else 1) for file in files)
    return _within(LITTLE, listed) and _within(REMEMBERED, _sizes(folder))


def _within(most: int, sizes: Iterable[int]) -> bool:
    """Whether sizes add up to so much at most; no more are looked at than it takes to tell."""
    total = 0
    for size in sizes:
        total += size
        if total > most:
            return False
    return True


def _sizes(folder: Path) -> Iterable[int]:
    return (path.stat().st_size for path in folder.rglob("*.parquet") if path.is_file())
