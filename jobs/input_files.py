"""What is known of input files: of one, and of millions, which are kept as columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from pyspark.sql import Row

_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file to read.

    Attributes:
        path: absolute, as text; never percent-encoded.
        bytes: size.
        modified_at: time of the last change, UTC.
        delivery_day: day CloudTrail delivered it, as its path tells; else day of the last change.
        format: one of ``jobs.inputs.FORMATS``.
    """

    path: str
    bytes: int
    modified_at: datetime
    delivery_day: date
    format: str


FILE_COLUMNS = tuple(part.name for part in fields(InputFile))
"""Columns of the table ``input_files`` that tell what a file is."""

_COLUMNS = pa.schema(
    [
        ("path", pa.string()),
        ("bytes", pa.int64()),
        ("modified_at", pa.timestamp("us", tz="UTC")),
        ("delivery_day", pa.date32()),
        ("format", pa.string()),
    ]
)


def known_file(row: Row) -> InputFile:
    """Return the file that a row with ``FILE_COLUMNS`` tells of; rows do not say that it is UTC."""
    file = InputFile(*[row[name] for name in FILE_COLUMNS])
    return replace(file, modified_at=file.modified_at.replace(tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class FileList:
    """Files in an order, as columns, which take little more than the paths do: objects take more.

    Attributes:
        columns: Arrow table of ``FILE_COLUMNS``.
    """

    columns: pa.Table

    @classmethod
    def of(cls, files: Iterable[InputFile]) -> FileList:
        """Take files, one after the other, and keep no object."""
        rows = ({name: getattr(file, name) for name in FILE_COLUMNS} for file in files)
        parts = []
        while some := list(islice(rows, _AT_ONCE)):
            parts.append(pa.RecordBatch.from_pylist(some, _COLUMNS))
        return cls(pa.Table.from_batches(parts, _COLUMNS))

    def __len__(self) -> int:
        """Return how many there are."""
        return int(self.columns.num_rows)

    def __iter__(self) -> Iterator[InputFile]:
        """Return one file after the other."""
        for part in self.columns.to_batches(_AT_ONCE):
            for row in part.to_pylist():
                yield InputFile(**row)

    def delivered(self, first: date, last: date) -> FileList:
        """Return those of some days, both included."""
        day = pc.field("delivery_day")
        return FileList(self.columns.filter((day >= pa.scalar(first)) & (day <= pa.scalar(last))))
