"""What the path of a file tells: whether it is no CloudTrail, and the day it was delivered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from urllib.parse import unquote

HIDDEN, DIGEST, INSIGHT, CONFIG = "hidden", "digest", "insight", "config"
OTHER_SERVICE, BAD_NAME = "log of another service", "name is not UTF-8"

_SERVICE_FOLDER = re.compile(r"/AWSLogs/(?:o-[^/]+/)?\d{12}/([^/]+)/")
_BY_FOLDER = {
    "CloudTrail": None,
    "CloudTrail-Digest": DIGEST,
    "CloudTrail-Insight": INSIGHT,
    "Config": CONFIG,
}
_BY_NAME = {
    "_CloudTrail-Digest_": DIGEST,
    "_CloudTrail-Insight_": INSIGHT,
    "_Config_": CONFIG,
    "ConfigWritabilityCheckFile": CONFIG,
}

_TRAIL_FOLDERS = re.compile(r"/CloudTrail/[^/]+/(\d{4})/(\d{2})/(\d{2})(?=/)")
_STAMP = re.compile(r"_(\d{4})(\d\d)(\d\d)T\d{4}Z_")
_DAY_VALUE = re.compile(r"/[^/=]+=(\d{4})[-/](\d\d)[-/](\d\d)(?=[/ T])")
_COMPACT_DAY_VALUE = re.compile(r"/[^/=]*(?i:da[yt]|dt|ds|time)[^/=]*=(\d{4})(\d\d)(\d\d)(?=/)")
_DAY_PARTS = re.compile(r"/year=(\d{4})/month=(\d{1,2})/day=(\d{1,2})(?=/)", re.IGNORECASE)
_DAY_FOLDERS = re.compile(r"/(\d{4})/(\d{2})/(\d{2})(?=/)")
_PLAUSIBLE_YEARS = range(2006, 2101)


def passed_over_by_name(path: str, inner: str) -> str | None:
    """Why a file is passed over; null where its name says nothing against it.

    Args:
        path: absolute path.
        inner: path within the input; empty where the file itself was asked for.
    """
    if any(part.startswith((".", "_")) for part in inner.split("/") if part):
        return HIDDEN
    if not _is_utf8(path):
        return BAD_NAME
    name = path.rsplit("/", 1)[-1]
    for mark, why in _BY_NAME.items():
        if mark in name:
            return why
    service = _SERVICE_FOLDER.search(path)
    return _BY_FOLDER.get(service[1], OTHER_SERVICE) if service else None


def delivery_day(path: str) -> date | None:
    """Day on which a file was delivered, as folders, file name or partition values tell it."""
    return next(_days(path), None)


def _days(path: str) -> Iterator[date]:
    """Days a path names, the surest first; of equals, the innermost first."""
    decoded = unquote(path)
    for text, pattern in (
        (path, _TRAIL_FOLDERS),
        (path, _STAMP),
        (decoded, _DAY_VALUE),
        (path, _COMPACT_DAY_VALUE),
        (path, _DAY_PARTS),
        (path, _DAY_FOLDERS),
    ):
        for year, month, day in reversed(pattern.findall(text)):
            try:
                found = date(int(year), int(month), int(day))
            except ValueError:
                continue
            if found.year in _PLAUSIBLE_YEARS:
                yield found


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
