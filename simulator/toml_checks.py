"""Values of a story's TOML file: each check gives the value, or says what is allowed instead."""

from __future__ import annotations

import contextlib
import difflib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from simulator import moments, source
from simulator.story import Problem

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d", re.ASCII)
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_CALL = re.compile(r"[a-z0-9-]+:[A-Z][A-Za-z0-9]+", re.ASCII)
_ROLE = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
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


def _matching(pattern: re.Pattern[str], allowed: str) -> Check:
    def check(value: object) -> str:
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        raise NotAllowedError(allowed)

    return check


text = _matching(re.compile(r"\S.*", re.DOTALL), "Write text in quotes.")
account = _matching(_ACCOUNT, 'Write twelve digits in quotes, such as "111122223333".')
region = _matching(_REGION, 'Write a region, such as "us-west-2".')
role = _matching(_ROLE, "Write a role's name: up to 64 letters, digits and +=,.@_-")
_one_call = _matching(_CALL, "Write service:EventName.")


def one_of(*words: str) -> Check:
    """Return a check for one word out of several."""

    def check(value: object) -> str:
        if isinstance(value, str) and value in words:
            return value
        message = f"Write one of {', '.join(words)}."
        raise NotAllowedError(message)

    return check


def flag(value: object) -> bool:
    """Check true or false."""
    if isinstance(value, bool):
        return value
    message = "Write true or false."
    raise NotAllowedError(message)


def times(value: object) -> int:
    """Check how often something happens."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 100_000:  # noqa: PLR2004
        return value
    message = "Write a whole number from 1 to 100000."
    raise NotAllowedError(message)


def offset(value: object) -> timedelta:
    """Check a time after the start of the story."""
    read_offset = moments.offset(value) if isinstance(value, str) else None
    if read_offset is not None:
        return read_offset
    message = 'Write a time after the start, such as "45s", "90m", "1h30m" or "2d".'
    raise NotAllowedError(message)


def span(value: object) -> timedelta:
    """Check a length of time."""
    length = offset(value)
    if length:
        return length
    message = "Write more than nothing."
    raise NotAllowedError(message)


def rotation(value: object) -> timedelta | None:
    """Check the time between two rotations, or never."""
    if value == "never":
        return None
    try:
        return span(value)
    except NotAllowedError:
        message = 'Write a length of time, such as "1h", or "never".'
        raise NotAllowedError(message) from None


def place(value: object) -> source.Source:
    """Check a source in canonical text."""
    parsed = source.parse(value) if isinstance(value, str) else None
    if parsed:
        return parsed
    message = (
        'Write an address, "vpce-0123456789abcdef0/10.0.0.5", a service such as '
        f'"athena.amazonaws.com", or "{source.INTERNAL}"; IPv6 in its short, lower-case form.'
    )
    raise NotAllowedError(message)


def service(value: object) -> str:
    """Check the name of a service that makes a call for somebody."""
    if isinstance(value, str) and (value == source.INTERNAL or source.is_service(value)):
        return value
    message = f'Write a service, such as "athena.amazonaws.com", or "{source.INTERNAL}".'
    raise NotAllowedError(message)


def endpoint(value: object) -> str:
    """Check the id of a VPC endpoint."""
    if isinstance(value, str) and source.is_endpoint(value):
        return value
    message = 'Write the id of a VPC endpoint, such as "vpce-0123456789abcdef0".'
    raise NotAllowedError(message)


def calls(value: object) -> tuple[str, ...]:
    """Check one call, or a list of calls that follow each other."""
    many = value if isinstance(value, list) else [value]
    try:
        read_calls = tuple(_one_call(one) for one in many)
    except NotAllowedError:
        read_calls = ()
    if read_calls:
        return read_calls
    message = 'Write service:EventName, such as "ec2:DescribeInstances", or a list of such calls.'
    raise NotAllowedError(message)


def table(value: object) -> Mapping[str, object]:
    """Check a table of anything that JSON can hold."""
    with contextlib.suppress(TypeError):
        if isinstance(value, Mapping) and json.dumps(value):
            return value
    message = "Write a table, { name = value }, of text, numbers, true, false, lists and tables."
    raise NotAllowedError(message)


def tables(value: object) -> list[object]:
    """Check a list of tables; each is checked by itself later."""
    if isinstance(value, list):
        return value
    message = "Write a list of tables: each begins with its name in double brackets."
    raise NotAllowedError(message)


def moment(value: object) -> datetime:
    """Check a time of day of a date, in UTC."""
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).replace(microsecond=0)
    message = "Write a time with its zone and without quotes: 2018-04-03T22:04:57Z."
    raise NotAllowedError(message)
