"""What is rare is made record by record: changes of the ledger, and thefts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from simulator import keys
from simulator.agents import agent
from simulator.calls import Call, usual
from simulator.fleet import DAY, HOUR, Box, Fleet
from simulator.identity import Style, of_workload
from simulator.ids import EventIds
from simulator.lifecycle import (
    Target,
    allocate_address,
    associate_address,
    create_nat_gateway,
    run_instances,
    terminate_instances,
)
from simulator.moments import iso
from simulator.people import Event, People, target_of
from simulator.record import Record, Setting, stamp, template
from simulator.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.bulk.volume import Volume

_CALLS_OF_A_THIEF = 10
_LOOT = (
    "sts:GetCallerIdentity",
    "s3:ListBuckets",
    "s3:GetObject",
    "secretsmanager:GetSecretValue",
    "ec2:DescribeInstances",
)
THIEVES = ("67.180.92", "95.90.139", "67.178.52")
"""Networks outside AWS, as thieves of the stories have."""
_QUIET = 8 * HOUR
_TO_ADDRESS = 10


@dataclass(frozen=True, slots=True)
class Theft:
    """A key used away from home: what must be found.

    Attributes:
        account: of the role.
        role: its unique id.
        instance: whose key it is.
        source: where the thief is.
        second: seconds after the start of the trail of his first call.
    """

    account: str
    role: str
    instance: str
    source: str
    second: int

    def told(self) -> dict[str, object]:
        """Return the theft for a file of labels."""
        return asdict(self)


def thefts(volume: Volume, fleet: Fleet, events: int) -> dict[str, list[tuple[Theft, Box]]]:
    """Return thefts that make some events together, by account; each thief has his own address."""
    random = Random(f"thefts {volume.seed}")  # noqa: S311 - repeatable
    settled = [b for b in fleet.boxes if b.ended is None and b.born < volume.seconds - 2 * _QUIET]
    count = min(max(events // _CALLS_OF_A_THIEF, 1), len(settled), len(THIEVES) * 254)
    found = defaultdict(list)
    for number, box in enumerate(random.sample(settled, count)):
        earliest = max(box.born, 0) + _QUIET
        second = earliest + int(random.random() * (volume.seconds - earliest - HOUR))
        source = f"{THIEVES[number // 254]}.{1 + number % 254}"
        role = box.machine.role
        theft = Theft(role.account, role.id, box.machine.id, source, second)
        found[role.account].append((theft, box))
    return found


class Rare:
    """The rare records of one account."""

    def __init__(self, fleet: Fleet, account: str, stolen: list[tuple[Theft, Box]]) -> None:
        """Make them, in order of time."""
        self._fleet, self._account = fleet, account
        self._random = Random(f"rare {fleet.plan.seed} {account}")  # noqa: S311 - repeatable
        self._boxes = [b for b in fleet.boxes if b.machine.role.account == account]
        self._people = People(fleet, account, self._boxes, self._random)
        events = [*self._lives(), *self._gateways()]
        events += [call for theft, box in stolen for call in self._theft(theft, box)]
        self._ids = EventIds("bulk", fleet.plan.seed, account)
        self._events = sorted(events, key=lambda event: event[0])

    def records(self, within: tuple[int, int]) -> list[Record]:
        """Return the records of some seconds of the trail."""
        return [
            {**stamp(made, who, self._iso(second), self._ids), **own}
            for second, made, who, own in self._events
            if within[0] <= second < within[1]
        ]

    def __len__(self) -> int:
        """Return how many records there are."""
        return len(self._events)

    def _lives(self) -> Iterator[Event]:
        for box in self._boxes:
            if box.born >= 0:
                yield self._people.by_autoscaling(box, run_instances(target_of(box)), box.born)
                if box.way == "public":
                    yield from self._elastic(box)
            if box.ended is not None:
                ends = terminate_instances(target_of(box))
                yield self._people.by_autoscaling(box, ends, box.ended)

    def _elastic(self, box: Box) -> Iterator[Event]:
        """Return how an administrator gives an instance its address."""
        target = Target(box.machine, box.network.vpc, (box.sources[0].address,))
        for i, change in enumerate((allocate_address, associate_address)):
            yield self._by_administrator(box, change(target), box.born + _TO_ADDRESS + i)

    def _gateways(self) -> Iterator[Event]:
        """Return how the gateways of a network came to be, as if all had on the first day."""
        behind = {box.sources[0].address: box for box in self._boxes if box.way in ("nat", "eks")}
        for number, (address, box) in enumerate(sorted(behind.items())):
            target = Target(
                box.machine, box.network.vpc, (address,), interface=f"eth{number}", is_told=True
            )
            yield self._by_administrator(box, create_nat_gateway(target), number % (DAY // 2))

    def _by_administrator(self, box: Box, call: Call, second: int) -> Event:
        office = Source(self._fleet.offices[self._account])
        name = agent("terraform", Style.MODERN)
        setting = Setting(self._account, box.machine.region, name, Style.MODERN)
        return second, template(call, office, setting), self._people.user("alice"), {}

    def _theft(self, theft: Theft, box: Box) -> Iterator[Event]:
        count = (theft.second - box.issued) // HOUR
        issued = self._fleet.plan.start + timedelta(seconds=box.issued + count * HOUR)
        key = keys.issue(issued, box.delivery, "stolen", box.machine.id)
        who = of_workload(box.machine, key, Style.MODERN)
        name, region = agent("thief", Style.MODERN), box.machine.region
        for i in range(_CALLS_OF_A_THIEF):
            call = usual(_LOOT[i % len(_LOOT)], box.machine.id, region, self._account)
            setting = Setting(self._account, region, name, Style.MODERN)
            yield theft.second + 20 * i, template(call, Source(theft.source), setting), who, {}

    def _iso(self, second: int) -> str:
        return iso(self._fleet.plan.start + timedelta(seconds=second))
