"""The results: a table in bench/README.md, and every single run as JSON in the cache folder."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import Cost, Costs
from bench.rows import ROWS, Row

if TYPE_CHECKING:
    from bench.contest import Bench

README = Path(__file__).with_name("README.md")
_BEGIN, _END = "<!-- results -->\n", "<!-- end of results -->\n"
_FILE = "results.json"
_PACKAGES = ("pyspark", "pyiceberg", "pyarrow", "duckdb")


def write(bench: Bench, rows: dict[str, list[Row]]) -> None:
    """Write the results of a whole sitting to the README, and of any sitting as JSON."""
    about = {"date": f"{datetime.now(UTC):%Y-%m-%d}", **_about(bench)}
    rows = {name: rows[name] for name in ROWS if name in rows}
    content = {
        **about,
        "rows": {name: [asdict(row) for row in found] for name, found in rows.items()},
        "runs": {
            name: {player: asdict(costs)["runs"] for player, costs in found.items()}
            for name, found in bench.measured.items()
        },
    }
    (bench.cache / _FILE).write_text(json.dumps(content, indent=1), encoding="utf-8")
    text = _text(about, rows)
    print("\n" + text)
    if set(rows) == set(ROWS):
        before, _, rest = README.read_text(encoding="utf-8").partition(_BEGIN)
        after = rest.partition(_END)[2]
        README.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}", encoding="utf-8")


def earlier(bench: Bench) -> dict[str, list[Row]]:
    """Return the rows of a sitting that is gone on with, and let the bench know its runs.

    Only one of the same commit, versions, machine and sizes counts, and none of changed files.
    """
    file = bench.cache / _FILE
    told = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    about = _about(bench)
    if any(told.get(name) != value for name, value in about.items()) or _is_changed(about):
        print("nothing to go on with: no results, or others than these would be", flush=True)
        return {}
    for name, players in told["runs"].items():
        bench.measured[name] = {
            player: Costs(tuple(Cost(**run) for run in runs)) for player, runs in players.items()
        }
    return {name: [Row(**row) for row in rows] for name, rows in told["rows"].items()}


def _about(bench: Bench) -> dict[str, object]:
    """What makes two sittings one."""
    return {
        "machine": _machine(),
        "versions": _versions(),
        "events": list(bench.events),
        "rates": list(bench.rates),
        "repeats": bench.repeats,
        "minutes": bench.minutes,
        "instances": bench.instances,
        "history": list(bench.history),
    }


def _is_changed(about: dict[str, object]) -> bool:
    return str(about["versions"]).endswith("-dirty")


def _text(about: dict[str, object], rows: dict[str, list[Row]]) -> str:
    words = {None: "", True: "yes", False: "**no**"}
    lines = [
        (
            f"{about['date']}, {about['machine']}; {about['versions']}. Medians of so many turns, "
            "in brackets the least and most of single turns."
        ),
        "",
        "| what | measured | budget | met | turns | context |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.what} | {row.ratio} | {row.budget} | {words[row.met]} | {row.turns or ''} | "
        f"{row.context} |"
        for found in rows.values()
        for row in found
    ]
    return "\n".join(lines) + "\n"


def _machine() -> str:
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, {memory / 1e9:.0f} GB, {platform.system()}"


def _versions() -> str:
    found = [f"Python {platform.python_version()}"]
    found += [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    commit = subprocess.run(  # the commit is context, no more
        ["git", "describe", "--always", "--dirty"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    return ", ".join([*found, f"commit {commit.stdout.strip() or 'unknown'}"])
