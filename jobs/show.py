"""Text that came from CloudTrail is hostile: it is shown only in ways that do no harm.

Whoever calls AWS chooses user agents, session names and parameters, and may write terminal
escapes, reversed text or spreadsheet formulas into them.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

SHORT = 200
"""Characters of a text on a terminal, unless its place says otherwise."""

CELL = 32_000
"""Characters of a cell of CSV: spreadsheets take 32,767."""

_UNSEEN = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and signs that show nothing."""

_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - full-width forms start formulas too
_SECONDS = "%Y-%m-%d %H:%M:%S"


def plain(text: object, limit: int | None = SHORT) -> str:
    r"""Return text in which nothing acts: what a terminal would obey or hide is spelt out.

    These are control characters, escapes, line breaks, bidirectional overrides, zero-width
    characters, combining marks, right-to-left letters (they move what stands beside them) and
    halves of surrogate pairs. What is longer than ``limit`` ends in an ellipsis.

    >>> plain("\x1b[2Jroot\u202e")
    '\\x1b[2Jroot\\u202e'
    >>> plain("a" * 10, limit=5)
    'aaaa…'
    """
    raw = "" if text is None else str(text)
    if raw.isascii() and raw.isprintable():
        return raw if limit is None or len(raw) <= limit else raw[: limit - 1] + "…"
    shown: list[str] = []
    length = 0
    for character in raw:
        piece = character if _harmless(character) else _spelt_out(character)
        length += len(piece)
        if limit is not None and length > limit:
            return "".join(shown)[: limit - 1] + "…"
        shown.append(piece)
    return "".join(shown)


def csv_cell(value: object) -> str:
    """Return a cell of CSV: harmless in a terminal, and no formula in a spreadsheet.

    >>> csv_cell("=HYPERLINK(1)")
    "'=HYPERLINK(1)"
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime | date):
        return iso(value)
    if isinstance(value, list | tuple):
        value = " | ".join("" if part is None else str(part) for part in value)
    text = "" if value is None else str(value)
    is_formula = text[:1] in _FORMULA or text.lstrip()[:1] in _FORMULA
    return plain(("'" if text and is_formula else "") + text, CELL)


def json_line(row: Mapping[str, Any]) -> str:
    """Return a row as one line of JSON in ASCII; times are ISO 8601 in UTC."""
    return json.dumps(row, ensure_ascii=True, default=iso)


def iso(value: object) -> str:
    """Return a time as ISO 8601 in UTC, to the second where it has no fraction."""
    if isinstance(value, datetime):
        return utc(value).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    message = f"{type(value).__name__} has no text form"
    raise TypeError(message)


def moment(value: datetime | None, *, seconds: bool = True) -> str:
    """Return a time for people, in UTC; empty where there is none."""
    if value is None:
        return ""
    return utc(value).strftime(_SECONDS if seconds else _SECONDS.removesuffix(":%S"))


def utc(value: datetime) -> datetime:
    """Return a time in UTC; one without a zone is in UTC already."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun.

    >>> count(1, "call"), count(1200, "call")
    ('1 call', '1,200 calls')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _harmless(character: str) -> bool:
    return (
        character.isprintable()
        and character not in _UNSEEN
        and unicodedata.category(character) not in {"Mn", "Me"}
        and unicodedata.bidirectional(character) not in _RIGHT_TO_LEFT
    )


def _spelt_out(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
