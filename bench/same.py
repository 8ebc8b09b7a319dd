"""Do two contestants say the same? Sightings and ledger rows of credtrail and of DuckDB, compared.

What is compared of sightings is exact: all of the key and all facts, save the groups of files,
which are hashes of another kind. Events of the ledger are compared by their ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.duck import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyiceberg.catalog import Catalog

_KEY = (
    "account_id, role_id, role_arn, session_name, instance_id, instance_region, proof, source, "
    "source_kind, source_address, vpc_endpoint_id, vpc_endpoint_account_id, endpoint_region, "
    "recipient_account_id, invoked_by, forwarded, agent_family, bucket::TIMESTAMP AS bucket"
)
_FACTS = (
    "min(first_seen)::TIMESTAMP AS first_seen, max(last_seen)::TIMESTAMP AS last_seen, "
    "sum(calls)::BIGINT AS calls, sum(errors)::BIGINT AS errors, "
    "min(issued_min)::TIMESTAMP AS issued_min, max(issued_max)::TIMESTAMP AS issued_max, "
    "max(key_age_max)::BIGINT AS key_age_max, bit_or(delivery)::BIGINT AS delivery, "
    "bit_or(marks)::BIGINT AS marks, min(first_recon)::TIMESTAMP AS first_recon"
)
_ISSUED = (
    "event_id, access_key_id, account_id, role_arn, session_name, issued_for, issued_by, "
    "issued_by_account_id, issued_by_role_id, issued_by_session_name, issued_by_key, issued_from, "
    "issued_at::TIMESTAMP AS issued_at, expires_at::TIMESTAMP AS expires_at, aws_region"
)
_COMPARED = {
    "sightings": ("sightings", f"SELECT {_KEY}, {_FACTS} FROM {{}} GROUP BY ALL"),
    "credentials": ("credentials", f"SELECT {_ISSUED} FROM {{}}"),
    "address_changes": ("changes", "SELECT DISTINCT event_id FROM {}"),
}
"""Tables of credtrail, DuckDB's files, and what of them must be equal."""

_MOVED = (
    "WITH pairs AS (SELECT account_id, role_id, session_name, source, "
    "min(first_seen)::TIMESTAMP AS since FROM {} "
    "WHERE source_kind NOT IN ('service', 'internal') GROUP BY ALL), "
    "homes AS (SELECT account_id, role_id, session_name, arg_min(source, (since, source)) AS home "
    "FROM pairs GROUP BY ALL) "
    "SELECT pairs.* EXCLUDE since FROM pairs JOIN homes USING (account_id, role_id, session_name) "
    "WHERE source <> home"
)
"""(session, source) pairs that differ from the first source."""


class DifferentError(RuntimeError):
    """Two contestants do not say the same: what differs."""


def compare(warehouse: Path, ducks: Path) -> dict[str, int]:
    """Return how many rows are equal, by what they are.

    Args:
        warehouse: of a full run of credtrail.
        ducks: folder that DuckDB wrote.

    Raises:
        DifferentError: rows differ; some of them are told.
    """
    import duckdb

    counts = {}
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        pairs = [(name, file, query) for name, (file, query) in _COMPARED.items()]
        for name, file, query in [*pairs, ("sightings", "sightings", _MOVED)]:
            ours = query.format(f"read_parquet({_files(warehouse, name)})")
            path = quoted(str(ducks / f"{file}.parquet"))
            theirs = query.format(f"read_parquet({path})")
            what = "pairs that differ from the first source" if query is _MOVED else name
            counts[what] = _equal(connection, what, ours, theirs)
    return counts


def _equal(connection: DuckDBPyConnection, what: str, ours: str, theirs: str) -> int:
    for one, other, whose in ((ours, theirs, "credtrail"), (theirs, ours, "DuckDB")):
        found = connection.execute(f"({one}) EXCEPT ALL ({other}) LIMIT 3").fetchall()
        if found:
            msg = f"{what}: {whose} alone has {found}"
            raise DifferentError(msg)
    row = connection.execute(f"SELECT count(*) FROM ({ours})").fetchone()
    return int(row[0]) if row else 0


@contextmanager
def catalog(warehouse: Path) -> Iterator[Catalog]:
    """Open the catalog of a warehouse."""
    from pyiceberg.catalog.sql import SqlCatalog

    uri = f"sqlite:///{warehouse / 'catalog.db'}"
    opened = SqlCatalog("credtrail", uri=uri, warehouse=str(warehouse))
    try:
        yield opened
    finally:
        opened.close()


def _files(warehouse: Path, table: str) -> str:
    """Return the data files of a table as SQL writes a list."""
    with catalog(warehouse) as opened:
        tasks = opened.load_table(("credtrail", table)).scan().plan_files()
        paths = [quoted(task.file.file_path.removeprefix("file:")) for task in tasks]
    return f"[{', '.join(paths)}]"
