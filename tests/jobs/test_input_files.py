"""Lists of files: columns that hold millions, and the batches that are cut from them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from jobs import intake
from jobs.input_files import FileList, InputFile

if TYPE_CHECKING:
    import pytest

NOON = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)


def made(count: int) -> Iterator[InputFile]:
    """Files of CloudTrail, as many as asked, five minutes apart."""
    for number in range(count):
        at = NOON + timedelta(minutes=5 * number)
        path = (
            f"/trail/AWSLogs/111122223333/CloudTrail/us-east-1/{at:%Y/%m/%d}/{number:016}.json.gz"
        )
        yield InputFile(path, 1000 + number, at, at.date(), "cloudtrail-json")


def test_files_come_back_as_they_were() -> None:
    """Each file is told whole, in order, to the microsecond."""
    files = list(made(25_000))

    listed = FileList.of(iter(files))

    assert len(listed) == 25_000
    assert list(listed) == files


def test_an_empty_list_is_false() -> None:
    """Where nothing is, nothing is chosen."""
    assert not FileList.of([])
    assert list(FileList.of([]).delivered(date.min, date.max)) == []


def test_a_list_takes_little_more_than_its_paths() -> None:
    """Two million files are some hundred megabytes, and none of them an object of Python."""
    count = 50_000
    tracemalloc.start()
    try:
        listed = FileList.of(made(count))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    paths = sum(len(file.path) for file in made(count))
    assert listed.columns.nbytes < paths + 48 * count
    assert most / count < 200  # a chunk of ten thousand rows at a time, whatever there is


def test_batches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By bytes and by number; a file beyond the bytes is a batch of its own."""
    monkeypatch.setattr(intake, "MOST_FILES", 3)
    sizes = (5, 5, 1, 20, 1, 1, 1, 1)
    files = [InputFile(str(i), size, NOON, NOON.date(), "x") for i, size in enumerate(sizes)]

    cut = [[file.bytes for file in batch] for batch in intake.batches(iter(files), 10)]

    assert cut == [[5, 5], [1], [20], [1, 1, 1], [1]]
