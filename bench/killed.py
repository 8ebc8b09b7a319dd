"""Kill runs at random moments, let a normal run follow each, and compare all tables.

``python -m bench.killed --events 3m --kills 20``. Every run has a warehouse of its own and takes
its input in as several batches; it is killed with all its processes, the JVM among them, at a
moment drawn between its start of work and its end. The next run must leave what a run leaves that
nothing happened to. It is a proof, no measurement; the seed makes it the same again, as far as a
machine allows that.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import sets
from bench.same import DifferentError
from bench.tables import compare, tables
from simulator.bulk.volume import Volume

if TYPE_CHECKING:
    import pyarrow as pa

_BATCHES = 3
_BEFORE_WORK = ("list files", "start Spark")


@dataclass(frozen=True, slots=True)
class Watched:
    """A run as it was seen: its exit code, seconds, and each stage with the second of its end."""

    status: int
    seconds: float
    stages: list[tuple[str, float]]

    @property
    def work_began(self) -> float:
        """Second at which all was ready."""
        return max((at for name, at in self.stages if name.startswith(_BEFORE_WORK)), default=0.0)


def main() -> None:
    """Kill as often as is asked, and print what each kill hit."""
    parser = argparse.ArgumentParser(prog="python -m bench.killed", description=__doc__)
    parser.add_argument("--events", type=sets.size, default="300k", help="size of the trail")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, help="number of the kill to go on from")
    parser.add_argument("--cache", type=Path, default=Path("build/bench"), help="folder of trails")
    args = parser.parse_args()
    cache = args.cache.resolve()
    trail = sets.trail(cache, Volume(events=args.events))
    room = cache / f"killed-{args.events}"
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(parents=True)
    settings = room / "settings.toml"
    settings.write_text(f"[inputs]\nbatch_bytes = {trail.bytes // _BATCHES}\n", encoding="utf-8")

    undisturbed = room / "undisturbed"
    whole = detect(trail.parquet, undisturbed, settings)
    _finished(whole, undisturbed)
    expected = tables(undisturbed)
    print(f"undisturbed: {whole.seconds:.1f} s; {_sizes(expected)}", flush=True)

    chance = random.Random(args.seed)  # noqa: S311 - moments, no secrets
    hit: Counter[str] = Counter()
    for number in range(1, args.kills + 1):
        moment = chance.uniform(whole.work_began, whole.seconds)
        if number < args.first:
            continue
        warehouse = room / f"kill-{number}"
        killed = detect(trail.parquet, warehouse, settings, kill_after=moment)
        was = _hit(killed, whole)
        hit[was] += 1
        after = detect(trail.parquet, warehouse, settings)
        _finished(after, warehouse)
        compare(expected, tables(warehouse))
        print(
            f"kill {number}: after {moment:.1f} s, in {was}; then {after.seconds:.1f} s: all equal",
            flush=True,
        )
        shutil.rmtree(warehouse)
    print(f"{sum(hit.values())} kills, all equal. Hit: {dict(hit)}")


def detect(
    source: Path, warehouse: Path, settings: Path, kill_after: float | None = None
) -> Watched:
    """Run detect as anybody does, and kill it with all its processes, if that is asked for."""
    options = ["--input", source, "--warehouse", warehouse, "--settings", settings]
    command = [sys.executable, "-m", "jobs.cli", "detect", *map(str, options)]
    log = warehouse.with_suffix(".log")
    began = time.monotonic()
    with log.open("w", encoding="utf-8") as output:
        program = subprocess.Popen(command, stderr=output, stdout=output, start_new_session=True)
        stages: list[tuple[str, float]] = []
        while program.poll() is None:
            time.sleep(0.02)
            now = time.monotonic() - began
            lines = log.read_text(encoding="utf-8").splitlines()
            stages += [(line, now) for line in lines[len(stages) :]]
            if kill_after is not None and now >= kill_after:
                os.killpg(program.pid, signal.SIGKILL)
                program.wait()
    _wait_until_gone(program.pid)
    return Watched(program.returncode, time.monotonic() - began, stages)


def _hit(killed: Watched, whole: Watched) -> str:
    """The stage that a kill fell into: the one after the last that had ended."""
    if killed.status != -signal.SIGKILL:
        return "nothing: it was over"
    names = [_name(line) for line, _ in killed.stages]
    order = [_name(line) for line, _ in whole.stages]
    stage = order[len(names)] if len(names) < len(order) else "the end"
    which = names.count(stage)
    return f"{stage} {which + 1}" if order.count(stage) > 1 else stage


def _name(line: str) -> str:
    return line[:26].strip()


def _finished(run: Watched, warehouse: Path) -> None:
    if run.status != 0:
        msg = f"detect failed ({run.status}):\n{warehouse.with_suffix('.log').read_text('utf-8')}"
        raise DifferentError(msg)


def _wait_until_gone(session: int) -> None:
    """Wait until no process of a session runs."""
    while any(_session(folder) == session for folder in Path("/proc").iterdir()):
        time.sleep(0.05)


def _session(folder: Path) -> int | None:
    """Session of a process that lives."""
    if folder.name.isdecimal():
        with suppress(OSError):
            stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
            state, _, _, session, *_ = stat.rpartition(")")[2].split()
            return None if state == "Z" else int(session)
    return None


def _sizes(found: dict[str, pa.Table]) -> str:
    return ", ".join(f"{name} {rows.num_rows:,}" for name, rows in found.items() if rows.num_rows)


if __name__ == "__main__":
    main()
