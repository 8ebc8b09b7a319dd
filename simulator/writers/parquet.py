"""``cloudtrail-parquet``: the columns of Athena's table of CloudTrail, in large files.

Names and types are those of the table that Athena's manual makes, with ``inscopeof`` beside them:
lower case, every time and flag a string, parameters and responses JSON text. Folders are
``account=…/region=…/day=YYYY-MM-DD``, the day of delivery.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from simulator.writers import Written
from simulator.writers.athena import SCHEMA, table
from simulator.writers.delivery import deliveries

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date
    from pathlib import Path

    from simulator.record import Record

_ROW_GROUP = 20_000


class Writer:
    """Writes Parquet files into a folder."""

    def __init__(self, folder: Path, organisation: str) -> None:
        """Write below a folder; the paths do not name the organisation."""
        self._root, self._organisation = folder, organisation

    def write(self, account: str, records: Iterable[Record]) -> Written:
        """Write all records that are delivered to an account, which are in order of time."""
        written = Written()
        files: dict[str, _File] = {}
        for at, region, record in deliveries(records):
            file = files.get(region)
            if file is None or file.day != at.date():
                written += file.close() if file else Written()
                file = files[region] = _File(self._root, account, region, at.date())
            file.add(record)
        return sum((file.close() for file in files.values()), written)


class _File:
    """One file under way: a day of one account in one region."""

    def __init__(self, root: Path, account: str, region: str, day: date) -> None:
        folder = root / f"account={account}" / f"region={region}" / f"day={day.isoformat()}"
        folder.mkdir(parents=True, exist_ok=True)
        self.day = day
        self._path = folder / f"part-{len(list(folder.iterdir())):05d}.parquet"
        self._writer = pq.ParquetWriter(self._path, SCHEMA, compression="snappy")
        self._records: list[Record] = []
        self._events = 0

    def add(self, record: Record) -> None:
        self._records.append(record)
        if len(self._records) == _ROW_GROUP:
            self._flush()

    def close(self) -> Written:
        self._flush()
        self._writer.close()
        return Written(self._events, 1, self._path.stat().st_size)

    def _flush(self) -> None:
        if self._records:
            self._writer.write_table(table(self._records))
        self._events += len(self._records)
        self._records = []
