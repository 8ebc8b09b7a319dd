"""What a program costs: wall clock, CPU of it and all its children, and their memory at its peak.

CPU is what the kernel bills for all descendants: those that lose their parent (a JVM outlives the
Python that started it) become ours and are waited for. Memory is the sum of resident pages of all
of them, looked at ten times a second. Linux only.
"""

from __future__ import annotations

import ctypes
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER
_EVERY = 0.1
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_STAGE = re.compile(r"^([a-z][A-Za-z ,-]+?) {2,}([0-9.]+) s(?: |$)")
"""How credtrail tells of a stage that is over: its name, and what it took."""

_MOST_SECONDS = 6 * 3600


class FailedError(RuntimeError):
    """A program under measurement has failed: which, and the end of what it said."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took: seconds, CPU seconds, and bytes of memory.

    ``stages`` has the same of each stage that it told of, by name: seconds and CPU seconds. The
    latter are looked at ten times a second.
    """

    wall: float
    cpu: float
    memory: int
    stages: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def of(self, *stages: str) -> Cost:
        """Return what some stages took together."""
        told = [self.stages.get(name, (0.0, 0.0)) for name in stages]
        return Cost(sum(wall for wall, _ in told), sum(cpu for _, cpu in told), self.memory)


@dataclass(frozen=True, slots=True)
class Costs:
    """What some runs of the same took."""

    runs: tuple[Cost, ...]

    @property
    def turns(self) -> int:
        """How many there are."""
        return len(self.runs)

    @property
    def cpu(self) -> float:
        """Median of CPU seconds."""
        return statistics.median(run.cpu for run in self.runs)

    @property
    def wall(self) -> float:
        """Median of seconds."""
        return statistics.median(run.wall for run in self.runs)

    @property
    def memory(self) -> int:
        """The highest peak of memory."""
        return max(run.memory for run in self.runs)

    @property
    def spread(self) -> tuple[float, float]:
        """Least and most CPU seconds."""
        cpu = [run.cpu for run in self.runs]
        return min(cpu), max(cpu)

    def __add__(self, other: Costs) -> Costs:
        """Return the costs of one thing after the other, run by run."""
        return Costs(
            tuple(
                Cost(a.wall + b.wall, a.cpu + b.cpu, max(a.memory, b.memory))
                for a, b in zip(self.runs, other.runs, strict=True)
            )
        )


def run(command: Sequence[str], log: Path, may_exit: Iterable[int] = (0,)) -> Cost:
    """Run a program, and return what it cost.

    Args:
        command: what Python runs, such as ``-m jobs.cli --help``.
        log: file for what it says.
        may_exit: exit codes that are no failure.
    """
    ctypes.CDLL(None).prctl(_ADOPT_ORPHANS, 1, 0, 0, 0)
    before, began = _billed(), time.monotonic()
    memory, stages = 0, _Stages(log)
    with log.open("w", encoding="utf-8") as file:
        program = subprocess.Popen([sys.executable, *command], stdout=file, stderr=file)
        while program.poll() is None:
            memory = max(memory, _resident())
            stages.look()
            time.sleep(_EVERY if time.monotonic() - began > 1 else _EVERY / 10)
            if time.monotonic() - began > _MOST_SECONDS:
                program.kill()
    wall = time.monotonic() - began
    stages.look()
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    if program.returncode not in may_exit:
        tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        msg = f"{' '.join(command)} has failed ({program.returncode}):\n{tail}"
        raise FailedError(msg)
    return Cost(wall, _billed() - before, memory, stages.told)


class _Stages:
    """What the stages of a run took, told by its log while it runs."""

    def __init__(self, log: Path) -> None:
        self._log, self._read, self._cpu = log, 0, 0.0
        self.told: dict[str, tuple[float, float]] = {}

    def look(self) -> None:
        """Note the stages that have ended since one last looked, with the CPU since then."""
        with self._log.open("rb") as file:
            file.seek(self._read)
            lines = file.read().splitlines(keepends=True)
        for line in lines:
            if not line.endswith(b"\n"):
                break
            self._read += len(line)
            if found := _STAGE.match(line.decode(errors="replace")):
                cpu = _used()
                wall, before = self.told.get(found[1], (0.0, 0.0))
                self.told[found[1]] = (wall + float(found[2]), before + cpu - self._cpu)
                self._cpu = cpu


def _used() -> float:
    """Return the CPU seconds of all our descendants that live, and of those they have outlived."""
    total = 0
    for number in _descendants():
        with suppress(OSError):
            stat = Path(f"/proc/{number}/stat").read_text(encoding="utf-8")
            total += sum(map(int, stat.rpartition(")")[2].split()[11:15]))
    return total / _TICKS


def _billed() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _resident() -> int:
    """Return the bytes that all our descendants have in memory.

    A process that has the command of its parent has just been forked, and shares its memory.
    """
    total = 0
    for number, parent in _descendants().items():
        with suppress(OSError):
            if _command(number) != _command(parent):
                total += int(Path(f"/proc/{number}/statm").read_text(encoding="utf-8").split()[1])
    return total * _PAGE


def _descendants() -> dict[int, int]:
    """Return all processes that descend from this one, each with its parent."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):
                stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
                parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    ours = {os.getpid()}
    while found := {child for child, parent in parents.items() if parent in ours} - ours:
        ours |= found
    return {number: parents[number] for number in ours - {os.getpid()}}


def _command(number: int) -> bytes:
    return Path(f"/proc/{number}/cmdline").read_bytes()
