"""The hour after a past: its events in files, by the bulk writer's own parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from simulator.bulk.account import Account
from simulator.bulk.columns import Part
from simulator.bulk.day import ISSUE, Calling, Events, events
from simulator.bulk.identities import Identities
from simulator.fleet import HOUR

if TYPE_CHECKING:
    from bench.memories.past import Past

_CALLS = 2.5
"""Calls of an instance in an hour in which it calls."""


def write_hour(past: Past, hour: int, folder: Path, key_hours: int) -> int:
    """Write the events of an hour of the day after a past; return how many there are.

    Args:
        past: whose fleet it is that calls.
        hour: of that day.
        folder: for one file an account.
        key_hours: hours from one key of an instance to the next.
    """
    fleet = past.living()
    hours = {i.box.machine.id: i.hours for i in past.all if i.box.ended is None}
    target = folder / f"day={fleet.plan.start:%Y-%m-%d}"
    target.mkdir(parents=True, exist_ok=True)
    count = 0
    for number, name in enumerate(fleet.plan.account_ids):
        account = Account(fleet, name)
        chance = np.random.default_rng([past.seed, 2, hour, number])
        within = (hour * HOUR, (hour + 1) * HOUR)
        found = events(account, _calling(account, hours), within, chance)
        found = _with_keys_of(found, hour, key_hours)
        who = Identities(account, within, past.seed)
        table = Part(account, who, found, chance).table(who.columns())
        pq.write_table(table, target / f"{name}-{hour:02d}.parquet", compression="snappy")
        count += len(found)
    return count


def _calling(account: Account, hours: dict[str, int]) -> Calling:
    """Return how often the actors of an account call: nobody else than its instances does."""
    often = np.array([hours[box.machine.id] / 24 * _CALLS for box in account.boxes])
    others = np.zeros(len(account.actors) - account.instances)
    rates = np.concatenate([often, others])
    return Calling(rates, np.zeros(len(rates)))


def _with_keys_of(found: Events, hour: int, key_hours: int) -> Events:
    """Leave out keys of instances that get theirs in another hour."""
    is_other = (found.actor + hour) % key_hours != 0
    keep = np.flatnonzero((found.kind != ISSUE) | ~is_other)
    return Events(found.second[keep], found.actor[keep], found.kind[keep])
