"""What the fleet does: the records of an account, in order of time.

Built for millions of records: what events have in common is made once, each event is one merge of
dicts, and only the identities of the hour are kept.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from simulator import keys
from simulator.agents import agent, client_of
from simulator.calls import OF_INSTANCE, Json, usual
from simulator.fleet import HOUR, Box, Fleet
from simulator.identity import IMDS_V1, IMDS_V2, Key, of_workload, on_behalf
from simulator.ids import EventIds
from simulator.partitions import EC2
from simulator.people import Event, People
from simulator.record import Record, Setting, issued_by, stamp, template
from simulator.source import INTERNAL, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS = (
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

FOR_IT = (
    ("kms:Decrypt", "secretsmanager.amazonaws.com"),
    ("ec2:DescribeVolumes", "cloudformation.amazonaws.com"),
    ("ecr:BatchGetImage", INTERNAL),
)
"""Calls that AWS makes for an instance, by which service."""

SHARE_FOR_IT = 0.03
SHARE_FORWARDED = 0.25
BY_SECOND_SOURCE = ("ssm:", "kms:", "secretsmanager:")
CLIENTS = ("app", "java", "go")
START_SECONDS = 60


class Traffic:
    """The records of one account of a fleet."""

    def __init__(self, fleet: Fleet, account: str) -> None:
        """Prepare one account of an organisation."""
        self._plan = fleet.plan
        self._random = Random(f"traffic {self._plan.seed} {account}")  # noqa: S311 - repeatable
        self._ids = EventIds("fleet", self._plan.seed, account)
        self._boxes = [box for box in fleet.boxes if box.machine.role.account == account]
        self._templates: dict[tuple[object, ...], Record] = {}
        self._keys: dict[tuple[str, int], tuple[int, Key, Json]] = {}
        self._people = People(fleet, account, self._boxes, self._random)

    def records(self) -> Iterator[Record]:
        """Return all records, in order of time."""
        for begin in range(0, self._plan.seconds, HOUR):
            events = [event for box in self._boxes for event in self._of_box(box, begin)]
            events += self._people.hour(begin, self._who)
            events.sort(key=lambda event: event[0])
            at = (self._plan.start + timedelta(seconds=begin)).strftime("%Y-%m-%dT%H:")
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
        for second in self._seconds(begin):
            if self._is_alive(box, second):
                yield (second, *self._call(box, self._who(box, second)))
        if begin <= box.first < end:
            yield from self._first_calls(box)

    def _is_alive(self, box: Box, second: int) -> bool:
        """Tell whether an instance has a key and is not about to end."""
        is_started = box.born < 0 or second >= box.issued + START_SECONDS or second == box.issued
        return is_started and (box.ended is None or second < box.ended - START_SECONDS)

    def _seconds(self, begin: int) -> Iterator[int]:
        expected = self._plan.rate * (0.5 + self._random.random())
        count = int(expected) + (self._random.random() < expected % 1)
        for _ in range(count):
            yield begin + int(self._random.random() * HOUR)

    def _first_calls(self, box: Box) -> Iterator[Event]:
        """Return a call from each source of an instance, soon after the trail first shows it."""
        who = self._who(box, box.first)
        for i, source in enumerate(box.sources):
            event = "ssm:UpdateInstanceInformation"
            yield (box.first + i, *self._from(box, source, event, who))

    def _call(self, box: Box, who: Json) -> tuple[Record, Json, Json]:
        chance = self._random.random()
        if chance < SHARE_FOR_IT:
            event, service = FOR_IT[int(chance / SHARE_FOR_IT * len(FOR_IT))]
            made = self._template(box, event, service, Source(service), service)
            return made, on_behalf(who, service), {}
        if box.way == "eks" and chance < SHARE_FOR_IT + SHARE_FORWARDED:
            source = Source(box.network.control_plane)
            return self._template(box, "sts:GetCallerIdentity", "http", source), who, {}
        event = CALLS[int(self._random.random() * len(CALLS))]
        is_second = event.startswith(BY_SECOND_SOURCE)
        return self._from(box, box.sources[-1 if is_second else 0], event, who)

    def _from(self, box: Box, source: Source, event: str, who: Json) -> tuple[Record, Json, Json]:
        """Return a call of an instance itself, from one of its sources."""
        usual_client = "cni" if box.way == "eks" else CLIENTS[box.issued % len(CLIENTS)]
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
            name = service or agent(client, self._plan.style)
            call = usual(event, box.machine.id, region, account)
            setting = Setting(account, region, name, self._plan.style)
            made = self._templates[key] = template(call, source, setting, service)
        return made

    def _issued(self, box: Box, second: int) -> Iterator[Event]:
        """Return EC2's AssumeRole: two in the same second at first, one each hour after that."""
        count, style = (second - box.issued) // HOUR, self._plan.style
        yield (second, *issued_by(EC2, box.machine, self._held(box, count)[1], style), {})
        if count == 0:
            other = IMDS_V1 if box.delivery == IMDS_V2 else IMDS_V2
            key = self._key(box, count, other)
            yield (second, *issued_by(EC2, box.machine, key, style), {})

    def _who(self, box: Box, second: int) -> Json:
        """Return who calls with the key that an instance has at a second."""
        return self._held(box, (second - box.issued) // HOUR)[2]

    def _held(self, box: Box, count: int) -> tuple[int, Key, Json]:
        """Return an instance's key of an hour of its life; the last two are kept."""
        place = box.machine.id, count % 2
        held = self._keys.get(place)
        if held is None or held[0] != count:
            key = self._key(box, count, box.delivery)
            held = count, key, of_workload(box.machine, key, self._plan.style)
            self._keys[place] = held
        return held

    def _key(self, box: Box, count: int, delivery: str) -> Key:
        issued = self._plan.start + timedelta(seconds=box.issued + count * HOUR)
        words = ("fleet", self._plan.seed, box.machine.id, count, delivery)
        return keys.issue(issued, delivery, *words)
