"""What one account is made of: its actors, and the tables that its events point into."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from simulator import keys
from simulator.agents import agent, client_of
from simulator.bulk.kinds import FUNCTION as A_FUNCTION
from simulator.bulk.kinds import KINDS, NAMING, PERSON, Kind, chances
from simulator.bulk.volume import START
from simulator.calls import OF_INSTANCE, usual
from simulator.fleet import HOUR, Box, Fleet
from simulator.identity import FUNCTION, Json, Key, Machine, Role, Style, of_workload
from simulator.ids import unique_id
from simulator.partitions import EC2
from simulator.people import USERS, People
from simulator.record import Record, Setting, issued_by, template
from simulator.source import Source
from simulator.traffic import CLIENTS
from simulator.writers.athena import table

if TYPE_CHECKING:
    from simulator.bulk.text import Numbers

KEY, SINCE = "@KEY@", "@SINCE@"
"""Stand for what changes each hour in an identity."""

_MARKS = (
    "userIdentity",
    "eventTime",
    "sourceIPAddress",
    "requestParameters",
    "responseElements",
    "requestID",
    "eventID",
    "sharedEventID",
)
"""Fields that differ from event to event, in the order that records have them."""

_MARK = re.compile(r'"@[A-Za-z]+@"')

_FUNCTIONS = ("thumbnails", "invoices", "exports", "webhooks")
_FOREVER = 1 << 40


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who calls: an instance, or another role, or a person.

    Attributes:
        who: identity, with ``KEY`` and ``SINCE`` where it has keys that last an hour.
        way: way of life, which decides what it calls.
        client: how it calls.
        sources: where it calls from.
        region: where it calls.
        issued: seconds after the start of the trail of its first key.
        alive: seconds after the start of the trail between which it calls.
        box: the instance; none for others.
    """

    who: Json
    way: str
    client: str
    sources: tuple[Source, ...]
    region: str
    issued: int
    alive: tuple[int, int]
    box: Box | None = None


