"""Findings as people and programs see them, from rows and from a warehouse."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.arguments import SEVERITIES
from jobs.console import console
from jobs.errors import InputError
from jobs.finding_card import KINDS, render_card
from jobs.finding_list import (
    in_order,
    render_csv,
    render_json,
    render_table,
    short_ids,
    span,
    summary,
)
from jobs.findings import last_run, newest_reviews, run, select, show, worst
from jobs.show import CELL
from jobs.warehouse import Warehouse
from tests.results import HOME, NOON, THIEF, after, call, finding, review, warehouse
from tests.results import run as a_run
from transforms import schemas

HOSTILE = "\x1b]0;x\x07\u202e=cmd|'!A0\n[bold]forged[/bold] :smiley: \ud800"
COLUMNS = [*schemas.FINDINGS.columns, "review_state"]


def row(**said: Any) -> dict[str, Any]:
    """A finding as the list has it: with the state of the review of its case."""
    return {**finding(), "review_state": None, **said}


def listed(*rows: dict[str, Any], width: int | None = None) -> list[str]:
    """Lines of the list of findings."""
    return render_table(rows, console(io.StringIO(), width)).splitlines()


def card(
    found: dict[str, Any] | None = None,
    calls: list[dict[str, Any]] | None = None,
    said: dict[str, Any] | None = None,
    width: int = 120,
    most: int = 40,
) -> str:
    """A finding in full."""
    return render_card(found or finding(), calls or [], said, console(io.StringIO(), width), most)


def asked(folder: Path, **said: Any) -> Namespace:
    """Options of the command, as its defaults have them."""
    defaults = {"id": None, "calls": 40, "status": "open", "format": "table", "min_severity": "low"}
    return Namespace(**{"warehouse": str(folder), **defaults, **said})


def test_a_line_has_what_a_person_sorts_by() -> None:
    """Severity, case, instance, account, source, verdict, times in UTC, calls and denied calls."""
    head, line = (" ".join(line.split()) for line in listed(row(calls=1234)))

    assert head == (
        "severity case instance account source verdict "
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


def test_hostile_text_is_harmless_in_every_view() -> None:
    """No view of a finding lets escapes, reversals, line breaks or markup of CloudTrail act."""
    hostile = row(
        instance_id=None,
        session_name=HOSTILE,
        source=HOSTILE,
        title=HOSTILE,
        reason=HOSTILE,
        role_arn=HOSTILE,
        user_agents=[HOSTILE],
        event_names=[HOSTILE],
        home=[HOSTILE],
    )
    calls = [call(user_agent=HOSTILE, request_parameters=HOSTILE), call(1, error_code=HOSTILE)]
    notes = review(note=HOSTILE, by=HOSTILE)

    for view in (
        "\n".join(listed(hostile)),
        "\n".join(listed(hostile, width=80)),
        card(hostile, calls, notes),
        render_csv([hostile], COLUMNS),
        render_json([{**hostile, "finding_calls": calls}]),
    ):
        assert view.replace("\n", "").isprintable()
        assert view.count("[bold]forged[/bold] :smiley:") == view.count("forged") > 0
        assert not any(line.startswith("[bold]") for line in view.splitlines())
    assert len(listed(hostile)) == 2


def test_huge_text_is_bounded() -> None:
    """A name of a megabyte does not flood the terminal."""
    huge = "x" * 1_000_000
    found = row(session_name=huge, instance_id=None, source=huge, title=huge, user_agents=[huge])

    assert len("\n".join(listed(found))) < 1_000
    assert len(card(found, [call(request_parameters=huge, user_agent=huge)])) < 5_000
    (cells,) = csv.DictReader(io.StringIO(render_csv([found], COLUMNS)))
    assert max(map(len, cells.values())) == CELL


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


def test_a_card_shows_both_sides() -> None:
    """Home since when, and the intruder with kind, endpoint and owner of the endpoint."""
    found = finding(
        source="vpce-0abc/10.0.1.20",
        source_kind="endpoint",
        vpc_endpoint_id="vpce-0abc",
        vpc_endpoint_account_id="999988887777",
    )

    lines = [" ".join(line.split()) for line in card(found).splitlines()]

    assert f"home {HOME}" in lines
    assert "since 2026-03-02 07:00:00 UTC" in lines
    assert "intruder vpce-0abc/10.0.1.20 (VPC endpoint)" in lines
    assert "owner of vpce-0abc: 999988887777" in lines


@pytest.mark.parametrize(
    ("likely", "home", "source"),
    [("source", "home", "intruder"), ("home", "intruder", "source"), ("unknown", "home", "source")],
)
def test_the_likely_intruder_is_named(likely: str, home: str, source: str) -> None:
    """The side that the judgement takes for the thief's is called intruder, whichever it is."""
    text = card(finding(likely_intruder=likely))

    assert f"\n{home:<10}{HOME}" in text
    assert f"\n{source:<10}{THIEF}" in text
    assert ("no telling which side is the thief" in text) == (likely == "unknown")


