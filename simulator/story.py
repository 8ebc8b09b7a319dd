"""A story: who is in it, what happens when, and what must be said of it.

One story is one TOML file; ``stories/README.md`` is its manual and ``story_file`` reads it. Times
are offsets from the start of the story; sources are canonical texts (see ``source``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from simulator.identity import IMDS_V2, Style
from simulator.lifecycle import BY_INSTANCE, PRIMARY
from simulator.workloads import EC2_INSTANCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.source import Source

STORIES = Path(__file__).parent / "stories"
"""The stories that come with credtrail."""

ACCOUNT, REGION = "111122223333", "us-west-2"
"""Where a story plays unless it says otherwise."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a story: file and key, what was found there, and what is allowed."""

    where: str
    found: str
    advice: str

    def __str__(self) -> str:
        """Return the three parts as one line."""
        return f"{self.where}: {self.found} {self.advice}"


class StoryError(Exception):
    """Stories that cannot be played; ``problems`` are all of their mistakes."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Somebody who calls AWS: by default from one source, with one agent."""

    name: str
    source: Source
    account: str
    region: str
    agent: str = ""


A = TypeVar("A", bound=Actor)

Span = tuple[timedelta, timedelta | None]
"""From and to; the end itself is outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyholder(Actor):
    """Whom AWS itself gives new keys of a role, at birth and at every rotation.

    Attributes:
        kind: of workload; see ``workloads``.
        role: its role, or empty where its kind has one of AWS's own.
        born: when it gets its first keys.
        rotate: time between two rotations; none where its first keys stay.
        lifetime: of its keys; none where they live as long as EC2's do, 6 h 3 min to 6 h 35 min.
    """

    kind: str = EC2_INSTANCE
    role: str
    born: timedelta
    rotate: timedelta | None
    lifetime: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance(Keyholder):
    """An EC2 instance with an instance profile; it gets new keys at each start, too.

    Attributes:
        off: when it is switched off and gets no keys, from and to; without an end it stays off.
    """

    off: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload(Keyholder):
    """A workload other than an EC2 instance; ``on`` is the instance whose id it bears, if any."""

    on: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thief(Actor):
    """Somebody who calls with a workload's key: the newest one, or that of a given time."""

    steals: str
    delivery: str = IMDS_V2
    stolen: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Actor):
    """An IAM user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed(Actor):
    """A role that is assumed for no workload's sake: by another actor, or a service."""

    role: str
    session: str
    assumed_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happens, or happens again and again.

    Attributes:
        at: offset of the first time.
        who: actor.
        calls: services and event names, made one second apart.
        source: where from, if not from the actor's usual source.
        every: time between two times; zero where it happens once.
        times: how often.
        invoked_by: service that makes the calls on the actor's behalf.
        target: instance that a change is about.
        addresses: addresses or prefixes that the change is about.
        endpoint: VPC endpoint that the change is about.
        interface: which interface of the instance the change is about.
        form: whether the change names the instance or its interface.
        address_told: whether the change tells a public address; none where it does as usual.
        skew: how far the clock that the record shows is from the true time.
        set_: fields of the record that are replaced by what the story wants.
    """

    at: timedelta
    who: str
    calls: tuple[str, ...]
    source: Source | None = None
    every: timedelta = timedelta()
    times: int = 1
    error_code: str = ""
    agent: str = ""
    region: str = ""
    invoked_by: str = ""
    target: str = ""
    addresses: tuple[str, ...] = ()
    endpoint: str = ""
    interface: str = PRIMARY
    form: str = BY_INSTANCE
    address_told: bool | None = None
    skew: timedelta = timedelta()
    parameters: Mapping[str, Any] | None = None
    response: Mapping[str, Any] | None = None
    set_: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What must be said of a session at a source; ``style`` is empty where it holds in both."""

    session: str
    source: str
    verdict: str
    severity: str = ""
    excused: bool = False
    style: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A labelled story. Findings of its sessions other than the expected ones are wrong.

    ``undetectable`` says why CloudTrail cannot show a theft that does happen; the story is quiet.
    ``trail_from`` is when the trail begins: nothing before is recorded.
    """

    name: str
    title: str
    about: str
    start: datetime | None
    style: Style | None
    actors: Mapping[str, Actor]
    steps: tuple[Step, ...]
    expect: tuple[Expect, ...]
    quiet: bool
    undetectable: str = ""
    trail_from: timedelta = timedelta()

    @property
    def end(self) -> timedelta:
        """Offset of the last time that a step happens."""
        return max(step.at + (step.times - 1) * step.every for step in self.steps)

    def of(self, kind: type[A]) -> tuple[A, ...]:
        """Return the actors of a kind."""
        return tuple(a for a in self.actors.values() if isinstance(a, kind))

    def off(self, actor: Actor) -> tuple[Span, ...]:
        """Return when an actor is switched off: an instance, and what is on it."""
        host = self.actors.get(actor.on) if isinstance(actor, Workload) else actor
        return host.off if isinstance(host, Instance) else ()
