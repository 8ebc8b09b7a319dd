"""An hourly run on long memories: what its judging takes, beside that on a month of the same."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench import same
from bench.measure import Cost, Costs
from transforms import schemas

if TYPE_CHECKING:
    from bench.contest import Bench

JUDGING = ("see what is to be judged", "judge", "gather evidence", "publish")
"""Stages whose cost may not grow with history."""

VERSION = 2
"""Rises when the same size would come out otherwise."""

_CHANGED = ("catalog.db", "spark.log")
"""Files of a warehouse that are written to again; all others are written once."""


@dataclass(frozen=True)
class Remembered:
    """A warehouse that remembers some days of a fleet, all judged, as it was left.

    Attributes:
        folder: where all about it is.
    """

    folder: Path

    @property
    def warehouse(self) -> Path:
        """The warehouse; its tables keep absolute paths, so it is always here."""
        return self.folder / "wh"

    @property
    def hour(self) -> Path:
        """Folder of the events of the hour that follows."""
        return self.folder / "hours" / "1"

    @property
    def told(self) -> dict[str, dict[str, int]]:
        """Rows and bytes of each table, and events of the hour."""
        found: dict[str, dict[str, int]] = json.loads(self._told.read_text(encoding="utf-8"))
        return found

    @property
    def _kept(self) -> Path:
        return self.folder / "kept"

    @property
    def _told(self) -> Path:
        return self.folder / "told.json"

    def make(self, bench: Bench, instances: int, days: int) -> None:
        """Make it, if it is not there: memories, and one run that judges all of them."""
        if self._told.exists():
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        size = ("--instances", str(instances), "--days", str(days))
        places = ("--warehouse", str(self.warehouse), "--hours", str(self.folder / "hours"))
        made = bench.run("-m", "bench.memories", *size, *places)
        judged = bench.detect(self.folder / "hours" / "0", self.warehouse)
        print(
            f"  {self.folder.name}: made in {made.wall:,.0f} s, judged in {judged.wall:,.0f} s "
            f"({judged.cpu:,.0f} CPU s, {judged.memory / 1e9:.1f} GB)",
            flush=True,
        )
        _copy(self.warehouse, self._kept)
        self._told.write_text(json.dumps(sizes(self.warehouse), indent=1), encoding="utf-8")

    def restore(self) -> None:
        """Bring the warehouse back to what it was."""
        shutil.rmtree(self.warehouse)
        _copy(self._kept, self.warehouse)


def remembered(bench: Bench, instances: int, days: int) -> Remembered:
    """Return memories, made and judged if they are not there."""
    name = f"{instances}-for-{days}d-v{VERSION}"
    found = Remembered(bench.cache / "memories" / name)
    found.make(bench, instances, days)
    return found


def judging(bench: Bench, history: Remembered, _: Path) -> Cost:
    """Run once over the next hour, on memories as they were left."""
    history.restore()
    return bench.detect(history.hour, history.warehouse)


def contest(bench: Bench, instances: int, days: tuple[int, ...]) -> dict[int, Costs]:
    """Let hourly runs on memories of some lengths take turns; return what each took."""
    histories = {count: remembered(bench, instances, count) for count in days}
    players = {f"days_{n}": partial(judging, bench, history) for n, history in histories.items()}
    found = bench.contest(f"an hourly run, {instances:,} instances", **players)
    return {count: found[f"days_{count}"] for count in days}


def of_judging(costs: Costs) -> Costs:
    """Return what judging took of some runs."""
    return Costs(tuple(cost.of(*JUDGING) for cost in costs.runs))


def sizes(warehouse: Path) -> dict[str, dict[str, int]]:
    """Return rows, data files and bytes of each table."""
    found = {}
    with same.catalog(warehouse) as opened:
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


def _copy(source: Path, target: Path) -> None:
    """Copy a warehouse; files that are never written to again are the same ones."""

    def copied(one: str, other: str) -> str:
        if Path(one).name.startswith(_CHANGED):
            return str(shutil.copy2(one, other))
        os.link(one, other)
        return other

    shutil.copytree(source, target, copy_function=copied)
