"""The allow-list: what is known to be harmless, who says so, why, and until when.

A CSV file; every mistake in it is told at once, with its line.
"""

from __future__ import annotations

import csv
import io
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from jobs.allowlist_checks import mistakes
from jobs.errors import Problem, SettingsError
from jobs.show import plain

COLUMNS = ("what", "value", "account", "role", "rules", "owner", "reason", "expires")


@dataclass(frozen=True)
class Entry:
    """One line of the allow-list; an empty account or role stands for all.

    ``rules`` are those that come before the allow-list and that the entry excuses nevertheless.
    """

    what: str
    value: str
    owner: str
    reason: str
    expires: date
    account: str = ""
    role: str = ""
    rules: tuple[str, ...] = ()

    def expired(self, at: date) -> bool:
        """Tell whether the entry no longer holds on a day; it holds on its last day."""
        return at > self.expires

    @property
    def network(self) -> bytes | None:
        """First address of a CIDR entry: 4 bytes, or 16 for IPv6."""
        return self._cidr.network_address.packed if self._cidr else None

    @property
    def prefix_length(self) -> int | None:
        """Number of leading bits that all addresses of a CIDR entry share."""
        return self._cidr.prefixlen if self._cidr else None

    @property
    def _cidr(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
        return ipaddress.ip_network(self.value) if self.what == "cidr" else None

    def as_text(self) -> list[str]:
        """Return all that the entry says, in the order of the columns."""
        cells = {**vars(self), "rules": " ".join(self.rules), "expires": self.expires.isoformat()}
        return [cells[column] for column in COLUMNS]


def load_allow_list(path: str) -> tuple[Entry, ...]:
    """Return the entries of an allow-list file, in its order.

    Raises:
        SettingsError: all mistakes in the file.
    """
    entries: list[Entry] = []
    problems: list[Problem] = []
    for line, cells in _rows(path):
        where = f"{path}, line {line}"
        if len(cells) != len(COLUMNS):
            found = f"found {len(cells)} cells instead of {len(COLUMNS)}."
            problems.append(Problem(where, found, 'Put a text with commas in "quotes".'))
            continue
        row = dict(zip(COLUMNS, cells, strict=True))
        wrong = list(mistakes(row, where))
        problems += wrong
        if not wrong:
            entries.append(_entry(row))
    if problems:
        raise SettingsError(problems)
    return tuple(entries)


def _entry(row: dict[str, str]) -> Entry:
    value = str(ipaddress.ip_network(row["value"])) if row["what"] == "cidr" else row["value"]
    return Entry(
        what=row["what"],
        value=value,
        owner=row["owner"],
        reason=row["reason"],
        expires=date.fromisoformat(row["expires"]),
        account=row["account"],
        role=row["role"],
        rules=tuple(row["rules"].split()),
    )


def _rows(path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the cells of each row below the head."""
    reader = csv.reader(_lines(path), strict=True)
    head: list[str] = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if head and any(cells):
                yield reader.line_num, cells
            elif any(cells):
                head = cells
                _check_head(f"{path}, line {reader.line_num}", head)
    except csv.Error as error:
        where = f"{path}, line {reader.line_num}"
        raise _unusable(where, f"{error}.", "Close every quote that is opened.") from None
    if not head:
        _check_head(path, head)


def _lines(path: str) -> Iterator[str]:
    """Yield every line, comments as empty ones so that the others keep their numbers."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise _unusable(path, "this is no UTF-8 text.", "Save it as CSV in UTF-8.") from None
    except OSError as error:
        advice = "Correct [allow_list] file in the settings."
        raise _unusable(path, f"{error.strerror}.", advice) from None
    for line in io.StringIO(text):
        yield "\n" if line.startswith("#") else line


def _check_head(where: str, head: list[str]) -> None:
    if tuple(head) != COLUMNS:
        found = f"found {plain(','.join(head))}." if head else "found no line of column names."
        raise _unusable(where, found, f"Begin with {','.join(COLUMNS)}")


def _unusable(where: str, found: str, advice: str) -> SettingsError:
    return SettingsError([Problem(where, found, advice)])
