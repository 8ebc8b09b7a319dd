"""When CloudTrail delivers an event: 5 to 15 minutes later, so that days slop over."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from simulator.record import Record

_EVERY = 10
_LEAST = 5
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d", re.ASCII)
_BEFORE_ALL = datetime(2006, 1, 1, tzinfo=UTC)
_NOWHERE = "us-east-1"


def deliveries(records: Iterable[Record]) -> Iterator[tuple[datetime, str, Record]]:
    """Return each record with the time of its delivery (UTC) and its region.

    A story may spoil either field: such a record comes with the one before it.
    """
    last = _BEFORE_ALL
    for record in records:
        last = delivered(str(record.get("eventTime"))[:16]) or last
        region = record.get("awsRegion")
        is_region = isinstance(region, str) and _is_region(region)
        yield last, region if is_region and region else _NOWHERE, record


@lru_cache(maxsize=4096)
def delivered(minute: str) -> datetime | None:
    """Return when events of a minute (``2026-03-02T00:04``) are delivered; none for other text.

    >>> delivered("2026-03-02T23:55")
    datetime.datetime(2026, 3, 3, 0, 10, tzinfo=datetime.timezone.utc)
    """
    try:
        begin = datetime.strptime(minute, "%Y-%m-%dT%H:%M").replace(tzinfo=UTC)
    except ValueError:
        return None
    earliest = begin + timedelta(minutes=1 + _LEAST)
    return earliest + timedelta(minutes=-earliest.minute % _EVERY)


@lru_cache(maxsize=256)
def _is_region(text: str) -> bool:
    return _REGION.fullmatch(text) is not None
