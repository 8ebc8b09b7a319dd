"""Reviews: what a person said of a case."""

from __future__ import annotations

import getpass
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import InputError, UsageError
from jobs.review import run
from jobs.warehouse import Warehouse
from tests.results import finding, warehouse


def asked(folder: Path, **said: Any) -> Namespace:
    """Options of the command."""
    defaults = {"case": "c0ff", "state": "contained", "note": "role revoked", "by": "jane"}
    return Namespace(**{"warehouse": str(folder), **defaults, **said})


def reviews(folder: Path) -> list[dict[str, Any]]:
    """Rows of the table, oldest first, without their times."""
    with Warehouse(str(folder)) as opened:
        rows = sorted(opened.scan("reviews"), key=lambda row: row["at"])
    return [{name: value for name, value in row.items() if name != "at"} for row in rows]


@pytest.mark.parametrize("case", ["c0ffee0123456789", "c0f", "F00DFEED"])
def test_a_review_is_a_row(tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The case may be named by its beginning, or by one of its findings."""
    folder = warehouse(tmp_path, findings=[finding(), finding(finding_id="another")])

    assert run(asked(folder, case=case, note="  role revoked \n")) == 0

    assert capsys.readouterr().out == "Case c0ffee0123456789: contained.\n"
    assert reviews(folder) == [
        {
            "case_id": "c0ffee0123456789",
            "state": "contained",
            "by": "jane",
            "note": "role revoked",
        }
    ]


def test_a_case_may_be_reviewed_again(tmp_path: Path) -> None:
    """Every review stays; the newest is last by time."""
    folder = warehouse(tmp_path, findings=[finding()])

    for state in ("acknowledged", "contained", "false_alarm"):
        run(asked(folder, state=state))

    assert [row["state"] for row in reviews(folder)] == ["acknowledged", "contained", "false_alarm"]


def test_who_says_so_is_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name the user of this machine is meant; where there is none one is asked for."""
    folder = warehouse(tmp_path, findings=[finding()])
    monkeypatch.setattr(getpass, "getuser", lambda: "joe")

    run(asked(folder, by=None))

    def nobody() -> str:
        raise KeyError

    monkeypatch.setattr(getpass, "getuser", nobody)
    with pytest.raises(InputError, match="--by NAME"):
        run(asked(folder, by=None))
    assert [row["by"] for row in reviews(folder)] == ["joe"]


def test_a_review_needs_a_reason(tmp_path: Path) -> None:
    """An empty note helps nobody, and is refused before anything is opened."""
    with pytest.raises(UsageError, match="--note: it is empty"):
        run(asked(tmp_path, note="  "))


def test_a_case_must_be_known(tmp_path: Path) -> None:
    """A case that is not there is told with how to find it, and nothing is written."""
    folder = warehouse(tmp_path, findings=[finding()])

    with pytest.raises(InputError, match="List all there are: credtrail findings"):
        run(asked(folder, case="beef"))
    assert reviews(folder) == []


def test_a_review_of_a_copy_does_not_reach_the_original(tmp_path: Path) -> None:
    """A copied folder still names the files of the original, and is not written through."""
    folder = warehouse(tmp_path / "wh", findings=[finding()])
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "catalog.db").write_bytes((folder / "catalog.db").read_bytes())

    with pytest.raises(InputError, match="copied or moved"):
        run(asked(copy))
    assert reviews(folder) == []
