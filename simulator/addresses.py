"""Addresses of the fleet: public ones in AWS space of their region, each given out once.

Prefixes are EC2's own, as AWS publishes them in ip-ranges.json; they keep clear of the addresses
that the stories use.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_IPV4 = {
    "us-west-2": ("34.208.0.0/12", "44.224.0.0/11"),
    "eu-west-1": ("34.240.0.0/13", "3.248.0.0/13"),
    "us-east-1": ("3.80.0.0/12", "44.192.0.0/11"),
    "eu-central-1": ("3.64.0.0/12", "35.156.0.0/14"),
}
_IPV6 = {
    "us-west-2": "2600:1f14::/36",
    "eu-west-1": "2a05:d018::/36",
    "us-east-1": "2600:1f18::/36",
    "eu-central-1": "2a05:d014::/36",
}
_OFFICES = ("82.135.18", "194.126.175", "87.190.30", "212.66.120")
_VPC_BITS = 56
_INTERFACE_BITS = 64
_LAST = 254

REGIONS = tuple(_IPV4)


class Addresses:
    """Gives out addresses of regions, each only once."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._given: set[int] = set()

    def public_ipv4(self, region: str) -> str:
        """Return a public address of a region."""
        while True:
            prefix = self._random.choice(_IPV4[region])
            network = ipaddress.IPv4Network(prefix)
            number = int(network.network_address) + int(
                self._random.random() * network.num_addresses
            )
            if 0 < number % 256 <= _LAST and number not in self._given:
                self._given.add(number)
                return str(ipaddress.IPv4Address(number))

    def office(self) -> str:
        """Return an address outside AWS, from which people work."""
        return f"{self._random.choice(_OFFICES)}.{1 + int(self._random.random() * 253)}"

    def ipv6(self, region: str, vpc: int) -> str:
        """Return a public IPv6 address in the /56 of a VPC, in its first subnet (/64)."""
        network = ipaddress.IPv6Network(_IPV6[region])
        prefix = int(network.network_address) + (vpc << (128 - _VPC_BITS))
        interface = 1 + int(self._random.random() * (2**_INTERFACE_BITS - 2))
        return str(ipaddress.IPv6Address(prefix + interface))


def private_ipv4(vpc: int, place: int) -> str:
    """Return a private address: each VPC has a /16 of its own, so hubs can route them all."""
    return f"10.{vpc % 256}.{1 + place // 250}.{4 + place % 250}"
