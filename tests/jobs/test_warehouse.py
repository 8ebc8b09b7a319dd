"""A warehouse opened without Spark: nothing is made, nothing is changed."""

from __future__ import annotations

import csv
import io
import sqlite3
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from jobs.cli import parse
from jobs.errors import InputError
from jobs.findings import run
from tests.results import HOME, finding, warehouse
from transforms import schemas


def asked(folder: Path) -> Namespace:
    """Options of the command ``findings``, as its defaults have them."""
    return parse(["findings", "--warehouse", str(folder)])


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

    run(Namespace(**{**vars(asked(folder)), "id": "c0"}))
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


def test_a_database_of_something_else_stays_as_it_is(tmp_path: Path) -> None:
    """A database without Iceberg's tables is no warehouse, and does not become one by looking."""
    path = tmp_path / "catalog.db"
    other = sqlite3.connect(path)
    other.execute("create table notes (text)")
    other.close()
    before = path.read_bytes()

    with pytest.raises(InputError, match="no warehouse in"):
        run(asked(tmp_path))
    assert path.read_bytes() == before


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


@pytest.mark.parametrize("which", [{}, {"id": "c0"}])
def test_csv_has_the_columns_of_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], which: dict[str, str]
) -> None:
    """A list in a cell is one column, under the name that the table gives it."""
    folder = warehouse(tmp_path / "wh", findings=[finding()])

    run(Namespace(**{**vars(asked(folder)), **which, "format": "csv"}))

    (cells,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert list(cells) == [*schemas.FINDINGS.columns, "review_state"]
    assert cells["home"] == HOME
