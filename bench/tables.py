"""Do two warehouses hold the same? All that a reader sees, compared row by row."""

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

_NOT_COMPARED = {"runs", "writer"}


def tables(warehouse: Path) -> dict[str, pa.Table]:
    """All that a reader sees, without what each run gives anew."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = {}
    with catalog(warehouse) as opened:
        files = opened.load_table(("credtrail", "input_files")).scan().to_arrow().to_pylist()
        counted = sorted({row["batch_id"] for row in files if row["state"] == "counted"})
        for table in schemas.TABLES:
            if table.name not in _NOT_COMPARED:
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