def test_a_card_has_what_a_responder_needs() -> None:
    """Sentence, reason, keys, calls, denied calls, names, agents, signals, status and review."""
    text = card(
        finding(signals=["after_silence"], status="closed", closed_reason="It was our scanner."),
        [call()],
        review(state="false_alarm", note="our scanner"),
    )

    for part in (
        "HIGH  Credentials of i-0123456789abcdef0 were used from outside AWS",
        "somebody took it and runs it elsewhere",
        "ASIAEXAMPLEEXAMPLE00",
        "3, of which 1 denied",
        "sts:GetCallerIdentity, s3:ListBuckets, iam:ListUsers",
        "aws-cli/1.15.0",
        "after_silence",
        "closed, found 2026-03-02 13:00 UTC. It was our scanner.",
        "false_alarm by jane, 2026-03-02 13:30 UTC: our scanner",
    ):
        assert part in text


def test_long_lists_say_what_they_leave_out() -> None:
    """Of many homes, keys, names or agents the first are shown, and how many more there are."""
    many = [f"52.95.0.{n}" for n in range(20)]

    text = card(finding(home=many, event_names=[f"s3:Call{n}" for n in range(50)]))

    assert "and 14 more" in text
    assert "s3:Call11, and 38 more" in text


def test_calls_are_in_order_of_time() -> None:
    """Each with its time, name, effect and result."""
    calls = [
        call(5, event_id="a", event_name="ListUsers", error_code="AccessDenied"),
        call(1, event_name="PutObject", read_only=False, request_parameters='{"key":"a"}'),
    ]

    lines = card(calls=calls).splitlines()
    at = lines.index("Calls in order of time (UTC), all in us-west-2")

    assert [line.split() for line in lines[at + 1 : at + 4]] == [
        ["time", "call", "does", "result", "parameters"],
        ["2026-03-02", "12:01:00", "s3:PutObject", "write", "ok", '{"key":"a"}'],
        ["2026-03-02", "12:05:00", "s3:ListUsers", "read", "AccessDenied"],
    ]


def test_what_differs_between_calls_gets_a_column() -> None:
    """Regions, keys and agents are columns where not all calls have the same."""
    text = card(calls=[call(), call(1, aws_region="eu-west-1", access_key_id="ASIAOTHER")])

    head = next(line for line in text.splitlines() if line.startswith("time"))
    assert head.split() == ["time", "call", "does", "result", "region", "key"]


@pytest.mark.parametrize(("most", "shown"), [(1, 1), (4, 4), (5, 5), (10, 10), (11, 10)])
def test_calls_are_bounded_and_say_so(most: int, shown: int) -> None:
    """The first and the last are shown, with how many are left out between and were not kept."""
    text = card(finding(calls=500), [call(n) for n in range(10)], most=most)

    assert text.count("s3:ListBuckets  ") == shown
    assert ("\n…\n" in text) == (shown < 10)
    assert (f"{10 - shown} call" in text and "left out between" in text) == (shown < 10)
    assert "10 of 500 calls were kept" in text
    assert "12:00:00  s3:" in text
    assert ("12:09:00" in text) == (most > 1)


def test_a_finding_without_calls_says_so() -> None:
    """Evidence is not gathered for mild findings; their calls were counted all the same."""
    assert "No calls of this finding were kept; 3 were counted." in card()


