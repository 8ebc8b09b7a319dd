"""Tables of a TOML file: which keys they have, and all that is wrong with them, at once."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.story import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_LONGEST = 80

Check = Callable[[object], Any]


class NotAllowedError(ValueError):
    """A value that cannot be; the message is what can."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a table: its check, whether it must be there, and what stands for it if not."""

    check: Check
    is_needed: bool = False
    default: object = None


def read(
    table: object, keys: Mapping[str, Key], where: str, problems: list[Problem]
) -> dict[str, Any]:
    """Return the checked values of a table, and add what is wrong with it to the problems.

    Args:
        table: as TOML has it.
        keys: all that may stand in it.
        where: file and name of the table.
        problems: grows.
    """
    if not isinstance(table, Mapping):
        problems.append(Problem(where, found(table), "It must be a table."))
        return {name: key.default for name, key in keys.items()}
    problems += [
        Problem(f"{where}, {name}", "unknown key.", _nearest(name, keys))
        for name in table
        if name not in keys
    ]
    return {name: _value(table, name, key, where, problems) for name, key in keys.items()}


def found(value: object) -> str:
    """Return a value as a problem shows it."""
    shown = json.dumps(value, default=str, ensure_ascii=True)
    return f"found {shown if len(shown) <= _LONGEST else shown[:_LONGEST] + '...'}."


def unknown(name: str, names: Collection[str], what: str, where: str) -> Iterator[Problem]:
    """Return what is wrong with a name that must be one of several; no name is passed over."""
    if name and name not in names:
        known = f" Known: {', '.join(names)}." if names else " There is none yet."
        yield Problem(where, found(name), f"Write {what}.{known}")


def _value(
    table: Mapping[str, object], name: str, key: Key, where: str, problems: list[Problem]
) -> object:
    if name not in table:
        if key.is_needed:
            problems.append(Problem(f"{where}, {name}", "it is missing.", _allowed(key.check)))
        return key.default
    try:
        return key.check(table[name])
    except NotAllowedError as error:
        problems.append(Problem(f"{where}, {name}", found(table[name]), str(error)))
        return key.default


def _allowed(check: Check) -> str:
    try:
        check(None)
    except NotAllowedError as error:
        return str(error)
    return "Write it."


def _nearest(name: str, keys: Mapping[str, Key]) -> str:
    near = difflib.get_close_matches(name.lower(), keys, n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    return f"{meant}Allowed: {', '.join(keys)}."
