"""Find stolen role credentials: read new files, judge, publish.

``spark-submit jobs/detect.py --input … --warehouse …`` runs the same code as the command line;
flags that a platform adds of its own are ignored there.
"""

from __future__ import annotations

import sys
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from pyspark.sql import SparkSession

    from jobs.inputs import InputFile
    from jobs.lease import Lease
    from jobs.progress import Progress
    from jobs.settings import Settings
    from jobs.tables import Warehouse
    from jobs.world import Knowledge


@dataclass
class Run:
    """What one run was asked, and what it has done so far."""

    input: str
    settings_digest: str = ""
    window_from: date | None = None
    window_to: date | None = None
    input_format: str = "auto"
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


def run(args: argparse.Namespace) -> int:
    """Entry point of ``credtrail detect``: 0 when done, findings or not."""
    from jobs.findings import show  # noqa: PLC0415 - no Spark, no pydantic for --help
    from jobs.progress import Progress  # noqa: PLC0415
    from jobs.session import spark_session  # noqa: PLC0415
    from jobs.settings import load  # noqa: PLC0415
    from jobs.world import know  # noqa: PLC0415

    settings = load(args.settings)
    knowledge = know(settings)
    progress = Progress()
    for warning in knowledge.warnings:
        progress.warn(warning)
    asked = Run(
        args.input, knowledge.settings_digest, args.from_day, args.to_day, args.input_format
    )
    files = list_files(asked, settings, progress)
    with progress.stage("start Spark"):
        spark = spark_session(settings.spark, args.warehouse)
    detect(spark, asked, files, knowledge, settings, progress)
    return show(args.warehouse, args.format, args.min_severity)


def list_files(asked: Run, settings: Settings, progress: Progress) -> list[InputFile]:
    """Files of the asked window; those passed over are counted by reason."""
    from jobs.inputs import choose, list_input  # noqa: PLC0415

    with progress.stage("list files") as stage:
        listing = list_input(asked.input, asked.input_format)
        files = list(
            choose(listing, asked.window_from, asked.window_to, settings.inputs.late_days)
        )
        passed_over = {f"passed over: {why}": n for why, n in listing.passed_over.items()}
        asked.add({"files listed": len(files), **passed_over})
        stage.say(f"{len(files):,} files, {sum(passed_over.values()):,} passed over")
    return files


def detect(
    spark: SparkSession,
    asked: Run,
    files: list[InputFile],
    knowledge: Knowledge,
    settings: Settings,
    progress: Progress,
) -> Run:
    """Take new files in, judge what is not judged yet, publish; record the run whatever happens."""
    from jobs import lease as leases  # noqa: PLC0415
    from jobs.runs import record  # noqa: PLC0415
    from jobs.tables import Warehouse  # noqa: PLC0415

    with progress.stage("open warehouse"):
        warehouse = Warehouse(spark)
        warehouse.create_missing()
        lease = leases.acquire(warehouse, settings.lease.minutes)
    try:
        _take_in(warehouse, lease, files, asked, settings, progress)
        _judge(warehouse, lease, asked, knowledge, settings, progress)
    except BaseException as error:
        record(warehouse, lease, asked, progress, error)
        raise
    record(warehouse, lease, asked, progress, None)
    lease.release()
    return asked


def _take_in(
    warehouse: Warehouse,
    lease: Lease,
    files: list[InputFile],
    asked: Run,
    settings: Settings,
    progress: Progress,
) -> None:
    from jobs import intake  # noqa: PLC0415

    fresh = intake.new_files(warehouse, files)
    if not fresh:
        return
    batch_id = intake.next_batch_id(warehouse)
    for batch in intake.batches(fresh, settings.inputs.batch_bytes):
        with progress.stage("read and summarise") as stage:
            lease.keep()
            counts = intake.take_in(warehouse, lease, batch, batch_id, settings)
            asked.add(counts)
            stage.say(
                f"{counts['files']:,} files, {counts['events']:,} events, "
                f"{counts['rejects']:,} rejects, {counts['sightings']:,} sightings"
            )
        batch_id += 1


def _judge(
    warehouse: Warehouse,
    lease: Lease,
    asked: Run,
    knowledge: Knowledge,
    settings: Settings,
    progress: Progress,
) -> None:
    from jobs import evidence, judging, runs  # noqa: PLC0415
    from jobs.world import world  # noqa: PLC0415

    with progress.stage("see what is to be judged") as stage:
        todo = runs.to_judge(warehouse, asked.settings_digest)
        asked.judged_batches = todo.batches
        stage.say(todo.why)
    if not todo.needed:
        asked.result_heads = todo.result_heads
        return
    with progress.stage("judge") as stage:
        verdicts = judging.judge(
            judging.memories(warehouse), world(warehouse.spark, knowledge, settings), settings.method
        )
        counts = runs.verdict_counts(verdicts)
        asked.add(counts)
        asked.coverage = runs.coverage(verdicts)
        stage.say(f"{counts['sessions']:,} sessions, {counts['suspicious pairs']:,} suspicious pairs")
    with progress.stage("gather evidence") as stage:
        lease.keep()
        gathered = evidence.gather(warehouse, lease, verdicts, settings)
        asked.add(gathered)
        stage.say(f"{gathered['evidence_calls']:,} calls from {gathered['evidence_files']:,} files")
    with progress.stage("publish") as stage:
        lease.keep()
        changed = runs.publish(warehouse, lease, verdicts, asked, settings)
        asked.add(changed)
        stage.say(f"{changed['findings changed']:,} findings changed")
    asked.result_heads = warehouse.heads(runs.RESULTS)


def main(argv: list[str] | None = None) -> Any:  # noqa: ANN401
    """Entry point for spark-submit: flags that are not ours are ignored."""
    from jobs.cli import main as cli  # noqa: PLC0415

    return cli(["detect", *(sys.argv[1:] if argv is None else argv)], tolerate_unknown=True)


if __name__ == "__main__":
    sys.exit(main())