def test_a_card_survives_what_is_unknown() -> None:
    """A finding of which a record told hardly anything is shown like any other."""
    needed = {"finding_id", "case_id", "severity", "verdict", "status", "first_seen", "last_seen"}
    bare = {name: value if name in needed else None for name, value in finding().items()}

    assert "none that could be learnt" in card(bare, [dict.fromkeys(call()) | {"event_time": NOON}])
    assert len(listed({**bare, "review_state": None})) == 2


def test_a_card_fits_its_terminal() -> None:
    """Prose is folded to the width of the terminal."""
    assert max(map(len, card(width=60).splitlines()[1:])) <= 60


def test_an_id_may_be_short() -> None:
    """What begins one case or finding selects it: a case with all its findings."""
    one, other = finding(finding_id="aa1", case_id="cc1"), finding(finding_id="aa2", case_id="cc1")
    rows = [one, other, finding(finding_id="ab1", case_id="cd1")]

    assert select(rows, "cc") == [one, other]
    assert select(rows, " AA2 ") == [other]


@pytest.mark.parametrize(
    ("prefix", "said"),
    [("a", "Several ids begin"), ("c", "Several ids begin"), ("e", "No case"), ("", "No case")],
)
def test_an_id_must_be_clear(prefix: str, said: str) -> None:
    """What begins several ids, or none, is told with what to do."""
    rows = [finding(finding_id="aa1", case_id="cc1"), finding(finding_id="ab1", case_id="cd1")]

    with pytest.raises(InputError, match=said):
        select(rows, prefix)


def test_the_newest_review_counts() -> None:
    """Whatever the order they are read in."""
    new, old = review(at=after(9)), review(state="contained", at=after(1))

    assert newest_reviews([new, old]) == {new["case_id"]: new}


def test_no_news_tells_from_no_eyes() -> None:
    """The last run says what it covered; without one the list says that nobody looked."""
    runs = [a_run(), a_run(finished_at=after(61), counts={"sessions": 4567}, coverage=None)]

    assert last_run(runs) == "Last run: 2026-03-02 13:01 UTC. Judged 4,567 sessions."
    assert "calls without an address: 12.5%" in last_run(runs[:1])
    assert "No run of detect finished" in last_run([])


@pytest.mark.usefixtures("_no_color")
def test_the_list_of_a_warehouse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Open findings from low up on stdout, with reviews; counts and what to type on stderr."""
    folder = warehouse(
        tmp_path / "wh",
        findings=[
            finding(),
            finding(finding_id="2", case_id="b" * 16, severity="informational"),
            finding(finding_id="3", case_id="d" * 16, status="closed"),
        ],
        reviews=[review(), review(state="contained", at=after(95))],
        runs=[a_run(finished_at=datetime.now(UTC))],
    )

    assert run(asked(folder)) == 0

    out, err = capsys.readouterr()
    assert [line.split()[-1] for line in out.splitlines()] == ["review", "contained"]
    assert "1 finding in 1 case: 1 high." in err
    assert "Judged 300 sessions" in err
    assert f"credtrail findings --id c0ffee01 --warehouse {folder}" in err


def test_status_and_severity_narrow_the_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Closed ones, or all; mild ones where they are asked for."""
    rows = [
        finding(finding_id=f"{status}-{severity}", status=status, severity=severity)
        for status in ("open", "closed")
        for severity in SEVERITIES
    ]
    folder = warehouse(tmp_path, findings=rows)

    def ids(**said: str) -> set[str]:
        run(asked(folder, format="json", **said))
        return {json.loads(line)["finding_id"] for line in capsys.readouterr().out.splitlines()}

    assert ids() == {f"open-{severity}" for severity in SEVERITIES[:4]}
    assert ids(status="closed", min_severity="critical") == {"closed-critical"}
    assert len(ids(status="all", min_severity="informational")) == 10


@pytest.mark.parametrize(("shape", "lines"), [("table", 0), ("json", 0), ("csv", 1)])
def test_nothing_found_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shape: str, lines: int
) -> None:
    """It is said on stderr; stdout stays empty, but for the head of CSV."""
    assert show(str(warehouse(tmp_path)), shape, "low") == 0

    out, err = capsys.readouterr()
    assert len(out.splitlines()) == lines
    assert "No open findings of severity low or worse." in err


