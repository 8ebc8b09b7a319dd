"""How much, and how unevenly: the size of a trail, and how often each instance calls."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from simulator.fleet import DAY, HOUR, Box, Fleet, Plan, fleet

if TYPE_CHECKING:
    from numpy.typing import NDArray

SKEWS = ("session", "account", "hour")
"""One session has half of all events; one account nine tenths; one hour half."""

OTHERS = 0.15
"""Share of events that no instance makes: people, functions, deployments."""

THEFT = 0.0001
"""Share of events that a thief makes."""

RUSH = DAY + 10 * HOUR
"""Second of the trail at which the hour begins in which half of all events may be."""

_UNEVEN = 0.5
_HALF, _NEARLY_ALL = 0.5, 0.9
START = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A trail to be made; the same volume gives the same bytes.

    Attributes:
        events: about how many.
        rate: events of an instance per hour, EC2's AssumeRole for it among them.
        days: length of the trail.
        accounts: how many.
        seed: of all chance.
        skew: one of ``SKEWS``; empty where nothing stands out.
        start: midnight (UTC) at which the trail starts.
    """

    events: int
    rate: float = 3.0
    days: int = 7
    accounts: int = 20
    seed: int = 1
    skew: str = ""
    start: datetime = START

    @property
    def fleet(self) -> Fleet:
        """The healthy organisation whose trail this is."""
        hours = self.days * DAY // HOUR
        instances = round(self.events * (1 - OTHERS) / (hours * self.rate))
        plan = Plan(
            accounts=self.accounts,
            instances=max(instances, self.accounts),
            rate=self.rate,
            start=self.start,
            days=self.days,
            seed=self.seed,
        )
        return fleet(plan)

    @property
    def seconds(self) -> int:
        """Length of the trail."""
        return self.days * DAY


@dataclass(frozen=True, slots=True)
class Rates:
    """How often each instance of a fleet calls, in the fleet's order, and all others.

    Attributes:
        calls: calls per hour, beside the key.
        rush: calls in the busiest hour beside those; zero where there is none such.
        others: events in the whole trail that no instance makes, by account.
    """

    calls: NDArray[np.float64]
    rush: NDArray[np.float64]
    others: dict[str, float]

    @classmethod
    def of(cls, volume: Volume, fleet: Fleet) -> Rates:
        """Share a volume out among the instances of its fleet."""
        chance = np.random.default_rng([volume.seed, 0])
        hours = np.array([_hours(box.born, box.ended, volume.seconds) for box in fleet.boxes])
        weights = hours * (1 - _UNEVEN + 2 * _UNEVEN * chance.random(len(hours)))
        accounts = fleet.plan.account_ids
        own = volume.events * (1 - OTHERS)
        shares = weights / weights.sum() * max(own - hours.sum(), 0)
        others = dict.fromkeys(accounts, volume.events * OTHERS / len(accounts))
        even = cls(shares / hours, np.zeros(len(hours)), others)
        return even._skewed(volume, fleet, hours) if volume.skew else even

    def _skewed(self, volume: Volume, fleet: Fleet, hours: NDArray[np.float64]) -> Rates:
        half = volume.events * _HALF
        calls = self.calls * hours
        if volume.skew == "hour":
            left = max(calls.sum() - half, 0) / calls.sum()
            there = calls * [_is_there(box) for box in fleet.boxes]
            return replace(self, calls=self.calls * left, rush=there / there.sum() * half)
        if volume.skew == "session":
            left = max(calls.sum() - half, 0) / calls.sum()
            calls *= left
            calls[_settled(fleet)] = half
            return replace(self, calls=calls / hours)
        most = fleet.plan.account_ids[0]
        here = np.array([box.machine.role.account == most for box in fleet.boxes])
        others = {
            account: sum(self.others.values())
            * (_NEARLY_ALL if account == most else (1 - _NEARLY_ALL) / (len(self.others) - 1))
            for account in self.others
        }
        for place, share in ((here, _NEARLY_ALL), (~here, 1 - _NEARLY_ALL)):
            wanted = volume.events * (1 - OTHERS) * share - hours[place].sum()
            calls[place] *= max(wanted, 0) / calls[place].sum()
        return Rates(calls / hours, self.rush, others)


def _settled(fleet: Fleet) -> int:
    """Return the first instance that is there from the first to the last day."""
    return next(i for i, box in enumerate(fleet.boxes) if box.born < 0 and box.ended is None)


def _is_there(box: Box) -> bool:
    """Tell whether an instance lives through the whole of the busiest hour."""
    return box.born < RUSH - HOUR and (box.ended is None or box.ended > RUSH + 2 * HOUR)


def _hours(born: int, ended: int | None, length: int) -> float:
    return (min(ended or length, length) - max(born, 0)) / HOUR
