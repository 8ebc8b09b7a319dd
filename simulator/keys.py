"""Keys that AWS issues to workloads."""

from __future__ import annotations

from datetime import datetime, timedelta

from simulator.identity import Key
from simulator.ids import access_key_id, number

_SHORTEST = timedelta(hours=6, minutes=3)
_SPREAD_SECONDS = 32 * 60
"""EC2's lifetimes in public records of 2018 to 2023: 6 h 3 min to 6 h 35 min."""


def issue(
    issued: datetime, delivery: str, *words: object, lifetime: timedelta | None = None
) -> Key:
    """Return a key that AWS issues at a time (UTC).

    Args:
        issued: when.
        delivery: by which version of the metadata service; empty where another way.
        words: what its id and lifetime are made from.
        lifetime: how long it lives, if not as long as keys of EC2 do.
    """
    if lifetime is None:
        lifetime = _SHORTEST + timedelta(seconds=number(_SPREAD_SECONDS, "lifetime", *words))
    return Key(access_key_id("ASIA", *words), issued, issued + lifetime, delivery)