class Account:
    """One account: its actors in order, instances first, and what their events have in common.

    ``templates`` are records without who, when and where; an event names one by number, as it
    does ``addresses`` and ``parameters``.
    """

    def __init__(self, fleet: Fleet, account: str) -> None:
        """Make the tables of one account of a fleet."""
        self.id, self.start, self._fleet = account, fleet.plan.start, fleet
        self.boxes = [box for box in fleet.boxes if box.machine.role.account == account]
        self.actors = [*map(_instance, self.boxes), *self._functions(), *self._people()]
        self.instances = len(self.boxes)
        self.issued = np.array([actor.issued for actor in self.actors])
        self.alive = np.array([actor.alive for actor in self.actors])
        self.ways = sorted({actor.way for actor in self.actors})
        self.way = np.array([self.ways.index(actor.way) for actor in self.actors])
        self.chances = np.stack([chances(way) for way in self.ways])
        self._records: list[Record] = []
        self._made: dict[object, int] = {}
        self.of_kind = np.array([[self._template(a, k) for k in KINDS] for a in self.actors])
        self.of_issue = np.array([self._issue(box) for box in self.boxes], dtype=np.int64)
        self.templates = table(self._records)
        self.regions = np.array([record["awsRegion"] for record in self._records])
        self.json_parts = _json_parts(self._records)
        self.who = [actor.who for actor in self.actors]
        self.addresses, self.address = self._address_table()
        self.parameters, self.parameter = self._parameter_table()

    def _functions(self) -> list[Actor]:
        """Return roles that are no instance's: functions of this account."""
        region = self.boxes[0].machine.region
        made = []
        for i, name in enumerate(_FUNCTIONS):
            role_id = unique_id("AROA", "bulk", self._fleet.plan.seed, self.id, name)
            machine = Machine(name, Role(self.id, f"{name}-role", role_id), region)
            who = _with_marks(of_workload(machine, _key(), Style.MODERN, FUNCTION))
            source = Source(f"18.{196 + i}.{int(self.id[-4:]) % 250}.{10 + i}")
            made.append(Actor(who, A_FUNCTION, "lambda", (source,), region, -HOUR, (0, _FOREVER)))
        return made

    def _people(self) -> list[Actor]:
        region = self.boxes[0].machine.region
        people = People(self._fleet, self.id, self.boxes, Random("people"))  # noqa: S311 - unused
        source = (Source(self._fleet.offices[self.id]),)
        return [
            Actor(people.user(name), PERSON, "admin", source, region, 0, (0, _FOREVER))
            for name in USERS
        ]

    def _template(self, actor: Actor, kind: Kind) -> int:
        """Return the number of the record that calls of a kind have in common."""
        source = actor.sources[kind.source]
        if kind.service:
            source = Source(kind.service)
        elif kind.forwarded and actor.box:
            source = Source(actor.box.network.control_plane)
        client = "http" if kind.forwarded else client_of(kind.event, actor.client)
        where = (source.endpoint, source.is_ipv6) if kind.is_own else source.address
        key = (kind.event, kind.error, kind.service, client, actor.region, where)
        number = self._made.get(key)
        if number is None:
            name = kind.service or agent(client, Style.MODERN)
            setting = Setting(self.id, actor.region, name, Style.MODERN)
            usually = usual(kind.event, "", actor.region, self.id)
            call = replace(usually, error_code=kind.error)
            record = template(call, source, setting, kind.service)
            number = self._made[key] = self._add(record, kind.service)
        return number

    def _issue(self, box: Box) -> int:
        """Return the number of the record that EC2's AssumeRole for a role has."""
        key = (EC2, box.machine.role.arn, box.machine.region)
        number = self._made.get(key)
        if number is None:
            record, _ = issued_by(EC2, box.machine, _key(), Style.MODERN)
            number = self._made[key] = self._add(record, EC2)
        return number

    def _add(self, record: Record, service: str) -> int:
        self._records.append({**record, "userIdentity": {"invokedBy": service or None}})
        return len(self._records) - 1

    def _address_table(self) -> tuple[pa.Array, Numbers]:
        """Return addresses, those of templates first, and which one a kind of call comes from."""
        texts = [record["sourceIPAddress"] for record in self._records]
        numbers = np.array(self.of_kind)
        for i, actor in enumerate(self.actors):
            for j, kind in enumerate(KINDS):
                if kind.is_own:
                    last = kind.source and len(actor.sources) > 1
                    numbers[i, j] = len(texts) + bool(last)
            texts += [source.address for source in actor.sources]
        return pa.array(texts), numbers

    def _parameter_table(self) -> tuple[pa.Array, Numbers]:
        """Return parameters, those of templates first, and which ones a kind of call has.

        The last column is for EC2's AssumeRole.
        """
        texts = self.templates.column("requestparameters").to_pylist()
        numbers = np.concatenate([self.of_kind, self.of_kind[:, :1]], axis=1)
        naming = {event: [k.event == event for k in KINDS] for event in NAMING}
        for i, box in enumerate(self.boxes):
            for event, which in naming.items():
                numbers[i, :-1][which] = len(texts)
                texts.append(_dumps(OF_INSTANCE[event](box.machine.id)))
            numbers[i, -1] = len(texts)
            role = {"roleArn": box.machine.role.arn, "roleSessionName": box.machine.id}
            texts.append(_dumps(role))
        return pa.array(texts), numbers


def _instance(box: Box) -> Actor:
    client = "cni" if box.way == "eks" else CLIENTS[box.issued % len(CLIENTS)]
    who = _with_marks(of_workload(box.machine, _key(box.delivery), Style.MODERN))
    begin = max(box.first + 2, 0)
    end = _FOREVER if box.ended is None else box.ended - 60
    region = box.machine.region
    return Actor(who, box.way, client, box.sources, region, box.issued, (begin, end), box)


def _key(delivery: str = "") -> Key:
    return keys.issue(START, delivery, "bulk")


def _with_marks(who: Json) -> Json:
    who["accessKeyId"] = KEY
    who["sessionContext"]["attributes"]["creationDate"] = SINCE
    return who


def _json_parts(records: list[Record]) -> list[list[str]]:
    """Return what stands between the fields of records that differ from event to event.

    The identity is left open: what stands behind it closes it, with the service that calls.
    """
    made = []
    for record in records:
        marked = {**record, **{name: f"@{name}@" for name in _MARKS if name in record}}
        parts = _MARK.split(_dumps(marked))
        service = record["userIdentity"]["invokedBy"]
        parts[1] = (f',"invokedBy":"{service}"}}' if service else "}") + parts[1]
        made.append(parts if len(parts) > len(_MARKS) else [*parts, ""])
    return [list(column) for column in zip(*made, strict=True)]


def _dumps(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
