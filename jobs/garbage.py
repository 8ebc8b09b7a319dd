"""Rows of batches that never counted: what runs left that died, or were stopped, while reading.

Whoever holds the lease knows that each claim which is not counted is dead: its run is over, or is
fenced and can no longer count what it has read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

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
    lease.keep()
    removed = {table.name: _remove(warehouse, table) for table in OF_BATCHES}
    removed[schemas.INPUT_FILES.name] = _forget_claims(warehouse)
    return {name: rows for name, rows in removed.items() if rows}


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
    """Delete dead claims, but for those of the newest batch: ids of batches rise from it.

    Its id would be given again, and whatever still bears it would count.
    """
    files = warehouse.scan(schemas.INPUT_FILES)
    newest = files.agg(F.max("batch_id").alias("id")).collect()[0].id
    if newest is None:
        return 0
    return warehouse.delete(schemas.INPUT_FILES, f"{_CLAIMED} AND batch_id < {newest}")
