"""The events of one account on one day, as numbers: who, when, what, from where."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from simulator.bulk.kinds import ALIVE_FROM, KINDS, PERSON
from simulator.bulk.volume import RUSH
from simulator.fleet import DAY, HOUR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.random import Generator
    from numpy.typing import NDArray

    from simulator.bulk.account import Account
    from simulator.bulk.text import Numbers

SLOP = 600
"""Seconds from an event to its delivery: a day's files hold the last minutes of the day before."""

ISSUE = len(KINDS)
"""EC2's AssumeRole, as a kind of call."""


@dataclass(frozen=True, slots=True)
class Events:
    """Events in order of time: of which actor, at which second of the trail, of which kind."""

    second: Numbers
    actor: Numbers
    kind: Numbers

    def __len__(self) -> int:
        """Return how many."""
        return len(self.second)

    def cut(self, size: int) -> Iterator[Events]:
        """Return the events a part of some size at a time."""
        for begin in range(0, len(self), size):
            yield self._of(slice(begin, begin + size))

    def in_order(self) -> Events:
        """Return the events in order of time; of one second, in the order they have."""
        return self._of(np.argsort(self.second, kind="stable"))

    def _of(self, which: slice | Numbers) -> Events:
        return Events(*(getattr(self, field.name)[which] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Calling:
    """How often each actor of an account calls: per hour, and in the busiest hour beside that."""

    calls: NDArray[np.float64]
    rush: NDArray[np.float64]


def span(day: int, days: int) -> tuple[int, int]:
    """Return the seconds of the trail whose events are delivered on a day of it."""
    return max(day * DAY - SLOP, 0), days * DAY if day == days - 1 else (day + 1) * DAY - SLOP


def events(
    account: Account, calling: Calling, within: tuple[int, int], chance: Generator
) -> Events:
    """Return the events of an account within some seconds of the trail, the rarest left out."""
    parts = [
        _calls(account, calling.calls, within, chance),
        _calls(account, calling.rush, _both(within, (RUSH, RUSH + HOUR)), chance),
        _first_calls(account, within),
        _issues(account, within),
    ]
    joined = [np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Events)]
    return Events(*joined).in_order()


def _calls(
    account: Account, rate: NDArray[np.float64], within: tuple[int, int], chance: Generator
) -> Events:
    begin = np.maximum(account.alive[:, 0], within[0])
    length = np.maximum(np.minimum(account.alive[:, 1], within[1]) - begin, 0)
    actor = np.repeat(np.arange(len(rate)), chance.poisson(rate * length / HOUR))
    second = begin[actor] + (chance.random(len(actor)) * length[actor]).astype(np.int64)
    drawn, kind = chance.random(len(actor)), np.zeros(len(actor), dtype=np.int64)
    for way, chances in enumerate(account.chances):
        here = account.way[actor] == way
        kind[here] = np.searchsorted(chances, drawn[here] * chances[-1], side="right")
    return Events(second, actor, kind)


def _first_calls(account: Account, within: tuple[int, int]) -> Events:
    """Return a call from each source of an instance, soon after the trail first shows it."""
    found = [
        (box.first + i, number, ALIVE_FROM[i])
        for number, box in enumerate(account.boxes)
        if within[0] <= box.first < within[1]
        for i in range(len(box.sources))
    ]
    return Events(*np.array(found, dtype=np.int64).reshape(-1, 3).T)


def _issues(account: Account, within: tuple[int, int]) -> Events:
    """Return EC2's AssumeRole for each instance in each hour."""
    issued, end = account.issued[: account.instances], account.alive[: account.instances, 1]
    first = np.maximum(-((issued - within[0]) // HOUR), 0)
    hours = np.arange((within[1] - within[0]) // HOUR + 2)
    second = issued[:, None] + (first[:, None] + hours) * HOUR
    actor, place = np.nonzero(
        (second >= within[0]) & (second < within[1]) & (second < end[:, None])
    )
    return Events(second[actor, place], actor, np.full(len(actor), ISSUE))


def _both(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return max(one[0], other[0]), min(one[1], other[1])


def calling(account: Account, calls: Calling, others: float, seconds: int) -> Calling:
    """Return how often the actors of an account call.

    Args:
        account: whose actors.
        calls: how often its instances do.
        others: events of all others in the whole trail.
        seconds: length of the trail.
    """
    rest = account.actors[account.instances :]
    weights = np.array([0.4 if actor.way == PERSON else 1.0 for actor in rest])
    rates = weights / weights.sum() * others * HOUR / seconds
    return Calling(
        np.concatenate([calls.calls, rates]),
        np.concatenate([calls.rush, np.zeros(len(rest))]),
    )
