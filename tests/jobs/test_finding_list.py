"""The list of findings: for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from jobs.finding_list import in_order, render_csv, render_json, short_ids, span, summary
from tests.results import HOME, NOON, THIEF, after
from tests.views import COLUMNS, listed, row


def test_a_line_has_what_a_person_sorts_by() -> None:
    """Severity, case, instance, account, source, verdict, times in UTC, calls and denied calls."""
    head, line = (" ".join(line.split()) for line in listed(row(calls=1234)))

    assert head == (
        "severity case workload account source verdict "
        "first seen (UTC) last seen (UTC) calls denied"
    )
    assert line == (
        f"high c0ffee01 i-0123456789abcdef0 111122223333 {THIEF} outside_aws "
        "2026-03-02 12:00 2026-03-02 12:05 1,234 1"
    )


def test_the_worst_come_first_and_of_these_the_latest() -> None:
    """The order is severity, then last seen; an unheard-of severity is not hidden at the end."""
    rows = [
        row(severity="low", last_seen=after(99)),
        row(severity="critical", last_seen=after(1)),
        row(severity="critical", last_seen=after(2)),
        row(severity="dire"),
    ]

    assert in_order(rows) == [rows[3], rows[2], rows[1], rows[0]]


def test_a_narrow_terminal_gets_lines_that_fit() -> None:
    """Where a table has no room a finding takes three lines, and nothing is lost from them."""
    lines = listed(row(review_state="contained"), width=80)

    assert len(lines) == 3
    assert max(map(len, lines)) <= 80
    for part in ("high", "c0ffee01", "i-0123456789abcdef0", "111122223333", THIEF, "outside_aws"):
        assert part in "\n".join(lines)
    assert lines[2].strip() == "2026-03-02 12:00 to 12:05 UTC: 3 calls, 1 denied; contained"


def test_reviews_and_closed_findings_are_marked() -> None:
    """A column for the review, and one for the status, appear where they say something."""
    lines = listed(row(review_state="false_alarm"), row(status="closed"))

    assert [line.split()[-2:] for line in lines] == [
        ["status", "review"],
        ["open", "false_alarm"],
        ["1", "closed"],
    ]


@given(st.lists(st.text("0123456789abcdef", min_size=16, max_size=16), min_size=1))
def test_short_ids_tell_apart(ids: list[str]) -> None:
    """What is shown of an id selects that id among those shown."""
    short = short_ids(ids)

    assert len(set(short.values())) == len(set(ids))
    assert all(one.startswith(part) and len(part) >= 8 for one, part in short.items())


def test_json_has_the_columns_of_the_table() -> None:
    """One finding a line, named as in the table, lists as lists and times as ISO 8601 in UTC."""
    one, two = map(json.loads, render_json([row(), row()]).splitlines())

    assert one == two
    assert list(one) == COLUMNS
    assert one["first_seen"] == "2026-03-02T12:00:00Z"
    assert one["home"] == [HOME]


def test_csv_has_the_columns_of_the_table() -> None:
    """A head even without findings, and cells that a spreadsheet does not compute."""
    text = render_csv([row(user_agents=["=1+1"], calls=7)], COLUMNS)
    (cells,) = csv.DictReader(io.StringIO(text))

    assert list(cells) == COLUMNS
    assert (cells["user_agents"], cells["calls"]) == ("'=1+1", "7")
    assert render_csv([], COLUMNS) == ",".join(COLUMNS) + "\n"


def test_a_summary_counts_findings_cases_and_severities() -> None:
    """Worst first."""
    rows = [row(), row(severity="critical"), row(case_id="another")]

    assert summary(rows) == "3 findings in 2 cases: 1 critical, 2 high."


def test_a_day_is_not_said_twice() -> None:
    """A span within a day names the day once; one moment is no span."""
    assert span(NOON, NOON) == "2026-03-02 12:00 UTC"
    assert span(NOON, after(65)) == "2026-03-02 12:00 to 13:05 UTC"
    assert span(NOON, after(24 * 60)) == "2026-03-02 12:00 to 2026-03-03 12:00 UTC"
