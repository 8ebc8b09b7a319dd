"""Values of a story's TOML file: each check gives the value, or says what is allowed instead."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from simulator import moments, source
from simulator.toml_tables import Check, NotAllowedError

if TYPE_CHECKING:
    from simulator.story import Span

_MOST_TIMES = 100_000
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d", re.ASCII)
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_CALL = re.compile(r"[a-z0-9-]+:[A-Z][A-Za-z0-9]+", re.ASCII)
_ROLE = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)


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
interface = _matching(re.compile(r"eth\d{1,2}", re.ASCII), 'Write an interface, such as "eth1".')
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
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_TIMES:
        return value
    message = f"Write a whole number from 1 to {_MOST_TIMES}."
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


def spans(value: object) -> tuple[Span, ...]:
    """Check a list of times from and to, in order."""
    with contextlib.suppress(NotAllowedError, AttributeError, TypeError, ValueError):
        found = [_one_span(text) for text in value] if isinstance(value, list) else []
        edges = [edge for span in found for edge in span]
        if found and None not in edges[:-1] and _is_rising([e for e in edges if e is not None]):
            return tuple(found)
    message = 'Write a list of times from and to, in order, such as ["2h..10h", "30h.."].'
    raise NotAllowedError(message)


def _one_span(text: str) -> Span:
    begin, _, end = text.partition("..")
    return offset(begin), offset(end) if end else None


def _is_rising(edges: list[timedelta]) -> bool:
    return all(a < b for a, b in itertools.pairwise(edges))


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


def addresses(value: object) -> tuple[str, ...]:
    """Check one address or prefix, or a list of them."""
    many = value if isinstance(value, list) else [value]
    if many and all(isinstance(one, str) and _is_address(one) for one in many):
        return tuple(many)
    message = 'Write an address, such as "52.43.11.1", a prefix, or a list of them.'
    raise NotAllowedError(message)


def _is_address(text: str) -> bool:
    """Tell whether a text is an address or a prefix in its usual form."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        return False
    return text in (str(network), str(network.network_address))


def skew(value: object) -> timedelta:
    """Check how far a clock is wrong: early with a sign, late without."""
    if isinstance(value, str):
        found = moments.offset(value.removeprefix("-"))
        if found is not None:
            return -found if value.startswith("-") else found
    message = 'Write how far the clock is wrong: "-2s" is early, "2s" is late.'
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
