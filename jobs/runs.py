"""Runs: what is still to be judged, what a run published, and the row that tells of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.local_rows import local_rows
from jobs.progress import Progress
from transforms import schemas
from transforms.findings import findings, life_cycle, of_gathered
from transforms.marks import DATA_EVENT

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Row

    from jobs.judging import Verdicts
    from jobs.lease import Lease
    from jobs.news import Judged
    from jobs.settings import Settings
    from jobs.tables import Warehouse
    from jobs.world import Knowledge

FINISHED, FAILED, MAINTAINED = "finished", "failed", "maintained"
"""Outcomes of runs; the last is that of ``maintain``, which is no run to those who ask for news."""

RESULTS = (
    schemas.STAYS,
    schemas.PLACES,
    schemas.HOMES,
    schemas.MISMATCHES,
    schemas.FINDING_CALLS,
    schemas.EVIDENCE_DONE,
    schemas.FINDINGS,
)


@dataclass
class Run:
    """What one run was asked, and what it has done so far."""

    input: str
    settings: Settings
    knowledge: Knowledge
    window_from: date | None = None
    window_to: date | None = None
    input_format: str = "auto"
    progress: Progress = field(default_factory=Progress)
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    counts: dict[str, int] = field(default_factory=dict)
    coverage: dict[str, float] = field(default_factory=dict)
    judged_batches: list[int] = field(default_factory=list)
    result_heads: str | None = None

    def add(self, counts: dict[str, int]) -> None:
        """Add counts to those there are."""
        for name, number in counts.items():
            self.counts[name] = self.counts.get(name, 0) + number


@dataclass(frozen=True)
class ToJudge:
    """Whether judging is needed, why, and the counted batches that no finished run judged.

    The results stand if they are those of all other batches, by the same settings.
    """

    needed: bool
    why: str
    batches: list[int]
    result_heads: str | None
    results_stand: bool


def to_judge(warehouse: Warehouse, settings_digest: str) -> ToJudge:
    """Read from the state, not from what this run did: a dead run's batches are to judge, too."""
    last = last_state(warehouse)
    batches = (
        warehouse.scan(schemas.INPUT_FILES)
        .where("state = 'counted'")
        .select("batch_id")
        .distinct()
        .join(judged_batches(warehouse), on="batch_id", how="left_anti")
        .orderBy("batch_id")
        .collect()
    )
    new = [row.batch_id for row in batches]
    heads = last.result_heads if last else None
    same = last is not None and last.settings_digest == settings_digest
    stand = last is not None and same and results_stand(warehouse, last)
    why = _why(new, last, same=same, stand=stand)
    return ToJudge(bool(why), why or "nothing new", new, heads, stand)


def judged_batches(warehouse: Warehouse) -> DataFrame:
    """Ids of the batches that finished runs have judged, as ``batch_id``."""
    finished = warehouse.scan(schemas.RUNS).where(F.col("outcome") == FINISHED)
    return finished.select(F.explode("judged_batches").alias("batch_id"))


def last_state(warehouse: Warehouse) -> Row | None:
    """Run that last said in which state the results are: one of detect, or of maintain."""
    return (
        warehouse.scan(schemas.RUNS)
        .where(F.col("outcome").isin(FINISHED, MAINTAINED) & F.col("settings_digest").isNotNull())
        .orderBy(F.desc("token"), F.desc("finished_at"))
        .select("run_id", "settings_digest", "result_heads")
        .first()
    )


def _why(new: list[int], last: Row | None, *, same: bool, stand: bool) -> str:
    if new:
        return f"{len(new):,} new batches"
    if last is None:
        return ""
    if not same:
        return "the settings changed"
    return "" if stand else "a former run did not finish publishing"


def results_stand(warehouse: Warehouse, last: Row) -> bool:
    """Tell whether the results are what that run left, wherever compaction has moved them.

    A run that had nothing to judge left none.
    """
    if last.result_heads is None:
        return all(warehouse.head(table) is None for table in RESULTS)
    return warehouse.hold_rows_of(last.result_heads, RESULTS)


def publish(warehouse: Warehouse, lease: Lease, judged: Judged, this: Run) -> dict[str, int]:
    """Publish the results, changed rows only; findings come last, after their evidence."""
    changed, verdicts = {}, judged.verdicts
    for table, rows in (
        (schemas.STAYS, verdicts.stays),
        (schemas.PLACES, verdicts.places),
        (schemas.HOMES, verdicts.homes),
        (schemas.MISMATCHES, verdicts.mismatches),
    ):
        among = judged.of_them(warehouse.scan(table))
        changed[f"{table.name} changed"] = warehouse.publish(table, rows, among=among)
        lease.keep()
    evidence = of_gathered(
        warehouse.scan(schemas.FINDING_CALLS),
        verdicts.suspicious,
        this.settings.evidence.min_severity,
    )
    found = findings(
        verdicts.suspicious,
        evidence,
        verdicts.placed,
        top=this.settings.findings.top_values,
        max_calls=this.settings.evidence.max_calls,
    ).localCheckpoint()
    published = judged.of_them(warehouse.scan(schemas.FINDINGS))
    rows = life_cycle(
        found,
        published,
        verdicts.pairs,
        run_at=F.lit(this.started_at),
        run_id=this.run_id,
    )
    changed["findings changed"] = warehouse.publish(
        schemas.FINDINGS, rows, ignore=("updated_at", "run_id"), among=published
    )
    return changed


