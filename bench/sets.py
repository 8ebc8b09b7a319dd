"""The trails that are measured: made once by rule and seed, and kept in the cache folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from simulator.agents import agent
from simulator.bulk.files import write
from simulator.bulk.volume import Volume
from simulator.calls import usual
from simulator.identity import IMDS_V2, Machine, Role, Style, of_workload
from simulator.ids import EventIds
from simulator.keys import issue
from simulator.record import Setting, stamp, template
from simulator.source import Source

_REGION = "us-east-1"
_UNITS = {"k": 10**3, "m": 10**6}
VERSION = 2
"""Rises when the same volume would come out otherwise."""


@dataclass(frozen=True, slots=True)
class Trail:
    """A trail on disk.

    Attributes:
        folder: where it is.
        events: how many it has.
        thefts: those that must be found, as ``simulator.bulk.rare`` tells them.
    """

    folder: Path
    events: int
    thefts: list[dict[str, object]]

    @property
    def parquet(self) -> Path:
        """Folder of the Parquet files: one folder a day."""
        return self.folder / "parquet"

    @property
    def json(self) -> Path:
        """Folder of the trail files."""
        return self.folder / "json"

    @property
    def days(self) -> list[Path]:
        """Folders of the days, in order."""
        return sorted(self.parquet.iterdir())

    @property
    def bytes(self) -> int:
        """Size of the Parquet files."""
        return sum(path.stat().st_size for path in self.parquet.rglob("*.parquet"))


def size(text: str) -> int:
    """Return how many events a word such as ``300k`` or ``3m`` asks for."""
    return round(float(text.rstrip("km")) * _UNITS.get(text[-1:], 1))


def trail(cache: Path, volume: Volume, *, with_json: bool = False) -> Trail:
    """Return a trail, made if it is not there.

    Args:
        cache: folder of all trails.
        volume: how much of what.
        with_json: trail files of JSON as well.
    """
    folder = cache / "trails" / _name(volume, with_json=with_json)
    told = folder / "trail.json"
    if not told.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        events, thefts = write(
            volume,
            folder / "parquet",
            folder / "json" if with_json else None,
            lambda line: print(f"  {folder.name}: {line}", flush=True),
        )
        content = {"events": events, "thefts": [theft.told() for theft in thefts]}
        told.write_text(json.dumps(content), encoding="utf-8")
    made = json.loads(told.read_text(encoding="utf-8"))
    return Trail(folder, made["events"], made["thefts"])


def _name(volume: Volume, *, with_json: bool) -> str:
    options = asdict(volume)
    words = [
        f"{options['events']}-at-{options['rate']:g}",
        f"{options['days']}d",
        options["skew"],
        "json" if with_json else "",
        f"seed{options['seed']}",
        f"v{VERSION}",
    ]
    return "-".join(filter(None, words))


def one_event(cache: Path) -> Path:
    """Return a folder with one file that holds one call of one instance."""
    folder = cache / "trails" / "one-event"
    if not folder.exists():
        folder.mkdir(parents=True)
        machine = Machine(
            "i-0123456789abcdef0", Role("111122223333", "web", "AROA" + "A" * 17), _REGION
        )
        key = issue(Volume(events=1).start, IMDS_V2, "one event")
        setting = Setting("111122223333", _REGION, agent("app", Style.MODERN), Style.MODERN)
        call = usual("s3:ListBuckets", machine.id, _REGION, "111122223333")
        record = stamp(
            template(call, Source("3.80.10.20"), setting),
            of_workload(machine, key, Style.MODERN),
            "2026-03-02T00:20:00Z",
            EventIds("one event"),
        )
        (folder / "one.json").write_text(json.dumps({"Records": [record]}), encoding="utf-8")
    return folder
