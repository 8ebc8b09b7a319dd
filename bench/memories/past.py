"""A fleet that has a past: which instance stood where, from when to when, over months or a year.

The organisation is that of ``simulator.fleet``, and each of its instances is a *place* here: a
third of them keep their instance for ever, as databases do; of all others a share is replaced each
week, at moments of its own, so that a quarter of the fleet is new after a week. Who follows has
another id and another address, now and then one that somebody else has given back.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from simulator.addresses import Addresses, private_ipv4
from simulator.bulk.text import hexadecimal, mixed, texts
from simulator.bulk.volume import START
from simulator.fleet import DAY, HOUR, Box, Fleet, Plan, fleet
from simulator.source import Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulator.bulk.text import Numbers

WEEK = 7 * DAY
REPLACED = 0.25
"""Share of the fleet that is replaced a week."""

_SETTLED = 1 / 3
"""Share of places whose instance is never replaced."""

_REUSED = 0.1
"""Share of new instances whose public address another one had before."""

_AT_REST = 2 * DAY
"""Seconds for which an address that was given back is nobody's, at least."""

_TO_NEXT = 120
"""Seconds from the end of an instance to the launch of the one that follows."""

_TO_FIRST_KEY = 20
_TURNS = 8
"""Instances of a place that have a private address each before the first one comes again."""

_BUSY = ((0.6, 1), (0.85, 4), (1.0, 12))
"""Up to which share of all places calls in how many hours of a day: 3.4 hours on average."""

_WORDS = _WHO, _WHEN, _WHETHER, _STAYS, _KEYS, _REUSES, _WORKS = range(7)
"""What a number is drawn for."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of the past; times are seconds after the start of the trail.

    Attributes:
        box: who it is, where it is, and where it calls from.
        number: unique, and what all chance about it is drawn from.
        hours: how many hours of a day it calls in.
    """

    box: Box
    number: int
    hours: int

    @property
    def is_new(self) -> bool:
        """Whether the trail shows its launch."""
        return self.box.born >= 0


@dataclass(frozen=True)
class Rates:
    """How much of a past is remembered.

    Attributes:
        key_hours: hours from one key of an instance to the next.
        files: files that are delivered in an hour.
    """

    key_hours: int = 6
    files: int = 24

    @property
    def key_seconds(self) -> int:
        """Seconds from one key of an instance to the next."""
        return self.key_hours * HOUR


