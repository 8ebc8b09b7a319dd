"""What each cell of the allow-list must be: a check gives nothing, or what is wrong and what to do.

Strict, because an entry that excuses more than was meant hides a theft.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Callable, Iterator
from datetime import date

from jobs.errors import Problem
from jobs.show import plain

RULES = ("console_session", "not_running")
"""Rules that come before the allow-list: an entry must name them to excuse them."""

_KINDS = ("cidr", "endpoint", "account")
_ACCOUNT = re.compile(r"[0-9]{12}")
_ENDPOINT = re.compile(r"vpce-[0-9a-f]{8,17}")
_ROLE = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DIGITS = "Write all twelve digits; a spreadsheet may have dropped leading zeros."

Row = dict[str, str]
Wrong = tuple[str, str] | None
"""What was found, and what to do; or nothing."""


def mistakes(row: Row, where: str) -> Iterator[Problem]:
    """Return what is wrong with a row of the allow-list.

    Args:
        row: cells by column.
        where: file and line.
    """
    for column, check in _CHECKS.items():
        wrong = check(row)
        if wrong:
            yield Problem(f"{where}, {column}", *wrong)


def _what(row: Row) -> Wrong:
    if row["what"] in _KINDS:
        return None
    return _found(row["what"]), f"Write one of {', '.join(_KINDS)}."


def _value(row: Row) -> Wrong:
    value = row["value"]
    if row["what"] == "cidr":
        return _network(value)
    if row["what"] == "endpoint" and not _ENDPOINT.fullmatch(value):
        return _found(value), "Write the id of a VPC endpoint, such as vpce-0123456789abcdef0."
    if row["what"] == "account" and not _ACCOUNT.fullmatch(value):
        return _found(value), _DIGITS
    return None


def _network(value: str) -> Wrong:
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None
    with contextlib.suppress(ValueError):
        network = ipaddress.ip_network(value, strict=False)
    if network is None or "%" in value:
        return _found(value), "Write a network such as 192.0.2.0/24 or 2001:db8::/32."
    written = value.partition("/")[0]
    if ipaddress.ip_address(written) != network.network_address:
        advice = f"Write {network} for that whole network, or {written} for the one address."
        return f"{_found(value)} It has bits set beyond its prefix.", advice
    if network.prefixlen == 0:
        return _found(value), "This excuses every address there is. Name the networks you mean."
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped:
        return _found(value), "Write it as an IPv4 network."
    return None


def _account(row: Row) -> Wrong:
    if not row["account"] or _ACCOUNT.fullmatch(row["account"]):
        return None
    return _found(row["account"]), f"{_DIGITS} Leave it empty for all accounts."


def _role(row: Row) -> Wrong:
    if not row["role"] or _ROLE.fullmatch(row["role"]):
        return None
    advice = "Write the role's name without ARN and path, or leave it empty for all roles."
    return _found(row["role"]), advice


def _rules(row: Row) -> Wrong:
    unknown = [rule for rule in row["rules"].split() if rule not in RULES]
    if not unknown:
        return None
    advice = f"Write {' or '.join(RULES)} (both: with a space between), or leave it empty."
    return _found(" ".join(unknown)), advice


def _owner(row: Row) -> Wrong:
    return None if row["owner"] else ("empty.", "Write who answers for this entry.")


def _reason(row: Row) -> Wrong:
    return None if row["reason"] else ("empty.", "Write why this is harmless.")


def _expires(row: Row) -> Wrong:
    try:
        if _DAY.fullmatch(row["expires"]):
            date.fromisoformat(row["expires"])
            return None
    except ValueError:
        pass
    return _found(row["expires"]), "Write the last day on which the entry holds, as YYYY-MM-DD."


def _found(cell: str) -> str:
    return f"found {plain(cell, 80)}." if cell else "empty."


_CHECKS: dict[str, Callable[[Row], Wrong]] = {
    "what": _what,
    "value": _value,
    "account": _account,
    "role": _role,
    "rules": _rules,
    "owner": _owner,
    "reason": _reason,
    "expires": _expires,
}
