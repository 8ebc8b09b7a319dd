"""What counts as little to do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jobs.extent import LITTLE, REMEMBERED, is_small
from jobs.input_files import InputFile

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def _file(size: int, name: str = "a.parquet") -> InputFile:
    return InputFile(f"/trail/{name}", size, NOON, NOON.date(), "any")


@pytest.mark.parametrize(
    ("files", "small"),
    [
        ([], True),
        ([_file(LITTLE)], True),
        ([_file(LITTLE), _file(1)], False),
        ([_file(LITTLE // 10, "a.json.gz")], True),
        ([_file(LITTLE // 10 + 1, "a.json.gz")], False),
    ],
)
def test_input(tmp_path, files, small):
    """Input counts by its size, packed JSON by what it unpacks to."""
    assert is_small(files, str(tmp_path)) is small


def test_memory(tmp_path):
    """A warehouse that remembers much is judged as a large input is; one not there yet is small."""
    data = tmp_path / "warehouse" / "sightings" / "data.parquet"
    assert is_small([], str(tmp_path / "warehouse"))
    data.parent.mkdir(parents=True)

    data.write_bytes(b"0" * REMEMBERED)
    assert is_small([], str(tmp_path / "warehouse"))
    data.write_bytes(b"0" * (REMEMBERED + 1))
    assert not is_small([], str(tmp_path / "warehouse"))


def test_a_warehouse_in_s3():
    """There the platform starts Spark, by settings of its own."""
    assert not is_small([], "s3://bucket/warehouse")