@dataclass(frozen=True)
class Past:
    """A fleet and its past.

    Attributes:
        instances: how many there are at a time.
        days: length of the past.
        accounts: how many.
        seed: of all chance.
        start: midnight (UTC) at which it starts.
    """

    instances: int
    days: int
    accounts: int = 20
    seed: int = 1
    start: datetime = START

    @property
    def seconds(self) -> int:
        """Length of the past."""
        return self.days * DAY

    @cached_property
    def fleet(self) -> Fleet:
        """The organisation as it was at the start."""
        return fleet(self._plan(self.start))

    @cached_property
    def all(self) -> list[Instance]:
        """All instances there ever were, by place and time."""
        place, turn, born, ended = self._lives()
        boxes = self.fleet.boxes
        number = mixed(_WHO, self.seed, place, turn)
        ids = [f"i-0{text}" for text in texts(hexadecimal(number)).to_pylist()]
        keys = self._drawn(_KEYS, place, turn)
        works = self._drawn(_WORKS, place)
        sources = self._sources(place, turn, born, ended)
        made = []
        for i, (p, t, b, e) in enumerate(
            zip(place.tolist(), turn.tolist(), born.tolist(), ended.tolist(), strict=True)
        ):
            box = boxes[p]
            issued = b + _TO_FIRST_KEY if b >= 0 else int(keys[i] * HOUR) - HOUR
            box = replace(
                box,
                machine=replace(box.machine, id=ids[i]),
                place=self._private_place(box, t),
                sources=sources[i],
                born=b,
                ended=e if e < self.seconds else None,
                issued=issued,
                first=max(issued, 0) + _TO_FIRST_KEY,
            )
            hours = next(hours for share, hours in _BUSY if works[i] < share)
            made.append(Instance(box, int(number[i] >> np.uint64(1)), hours))
        return made

    def living(self) -> Fleet:
        """Return the fleet of the day after the past, with times relative to its midnight."""
        start = self.start + timedelta(days=self.days)
        boxes = [
            replace(
                i.box,
                born=min(i.box.born - self.seconds, -DAY),
                issued=(i.box.issued % HOUR) - HOUR,
                first=-DAY,
            )
            for i in self.all
            if i.box.ended is None
        ]
        return Fleet(self._plan(start), tuple(boxes), self.fleet.offices)

    def _plan(self, start: datetime) -> Plan:
        return Plan(
            accounts=self.accounts, instances=self.instances, start=start, days=1, seed=self.seed
        )

    def _lives(self) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """Return place, number at that place, birth and end of each instance."""
        places = np.arange(len(self.fleet.boxes))[:, None]
        weeks = np.arange(-(-self.days // 7))[None, :]
        chance = REPLACED / (1 - _SETTLED)
        is_replaced = self._drawn(_WHETHER, places, weeks) < chance
        is_replaced &= self._drawn(_STAYS, places) >= _SETTLED
        when = weeks * WEEK + (self._drawn(_WHEN, places, weeks) * WEEK).astype(np.int64)
        is_replaced &= (when > HOUR) & (when < self.seconds - DAY // 4)
        place, week = np.nonzero(is_replaced)
        at = when[place, week]
        every = np.concatenate([places[:, 0], place])
        born = np.concatenate([np.full(len(places), -DAY), at + _TO_NEXT])
        order = np.lexsort((born, every))
        every, born = every[order], born[order]
        is_first = np.concatenate([[True], every[1:] != every[:-1]])
        index = np.arange(len(every))
        turn = index - np.maximum.accumulate(np.where(is_first, index, 0))
        is_last = np.concatenate([is_first[1:], [True]])
        ended = np.where(is_last, self.seconds, np.concatenate([born[1:], [0]]) - _TO_NEXT)
        return every, turn, born, ended

    def _drawn(self, what: int, *numbers: Numbers) -> NDArray[np.float64]:
        """Return numbers from 0 to 1 that depend on some others alone."""
        drawn: NDArray[np.float64] = mixed(what, self.seed, *numbers).astype(np.float64) / 2.0**64
        return drawn

    def _sources(
        self, place: Numbers, turn: Numbers, born: Numbers, ended: Numbers
    ) -> list[tuple[Source, ...]]:
        """Return where each instance calls from: what is its own is new with each instance."""
        boxes, random = self.fleet.boxes, Random(f"past {self.seed}")  # noqa: S311 - repeatable
        given = Addresses(random)
        taken = {source.address for box in boxes for source in box.sources}
        former = self._former(place, turn, born, ended)
        own: list[tuple[Source, ...]] = []
        for i, (p, t) in enumerate(zip(place.tolist(), turn.tolist(), strict=True)):
            own.append(self._of(boxes[p], t, given, taken, own[former[i]] if i in former else ()))
        return own

    def _of(
        self,
        box: Box,
        turn: int,
        given: Addresses,
        taken: set[str],
        former: tuple[Source, ...],
    ) -> tuple[Source, ...]:
        if not turn:
            return box.sources
        made = []
        for source in box.sources:
            if source.endpoint:
                there = private_ipv4(box.network.number, self._private_place(box, turn))
                made.append(replace(source, address=there))
            elif source.is_ipv6:
                made.append(Source(given.ipv6(box.machine.region, box.network.number)))
            elif not _is_public(box):
                made.append(source)
            elif former:
                made.append(former[0])
            else:
                made.append(_new(given, taken, box.machine.region))
        return tuple(made)

    def _private_place(self, box: Box, turn: int) -> int:
        """Return the number of an instance in its network, which gives its private address."""
        return box.place + (turn % _TURNS) * self._sizes[box.network.number]

    @cached_property
    def _sizes(self) -> Counter[int]:
        """Instances of each network at a time."""
        return Counter(box.network.number for box in self.fleet.boxes)

    def _former(
        self, place: Numbers, turn: Numbers, born: Numbers, ended: Numbers
    ) -> dict[int, int]:
        """Return whose public address an instance has that it has from another one.

        The first in a region that takes one over gets that of the first there that has ended, if
        it has rested; the second that of the second. So each is given on once at most, and what
        is given on was made before: instances of a place are in order, places are not, so that
        only a place before one's own is asked.
        """
        regions = np.array([box.machine.region for box in self.fleet.boxes])[place]
        is_public = np.array([_is_public(box) for box in self.fleet.boxes])[place]
        wants = is_public & (turn > 0) & (self._drawn(_REUSES, place, turn) < _REUSED)
        found: dict[int, int] = {}
        for region in np.unique(regions):
            here = is_public & (regions == region)
            takers = np.flatnonzero(here & wants)
            givers = np.flatnonzero(here & ~wants & (ended < self.seconds))
            takers = takers[np.argsort(born[takers], kind="stable")]
            givers = givers[np.argsort(ended[givers], kind="stable")]
            pairs = zip(takers.tolist(), givers.tolist(), strict=False)
            found |= {t: g for t, g in pairs if g < t and ended[g] + _AT_REST < born[t]}
        return found


def _is_public(box: Box) -> bool:
    return box.way in ("public", "dual")


def _new(given: Addresses, taken: set[str], region: str) -> Source:
    while (address := given.public_ipv4(region)) in taken:
        pass
    return Source(address)
