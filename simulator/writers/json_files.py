"""``cloudtrail-json``: gzipped files in folders, named as CloudTrail names them.

``AWSLogs/[o-…/]ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/ACCOUNT_CloudTrail_REGION_YYYYMMDDTHHmmZ_….json.gz``
where day and time are those of delivery. The same records give the same bytes.
"""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

from simulator.ids import digest
from simulator.writers import Written
from simulator.writers.delivery import deliveries

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from simulator.record import Record

_LEVEL = 3
_UNIQUE_CHARS = 16
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


class Writer:
    """Writes trail files into a folder."""

    def __init__(self, folder: Path, organisation: str) -> None:
        """Write below a folder; the organisation's id is part of the paths unless it is empty."""
        self._root = folder / "AWSLogs" / organisation

    def write(self, account: str, records: Iterable[Record]) -> Written:
        """Write all records that are delivered to an account, which are in order of time."""
        written = Written()
        under_way: dict[str, tuple[datetime, list[str]]] = {}
        for at, region, record in deliveries(records):
            since, texts = under_way.get(region, (at, []))
            if since != at:
                written += self._file(account, region, since, texts)
                texts = []
            texts.append(_ENCODE(record))
            under_way[region] = at, texts
        for region, (since, texts) in under_way.items():
            written += self._file(account, region, since, texts)
        return written

    def _file(self, account: str, region: str, at: datetime, texts: list[str]) -> Written:
        content = ('{"Records":[' + ",".join(texts) + "]}").encode()
        unique = digest(account, region, at, texts[0]).hex()[:_UNIQUE_CHARS]
        folder = self._root / account / "CloudTrail" / region / f"{at:%Y/%m/%d}"
        name = f"{account}_CloudTrail_{region}_{at:%Y%m%dT%H%MZ}_{unique}.json.gz"
        packed = gzip.compress(content, _LEVEL, mtime=0)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(packed)
        return Written(len(texts), 1, len(packed))
