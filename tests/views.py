"""Findings as rows and as text, for the tests of what people and programs see of them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from jobs.console import console
from jobs.finding_card import render_card
from jobs.finding_list import render_table
from tests.results import finding
from transforms import schemas

HOSTILE = "\x1b]0;x\x07\u202e=cmd|'!A0\n[bold]forged[/bold] :smiley: \ud800"
COLUMNS = [*schemas.FINDINGS.columns, "review_state"]


def row(**said: Any) -> dict[str, Any]:
    """A finding as the list has it: with the state of the review of its case."""
    return {**finding(), "review_state": None, **said}


def listed(*rows: Mapping[str, Any], width: int | None = None) -> list[str]:
    """Lines of the list of findings."""
    return render_table(rows, console(io.StringIO(), width)).splitlines()


def card(
    found: Mapping[str, Any] | None = None,
    calls: Sequence[Mapping[str, Any]] = (),
    said: Mapping[str, Any] | None = None,
    width: int = 120,
    most: int = 40,
) -> str:
    """A finding in full."""
    return render_card(found or finding(), calls, said, console(io.StringIO(), width), most)
