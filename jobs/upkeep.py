"""Upkeep of the files below tables: Iceberg's own procedures, where there is something to do.

What there is to do is seen in the metadata that a table is loaded with: no rows and no files are
read for it, and a table that is in order costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jobs.catalog import CATALOG
from jobs.tables import KEEPING_METADATA, full_name, sql_time

if TYPE_CHECKING:
    from jobs.settings import MaintainSettings
    from jobs.tables import Warehouse
    from transforms.schemas import Table

_MANIFEST_BYTES = 8 * 1024 * 1024
"""Size that Iceberg merges manifests to."""


@dataclass(frozen=True)
class Files:
    """Data files of a table as it stands: how many, and their bytes."""

    files: int
    bytes: int


def files_of(warehouse: Warehouse, table: Table) -> Files:
    """Return what the present state of a table consists of."""
    snapshot = warehouse.loaded(table).currentSnapshot()
    totals: dict[str, str] = {} if snapshot is None else dict(snapshot.summary())
    return Files(int(totals.get("total-data-files", 0)), int(totals.get("total-files-size", 0)))


def bound_metadata(warehouse: Warehouse, table: Table) -> None:
    """See that a table of an older version, too, drops the metadata files of former commits."""
    has = dict(warehouse.loaded(table).properties())
    if any(has.get(name) != value for name, value in KEEPING_METADATA.items()):
        pairs = ", ".join(f"'{name}' = '{value}'" for name, value in KEEPING_METADATA.items())
        warehouse.spark.sql(f"ALTER TABLE {full_name(table)} SET TBLPROPERTIES ({pairs})")


def compact(warehouse: Warehouse, table: Table, settings: MaintainSettings) -> None:
    """Write small files of a partition anew as one, in the table's order, and merge manifests."""
    if files_of(warehouse, table).files >= settings.small_files:
        strategy = "sort" if table.sorted_by else "binpack"
        options = {
            "min-input-files": settings.small_files,
            "target-file-size-bytes": int(settings.file_bytes),
        }
        texts = ", ".join(f"'{name}', '{value}'" for name, value in options.items())
        _call(
            warehouse,
            table,
            f"rewrite_data_files(table => {{table}}, strategy => '{strategy}', "
            f"options => map({texts}))",
        )
    if _small_manifests(warehouse, table) >= settings.small_manifests:
        _call(warehouse, table, "rewrite_manifests(table => {table})")


def expire(warehouse: Warehouse, table: Table, before: datetime, keep: int) -> int:
    """Forget states of a table from before a time, but for the last ones; return how many."""
    states = _states(warehouse, table)
    oldest = sorted(states)[: max(0, len(states) - keep)]
    if not any(time < before.timestamp() * 1000 for time in oldest):
        return 0
    _call(
        warehouse,
        table,
        f"expire_snapshots(table => {{table}}, older_than => {sql_time(before)}, "
        f"retain_last => {keep}, stream_results => true)",
    )
    return len(states) - len(_states(warehouse, table))


def remove_orphans(warehouse: Warehouse, table: Table, before: datetime) -> int:
    """Remove files below a table that none of its states knows, and that are older than a time.

    Files are listed by Iceberg's own way to storage, the one that it writes by: S3 has no other.
    """
    removed = _call(
        warehouse,
        table,
        f"remove_orphan_files(table => {{table}}, older_than => {sql_time(before)}, "
        "prefix_listing => true)",
    )
    return len(removed)


def _small_manifests(warehouse: Warehouse, table: Table) -> int:
    loaded = warehouse.loaded(table)
    snapshot = loaded.currentSnapshot()
    if snapshot is None:
        return 0
    return sum(m.length() < _MANIFEST_BYTES / 2 for m in snapshot.allManifests(loaded.io()))


def _states(warehouse: Warehouse, table: Table) -> list[int]:
    """Times of the states that can be read, in milliseconds since 1970."""
    return [snapshot.timestampMillis() for snapshot in warehouse.loaded(table).snapshots()]


def _call(warehouse: Warehouse, table: Table, procedure: str) -> list[Any]:
    name = f"'{full_name(table)}'"
    return warehouse.spark.sql(f"CALL {CATALOG}.system.{procedure.format(table=name)}").collect()
