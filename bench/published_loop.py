"""The method of 2018 as it was published: one loop over trail files, one dict of sessions.

Own code, after docs/published-method.md: the first address of a session that EC2 opened is its
lock, one private address is free, each address that the session gives its own instance is one
more, services are passed over. ``python -m bench.published_loop --input FOLDER --output FILE``.
"""

from __future__ import annotations

import argparse
import gzip
import ipaddress
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_GRANTS = ("AttachNetworkInterface", "AssociateAddress")

Record = dict[str, Any]


@dataclass
class Session:
    """What is known of a session: addresses it may use, and how many more it may begin to use."""

    addresses: set[str] = field(default_factory=set)
    has_private: bool = False
    grants: int = 0

    def may_use(self, address: str) -> bool:
        """Tell whether a call may come from an address, and note that it did."""
        if address in self.addresses:
            return True
        if ipaddress.ip_address(address).is_private:
            is_free, self.has_private = not self.has_private, True
        else:
            is_free = not self.addresses or self.grants > 0
            self.grants -= bool(self.addresses and self.grants)
        if is_free:
            self.addresses.add(address)
        return is_free


def alerts(records: Iterable[Record]) -> Iterator[tuple[str, str]]:
    """Return session and address of each suspicious call."""
    sessions: dict[str, Session] = {}
    for record in records:
        who = record.get("userIdentity") or {}
        if record["eventName"] == "AssumeRole" and who.get("invokedBy") == "ec2.amazonaws.com":
            name = (record.get("requestParameters") or {}).get("roleSessionName")
            if name:
                sessions.setdefault(name, Session())
            continue
        if who.get("type") != "AssumedRole":
            continue
        name = who["principalId"].partition(":")[2]
        session = sessions.get(name)
        address = record["sourceIPAddress"]
        if session is None or "amazonaws" in address or address == "AWS Internal":
            continue
        if record["eventName"] in _GRANTS and "errorMessage" not in record:
            session.grants += 1
        if not session.may_use(address):
            yield name, address


def records(folder: Path) -> Iterator[Record]:
    """Return the records of all files, in order of the files' names."""
    for path in sorted(folder.rglob("*.json.gz")):
        with gzip.open(path) as file:
            yield from json.loads(file.read())["Records"]


def main() -> None:
    """Write one alert a line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    with args.output.open("w", encoding="utf-8") as file:
        for name, address in alerts(records(args.input)):
            file.write(f"{name} {address}\n")


if __name__ == "__main__":
    main()
