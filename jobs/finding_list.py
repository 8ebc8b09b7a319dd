"""Findings as a list: a table for people, JSON and CSV for programs; rows are dictionaries."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from jobs.arguments import SEVERITIES
from jobs.console import STYLES, Table, text
from jobs.show import count, csv_cell, json_line, moment, plain, utc

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

Row = Mapping[str, Any]

_SHORTEST = 8
_SHORTEST_TITLE = 40
_NUMBERS = ("calls", "denied")


def badness(severity: str) -> int:
    """Return the place of a severity, 0 for the worst; one that is not known comes first.

    >>> [badness(severity) for severity in ("high", "low", "unheard-of")]
    [1, 3, -1]
    """
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1


def in_order(findings: Iterable[Row]) -> list[Row]:
    """Return findings worst first, and of these the last seen first."""
    by_time = sorted(findings, key=_last_seen_and_id, reverse=True)
    return sorted(by_time, key=lambda finding: badness(finding["severity"]))


def short_ids(ids: Iterable[str]) -> dict[str, str]:
    """Return the first characters of each id: at least eight, and enough to tell them apart.

    >>> short_ids(["0123456789", "012345678f"])
    {'0123456789': '0123456789', '012345678f': '012345678f'}
    """
    distinct = set(ids)
    longest = max(map(len, distinct), default=0)
    for length in range(_SHORTEST, longest):
        if len({one[:length] for one in distinct}) == len(distinct):
            return {one: one[:length] for one in sorted(distinct)}
    return {one: one for one in sorted(distinct)}


def render_table(findings: Sequence[Row], to: Console) -> str:
    """Return findings for people: a line each where the console is wide enough, else three."""
    cases = short_ids(finding["case_id"] for finding in findings)
    table = _table(findings, cases)
    with to.capture() as captured:
        if table.width <= to.width:
            table.print(to)
        else:
            indent = max(len(plain(finding["severity"])) for finding in findings) + 2
            for finding in findings:
                _print_block(finding, cases[finding["case_id"]], indent, to)
    return captured.get()


def render_json(findings: Iterable[Row]) -> str:
    """Return findings as JSON, one a line, with the columns of the table ``findings``."""
    return "".join(f"{json_line(finding)}\n" for finding in findings)


def render_csv(findings: Iterable[Row], columns: Sequence[str]) -> str:
    """Return findings as CSV with a head; times are ISO 8601, parts of lists stand between bars."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for finding in findings:
        writer.writerow([csv_cell(finding[column]) for column in columns])
    return out.getvalue()


def summary(findings: Sequence[Row]) -> str:
    """Return how many findings there are, in how many cases, of which severities."""
    cases = len({finding["case_id"] for finding in findings})
    number = Counter(finding["severity"] for finding in findings)
    parts = [f"{number[level]:,} {plain(level)}" for level in sorted(number, key=badness)]
    return f"{count(len(findings), 'finding')} in {count(cases, 'case')}: {', '.join(parts)}."


def holder(finding: Row) -> str:
    """Return who the credential was issued to: the instance, or else the session's name."""
    return str(finding["instance_id"] or finding["session_name"])


def _table(findings: Sequence[Row], cases: Mapping[str, str]) -> Table:
    columns: dict[str, Callable[[Row], Text]] = {
        "severity": lambda f: text(f["severity"], STYLES.get(f["severity"], "")),
        "case": lambda f: text(cases[f["case_id"]], "bold"),
        "workload": lambda f: text(holder(f), limit=64),
        "account": lambda f: text(f["account_id"], limit=12),
        "source": lambda f: text(f["source"], limit=64),
        "verdict": lambda f: text(f["verdict"], limit=32),
        "first seen (UTC)": lambda f: text(moment(f["first_seen"], seconds=False)),
        "last seen (UTC)": lambda f: text(moment(f["last_seen"], seconds=False)),
        "calls": lambda f: text(_number(f["calls"])),
        "denied": lambda f: text(_number(f["denied_calls"])),
    }
    if any(f["status"] != "open" for f in findings):
        columns["status"] = lambda f: text(f["status"], limit=16)
    if any(f["review_state"] for f in findings):
        columns["review"] = lambda f: text(f["review_state"], "green", limit=16)
    rows = [[cell(finding) for cell in columns.values()] for finding in findings]
    return Table(list(columns), rows, right=_NUMBERS)


def _print_block(finding: Row, case: str, indent: int, to: Console) -> None:
    severity = plain(finding["severity"])
    head = Text.assemble((f"{severity:<{indent}}", STYLES.get(severity, "")), (case, "bold"), "  ")
    head.append(plain(finding["title"], max(_SHORTEST_TITLE, to.width - head.cell_len)))
    to.print(head, soft_wrap=True)
    calls = f"{count(finding['calls'] or 0, 'call')}, {_number(finding['denied_calls'])} denied"
    times = span(finding["first_seen"], finding["last_seen"])
    states = [finding["status"]] * (finding["status"] != "open") + [finding["review_state"]]
    where = f"{finding['source']}, account {finding['account_id']}, {finding['verdict']}"
    for line in (where, "; ".join([f"{times}: {calls}", *filter(None, states)])):
        to.print(text(" " * indent + line, "dim"), soft_wrap=True)


def span(first: datetime, last: datetime) -> str:
    """Return from when to when, in UTC, without saying the same day twice."""
    begin, end = moment(first, seconds=False), moment(last, seconds=False)
    if begin == end:
        return f"{begin} UTC"
    same_day = utc(first).date() == utc(last).date()
    return f"{begin} to {end[-5:] if same_day else end} UTC"


def _number(value: int | None) -> str:
    return f"{value or 0:,}"


def _last_seen_and_id(finding: Row) -> tuple[str, str]:
    return moment(finding["last_seen"]), finding["finding_id"]
