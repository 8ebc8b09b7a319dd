"""Hostile text does no harm wherever it is shown."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobs.show import CELL, count, csv_cell, iso, json_line, moment, plain

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)
"""Lone surrogates too: they come from broken UTF-8."""


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J\x1b]0;gotcha\x07", r"\x1b[2J\x1b]0;gotcha\x07"),
        ("a\r\nb\tc\x7f\x9b31m", r"a\r\nb\tc\x7f\x9b31m"),
        ("user\u202egnp.exe\u2066", r"user\u202egnp.exe\u2066"),
        ("zero\u200bwidth\ufeff\u00ad", r"zero\u200bwidth\ufeff\xad"),
        ("one\u2028two\u2029three\x85", r"one\u2028two\u2029three\x85"),
        ("half \ud800 pair", r"half \ud800 pair"),
        ("tags \U000e0041", r"tags \U000e0041"),
        ("not a\u00a0space\u3000", r"not a\xa0space\u3000"),
        ("nothing\u3164here\u2800", r"nothing\u3164here\u2800"),
        ("zalgo\u0335\u0336", r"zalgo\u0335\u0336"),
        ("\u05d0 12 \u0661", r"\u05d0 12 \u0661"),
    ],
)
def test_what_acts_is_spelt_out(hostile: str, shown: str) -> None:
    """Escapes, line breaks, reversals, invisible characters and broken pairs become visible."""
    assert plain(hostile) == shown


@pytest.mark.parametrize(
    "kind", ["aws-cli/1.15.0 (Linux) 100%", "Zoë Müller", "東京", "{a:'[red]b'}"]
)
def test_what_is_harmless_stays(kind: str) -> None:
    """Ordinary text of people and programs is shown as it is."""
    assert plain(kind) == kind


@given(ANY_TEXT)
def test_nothing_that_acts_gets_through(text: str) -> None:
    """Whatever comes in, only visible characters that move nothing come out."""
    shown = plain(text, None)

    assert shown.isprintable()
    assert not {unicodedata.bidirectional(c) for c in shown} & {"R", "AL", "AN", "RLO", "RLE"}
    assert not {unicodedata.category(c) for c in shown} & {"Mn", "Me", "Cf", "Cs"}


@given(ANY_TEXT, st.integers(min_value=1, max_value=50))
def test_text_is_bounded(text: str, limit: int) -> None:
    """No text is longer than its place; what was cut ends in an ellipsis."""
    shown = plain(text, limit)

    assert len(shown) <= limit
    assert shown == plain(text, None) or shown.endswith("…")


def test_huge_text_costs_little() -> None:
    """A text of many megabytes is cut without being looked at whole."""
    assert plain("\x1b" * 50_000_000, 8) == r"\x1b\x1…"


@pytest.mark.parametrize(
    "formula",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\u3000=1", "＝1"],  # noqa: RUF001
)
def test_a_formula_becomes_text(formula: str) -> None:
    """A cell that a spreadsheet would compute begins with an apostrophe."""
    assert csv_cell(formula).startswith("'")


@given(ANY_TEXT)
def test_a_cell_is_one_cell(text: str) -> None:
    """No text leaves its cell or its line, and none starts a formula."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([csv_cell(text), "next"])

    assert list(csv.reader([out.getvalue()])) == [[csv_cell(text), "next"]]
    assert not csv_cell(text).lstrip().startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (-3, "-3"),
        (True, "true"),
        (datetime(2026, 3, 2, 12, tzinfo=UTC), "2026-03-02T12:00:00Z"),
        (["=a", None, "b\x1b"], r"'=a |  | b\x1b"),
        ("x" * (CELL + 1), "x" * (CELL - 1) + "…"),
    ],
)
def test_cells_of_other_kinds(value: object, cell: str) -> None:
    """Numbers stay numbers, times are ISO 8601, lists stand between bars, text is bounded."""
    assert csv_cell(value) == cell


@given(st.dictionaries(ANY_TEXT, ANY_TEXT | st.none() | st.integers()))
@example({"delete": "\x7f"})
def test_json_is_ascii_and_true(row: dict[str, object]) -> None:
    """JSON holds printable ASCII alone and says exactly what the row says."""
    line = json_line(row)

    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == row


def test_times_are_utc() -> None:
    """A time of any zone is shown in UTC; one without a zone is UTC already."""
    lisbon = datetime(2026, 7, 1, 1, 30, 5, tzinfo=timezone(timedelta(hours=1)))

    assert iso(lisbon) == "2026-07-01T00:30:05Z"
    assert iso(date(2026, 7, 1)) == "2026-07-01"
    assert moment(lisbon) == "2026-07-01 00:30:05"
    assert moment(lisbon.replace(tzinfo=None), seconds=False) == "2026-07-01 01:30"
    assert moment(None) == ""


def test_counts_have_their_noun() -> None:
    """One is singular, everything else plural, thousands are set apart."""
    assert [count(n, "call") for n in (0, 1, 1234)] == ["0 calls", "1 call", "1,234 calls"]
    assert count(2, "entry", "entries") == "2 entries"
