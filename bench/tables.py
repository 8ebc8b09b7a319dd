"""What warehouses hold: how much, and whether two of them hold the same, row by row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.same import DifferentError, catalog
from transforms import schemas

if TYPE_CHECKING:
    import pyarrow as pa

_OF_A_RUN = {"run_id", "detected_at", "updated_at", "batch_id", "last_batch_id", "token"}
_BY_BATCH = {"sightings", "credentials", "address_changes", "inventory", "rejects"}
"""Tables whose rows count only if their batch does."""

OF_EVERY_RUN = {"runs", "writer"}
"""Tables that every run writes to: they are not compared."""


def tables(warehouse: Path) -> dict[str, pa.Table]:
    """All that a reader sees, without what each run gives anew."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = {}
    with catalog(warehouse) as opened:
        files = opened.load_table(("credtrail", "input_files")).scan().to_arrow().to_pylist()
        counted = sorted({row["batch_id"] for row in files if row["state"] == "counted"})
        for table in schemas.TABLES:
            if table.name not in OF_EVERY_RUN:
                rows = opened.load_table(("credtrail", table.name)).scan().to_arrow()
                if table.name in _BY_BATCH:
                    rows = rows.filter(pc.is_in(rows["batch_id"], pa.array(counted, pa.int64())))
                found[table.name] = rows.select(
                    [name for name in rows.column_names if name not in _OF_A_RUN]
                )
    return found


def compare(expected: dict[str, pa.Table], found: dict[str, pa.Table]) -> None:
    """Compare tables as multisets of rows.

    Raises:
        DifferentError: some rows are in one alone.
    """
    import duckdb

    with duckdb.connect() as connection:
        for name, rows in expected.items():
            connection.register("expected", rows)
            connection.register("found", found[name])
            for one, other in (("expected", "found"), ("found", "expected")):
                query = f"SELECT * FROM {one} EXCEPT ALL SELECT * FROM {other} LIMIT 3"
                if alone := connection.execute(query).fetchall():
                    msg = f"{name}: only in {one}: {alone}"
                    raise DifferentError(msg)


def same(one: Path, other: Path) -> str:
    """Return what differs between two warehouses, in words; empty where nothing does."""
    try:
        compare(tables(one), tables(other))
    except DifferentError as error:
        return str(error)
    return ""


def sizes(warehouse: Path) -> dict[str, dict[str, int]]:
    """Rows, data files and bytes of each table."""
    found = {}
    with catalog(warehouse) as opened:
        for table in schemas.TABLES:
            snapshot = opened.load_table(("credtrail", table.name)).current_snapshot()
            told = snapshot.summary if snapshot else None
            summary = told.additional_properties if told else {}
            found[table.name] = {
                "rows": int(summary.get("total-records", 0)),
                "files": int(summary.get("total-data-files", 0)),
                "bytes": int(summary.get("total-files-size", 0)),
            }
    return found
