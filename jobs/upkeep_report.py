"""What a run of ``maintain`` did, on a terminal: a line for each table that it changed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from jobs.catalog import local_warehouse
from jobs.console import Table, console, text

if TYPE_CHECKING:
    from rich.text import Text

    from jobs.maintain import Upkeep
    from jobs.upkeep import Files

_WHAT = {
    "uncounted": "uncounted rows",
    "rolled up": "rows rolled up",
    "pruned": "rows pruned",
    "snapshots": "snapshots expired",
    "orphans": "orphan files",
}
"""Heads of the columns that say what is gone."""


def show(this: Upkeep, disk_before: int | None, disk_after: int | None) -> None:
    """Print what changed in which table, and what that freed.

    Args:
        this: the run, finished.
        disk_before: bytes of the warehouse's folder before; None where it is none.
        disk_after: the same afterwards.
    """
    what = [kind for kind, by_table in this.gone.items() if by_table]
    rows = list(_rows(this, what))
    if rows:
        heads = ("table", "files", "data", *(_WHAT[kind] for kind in what))
        Table(heads, rows, right=heads[1:]).print(console())
    sys.stdout.write(f"{_in_all(this, disk_before, disk_after)}\n")


def bytes_on_disk(warehouse: str) -> int | None:
    """Bytes of all files below a folder; None for a warehouse in S3, which tells that itself."""
    folder = local_warehouse(warehouse)
    return None if folder is None else sum(_sizes(str(folder)))


def fewer_files(before: Mapping[str, Files], after: Mapping[str, Files]) -> str:
    """Say how many files there were, and are."""
    return " → ".join(f"{sum(f.files for f in by.values()):,}" for by in (before, after)) + " files"


def size(count: float) -> str:
    """Bytes as people read them.

    >>> size(640), size(1536), size(3 * 1024**3)
    ('640 B', '1.5 KiB', '3.0 GiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:  # noqa: PLR2004 - what the units mean
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} TiB"


def _rows(this: Upkeep, what: Sequence[str]) -> Iterator[list[Text]]:
    """A line for each table in which something is other than before."""
    for name in dict.fromkeys([*this.after, *(n for kind in what for n in this.gone[kind])]):
        before, after = this.before.get(name), this.after.get(name)
        gone = [this.gone[kind].get(name, 0) for kind in what]
        if any(gone) or before != after:
            files = ("", "") if before is None or after is None else _change(before, after)
            yield [text(cell) for cell in (name, *files, *(f"{n:,}" if n else "" for n in gone))]


def _change(before: Files, after: Files) -> tuple[str, str]:
    return (
        _arrow(f"{before.files:,}", f"{after.files:,}"),
        _arrow(size(before.bytes), size(after.bytes)),
    )


def _arrow(before: str, after: str) -> str:
    return after if before == after else f"{before} → {after}"


def _in_all(this: Upkeep, disk_before: int | None, disk_after: int | None) -> str:
    if not any(this.gone.values()) and this.before == this.after:
        done = "Nothing to do."
    else:
        done = f"Files that queries read: {fewer_files(this.before, this.after)}."
    if disk_before is None or disk_after is None:
        return done
    change = disk_before - disk_after
    freed = f"{size(change)} freed" if change >= 0 else f"{size(-change)} more for now"
    waits = "" if change >= 0 else "; files that were replaced go when their snapshots expire"
    return f"{done} On disk: {size(disk_before)} → {size(disk_after)}, {freed}{waits}."


def _sizes(folder: str) -> Iterator[int]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _sizes(entry.path)
            else:
                yield entry.stat(follow_symlinks=False).st_size
