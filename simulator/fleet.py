"""A healthy organisation: accounts, networks and instances, none of which may ever alert.

What the method calls home is true of each of them by construction: one public address for life, an
egress that at least four instances share, an endpoint of an account of ours. Everything is seen
within the first hour of an instance's life, so that nothing appears late that a thief might be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random

from simulator.addresses import REGIONS, Addresses, private_ipv4
from simulator.identity import Machine, Role, Style
from simulator.ids import digest, instance_id, number, resource_id, unique_id
from simulator.source import Source

HOUR, DAY = 3600, 86_400

_OURS = ("111122223333", "444455556666", "012345678901")
_OTHERS = 10**11
_SECOND_REGION = 4
_MIX = ("public", "nat", "mixed", "nat", "eks", "nat", "endpoint", "nat", "public", "dual")
"""How ten instances of a network reach AWS."""

_BEHIND_NAT = ("nat", "mixed", "eks")
_LEAST_BEHIND_NAT = 4
_BEHIND_ONE_NAT = 8
_ROLES = ("checkout", "search", "billing", "ingest", "gateway", "worker")
_NEW, _GONE = 0.1, 0.1
_SHORTEST_LIFE = 3 * HOUR


@dataclass(frozen=True, slots=True)
class Network:
    """A VPC: its number is unique; the endpoint belongs to its account or to the hub."""

    number: int
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
    """

    machine: Machine
    network: Network
    place: int
    way: str
    sources: tuple[Source, ...]
    born: int
    ended: int | None
    issued: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """The organisation, for a trail that starts at a time and has a number of days."""

    seed: int
    start: datetime
    days: int
    style: Style
    accounts: tuple[str, ...]
    boxes: tuple[Box, ...]
    offices: dict[str, str]
    """Address from which the people of each account work."""

    @property
    def seconds(self) -> int:
        """Length of the trail."""
        return self.days * DAY


def organisation(seed: int) -> str:
    """Return the id of the organisation, as trails of organisations have it in their paths."""
    return f"o-{digest('organisation', seed).hex()[:10]}"


def account_ids(count: int, seed: int) -> tuple[str, ...]:
    """Return the accounts of the organisation; the second one is the hub of endpoints."""
    made = (f"2{number(_OTHERS, 'account', seed, i):011d}" for i in range(count))
    return (*_OURS, *made)[:count]


def fleet(
    accounts: int, instances: int, *, start: datetime, days: int, seed: int, style: Style
) -> Fleet:
    """Return a healthy organisation.

    Args:
        accounts: how many.
        instances: how many in all accounts together.
        start: of the trail, in UTC.
        days: length of the trail.
        seed: the same seed gives the same organisation.
        style: records of 2018 do not tell whose an endpoint is, so each instance has one way then.
    """
    random = Random(f"fleet {seed}")  # noqa: S311 - must be repeatable, not secret
    addresses = Addresses(random)
    ids = account_ids(accounts, seed)
    networks = _networks(ids, addresses, seed)
    boxes: list[Box] = []
    for i, network in enumerate(networks):
        count = len(range(i, instances, len(networks)))
        boxes += _boxes(network, count, days * DAY, random, addresses, (seed, style))
    offices = {account: addresses.office() for account in ids}
    return Fleet(seed, start, days, style, ids, tuple(boxes), offices)


def _networks(accounts: Sequence[str], addresses: Addresses, seed: int) -> list[Network]:
    """One network in each account; every fourth account has one in a second region."""
    places = [(a, REGIONS[i % len(REGIONS)]) for i, a in enumerate(accounts)]
    places += [
        (a, REGIONS[(i + 2) % len(REGIONS)])
        for i, a in enumerate(accounts)
        if i % _SECOND_REGION == 0
    ]
    hub = accounts[min(1, len(accounts) - 1)]
    networks = []
    for i, (account, region) in enumerate(places):
        owner, maker = (hub, "hub") if i % 2 else (account, i)
        endpoint = resource_id("vpce", seed, region, maker)
        control_plane = addresses.public_ipv4(region)
        networks.append(Network(i + 1, account, region, endpoint, owner, control_plane))
    return networks


def _boxes(
    network: Network,
    count: int,
    seconds: int,
    random: Random,
    addresses: Addresses,
    world: tuple[int, Style],
) -> Iterator[Box]:
    seed, style = world
    ways = _ways(count, style)
    behind = sum(way in _BEHIND_NAT for way in ways)
    nats = [addresses.public_ipv4(network.region) for _ in range(max(1, behind // _BEHIND_ONE_NAT))]
    used = 0
    for place, way in enumerate(ways):
        nat = nats[used % len(nats)]
        used += way in _BEHIND_NAT
        box_id = instance_id("fleet", seed, network.number, place)
        role = _ROLES[number(len(_ROLES), "role", seed, network.number, place)]
        name = f"{role}-{network.region}"
        role_id = unique_id("AROA", "fleet", seed, network.account, name)
        machine = Machine(box_id, Role(network.account, name, role_id, "/service/"), network.region)
        sources = tuple(_sources(way, network, nat, place, addresses))
        yield Box(machine, network, place, way, sources, *_life(seconds, random))


def _ways(count: int, style: Style) -> list[str]:
    ways = [_MIX[i % len(_MIX)] for i in range(count)]
    if style is Style.OF_2018:
        ways = [{"mixed": "nat", "dual": "public"}.get(way, way) for way in ways]
    if sum(way in _BEHIND_NAT for way in ways) < _LEAST_BEHIND_NAT:
        ways = ["public" if way in _BEHIND_NAT else way for way in ways]
    return ways


def _sources(
    way: str, network: Network, nat: str, place: int, addresses: Addresses
) -> Iterator[Source]:
    private = private_ipv4(network.number, place)
    behind = Source(private, network.endpoint, network.endpoint_owner)
    if way in _BEHIND_NAT:
        yield Source(nat)
    if way in ("endpoint", "mixed"):
        yield behind
    if way in ("public", "dual"):
        yield Source(addresses.public_ipv4(network.region))
    if way == "dual":
        yield Source(addresses.ipv6(network.region, network.number))


def _life(seconds: int, random: Random) -> tuple[int, int | None, int]:
    """Return when an instance is born and ended, and when it gets its first key."""
    fate, when = random.random(), random.random()
    room = max(0, seconds - _SHORTEST_LIFE)
    if fate < _NEW and room:
        born = int(when * room)
        return born, None, born + 20
    issued = int(random.random() * HOUR) - HOUR
    is_ended = fate > 1 - _GONE and room
    return issued - DAY, _SHORTEST_LIFE + int(when * room) if is_ended else None, issued
