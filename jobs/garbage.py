"""Rows of batches that never counted: what runs left that died, or were stopped, while reading.

Whoever holds the lease knows that each claim which is not counted is dead. Its run may still wake:
so claims are taken from it first, and rows go when nothing can count them any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.tables import full_name
from transforms import schemas

if TYPE_CHECKING:
    from jobs.lease import Lease
    from jobs.tables import Warehouse

OF_BATCHES = (
    schemas.SIGHTINGS,
    schemas.CREDENTIALS,
    schemas.ADDRESS_CHANGES,
    schemas.INVENTORY,
    schemas.REJECTS,
)
"""Tables whose rows exist for readers only if their batch counts."""

_CLAIMED = "state = 'claimed'"


def remove_uncounted(warehouse: Warehouse, lease: Lease) -> dict[str, int]:
    """Delete rows that will never count, and claims that nobody holds; return how many a table.

    Only batches up to the newest one that is there now are looked at: if this process sleeps until
    another has taken the lease, that one's batches are newer.
    """
    newest = _newest_batch(warehouse)
    if newest is None:
        return {}
    lease.keep()
    _fence(warehouse, lease.token, newest)
    removed = {table.name: _remove(warehouse, table, newest) for table in OF_BATCHES}
    # The newest id must stay, or it would be given again: a dead run that wakes could still append
    # rows under it, which would then count.
    removed[schemas.INPUT_FILES.name] = warehouse.delete(
        schemas.INPUT_FILES, f"{_CLAIMED} AND batch_id < {newest}"
    )
    return {name: rows for name, rows in removed.items() if rows}


def _newest_batch(warehouse: Warehouse) -> int | None:
    files = warehouse.scan(schemas.INPUT_FILES)
    newest: int | None = files.agg(F.max("batch_id").alias("id")).collect()[0].id
    return newest


def _fence(warehouse: Warehouse, token: int, newest: int) -> None:
    """Take dead claims over: a run that wakes can no longer count what it has read."""
    dead = f"{_CLAIMED} AND batch_id <= {newest} AND token <> {token}"
    if not warehouse.scan(schemas.INPUT_FILES).where(dead).isEmpty():
        warehouse.spark.sql(
            f"UPDATE {full_name(schemas.INPUT_FILES)} SET token = {token} "  # noqa: S608 - our own
            f"WHERE {dead}"
        )


def _remove(warehouse: Warehouse, table: schemas.Table, newest: int) -> int:
    settled = (
        warehouse.scan(schemas.INPUT_FILES).where(f"not {_CLAIMED}").select("batch_id").distinct()
    )
    garbage = (
        warehouse.scan(table)
        .where(F.col("batch_id") <= newest)
        .select("batch_id")
        .join(F.broadcast(settled), on="batch_id", how="left_anti")
        .distinct()
        .collect()
    )
    dead = ", ".join(str(row.batch_id) for row in garbage)
    return warehouse.delete(table, f"batch_id IN ({dead})") if dead else 0
