"""What the fleet does: the records of an account, in order of time.

Built for millions of records: what events have in common is made once, each event is one merge of
dicts, and only the identities of the hour are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from random import Random

from simulator import keys
from simulator.agents import agent, client_of
from simulator.calls import OF_INSTANCE, Json, usual
from simulator.fleet import HOUR, Box, Fleet
from simulator.identity import IMDS_V1, IMDS_V2, Key, of_instance, on_behalf
from simulator.ids import EventIds, number
from simulator.people import Event, People
from simulator.record import Record, Setting, issued_by_ec2, stamp, template
from simulator.source import INTERNAL, Source

_CALLS = (
    *("ssm:UpdateInstanceInformation",) * 7,
    *("ssm:GetParameters",) * 6,
    *("secretsmanager:GetSecretValue",) * 6,
    *("s3:GetObject",) * 5,
    *("ec2:DescribeTags",) * 4,
    *("kms:Decrypt",) * 4,
    *("s3:PutObject",) * 3,
    *("s3:ListBuckets",) * 2,
    "ec2:DescribeInstances",
    "ssm:ListInstanceAssociations",
)
"""Calls of an instance, each as often as it is made."""

_FOR_IT = (
    ("kms:Decrypt", "secretsmanager.amazonaws.com"),
    ("ec2:DescribeVolumes", "cloudformation.amazonaws.com"),
    ("ecr:BatchGetImage", INTERNAL),
)
"""Calls that AWS makes for an instance, by which service."""

_SHARE_FOR_IT = 0.03
_SHARE_FORWARDED = 0.25
_BY_SECOND_SOURCE = ("ssm:", "kms:", "secretsmanager:")
_CLIENTS = ("app", "java", "go")
_OLD_METADATA = 8
_START_SECONDS = 60


class Traffic:
    """The records of one account of a fleet."""

    def __init__(self, fleet: Fleet, account: str, rate: float) -> None:
        """Prepare the account.

        Args:
            fleet: the organisation.
            account: one of its accounts.
            rate: calls of an instance per hour, beside the key it gets.
        """
        self._fleet, self._rate = fleet, rate
        self._random = Random(f"traffic {fleet.seed} {account}")  # noqa: S311 - repeatable
        self._ids = EventIds("fleet", fleet.seed, account)
        self._boxes = [box for box in fleet.boxes if box.machine.role.account == account]
        self._templates: dict[tuple[object, ...], Record] = {}
        self._newest: dict[str, tuple[int, Json]] = {}
        self._people = People(fleet, account, self._boxes, self._random)

    def records(self) -> Iterator[Record]:
        """Return all records, in order of time."""
        for begin in range(0, self._fleet.seconds, HOUR):
            events = [event for box in self._boxes for event in self._of_box(box, begin)]
            events += self._people.hour(begin, self._who)
            events.sort(key=lambda event: event[0])
            at = (self._fleet.start + timedelta(seconds=begin)).strftime("%Y-%m-%dT%H:")
            for second, made, who, own in events:
                rest = second - begin
                when = f"{at}{rest // 60:02d}:{rest % 60:02d}Z"
                yield {**stamp(made, who, when, self._ids), **own}

    def _of_box(self, box: Box, begin: int) -> Iterator[Event]:
        """Return the events of an instance in the hour that begins at a second of the trail."""
        end = begin + HOUR
        if box.born >= end or (box.ended is not None and box.ended <= begin):
            return
        turn = begin + (box.issued - begin) % HOUR
        if self._is_alive(box, turn):
            yield from self._issued(box, turn)
        for second in self._seconds(box, begin):
            if self._is_alive(box, second):
                yield (second, *self._call(box, self._who(box, second)))
        first = _first_call(box)
        if begin <= first < end:
            yield from self._first_calls(box, first)

    def _is_alive(self, box: Box, second: int) -> bool:
        """Tell whether an instance has a key and is not about to end."""
        is_started = box.born < 0 or second >= box.issued + _START_SECONDS or second == box.issued
        return is_started and (box.ended is None or second < box.ended - _START_SECONDS)

    def _seconds(self, box: Box, begin: int) -> Iterator[int]:
        expected = self._rate * (0.5 + self._random.random())
        count = int(expected) + (self._random.random() < expected % 1)
        for _ in range(count):
            yield begin + int(self._random.random() * HOUR)

    def _first_calls(self, box: Box, second: int) -> Iterator[Event]:
        """Return a call from each source of an instance, soon after the trail first shows it."""
        who = self._who(box, second)
        for i, source in enumerate(box.sources):
            event = "ssm:UpdateInstanceInformation"
            yield (second + i, *self._from(box, source, event, who))

    def _call(self, box: Box, who: Json) -> tuple[Record, Json, Json]:
        chance = self._random.random()
        if chance < _SHARE_FOR_IT:
            event, service = _FOR_IT[int(chance / _SHARE_FOR_IT * len(_FOR_IT))]
            made = self._template(box, event, service, Source(service), service)
            return made, on_behalf(who, service), {}
        if box.way == "eks" and chance < _SHARE_FOR_IT + _SHARE_FORWARDED:
            source = Source(box.network.control_plane)
            return self._template(box, "sts:GetCallerIdentity", "http", source), who, {}
        event = _CALLS[int(self._random.random() * len(_CALLS))]
        is_second = event.startswith(_BY_SECOND_SOURCE)
        return self._from(box, box.sources[-1 if is_second else 0], event, who)

    def _from(self, box: Box, source: Source, event: str, who: Json) -> tuple[Record, Json, Json]:
        """Return a call of an instance itself, from one of its sources."""
        usual_client = "cni" if box.way == "eks" else _CLIENTS[box.issued % len(_CLIENTS)]
        made = self._template(box, event, client_of(event, usual_client), source)
        own: Json = {"sourceIPAddress": source.address}
        if event in OF_INSTANCE:
            own["requestParameters"] = OF_INSTANCE[event](box.machine.id)
        return made, who, own

    def _template(
        self, box: Box, event: str, client: str, source: Source, service: str = ""
    ) -> Record:
        """Return what all such calls of a network share: all but address and instance."""
        place = source.endpoint or source.is_ipv6
        key = (event, client, box.network.number, place)
        made = self._templates.get(key)
        if made is None:
            region, account = box.machine.region, box.machine.role.account
            name = service or agent(client, self._fleet.style)
            call = usual(event, box.machine.id, region, account)
            setting = Setting(account, region, name, self._fleet.style)
            made = self._templates[key] = template(call, source, setting, service)
        return made

    def _issued(self, box: Box, second: int) -> Iterator[Event]:
        """Return EC2's AssumeRole: two in the same second at first, one each hour after that."""
        count = (second - box.issued) // HOUR
        for delivery in (IMDS_V1, IMDS_V2) if count == 0 else (self._delivery(box),):
            key = self._key(box, count, delivery)
            yield (second, *issued_by_ec2(box.machine, key, self._fleet.style), {})

    def _who(self, box: Box, second: int) -> Json:
        return self._identity(box, (second - box.issued) // HOUR)

    def _identity(self, box: Box, count: int) -> Json:
        """Return who calls with the key of an hour of a box's life."""
        newest = self._newest.get(box.machine.id)
        if newest is None or newest[0] != count:
            key = self._key(box, count, self._delivery(box))
            newest = (count, of_instance(box.machine, key, self._fleet.style))
            self._newest[box.machine.id] = newest
        return newest[1]

    def _key(self, box: Box, count: int, delivery: str) -> Key:
        issued = self._fleet.start + timedelta(seconds=box.issued + count * HOUR)
        words = ("fleet", self._fleet.seed, box.machine.id, count, delivery)
        return keys.of_ec2(issued, delivery, *words)

    def _delivery(self, box: Box) -> str:
        """Return which version of the metadata service an instance uses: some still use the old."""
        is_old = number(_OLD_METADATA, "delivery", box.machine.id) == 0
        return IMDS_V1 if is_old else IMDS_V2


def _first_call(box: Box) -> int:
    """Return the second of a box's first call; two calls fit into its hour."""
    second = max(box.issued + _START_SECONDS, 0) + number(300, "first", box.machine.id)
    return second + 1 if second % HOUR == HOUR - 1 else second
