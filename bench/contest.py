"""Contestants: programs that are measured on the same files, taking turns."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from bench import measure, sets
from bench.measure import Cost, Costs
from simulator.bulk.volume import Volume

Play = Callable[[Path], Cost]
"""Runs once with a new folder for what it writes, and returns what that cost."""


@dataclass(eq=False)
class Bench:
    """One sitting.

    Attributes:
        cache: folder of trails, of what contestants write, and of results.
        events: sizes of trails.
        rates: events of an instance per hour.
        repeats: runs of each contestant, at most.
        minutes: a contest ends where one more turn would take it beyond; the first turn is always
            played. Zero: it never does.
        instances: size of the fleet whose history is long.
        history: days of history, the fewest and the most of which are compared.
    """

    cache: Path
    events: Sequence[int]
    rates: Sequence[float]
    repeats: int
    minutes: float = 0
    instances: int = 20_000
    history: Sequence[int] = (30, 365)
    measured: dict[str, dict[str, Costs]] = field(default_factory=dict)

    def trail(self, events: int, rate: float, *, days: int = 7, skew: str = "") -> sets.Trail:
        """Return a trail, made if it is not there."""
        return sets.trail(self.cache, Volume(events=events, rate=rate, days=days, skew=skew))

    @property
    def of_work(self) -> int:
        """The size of trail at which it is shown how work splits: the middle one."""
        return sorted(self.events)[len(self.events) // 2]

    def contest(
        self, name: str, check: Callable[[dict[str, Path]], None] | None = None, /, **players: Play
    ) -> dict[str, Costs]:
        """Let contestants run in turns; return what each took, or took in a sitting gone on with.

        Args:
            name: of the contest.
            check: looks at what they have written in the first turn.
            players: the contestants.
        """
        if name in self.measured:
            return self.measured[name]
        runs: dict[str, list[Cost]] = {player: [] for player in players}
        began = time.monotonic()
        for turn in range(self.repeats):
            if turn and not self._has_time(time.monotonic() - began, turn):
                break
            rooms = {player: self._room(player) for player in players}
            for player, play in players.items():
                cost = play(rooms[player])
                runs[player].append(cost)
                print(
                    f"  {name}, {player}, {turn + 1}: {cost.wall:.1f} s, {cost.cpu:.1f} CPU s, "
                    f"{cost.memory / 1e6:,.0f} MB",
                    flush=True,
                )
            if check and not turn:
                check(rooms)
            for room in rooms.values():
                shutil.rmtree(room, ignore_errors=True)
        found = {player: Costs(tuple(costs)) for player, costs in runs.items()}
        self.measured[name] = found
        return found

    def _has_time(self, seconds: float, turns: int) -> bool:
        """Tell whether one more turn fits, if it takes as long as those before it did."""
        return not self.minutes or seconds * (turns + 1) / turns <= self.minutes * 60

    @cached_property
    def empty(self) -> Costs:
        """What a run over one event takes."""
        one = sets.one_event(self.cache)
        return self.contest("empty run", us=lambda room: self.detect(one, room / "wh"))["us"]

    def net(self, costs: Costs) -> Costs:
        """Return costs without those of the empty run."""
        cpu, wall = self.empty.cpu, self.empty.wall
        return Costs(tuple(Cost(c.wall - wall, c.cpu - cpu, c.memory) for c in costs.runs))

    def detect(self, source: Path, warehouse: Path, settings: str = "", *options: str) -> Cost:
        """Run ``credtrail detect``.

        Args:
            source: folder of files.
            warehouse: folder of the tables.
            settings: content of a settings file; none where empty.
            options: further options.
        """
        more = list(options)
        if settings:
            file = self.cache / "settings.toml"
            file.write_text(settings, encoding="utf-8")
            more += ["--settings", str(file)]
        places = ["--input", str(source), "--warehouse", str(warehouse)]
        return self.run("-m", "jobs.cli", "detect", "--format", "json", *places, *more)

    def run(self, *command: str, may_exit: Sequence[int] = (0,)) -> Cost:
        """Run a program in Python."""
        return measure.run(command, self.cache / "last.log", may_exit)

    def _room(self, name: str) -> Path:
        room = self.cache / "work" / name
        shutil.rmtree(room, ignore_errors=True)
        room.mkdir(parents=True)
        return room
