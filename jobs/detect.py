"""Find stolen role credentials: read new files, judge, publish.

``spark-submit jobs/detect.py --input … --warehouse …`` runs the same code as the command line;
flags that a platform adds of its own are ignored there.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from jobs import cli, evidence, findings, intake, judging, lease, news, runs
from jobs.extent import is_small
from jobs.failures import in_words
from jobs.inputs import UNOPENED, choose, list_input
from jobs.runs import Run
from jobs.session import spark_session
from jobs.settings import load
from jobs.tables import Warehouse
from jobs.world import World, know, world
from transforms import schemas

if TYPE_CHECKING:
    import argparse

    from pyspark.sql import SparkSession

    from jobs.input_files import FileList, InputFile
    from jobs.settings import Settings

_UNOPENED = "{} files cannot be opened. They are passed over until reading them is allowed."
_CHANGED = (
    "{} changed while read: nothing of it counts. The next run reads it, if it is complete by then."
)
_REWRITTEN = (
    "{} has another size than when it was read. CloudTrail never rewrites a file; its events are "
    "not counted twice, so it is not read again."
)


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


def list_files(this: Run) -> FileList:
    """Files of the asked window; those passed over are counted by reason."""
    with this.progress.stage("list files") as stage:
        listing = list_input(this.input, this.input_format)
        late_days = this.settings.inputs.late_days
        files = choose(listing, this.window_from, this.window_to, late_days)
        passed_over = {f"passed over: {why}": n for why, n in listing.passed_over.items()}
        this.add({"files listed": len(files), **passed_over})
        if unopened := listing.passed_over[UNOPENED]:
            this.progress.warn(_UNOPENED.format(f"{unopened:,}"))
        stage.say(f"{len(files):,} files, {sum(passed_over.values()):,} passed over")
    return files


def detect(spark: SparkSession, this: Run, files: FileList) -> None:
    """Take new files in, judge what is not judged yet, publish; record the run, failed or not.

    Raises:
        CredtrailError: it failed; the message says why, and what to do.
    """
    warehouse = Warehouse(spark)
    with in_words(spark):
        with this.progress.stage("open warehouse"):
            warehouse.create_missing()
            held = lease.acquire(
                warehouse, this.settings.lease.minutes, this.settings.lease.wait_minutes
            )
        try:
            _take_in(warehouse, held, this, files)
            _judge(warehouse, held, this)
            runs.record(warehouse, held, this, None)
        except BaseException as error:
            held.give_up(error, partial(runs.record, warehouse, held, this, error))
            raise
        held.release()


def _take_in(warehouse: Warehouse, held: lease.Lease, this: Run, files: FileList) -> None:
    fresh = intake.new_files(warehouse, files)
    if fresh.rewritten:
        this.add({"files rewritten": fresh.rewritten})
        this.progress.warn(_REWRITTEN.format(_some(fresh.rewritten, fresh.such_as)))
    if not fresh.new:
        return
    batch_id = intake.next_batch_id(warehouse)
    for batch in intake.batches(fresh.files, this.settings.inputs.batch_bytes):
        with this.progress.stage("read and summarise") as stage:
            counts, batch_id = _take_in_batch(warehouse, held, this, batch, batch_id)
            this.add(counts)
            stage.say(
                f"{counts.get('files', 0):,} files, {counts.get('events', 0):,} events, "
                f"{counts.get('rejects', 0):,} rejects, {counts.get('sightings', 0):,} sightings"
            )


def _take_in_batch(
    warehouse: Warehouse, held: lease.Lease, this: Run, files: list[InputFile], batch_id: int
) -> tuple[dict[str, int], int]:
    """Take a batch in, without the files that are being written; return the next batch's id, too.

    Those wait for the next run: their claims are dead once this one is over.
    """
    while files:
        held.keep()
        try:
            return intake.take_in(warehouse, held, files, batch_id, this.settings), batch_id + 1
        except intake.ChangedError as error:
            this.add({"files changed while read": len(error.files)})
            this.progress.warn(_CHANGED.format(_some(len(error.files), error.files[0].path)))
            changed = {file.path for file in error.files}
            files = [file for file in files if file.path not in changed]
            batch_id += 1
    return {}, batch_id


def _some(number: int, such_as: str) -> str:
    """How many files, and one of them."""
    return f"{number:,} file{'s' * (number > 1)}, such as {such_as}"


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
        judged, how = _judged(warehouse, memories, todo, facts, settings)
        verdicts = judged.verdicts
        counts = runs.verdict_counts(verdicts)
        this.add(counts)
        this.coverage = runs.coverage(
            verdicts, judged.news, memories.changes, settings.method.fold_stays
        )
        stage.say(
            f"{counts['sessions']:,} sessions{how}, {counts['suspicious pairs']:,} suspicious pairs"
        )
    with progress.stage("gather evidence") as stage:
        held.keep()
        gathered = evidence.gather(warehouse, held, verdicts, settings)
        this.add(gathered)
        stage.say(f"{gathered['evidence calls']:,} calls from {gathered['evidence files']:,} files")
    with progress.stage("publish") as stage:
        held.keep()
        changed = runs.publish(warehouse, held, judged, this)
        this.add(changed)
        stage.say(f"{changed['findings changed']:,} findings changed")
    this.result_heads = warehouse.heads(runs.RESULTS)


def _judged(
    warehouse: Warehouse,
    memories: judging.Memories,
    todo: runs.ToJudge,
    facts: World,
    settings: Settings,
) -> tuple[news.Judged, str]:
    """Judge what new data can touch, or all, and say which.

    Of a small history all is judged sooner than it is told apart.
    """
    around = (facts, settings.method, settings.workloads.judged)
    how = ""
    if todo.results_stand and warehouse.rows(schemas.STAYS) >= news.WORTH_IT:
        past = news.Past(warehouse.scan(schemas.STAYS), warehouse.scan(schemas.PLACES))
        try:
            judged = news.judge_news(memories, past, todo.batches, *around)
        except news.InFullError as error:
            how = f" (all there are: {error})"
        else:
            return judged, " that new data can touch"
    verdicts = judging.judge(memories, *around)
    return news.Judged(verdicts, verdicts.placed), how


def main(argv: list[str] | None = None) -> int:
    """Entry point for spark-submit: flags that are not ours are ignored."""
    return cli.main(["detect", *(sys.argv[1:] if argv is None else argv)], tolerate_unknown=True)


if __name__ == "__main__":
    sys.exit(main())
