"""Times as CloudTrail writes them, always UTC and in whole seconds; and offsets in stories."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NOON = 12
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_OFFSET = re.compile(r"(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+)s)?", re.ASCII)


def iso(at: datetime) -> str:
    """Return a time as ``eventTime`` and ``creationDate`` have it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def from_iso(text: str) -> datetime:
    """Return the time that :func:`iso` wrote."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def expiration(at: datetime, *, comma: bool) -> str:
    """Return a time as ``responseElements.credentials.expiration`` has it.

    Records of 2018 have no comma behind the year, later ones have.

    >>> expiration(datetime(2018, 4, 4, 6, 19, 7, tzinfo=UTC), comma=False)
    'Apr 4, 2018 6:19:07 AM'
    """
    day = f"{_MONTHS[at.month - 1]} {at.day}, {at.year}{',' if comma else ''}"
    half = "AM" if at.hour < _NOON else "PM"
    return f"{day} {at.hour % _NOON or _NOON}:{at:%M:%S} {half}"


def offset(text: str) -> timedelta | None:
    """Return an offset such as ``90m``, ``1h30m`` or ``2d``; none where the text is no such thing.

    >>> offset("1h30m")
    datetime.timedelta(seconds=5400)
    """
    found = _OFFSET.fullmatch(text)
    if not text or not found:
        return None
    parts = {_UNITS[unit]: int(count) for unit, count in found.groupdict(default="0").items()}
    return timedelta(**parts)