def verdict_counts(verdicts: Verdicts) -> dict[str, int]:
    """Count the sessions judged, their suspicious pairs, and pairs per verdict."""
    per_verdict = verdicts.pairs.groupBy("verdict", "excused").count().collect()
    sessions = verdicts.stays.select("session_id").distinct().count()
    return {
        "sessions": sessions,
        "suspicious pairs": sum(row["count"] for row in per_verdict if not row.excused),
        **{f"verdict {row.verdict}": row["count"] for row in per_verdict},
    }


def coverage(
    verdicts: Verdicts, news: DataFrame, changes: DataFrame, fold_stays: int
) -> dict[str, float]:
    """Say what the method could not see, as shares from 0 to 1.

    Args:
        verdicts: what was judged.
        news: sightings that were judged for the first time, with session and kind of call.
        changes: rows of ``schemas.ADDRESS_CHANGES``: where there are none, no ledger is kept.
        fold_stays: how many stays of a session are judged in order of time.
    """
    told = changes.select("account_id", F.col("aws_region").alias("region")).distinct()
    homes = verdicts.homes.select("session_id", F.lit(1).alias("has_home")).distinct()
    many = verdicts.stays.groupBy("session_id").agg(F.count("source").alias("stays"))
    hidden = F.when(F.col("kind") == "internal", F.col("calls")).otherwise(0)
    data = F.bit_or("marks").bitwiseAND(DATA_EVENT) != 0
    sessions = (
        news.groupBy("session_id", "account_id")
        .agg(
            F.max("instance_region").alias("region"),
            F.sum("calls").alias("calls"),
            F.sum(hidden).alias("hidden"),
            data.alias("data"),
        )
        .join(homes, on="session_id", how="left")
        .join(many, on="session_id", how="left")
        .join(told.withColumn("has_ledger", F.lit(1)), on=["account_id", "region"], how="left")
    )

    def share(condition: Column) -> Column:
        return F.avg(condition.cast("double"))

    row = sessions.agg(
        share(F.col("has_home").isNull()).alias("sessions without a home"),
        (F.sum("hidden") / F.sum("calls")).alias("calls without an address"),
        share(~F.col("data")).alias("sessions without data events"),
        share(F.col("has_ledger").isNull()).alias("sessions without address changes"),
        share(F.col("stays") > fold_stays).alias("sessions seen at too many places"),
    ).first()
    return {} if row is None else {name: share or 0.0 for name, share in row.asDict().items()}


def record(warehouse: Warehouse, lease: Lease, this: Run, error: BaseException | None) -> None:
    """Append the row of this run, finished or failed."""
    rows = as_rows(
        warehouse,
        run_id=this.run_id,
        token=lease.token,
        started_at=this.started_at,
        outcome=FINISHED if error is None else FAILED,
        error=in_short(error),
        input=this.input,
        window_from=None if this.window_from is None else this.window_from.isoformat(),
        window_to=None if this.window_to is None else this.window_to.isoformat(),
        settings_digest=this.knowledge.settings_digest,
        judged_batches=this.judged_batches if error is None else [],
        result_heads=this.result_heads,
        counts=this.counts,
        seconds=this.progress.seconds,
        coverage=this.coverage,
    )
    warehouse.append(schemas.RUNS, rows)


def as_rows(warehouse: Warehouse, **said: object) -> DataFrame:
    """One row of ``schemas.RUNS`` that ends now; what is not said is null."""
    row: dict[str, object] = {
        **dict.fromkeys(schemas.RUNS.columns),
        "finished_at": datetime.now(UTC),
        "version": _version(),
        "spark_version": warehouse.spark.version,
        "judged_batches": [],
        **said,
    }
    values = [row[name] for name in schemas.RUNS.columns]
    return local_rows(warehouse.spark, [values], schemas.RUNS.schema)


def in_short(error: BaseException | None) -> str | None:
    """An error as the table has it: kind and message, bounded."""
    return None if error is None else f"{type(error).__name__}: {error}"[:2000]


def _version() -> str:
    try:
        return version("credtrail")
    except PackageNotFoundError:
        return "not installed"
