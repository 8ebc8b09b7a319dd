"""Types of options that note a mistake instead of raising it, so that all are told at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from jobs.errors import Problem
from jobs.show import plain


@dataclass(frozen=True)
class Wrong:
    """Stands where a usable value should: the option, what was found, and what to do."""

    option: str
    found: str
    advice: str

    def problem(self) -> Problem:
        """Return the mistake as it is told."""
        return Problem(self.option, self.found, self.advice)


def day(option: str) -> Callable[[str], date | Wrong]:
    """Return a type for days written as YYYY-MM-DD."""

    def convert(text: str) -> date | Wrong:
        try:
            if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
                return date.fromisoformat(text)
        except ValueError:
            pass
        return Wrong(option, _found(text), "Write a day as YYYY-MM-DD, such as 2026-11-01.")

    return convert


def one_of(option: str, choices: Sequence[str]) -> Callable[[str], str | Wrong]:
    """Return a type for one word out of several."""

    def convert(text: str) -> str | Wrong:
        if text in choices:
            return text
        return Wrong(option, _found(text), f"Write one of {', '.join(choices)}.")

    return convert


def whole_number(option: str, least: int) -> Callable[[str], int | Wrong]:
    """Return a type for whole numbers from ``least`` up."""

    def convert(text: str) -> int | Wrong:
        if re.fullmatch(r"\d{1,9}", text, re.ASCII) and int(text) >= least:
            return int(text)
        return Wrong(option, _found(text), f"Write a whole number, {least} or more.")

    return convert


def _found(text: str) -> str:
    return f"found {plain(text, 80)!r}."
