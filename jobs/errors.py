"""Mistakes and mishaps that are told in words, on stderr, without a stack trace."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class CredtrailError(Exception):
    """Something a person can act on; the message says what was found, where, and what to do."""

    exit_code = 1


class InputError(CredtrailError):
    """What was to be read is not there, or is not what it should be."""


@dataclass(frozen=True)
class Problem:
    """One mistake: where it stands, what was found there, and what to do about it."""

    where: str
    found: str
    advice: str

    def __str__(self) -> str:
        """Return the three parts as one paragraph."""
        return f"{self.where}: {self.found} {self.advice}"


class _ManyProblemsError(CredtrailError):
    """All mistakes that were found, not only the first."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class UsageError(_ManyProblemsError):
    """A command line that cannot be followed."""


class SettingsError(_ManyProblemsError):
    """Settings, or a file that they name, that cannot be used."""
