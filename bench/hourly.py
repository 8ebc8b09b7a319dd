"""An hourly run on long memories: what its judging takes, beside that on a month of the same."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import tables
from bench.measure import Cost, Costs
from jobs.tables import create_statement
from transforms import schemas

if TYPE_CHECKING:
    from bench.contest import Bench

JUDGING = ("see what is to be judged", "judge", "gather evidence", "publish")
"""Stages whose cost may not grow with history."""

VERSION = 2
"""Rises when the same size would come out otherwise."""

_MADE, _JUDGED = "made.json", "judged.json"
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
        """Rows, data files and bytes of each table once all was judged."""
        found: dict[str, dict[str, int]] = self._read(_JUDGED)["tables"]
        return found

    def make(self, bench: Bench, instances: int, days: int) -> None:
        """Make what is not there: memories, and one run that judges all of them.

        Memories are made anew where tables have changed, and judged anew where any code has.
        """
        if self._read(_MADE).get("tables") != _tables_as_made():
            self._make(bench, instances, days)
        if self._read(_JUDGED).get("code") != _code():
            self._judge(bench)

    def restore(self, state: str = "judged") -> None:
        """Bring the warehouse back to what it was once it was made, or judged."""
        shutil.rmtree(self.warehouse, ignore_errors=True)
        _copy(self.folder / state, self.warehouse)

    def _make(self, bench: Bench, instances: int, days: int) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        size = ("--instances", str(instances), "--days", str(days))
        places = ("--warehouse", str(self.warehouse), "--hours", str(self.folder / "hours"))
        cost = bench.run("-m", "bench.memories", *size, *places)
        self._keep("made", _MADE, cost, tables=_tables_as_made())

    def _judge(self, bench: Bench) -> None:
        (self.folder / _JUDGED).unlink(missing_ok=True)
        self.restore("made")
        cost = bench.detect(self.folder / "hours" / "0", self.warehouse)
        self._keep("judged", _JUDGED, cost, code=_code(), tables=tables.sizes(self.warehouse))

    def _keep(self, state: str, told: str, cost: Cost, **said: object) -> None:
        print(
            f"  {self.folder.name}: {state} in {cost.wall:,.0f} s ({cost.cpu:,.0f} CPU s, "
            f"{cost.memory / 1e9:.1f} GB)",
            flush=True,
        )
        shutil.rmtree(self.folder / state, ignore_errors=True)
        _copy(self.warehouse, self.folder / state)
        content = {**said, "cost": asdict(cost)}
        (self.folder / told).write_text(json.dumps(content, indent=1), encoding="utf-8")

    def _read(self, name: str) -> dict[str, Any]:
        file = self.folder / name
        found: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
        return found


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


def _tables_as_made() -> str:
    """Return what tables look like: memories fit no others."""
    text = "".join(create_statement(table) for table in schemas.TABLES)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _code() -> str:
    """Return what the code that judges is: its files, committed or not."""
    root = Path(schemas.__file__).parents[1]
    files = sorted(p for f in ("jobs", "transforms", "conf") for p in (root / f).rglob("*.*"))
    digest = hashlib.sha256()
    for path in files:
        if path.suffix in (".py", ".toml", ".conf", ".csv", ".json"):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _copy(source: Path, target: Path) -> None:
    """Copy a warehouse; files that are never written to again are the same ones."""

    def copied(one: str, other: str) -> str:
        if Path(one).name.startswith(_CHANGED):
            return str(shutil.copy2(one, other))
        os.link(one, other)
        return other

    shutil.copytree(source, target, copy_function=copied)
