"""Small results that later steps read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def kept(rows: DataFrame) -> DataFrame:
    """Compute rows once and keep them: later steps read rows, not the plan of all before."""
    return rows.localCheckpoint()
