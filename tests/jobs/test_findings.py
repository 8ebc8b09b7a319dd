"""The command ``findings``: which findings it shows, and what it says beside them."""

from __future__ import annotations

import json
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.arguments import SEVERITIES
from jobs.errors import InputError, UsageError
from jobs.findings import last_run, newest_reviews, run, select, show, worst
from jobs.warehouse import Warehouse
from tests.results import NOON, after, call, finding, review, warehouse
from tests.results import run as a_run
from transforms import schemas


def asked(folder: Path, **said: Any) -> Namespace:
    """Options of the command, as its defaults have them."""
    defaults = {"id": None, "calls": 40, "status": "open", "format": "table", "min_severity": "low"}
    defaults |= {"follow": False, "settings": None, "replaced_at": None}
    return Namespace(**{"warehouse": str(folder), **defaults, **said})


def test_follow_needs_a_finding(tmp_path: Path) -> None:
    """What is to be followed must be named."""
    with pytest.raises(UsageError, match="--id"):
        run(asked(tmp_path, follow=True))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({}, ["--replaced-at: nothing to contain. Name a case with --id."]),
        (
            {"id": "c0", "format": "csv"},
            ["--replaced-at: CSV has no commands. Write --format table or json."],
        ),
        ({"follow": True, "format": "csv"}, ["--follow", "--replaced-at", "--replaced-at"]),
    ],
)
def test_a_replacement_needs_a_case(tmp_path: Path, said: dict[str, Any], told: list[str]) -> None:
    """It belongs to one case, and to a view that has commands; all mistakes are told at once."""
    with pytest.raises(UsageError) as caught:
        run(asked(tmp_path, replaced_at=NOON, **said))

    problems = [str(problem) for problem in caught.value.problems]
    assert len(problems) == len(told)
    assert all(map(str.startswith, problems, told))


@pytest.fixture
def _no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    """No terminal, whatever the one is that runs the tests."""
    for name in ("FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def test_an_id_may_be_short() -> None:
    """What begins one case or finding selects it: a case with all its findings."""
    one, other = finding(finding_id="aa1", case_id="cc1"), finding(finding_id="aa2", case_id="cc1")
    rows = [one, other, finding(finding_id="ab1", case_id="cd1")]

    assert select(rows, "cc") == [one, other]
    assert select(rows, " AA2 ") == [other]
    assert select([finding(finding_id="c2", case_id="c1")], "c")


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


@pytest.mark.usefixtures("_no_color")
def test_a_replacement_adds_the_last_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the card and for programs; what is closed is not contained, and a list has none of it."""
    closed = finding(finding_id="2", source="192.0.2.1", status="closed")
    folder = warehouse(tmp_path, findings=[finding(), closed])

    def lines(**said: Any) -> list[str]:
        run(asked(folder, **said))
        return capsys.readouterr().out.splitlines()

    def told(**said: Any) -> dict[str, Any]:
        rows = [json.loads(line) for line in lines(format="json", status="all", **said)]
        return {row["finding_id"]: row.get("containment", "nothing") for row in rows}

    before, late = told(id="c0ff"), told(id="c0ff", replaced_at=after(65))
    (opened,) = late.keys() - {"2"}
    assert len(before[opened]["commands"]) == 1
    assert len(late[opened]["commands"]) == 2
    assert "2026-03-02T13:05:00Z" in late[opened]["commands"][1]
    assert late[opened]["account_id"] == "111122223333"
    assert late[opened]["order"].startswith("First give the instance another")
    assert late["2"] is None
    assert set(told().values()) == {"nothing"}
    assert sum("credtrail-revoke-older" in line for line in lines(id="c0ff")) == 0
    assert (
        sum("credtrail-revoke-older" in line for line in lines(id="c0ff", replaced_at=after(65)))
        == 1
    )


def test_the_list_can_be_shown_without_what_to_type_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For who says himself what comes next."""
    folder = str(warehouse(tmp_path, findings=[finding()]))

    show(folder, "table", "low", lead_on=False)
    assert "Next:" not in capsys.readouterr().err
    show(folder, "table", "low")
    assert capsys.readouterr().err.count("Next:") == 1
