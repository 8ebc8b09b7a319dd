"""Find stolen role credentials: read new files, judge, publish.

``spark-submit jobs/detect.py --input … --warehouse …`` runs the same code as the command line;
flags that a platform adds of its own are ignored there.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from jobs import cli, evidence, findings, intake, judging, lease, runs
from jobs.extent import is_small
from jobs.inputs import InputFile, choose, list_input
from jobs.runs import Run
from jobs.session import spark_session
from jobs.settings import load
from jobs.tables import Warehouse
from jobs.world import know, world

if TYPE_CHECKING:
    import argparse

    from pyspark.sql import SparkSession


def run(args: argparse.Namespace) -> int:
    """Entry point of ``credtrail detect``: 0 when done, findings or not.

    Everything that can be wrong without Spark is found before Spark starts.
    """
    settings = load(args.settings)
    this = Run(args.input, settings, know(settings), args.from_day, args.to_day, args.input_format)
    for warning in this.knowledge.warnings:
        this.progress.warn(warning)
    files = list_files(this)
    with this.progress.stage("start Spark"):
        small = is_small(files, args.warehouse)
        spark = spark_session(settings.spark, args.warehouse, small=small)
    detect(spark, this, files)
    return findings.show(args.warehouse, args.format, args.min_severity)


def list_files(this: Run) -> list[InputFile]:
    """Files of the asked window; those passed over are counted by reason."""
    with this.progress.stage("list files") as stage:
        listing = list_input(this.input, this.input_format)
        late_days = this.settings.inputs.late_days
        files = list(choose(listing, this.window_from, this.window_to, late_days))
        passed_over = {f"passed over: {why}": n for why, n in listing.passed_over.items()}
        this.add({"files listed": len(files), **passed_over})
        stage.say(f"{len(files):,} files, {sum(passed_over.values()):,} passed over")
    return files


def detect(spark: SparkSession, this: Run, files: list[InputFile]) -> None:
    """Take new files in, judge what is not judged yet, publish; record the run, failed or not."""
    with this.progress.stage("open warehouse"):
        warehouse = Warehouse(spark)
        warehouse.create_missing()
        held = lease.acquire(warehouse, this.settings.lease.minutes)
    try:
        _take_in(warehouse, held, this, files)
        _judge(warehouse, held, this)
    except BaseException as error:
        with contextlib.suppress(Exception):  # what failed first is what must be told
            runs.record(warehouse, held, this, error)
            held.release()
        raise
    runs.record(warehouse, held, this, None)
    held.release()


def _take_in(warehouse: Warehouse, held: lease.Lease, this: Run, files: list[InputFile]) -> None:
    fresh = intake.new_files(warehouse, files)
    if not fresh:
        return
    batch_id = intake.next_batch_id(warehouse)
    for batch in intake.batches(fresh, this.settings.inputs.batch_bytes):
        with this.progress.stage("read and summarise") as stage:
            held.keep()
            counts = intake.take_in(warehouse, held, batch, batch_id, this.settings)
            this.add(counts)
            stage.say(
                f"{counts['files']:,} files, {counts['events']:,} events, "
                f"{counts['rejects']:,} rejects, {counts['sightings']:,} sightings"
            )
        batch_id += 1


def _judge(warehouse: Warehouse, held: lease.Lease, this: Run) -> None:
    settings, progress = this.settings, this.progress
    with progress.stage("see what is to be judged") as stage:
        todo = runs.to_judge(warehouse, this.knowledge.settings_digest)
        this.judged_batches, this.result_heads = todo.batches, todo.result_heads
        stage.say(todo.why)
    if not todo.needed:
        return
    with progress.stage("judge") as stage:
        facts = world(warehouse.spark, this.knowledge, settings)
        memories = judging.memories(warehouse)
        verdicts = judging.judge(memories, facts, settings.method, settings.workloads.judged)
        counts = runs.verdict_counts(verdicts)
        this.add(counts)
        this.coverage = runs.coverage(verdicts, memories.changes, settings.method.fold_stays)
        stage.say(
            f"{counts['sessions']:,} sessions, {counts['suspicious pairs']:,} suspicious pairs"
        )
    with progress.stage("gather evidence") as stage:
        held.keep()
        gathered = evidence.gather(warehouse, held, verdicts, settings)
        this.add(gathered)
        stage.say(f"{gathered['evidence calls']:,} calls from {gathered['evidence files']:,} files")
    with progress.stage("publish") as stage:
        held.keep()
        changed = runs.publish(warehouse, held, verdicts, this)
        this.add(changed)
        stage.say(f"{changed['findings changed']:,} findings changed")
    this.result_heads = warehouse.heads(runs.RESULTS)


def main(argv: list[str] | None = None) -> int:
    """Entry point for spark-submit: flags that are not ours are ignored."""
    return cli.main(["detect", *(sys.argv[1:] if argv is None else argv)], tolerate_unknown=True)


if __name__ == "__main__":
    sys.exit(main())
