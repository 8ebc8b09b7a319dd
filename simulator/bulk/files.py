"""A trail of any size, in files: Parquet by day, and trail files of JSON."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.bulk.account import Account
from simulator.bulk.columns import Part
from simulator.bulk.day import Calling, calling, events, span
from simulator.bulk.identities import Identities
from simulator.bulk.rare import Rare, thefts
from simulator.bulk.volume import THEFT, Rates, Volume
from simulator.ids import digest
from simulator.writers.athena import SCHEMA, table
from simulator.writers.delivery import delivered

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from simulator.bulk.rare import Theft
    from simulator.record import Record

FILE_BYTES = 100_000_000
"""Size at which the next Parquet file of a day begins."""

_ROW_GROUP = 125_000
_JSON_EVENTS = 450
_LEVEL = 3


def write(
    volume: Volume,
    parquet: Path | None = None,
    json_gz: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[int, list[Theft]]:
    """Write a trail; return how many events it has, and the thefts in it.

    Args:
        volume: how much of what.
        parquet: folder of Parquet files, ``day=…/part-….parquet``; none where none is wanted.
        json_gz: folder of trail files, ``AWSLogs/…``; none where none is wanted.
        tell: is told of each day.
    """
    fleet = volume.fleet
    rates = Rates.of(volume, fleet)
    stolen = thefts(volume, fleet, round(volume.events * THEFT))
    owners = np.array([box.machine.role.account for box in fleet.boxes])
    made = []
    for account_id in fleet.plan.account_ids:
        account, here = Account(fleet, account_id), owners == account_id
        of_boxes = Calling(rates.calls[here], rates.rush[here])
        often = calling(account, of_boxes, rates.others[account_id], volume.seconds)
        made.append((account, often, Rare(fleet, account_id, stolen[account_id])))
    count = 0
    for day in range(volume.days):
        files = _Parquet(parquet, volume.start + timedelta(days=day)) if parquet else None
        for number, (account, often, rare) in enumerate(made):
            within = span(day, volume.days)
            chance = np.random.default_rng([volume.seed, 1, day, number])
            found = events(account, often, within, chance)
            who = Identities(account, within, volume.seed)
            records = rare.records(within)
            count += len(found) + len(records)
            columns, texts = who.columns(), who.json() if json_gz else None
            for cut in found.cut(_ROW_GROUP):
                part = Part(account, who, cut, chance)
                if files:
                    files.add(part.table(columns))
                if json_gz:
                    _write_json(json_gz, account, part, texts)
            if records and files:
                files.add(table(records))
            if records and json_gz:
                _write_records(json_gz, account, records)
        if files:
            files.close()
        tell(f"day {day + 1} of {volume.days}: {count:,} events")
    return count, [theft for found in stolen.values() for theft, _ in found]


class _Parquet:
    """The files of one day under way."""

    def __init__(self, root: Path, day: datetime) -> None:
        self._folder = root / f"day={day:%Y-%m-%d}"
        self._folder.mkdir(parents=True)
        self._count = 0
        self._waiting: list[pa.Table] = []
        self._open()

    def add(self, rows: pa.Table) -> None:
        self._waiting.append(rows)
        if sum(len(rows) for rows in self._waiting) >= _ROW_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()
        self._file.close()

    def _flush(self) -> None:
        if self._file.tell() > FILE_BYTES:
            self._writer.close()
            self._file.close()
            self._open()
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=2 * _ROW_GROUP)
        self._waiting = []

    def _open(self) -> None:
        path = self._folder / f"part-{self._count:05d}.parquet"
        self._count += 1
        self._file: BinaryIO = path.open("wb")
        self._writer = pq.ParquetWriter(self._file, SCHEMA, compression="snappy")


def _write_json(root: Path, account: Account, part: Part, identities: pa.Array) -> None:
    """Write events as trail files: some hundred of one region in each."""
    texts, regions = part.json(identities), part.regions
    for region in np.unique(regions):
        here = np.flatnonzero(regions == region)
        for begin in range(0, len(here), _JSON_EVENTS):
            rows = pa.array(here[begin : begin + _JSON_EVENTS])
            last = part.time[int(here[min(begin + _JSON_EVENTS, len(here)) - 1])].as_py()
            _trail_file(root, account.id, str(region), last, texts.take(rows).to_pylist())


def _write_records(root: Path, account: Account, records: list[Record]) -> None:
    for region in sorted({record["awsRegion"] for record in records}):
        here = [record for record in records if record["awsRegion"] == region]
        texts = [json.dumps(record, separators=(",", ":")) for record in here]
        _trail_file(root, account.id, region, here[-1]["eventTime"], texts)


def _trail_file(root: Path, account: str, region: str, last: str, texts: list[str]) -> None:
    at = delivered(last[:16])
    if at is None:
        msg = f"{last} is no time of an event"
        raise ValueError(msg)
    folder = root / "AWSLogs" / account / "CloudTrail" / region / f"{at:%Y/%m/%d}"
    folder.mkdir(parents=True, exist_ok=True)
    unique = digest(account, region, last, texts[0]).hex()[:16]
    name = f"{account}_CloudTrail_{region}_{at:%Y%m%dT%H%MZ}_{unique}.json.gz"
    content = '{"Records":[' + ",".join(texts) + "]}"
    (folder / name).write_bytes(gzip.compress(content.encode(), _LEVEL, mtime=0))
