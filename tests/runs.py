"""Run detect as the command does, in the session of the tests, and read its tables."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs import detect, judging, lease
from jobs.progress import Progress
from jobs.runs import Run
from jobs.session import spark_session
from jobs.settings import load
from jobs.warehouse import Warehouse
from jobs.world import World, know
from transforms import schemas

if TYPE_CHECKING:
    import pytest

SMALL = {
    "spark.master": "local[2]",
    "spark.driver.memory": "2g",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "10000000",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
"""For handfuls of rows: to interpret a plan takes half the time of compiling it (measured). Tests
that start credtrail as a user does have the settings that it comes with."""

OF_A_RUN = {"run_id", "detected_at", "updated_at", "batch_id", "last_batch_id", "token"}
RESULTS = ("findings", "finding_calls", "mismatches", "homes", "places", "stays")


def run(trail: Path, warehouse: Path, **settings: Any) -> Run:
    """One run of detect over a folder of files."""
    loaded = load(None, settings)
    this = Run(str(trail), loaded, know(loaded), progress=Progress(Quiet()))
    files = detect.list_files(this)
    detect.detect(spark_session(SMALL, str(warehouse)), this, files)
    return this


class Quiet:
    """A stream that nobody reads."""

    def write(self, text: str) -> int:
        """Take text."""
        return len(text)

    def flush(self) -> None:
        """Do nothing."""

    def isatty(self) -> bool:
        """Be no terminal."""
        return False


def rows(warehouse: Path, table: str, leave_out: set[str] = OF_A_RUN) -> list[dict[str, Any]]:
    """Rows of a table by PyIceberg, in a stable order, without what a run gives."""
    with Warehouse(str(warehouse)) as opened:
        found = opened.scan(table)
    kept = [{k: v for k, v in row.items() if k not in leave_out} for row in found]
    return sorted(kept, key=repr)


def results(warehouse: Path) -> dict[str, list[dict[str, Any]]]:
    """All tables that judging makes; files are told apart by name alone, as trails move."""
    tables = {name: rows(warehouse, name) for name in RESULTS}
    for call in tables["finding_calls"]:
        call["input_file"] = None
    return tables


def snapshots(warehouse: Path) -> dict[str, int | None]:
    """Current snapshot of every table."""
    with Warehouse(str(warehouse)) as opened:
        return {
            table.name: getattr(opened._table(table.name).current_snapshot(), "snapshot_id", None)
            for table in schemas.TABLES
        }


class Death(BaseException):
    """The process is gone: nothing is recorded, nothing is given back."""


def dying(patch: pytest.MonkeyPatch, after: int, *writes: tuple[object, str]) -> None:
    """Make the process die at a write, after so many of them; none is taken for alive then.

    Args:
        patch: what holds the change.
        after: how many writes are done.
        writes: where a write stands, and its name there.
    """
    done = 0

    def counted(write: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            nonlocal done
            if done >= after:
                raise Death
            done += 1
            return write(*args, **kwargs)

        return wrapper

    for place, name in writes:
        patch.setattr(place, name, counted(getattr(place, name)))
    patch.setattr(lease, "_alive", lambda _: False)


def _batches(memories: judging.Memories, *_: Any) -> str:
    """Which batches memories are of."""
    rows = memories.sightings.select("batch_id").distinct().collect()
    return "-".join(sorted(str(row.batch_id) for row in rows))


def same_rows(memories: judging.Memories, around: World, *rest: Any) -> str:
    """Which rows memories and what is known besides hold, and how they are judged."""
    parts = [getattr(whole, part.name) for whole in (memories, around) for part in fields(whole)]
    told = [sorted(map(str, part.collect())) if part else part for part in parts]
    return hashlib.sha256(repr((told, rest)).encode()).hexdigest()


def judging_once(
    patch: pytest.MonkeyPatch, folder: Path, told: Callable[..., str] = _batches
) -> None:
    """Judge the same memories once: judging is a function of them, and dies in none.

    Verdicts are kept as files, as each run has a session of its own.

    Args:
        patch: what holds the change.
        folder: for the verdicts.
        told: a name of what is judged, from what ``judge`` is given.
    """
    judge = judging.judge

    def once(memories: Any, *args: Any) -> judging.Verdicts:
        spark = memories.sightings.sparkSession
        kept = folder / told(memories, *args)
        if not kept.exists():
            verdicts = judge(memories, *args)
            for part in fields(verdicts):
                getattr(verdicts, part.name).write.parquet(str(kept / part.name))
        parts = [part.name for part in fields(judging.Verdicts)]
        return judging.Verdicts(**{n: spark.read.parquet(str(kept / n)) for n in parts})

    patch.setattr(judging, "judge", once)
