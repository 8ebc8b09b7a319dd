"""Results on a terminal or in a pipe: aligned columns and styled text, never markup from data."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.text import Text

from jobs.show import SHORT, plain

STYLES = {
    "critical": "bold white on red",
    "high": "bold red",
    "medium": "yellow",
    "low": "cyan",
    "informational": "dim",
}
"""How severities look; a pipe shows none of it."""

_UNLIMITED = 100_000
_GAP = "  "


def console(out: TextIO | None = None, width: int | None = None) -> Console:
    """Return a console for results: as wide as the terminal, or unlimited where there is none."""
    stream = sys.stdout if out is None else out
    if width is None and not stream.isatty():
        width = _UNLIMITED
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def text(value: object, style: str = "", limit: int | None = SHORT) -> Text:
    """Return text in which nothing acts, for a console."""
    return Text(plain(value, limit), style=style)


@dataclass(frozen=True)
class Table:
    """Rows in aligned columns, without a frame; each row is one line."""

    heads: Sequence[str]
    rows: Sequence[Sequence[Text]]
    right: Sequence[str] = ()
    """Heads of the columns that hold numbers."""

    @property
    def widths(self) -> list[int]:
        """Width of each column, in cells of a terminal."""
        columns = zip(*self.rows, strict=True)
        widest = [max(cell.cell_len for cell in column) for column in columns]
        return [max(len(head), n) for head, n in zip(self.heads, widest, strict=True)]

    @property
    def width(self) -> int:
        """Width of the whole."""
        return sum(self.widths) + len(_GAP) * (len(self.heads) - 1)

    def print(self, to: Console, gap_after: int | None = None) -> None:
        """Print the heads and all rows, with dots after some of them where others are left out."""
        widths = self.widths
        for number, row in enumerate(([Text(head, "dim") for head in self.heads], *self.rows)):
            line = Text()
            for head, width, cell in zip(self.heads, widths, row, strict=True):
                padding = " " * (width - cell.cell_len)
                cells = (padding, cell) if head in self.right else (cell, padding)
                line = Text.assemble(line, *cells, _GAP)
            line.rstrip()
            to.print(line, soft_wrap=True)
            if number == gap_after:
                to.print("…", style="dim")
