"""What is kept for a time: rejects, rows of runs, and the calls of findings that were closed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.keeping import kept
from jobs.runs import FINISHED, last_state
from jobs.tables import sql_time
from transforms import schemas

if TYPE_CHECKING:
    from jobs.lease import Lease
    from jobs.settings import MaintainSettings
    from jobs.tables import Warehouse


def prune(
    warehouse: Warehouse, lease: Lease, settings: MaintainSettings, now: datetime
) -> dict[str, int]:
    """Delete what has been kept long enough; return how many rows of which table."""
    pruned: dict[str, int] = {}
    for days, remove in (
        (settings.rejects_days, _rejects),
        (settings.runs_days, _runs),
        (settings.closed_calls_days, _closed_calls),
    ):
        if days:
            lease.keep()
            pruned |= remove(warehouse, now - timedelta(days=days))
    return {name: rows for name, rows in pruned.items() if rows}


def _rejects(warehouse: Warehouse, before: datetime) -> dict[str, int]:
    """Rejects of files delivered before a day; ``input_files`` still has their number."""
    older = f"rejected_on < DATE '{before:%Y-%m-%d}'"
    return {schemas.REJECTS.name: warehouse.delete(schemas.REJECTS, older)}


def _runs(warehouse: Warehouse, before: datetime) -> dict[str, int]:
    """Runs that ended before a time, but for those that say which batches are judged, and the last.

    The next run of detect asks them what is still to be judged.
    """
    last = last_state(warehouse)
    is_last = "" if last is None else f" AND run_id <> '{last.run_id}'"
    older = (
        f"finished_at < {sql_time(before)} "
        f"AND (outcome <> '{FINISHED}' OR cardinality(judged_batches) = 0){is_last}"
    )
    return {schemas.RUNS.name: warehouse.delete(schemas.RUNS, older)}


def _closed_calls(warehouse: Warehouse, before: datetime) -> dict[str, int]:
    """Calls of findings that were closed before a time.

    That they are gathered is forgotten first: a finding that opens again owes them again, and a
    run that dies in between has calls that it gathers once more, which changes nothing.
    """
    closed = warehouse.scan(schemas.FINDINGS).where(
        (F.col("status") == "closed") & (F.col("updated_at") < F.lit(before))
    )
    ids = kept(closed.select("finding_id"))
    return {
        table.name: warehouse.delete(table, "t.finding_id = s.finding_id", ids)
        for table in (schemas.EVIDENCE_DONE, schemas.FINDING_CALLS)
    }