@pytest.mark.usefixtures("_no_color")
def test_a_case_in_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All findings of the case with their own calls, closed ones too, and what to type next."""
    folder = warehouse(
        tmp_path,
        findings=[finding(), finding(finding_id="2", source="192.0.2.1", status="closed")],
        finding_calls=[call(), call(1, finding_id="2", event_name="PutObject")],
        reviews=[review()],
    )

    assert run(asked(folder, id="c0ff", min_severity="critical")) == 0

    out = capsys.readouterr().out
    assert out.count("HIGH  ") == 2
    assert out.count("s3:PutObject") == 1
    assert "acknowledged by jane" in out
    assert "credtrail review c0ffee01 --state acknowledged" in out


def test_the_worst_case_stands_first(tmp_path: Path) -> None:
    """It is the one that the list begins with; without open findings there is none."""
    mild, bad = finding(severity="low"), finding(severity="high", finding_id="2", case_id="b" * 16)

    with Warehouse(str(warehouse(tmp_path / "some", findings=[mild, bad]))) as opened:
        assert worst(opened) == "b" * 16
    with Warehouse(str(warehouse(tmp_path / "none"))) as opened:
        assert worst(opened) is None


def test_a_case_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON a finding in full has its calls, all that were kept."""
    calls = [call(n) for n in range(60)]
    folder = warehouse(tmp_path, findings=[finding()], finding_calls=calls)

    run(asked(folder, id="f00d", format="json", calls=1))

    (line,) = capsys.readouterr().out.splitlines()
    assert len(json.loads(line)["finding_calls"]) == 60
    assert list(json.loads(line)["finding_calls"][0]) == schemas.FINDING_CALLS.columns


@pytest.mark.parametrize("make", [lambda _: None, Path.mkdir])
def test_no_warehouse_is_told_and_none_is_made(tmp_path: Path, make: Any) -> None:
    """Looking into a folder that is no warehouse says what to do, and leaves nothing behind."""
    folder = tmp_path / "wh"
    make(folder)
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(InputError, match=r"There is no warehouse in .* credtrail detect --input"):
        run(asked(folder))

    assert sorted(tmp_path.rglob("*")) == before


def test_looking_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Reading a warehouse writes no file, and not into any."""
    folder = warehouse(tmp_path / "wh", findings=[finding()])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    run(asked(folder, id="c0"))
    run(asked(folder))

    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert capsys.readouterr().out


def test_a_folder_may_have_any_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Signs that mean something in addresses of databases mean nothing in a folder's name."""
    folder = warehouse(tmp_path / "plain", findings=[finding()])
    odd = tmp_path / "a b#c%20?d&e=f'g"
    odd.mkdir()
    odd.joinpath("catalog.db").write_bytes(folder.joinpath("catalog.db").read_bytes())

    with pytest.raises(InputError, match="copied or moved"):
        run(asked(odd))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"no database at all, whatever its name may say" * 99])
def test_a_broken_catalog_is_told(tmp_path: Path, content: bytes) -> None:
    """A catalog file that is empty or no database is told in words."""
    (tmp_path / "catalog.db").write_bytes(content)

    with pytest.raises(InputError, match=f"(no warehouse in|catalog of) {tmp_path}"):
        run(asked(tmp_path))
    assert (tmp_path / "catalog.db").read_bytes() == content


def test_a_missing_table_file_is_told(tmp_path: Path) -> None:
    """A warehouse whose files were taken away says so."""
    warehouse(tmp_path, findings=[finding()])
    for path in tmp_path.rglob("*.json"):
        path.unlink()

    with pytest.raises(InputError, match="is missing"):
        run(asked(tmp_path))


def test_another_run_may_hold_the_catalog(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """While a run commits, its catalog can still be read."""
    folder = warehouse(tmp_path, findings=[finding()])
    writer = sqlite3.connect(folder / "catalog.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")

    try:
        assert run(asked(folder)) == 0
    finally:
        writer.close()
    assert "c0ffee01" in capsys.readouterr().out


def test_every_kind_of_source_has_words() -> None:
    """The kinds of the table's own description are all said in words."""
    comment = schemas.FINDINGS.schema["source_kind"].metadata["comment"]

    assert set(KINDS) == set(comment.split(", "))


@pytest.fixture
def _no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    """No terminal, whatever the one is that runs the tests."""
    for name in ("FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
