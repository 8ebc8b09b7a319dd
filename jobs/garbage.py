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
    """Delete rows that will never count, and claims that nobody holds; return how many a table."""
    _fence(warehouse, lease.token)
    removed = {}
    for table in OF_BATCHES:
        lease.keep()
        removed[table.name] = _remove(warehouse, table)
    removed[schemas.INPUT_FILES.name] = _forget_claims(warehouse)
    return {name: rows for name, rows in removed.items() if rows}


def _fence(warehouse: Warehouse, token: int) -> None:
    """Take dead claims over: a run that wakes can no longer count what it has read."""
    files = warehouse.scan(schemas.INPUT_FILES)
    if files.where(f"{_CLAIMED} and token <> {token}").isEmpty():
        return
    warehouse.spark.sql(
        f"UPDATE {full_name(schemas.INPUT_FILES)} SET token = {token} "  # noqa: S608 - our own
        f"WHERE {_CLAIMED} AND token <> {token}"
    )


def _remove(warehouse: Warehouse, table: schemas.Table) -> int:
    settled = (
        warehouse.scan(schemas.INPUT_FILES).where(f"not {_CLAIMED}").select("batch_id").distinct()
    )
    garbage = (
        warehouse.scan(table)
        .select("batch_id")
        .join(F.broadcast(settled), on="batch_id", how="left_anti")
        .distinct()
        .collect()
    )
    dead = ", ".join(str(row.batch_id) for row in garbage)
    return warehouse.delete(table, f"batch_id IN ({dead})") if dead else 0


def _forget_claims(warehouse: Warehouse) -> int:
    """Delete claims of batches whose rows are gone, but for those of the newest batch.

    Ids of batches rise from the newest one there is: without it the id would be given again, and a
    dead run that wakes could still append rows under it, which would then count.
    """
    files = warehouse.scan(schemas.INPUT_FILES)
    newest = files.agg(F.max("batch_id").alias("id")).collect()[0].id
    if newest is None:
        return 0
    return warehouse.delete(schemas.INPUT_FILES, f"{_CLAIMED} AND batch_id < {newest}")
