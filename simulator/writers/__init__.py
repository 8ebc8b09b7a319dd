"""Records -> files, in the shapes that detect reads: one module per shape."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from simulator.record import Record


@dataclass(frozen=True, slots=True)
class Written:
    """What was written; sums add up."""

    events: int = 0
    files: int = 0
    bytes: int = 0

    def __add__(self, other: Written) -> Written:
        """Return both together."""
        return Written(
            self.events + other.events, self.files + other.files, self.bytes + other.bytes
        )


class Writer(Protocol):
    """Writes the records of one account after another into a folder."""

    def write(self, account: str, records: Iterable[Record]) -> Written:
        """Write all records that are delivered to an account, which are in order of time."""
        ...


_MODULES = {
    "cloudtrail-json": "simulator.writers.json_files",
    "cloudtrail-parquet": "simulator.writers.parquet",
}

FORMATS = tuple(_MODULES)


def writer(name: str, folder: Path, organisation: str) -> Writer:
    """Return the writer of a format; only its own module is imported.

    Args:
        name: one of ``FORMATS``.
        folder: of all files.
        organisation: its id, for formats whose paths name it; empty where there is none.
    """
    make: Callable[[Path, str], Writer] = import_module(_MODULES[name]).Writer
    return make(folder, organisation)
