"""A healthy organisation: accounts, networks and instances, none of which may ever alert.

What the method calls home is true of each of them by construction: one public address for life, an
egress that at least four instances share, an endpoint of an account of ours. Everything is seen
within the first hour of an instance's life, so that nothing appears late that a thief might be.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from simulator.addresses import REGIONS, Addresses, private_ipv4
from simulator.identity import IMDS_V1, IMDS_V2, Machine, Role, Style
from simulator.ids import digest, instance_id, number, resource_id, unique_id
from simulator.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

HOUR, DAY = 3600, 86_400

_OURS = ("111122223333", "444455556666", "012345678901")
_OTHERS = 10**11
_SECOND_REGION = 4
_MIX = ("public", "nat", "mixed", "nat", "eks", "nat", "endpoint", "nat", "public", "dual")
"""How ten instances of a network reach AWS."""

_BEHIND_NAT = ("nat", "mixed", "eks")
_PUBLIC = ("public", "dual")
_LEAST_BEHIND_NAT = 4
_BEHIND_ONE_NAT = 8
_ROLES = ("checkout", "search", "billing", "ingest", "gateway", "worker")
_NEW, _GONE = 0.1, 0.1
_OLD_METADATA = 0.1
_SHORTEST_LIFE = 3 * HOUR
_TO_FIRST_KEY, _TO_FIRST_CALL, _SPREAD_OF_FIRST = 20, 60, 300


@dataclass(frozen=True, slots=True)
class Network:
    """A VPC: its number is unique; the endpoint belongs to its account or to the hub."""

    number: int
    vpc: str
    account: str
    region: str
    endpoint: str
    endpoint_owner: str
    control_plane: str
    """Address of a Kubernetes control plane that checks the identity of nodes."""


@dataclass(frozen=True, slots=True)
class Box:
    """An instance of the fleet.

    Attributes:
        machine: id, role and region.
        network: where it is.
        place: its number there, which gives its private address.
        way: how it reaches AWS: public, nat, mixed, endpoint, dual or eks.
        sources: where its calls come from; the second one is for some services only.
        born: seconds after the start of the trail; negative where it is older than the trail.
        ended: seconds after the start of the trail when it is terminated; none if it stays.
        issued: seconds after the start of the trail of its first key; one each hour follows.
        first: seconds after the start of the trail of the first call that the trail shows.
        delivery: version of the metadata service that it uses: some still use the old one.
    """

    machine: Machine
    network: Network
    place: int
    way: str
    sources: tuple[Source, ...]
    born: int
    ended: int | None
    issued: int
    first: int
    delivery: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How large the organisation is, and how long its trail.

    Attributes:
        accounts: how many.
        instances: how many in all accounts together.
        rate: calls of an instance per hour, beside the key that it gets.
        start: of the trail, in UTC.
        days: length of the trail.
        seed: the same plan gives the same organisation.
        style: records of 2018 do not tell whose an endpoint is, so each instance has one way then.
    """

    accounts: int = 3
    instances: int = 300
    rate: float = 3.0
    start: datetime
    days: int = 3
    seed: int = 1
    style: Style = Style.MODERN

    @property
    def seconds(self) -> int:
        """Length of the trail."""
        return self.days * DAY

    @property
    def account_ids(self) -> tuple[str, ...]:
        """The accounts; the second one is the hub of endpoints."""
        made = (f"2{number(_OTHERS, 'account', self.seed, i):011d}" for i in range(self.accounts))
        return (*_OURS, *made)[: self.accounts]

    @property
    def organisation(self) -> str:
        """Id of the organisation, as trails of organisations have it in their paths."""
        return f"o-{digest('organisation', self.seed).hex()[:10]}"


@dataclass(frozen=True, slots=True)
class Fleet:
    """The organisation."""

    plan: Plan
    boxes: tuple[Box, ...]
    offices: dict[str, str]
    """Address from which the people of each account work."""


def fleet(plan: Plan) -> Fleet:
    """Return the healthy organisation of a plan."""
    return _Builder(plan).fleet()


