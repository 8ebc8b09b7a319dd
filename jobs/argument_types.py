"""Options that keep a mistake as their value instead of raising it: all are told at once."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from jobs.errors import Problem
from jobs.show import iso, plain

_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})",
    re.ASCII,
)


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


def past(option: str) -> Callable[[str], datetime | Wrong]:
    """Return a type for times that have been, with the zone they are in, as UTC."""

    def convert(text: str) -> datetime | Wrong:
        now = datetime.now(UTC)
        try:
            if _TIME.fullmatch(text):
                time = datetime.fromisoformat(text).astimezone(UTC)
                advice = f"It is {iso(now.replace(microsecond=0))}: write a time that has been."
                return time if time <= now else Wrong(option, _found(text), advice)
        except (ValueError, OverflowError):
            pass
        advice = (
            "Write a time with its zone: 2026-03-02T13:05:00Z, which is UTC, or "
            "2026-03-02T15:05:00+02:00."
        )
        return Wrong(option, _found(text), advice)

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


def needed(parser: argparse.ArgumentParser, option: str, metavar: str, what: str) -> None:
    """Add an option that must be given."""
    missing = Wrong(option, "it is missing.", f"Name it: {what}.")
    parser.add_argument(option, metavar=metavar, default=missing, help=f"{what} (required)")


def choice(parser: argparse.ArgumentParser, option: str, choices: Sequence[str], what: str) -> None:
    """Add an option that is one of several words; the first is the default."""
    parser.add_argument(
        option,
        metavar="|".join(choices),
        type=one_of(option, choices),
        default=choices[0],
        help=f"{what} (default: {choices[0]})",
    )


def number(
    parser: argparse.ArgumentParser, option: str, default: int, least: int, what: str
) -> None:
    """Add an option that is a whole number, at least ``least``."""
    parser.add_argument(
        option,
        metavar="N",
        type=whole_number(option, least),
        default=default,
        help=f"{what} (default: {default})",
    )


def _found(text: str) -> str:
    return f"found {plain(text, 80)!r}."
