"""Keep a warehouse in order: small files, garbage of dead runs, former states, what is too old.

``spark-submit jobs/maintain.py --warehouse …`` runs the same code as the command line. Nothing here
changes a verdict: run between any two runs of ``detect`` or not, what is found is the same. It may
die anywhere, as each commit leaves tables that hold what they should.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from jobs import cli, garbage, lease, retention, rollup, runs, upkeep, upkeep_report
from jobs.failures import in_words
from jobs.progress import Progress
from jobs.session import spark_session
from jobs.settings import load
from jobs.tables import Warehouse
from jobs.warehouse import Warehouse as PlainWarehouse
from transforms import schemas

if TYPE_CHECKING:
    import argparse

    from pyspark.sql import DataFrame, Row, SparkSession

    from jobs.lease import Lease
    from jobs.settings import Settings
    from jobs.upkeep import Files

ALL = schemas.TABLES
REWRITTEN = tuple(table for table in ALL if table is not schemas.WRITER)
"""Tables whose files are written anew; the lease is one row, and is in use meanwhile."""


@dataclass
class Upkeep:
    """One run of maintain: what it was asked, and what it has done so far."""

    settings: Settings
    progress: Progress = field(default_factory=Progress)
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    before: dict[str, Files] = field(default_factory=dict)
    after: dict[str, Files] = field(default_factory=dict)
    gone: dict[str, dict[str, int]] = field(default_factory=dict)
    recorded: dict[str, Any] = field(default_factory=dict)

    def days_ago(self, days: int) -> datetime:
        """Return the time so many days before this run."""
        return self.started_at - timedelta(days=days)

    def remove(self, what: str, by_table: Mapping[str, int]) -> str:
        """Note what is gone, and return it in words."""
        self.gone[what] = {name: number for name, number in by_table.items() if number}
        words = ", ".join(f"{number:,} of {name}" for name, number in self.gone[what].items())
        return words or "none"

    @property
    def counts(self) -> dict[str, int]:
        """What was done, as the table ``runs`` has it."""
        gone = {f"{what}: {name}": n for what, by in self.gone.items() for name, n in by.items()}
        sizes = {
            f"{unit} {when}": sum(getattr(files, unit) for files in tables.values())
            for when, tables in (("before", self.before), ("after", self.after))
            for unit in ("files", "bytes")
        }
        return {**sizes, **gone}


def run(args: argparse.Namespace) -> int:
    """Entry point of ``credtrail maintain``: 0 when done, whatever there was to do."""
    settings = load(args.settings)
    with PlainWarehouse(args.warehouse) as there:  # where there is none, that is told without Spark
        there.columns(schemas.RUNS.name)
    this = Upkeep(settings)
    on_disk = upkeep_report.bytes_on_disk(args.warehouse)
    with this.progress.stage("start Spark"):
        spark = spark_session(settings.spark, args.warehouse)
    maintain(spark, this)
    upkeep_report.show(this, on_disk, upkeep_report.bytes_on_disk(args.warehouse))
    return 0


def maintain(spark: SparkSession, this: Upkeep) -> None:
    """Put the warehouse in order, and record the run, failed or not.

    Raises:
        CredtrailError: it failed; the message says why, and what to do.
    """
    warehouse = Warehouse(spark)
    with in_words(spark):
        with this.progress.stage("open warehouse"):
            warehouse.create_missing()
            numbers = this.settings.lease
            held = lease.acquire(warehouse, numbers.minutes, numbers.wait_minutes)
        try:
            last = runs.last_state(warehouse)
            stands = last is None or runs.results_stand(warehouse, last)
            _rewrite(warehouse, held, this)
            _record(warehouse, held, this, last, stands=stands)
            _free(warehouse, held, this)
            _amend(warehouse, this)
        except BaseException as error:
            held.give_up(error, partial(_record_failure, warehouse, held, this, error))
            raise
        held.release()


def _rewrite(warehouse: Warehouse, held: Lease, this: Upkeep) -> None:
    """Change what tables consist of; rows of results go last, just before that is recorded."""
    settings, stage = this.settings.maintain, this.progress.stage
    this.before = _files(warehouse)
    with stage("remove uncounted rows") as now:
        now.say(this.remove("uncounted", garbage.remove_uncounted(warehouse, held)))
    if settings.roll_up_days:
        with stage("roll sightings up") as now:
            fewer = rollup.roll_up(warehouse, held, this.days_ago(settings.roll_up_days).date())
            now.say(this.remove("rolled up", {schemas.SIGHTINGS.name: fewer}))
    with stage("compact") as now:
        for table in REWRITTEN:
            now.say(table.name)
            held.keep()
            upkeep.compact(warehouse, table, settings)
        this.after = _files(warehouse)
        now.say(upkeep_report.fewer_files(this.before, this.after))
    with stage("prune") as now:
        pruned = retention.prune(warehouse, held, settings, this.started_at)
        now.say(this.remove("pruned", pruned))
    this.after = _files(warehouse)


def _free(warehouse: Warehouse, held: Lease, this: Upkeep) -> None:
    """Free what former states alone need; the present one is on record by now."""
    settings, stage = this.settings.maintain, this.progress.stage
    with stage("expire snapshots") as now:
        expired = {}
        for table in ALL:
            now.say(table.name)
            held.keep()
            upkeep.bound_metadata(warehouse, table)
            before = this.days_ago(settings.snapshot_days)
            expired[table.name] = upkeep.expire(warehouse, table, before, settings.keep_snapshots)
        now.say(this.remove("snapshots", expired))
    with stage("remove orphans") as now:
        orphans = {}
        for table in ALL:
            now.say(table.name)
            held.keep()
            before = this.days_ago(settings.orphan_days)
            orphans[table.name] = upkeep.remove_orphans(warehouse, table, before)
        now.say(this.remove("orphans", orphans))


def _files(warehouse: Warehouse) -> dict[str, Files]:
    return {table.name: upkeep.files_of(warehouse, table) for table in REWRITTEN}


def _record(
    warehouse: Warehouse, held: Lease, this: Upkeep, last: Row | None, *, stands: bool
) -> None:
    """Say in which state the results are now, so that detect takes them for published as a whole.

    Where they were half published before, that stays to be seen: the former run's word goes on.
    """
    held.keep()
    this.recorded = {
        "run_id": this.run_id,
        "token": held.token,
        "started_at": this.started_at,
        "outcome": runs.MAINTAINED,
        "settings_digest": last and last.settings_digest,
        "result_heads": warehouse.heads(runs.RESULTS) if stands else last and last.result_heads,
    }
    warehouse.append(schemas.RUNS, _as_row(warehouse, this, this.recorded))


def _amend(warehouse: Warehouse, this: Upkeep, error: BaseException | None = None) -> None:
    """Add to the row of this run what was freed after it was written, or what went wrong."""
    row = _as_row(warehouse, this, {**this.recorded, "error": runs.in_short(error)})
    warehouse.merge(schemas.RUNS, row.withColumn("change", F.lit("update")))


def _record_failure(warehouse: Warehouse, held: Lease, this: Upkeep, error: BaseException) -> None:
    if this.recorded:
        _amend(warehouse, this, error)
        return
    said = {
        "run_id": this.run_id,
        "token": held.token,
        "started_at": this.started_at,
        "outcome": runs.FAILED,
        "error": runs.in_short(error),
    }
    warehouse.append(schemas.RUNS, _as_row(warehouse, this, said))


def _as_row(warehouse: Warehouse, this: Upkeep, said: Mapping[str, Any]) -> DataFrame:
    return runs.as_rows(warehouse, **said, counts=this.counts, seconds=this.progress.seconds)


def main(argv: list[str] | None = None) -> int:
    """Entry point for spark-submit: flags that are not ours are ignored."""
    return cli.main(["maintain", *(sys.argv[1:] if argv is None else argv)], tolerate_unknown=True)


if __name__ == "__main__":
    sys.exit(main())