class _Builder:
    """Builds a fleet; what it gives out, it gives out once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._random = Random(f"fleet {plan.seed}")  # noqa: S311 - must be repeatable, not secret
        self._addresses = Addresses(self._random)

    def fleet(self) -> Fleet:
        networks = list(self._networks())
        boxes = [
            box
            for i, network in enumerate(networks)
            for box in self._boxes(network, len(range(i, self._plan.instances, len(networks))))
        ]
        offices = {account: self._addresses.office() for account in self._plan.account_ids}
        return Fleet(self._plan, tuple(boxes), offices)

    def _networks(self) -> Iterator[Network]:
        """Return a network for each account; every fourth account has one in a second region."""
        accounts = self._plan.account_ids
        places = [(a, REGIONS[i % len(REGIONS)]) for i, a in enumerate(accounts)]
        places += [
            (a, REGIONS[(i + 2) % len(REGIONS)])
            for i, a in enumerate(accounts)
            if i % _SECOND_REGION == 0
        ]
        hub = accounts[min(1, len(accounts) - 1)]
        for i, (account, region) in enumerate(places):
            owner, maker = (hub, "hub") if i % 2 else (account, i)
            endpoint = resource_id("vpce", self._plan.seed, region, maker)
            control_plane = self._addresses.public_ipv4(region)
            vpc = resource_id("vpc", self._plan.seed, i)
            yield Network(i + 1, vpc, account, region, endpoint, owner, control_plane)

    def _boxes(self, network: Network, count: int) -> Iterator[Box]:
        ways = _ways(count, self._plan.style)
        behind = sum(way in _BEHIND_NAT for way in ways)
        gateways = max(1, behind // _BEHIND_ONE_NAT)
        nats = [self._addresses.public_ipv4(network.region) for _ in range(gateways)]
        used = 0
        for place, way in enumerate(ways):
            sources = tuple(self._sources(way, network, nats[used % gateways], place))
            used += way in _BEHIND_NAT
            machine = self._machine(network, place, way)
            delivery = IMDS_V1 if self._random.random() < _OLD_METADATA else IMDS_V2
            yield Box(machine, network, place, way, sources, *self._life(), delivery)

    def _machine(self, network: Network, place: int, way: str) -> Machine:
        """Return an instance; those with public addresses of their own are a service's edge."""
        words = (self._plan.seed, network.number, place)
        service = _ROLES[number(len(_ROLES), "role", *words)]
        edge = "-edge" if way in _PUBLIC else ""
        name = f"{service}{edge}-{network.region}"
        role_id = unique_id("AROA", "fleet", self._plan.seed, network.account, name)
        role = Role(network.account, name, role_id, "/service/")
        return Machine(instance_id("fleet", *words), role, network.region)

    def _sources(self, way: str, network: Network, nat: str, place: int) -> Iterator[Source]:
        private = private_ipv4(network.number, place)
        if way in _BEHIND_NAT:
            yield Source(nat)
        if way in ("endpoint", "mixed"):
            yield Source(private, network.endpoint, network.endpoint_owner)
        if way in _PUBLIC:
            yield Source(self._addresses.public_ipv4(network.region))
        if way == "dual":
            yield Source(self._addresses.ipv6(network.region, network.number))

    def _life(self) -> tuple[int, int | None, int, int]:
        """Return when an instance is born, is ended, gets its first key and first calls."""
        random = self._random.random
        fate, when = random(), random()
        room = max(0, self._plan.seconds - _SHORTEST_LIFE)
        is_new = fate < _NEW and room
        is_ended = fate > 1 - _GONE and room
        born = int(when * room) if is_new else -DAY
        issued = born + _TO_FIRST_KEY if is_new else int(random() * HOUR) - HOUR
        first = max(issued, 0) + _TO_FIRST_CALL + int(random() * _SPREAD_OF_FIRST)
        if first % HOUR == HOUR - 1:
            first += 1  # a call from another source follows, in the same hour
        return born, _SHORTEST_LIFE + int(when * room) if is_ended else None, issued, first


def _ways(count: int, style: Style) -> list[str]:
    ways = [_MIX[i % len(_MIX)] for i in range(count)]
    if style is Style.OF_2018:
        ways = [{"mixed": "nat", "dual": "public"}.get(way, way) for way in ways]
    if sum(way in _BEHIND_NAT for way in ways) < _LEAST_BEHIND_NAT:
        ways = ["public" if way in _BEHIND_NAT else way for way in ways]
    return ways
