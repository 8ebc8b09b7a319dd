"""Where a call comes from, in one text: the same in stories, expectations and tables.

``52.95.255.121`` or ``2600:1f14::1`` is an address, ``vpce-0abc/10.0.1.20`` an address behind a VPC
endpoint, ``s3.amazonaws.com`` a service, and ``AWS Internal`` an address that AWS hides.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

INTERNAL = "AWS Internal"

_ENDPOINT = re.compile(r"vpce-[0-9a-f]{8,17}", re.ASCII)
_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a call comes from.

    Attributes:
        address: what ``sourceIPAddress`` shows: an address, a service or ``AWS Internal``.
        endpoint: id of the VPC endpoint the call went through; empty where there is none.
        owner: account that owns the endpoint; empty where no record says so.
    """

    address: str
    endpoint: str = ""
    owner: str = ""

    def __str__(self) -> str:
        """Return the canonical text."""
        return f"{self.endpoint}/{self.address}" if self.endpoint else self.address

    @property
    def is_ipv6(self) -> bool:
        """Tell whether the address is an IPv6 address."""
        return ":" in self.address

    @property
    def has_client(self) -> bool:
        """Tell whether somebody's own connection is behind the call, as far as the source says."""
        return self.address != INTERNAL


def parse(text: str) -> Source | None:
    """Return the source that a canonical text stands for; none where it is not canonical."""
    endpoint, slash, address = text.rpartition("/")
    if slash:
        is_right = _ENDPOINT.fullmatch(endpoint) and _canonical(address)
        return Source(address, endpoint) if is_right else None
    if text == INTERNAL or is_service(text) or _canonical(text):
        return Source(text)
    return None


def is_service(text: str) -> bool:
    """Tell whether a text is the name of an AWS service, such as ``ec2.amazonaws.com``."""
    return _SERVICE.fullmatch(text) is not None


def is_endpoint(text: str) -> bool:
    """Tell whether a text is the id of a VPC endpoint."""
    return _ENDPOINT.fullmatch(text) is not None


def _canonical(address: str) -> bool:
    try:
        return str(ipaddress.ip_address(address)) == address
    except ValueError:
        return False
