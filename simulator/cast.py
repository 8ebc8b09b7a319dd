"""The actors of a story as AWS knows them: ids, keys and identities, made from story and seed.

Two stories never share a role, an instance or a key, whatever names they use.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from simulator.identity import (
    IMDS_V1,
    IMDS_V2,
    Json,
    Key,
    Machine,
    Role,
    Style,
    of_instance,
    of_user,
)
from simulator.ids import access_key_id, instance_id, resource_id, unique_id
from simulator.keys import of_ec2
from simulator.story import Actor, Assumed, Instance, Story, Thief, User
from simulator.story_checks import PLACEHOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEVER = timedelta(days=365_000)

SESSION_LIFE = timedelta(hours=1)
"""Keys of an ordinary AssumeRole live this long unless the caller asks otherwise."""


@dataclass(frozen=True, eq=False)
class Cast:
    """The actors of a story that starts at a time (UTC)."""

    story: Story
    start: datetime
    seed: int
    style: Style
    _known: dict[str, list[timedelta]] = field(default_factory=dict)

    def machine(self, name: str) -> Machine:
        """Return the instance of a name."""
        instance = self._instance(name)
        role = self.role(instance, instance.role)
        return Machine(instance_id(*self._words(name)), role, instance.region)

    def vpc(self, machine: Machine) -> str:
        """Return the VPC of an instance: a story has one in each account and region."""
        return resource_id("vpc", *self._words(machine.role.account, machine.region))

    def role(self, actor: Actor, name: str) -> Role:
        """Return the role of a name in the actor's account."""
        role_id = unique_id("AROA", *self._words(actor.account, name))
        return Role(actor.account, name, role_id)

    def key(self, name: str, at: datetime, delivery: str) -> Key:
        """Return the newest key that an instance has at a time, by way of delivery."""
        moments = self._moments(name)
        newest = max(1, bisect_right(moments, at - self.start)) - 1
        return self._issued(name, moments[newest], delivery)

    def issues(self, name: str) -> Iterator[Key]:
        """Return the keys that EC2 issues to an instance: two in the same second each time."""
        for moment in self._moments(name):
            for delivery in (IMDS_V1, IMDS_V2):
                yield self._issued(name, moment, delivery)

    def session_key(self, role: Assumed, issued: datetime) -> Key:
        """Return the key of a role that an actor assumes at a time."""
        key_id = access_key_id("ASIA", *self._words(role.name, issued))
        return Key(key_id, issued, issued + SESSION_LIFE)

    def of_instance(self, actor: Instance | Thief, at: datetime) -> Json:
        """Return the identity of calls with an instance's key: its own, or the thief's."""
        if isinstance(actor, Instance):
            name, delivery, taken = actor.name, IMDS_V2, at
        else:
            name, delivery = actor.steals, actor.delivery
            taken = at if actor.stolen is None else self.start + actor.stolen
        return of_instance(self.machine(name), self.key(name, taken, delivery), self.style)

    def of_user(self, user: User) -> Json:
        """Return the identity of an IAM user."""
        words = self._words(user.name)
        return of_user(
            user.account, user.name, unique_id("AIDA", *words), access_key_id("AKIA", *words)
        )

    def filled(self, text: str) -> str:
        """Return a text with the ids of instances in place of their names in braces."""
        return PLACEHOLDER.sub(lambda found: self.machine(found[1]).id, text)

    def session_name(self, role: Assumed) -> str:
        """Return the session name that whoever assumes a role chooses."""
        return self.filled(role.session) or role.name

    def _instance(self, name: str) -> Instance:
        actor = self.story.actors[name]
        if not isinstance(actor, Instance):
            message = f"{name} is no instance"
            raise TypeError(message)
        return actor

    def _issued(self, name: str, moment: timedelta, delivery: str) -> Key:
        words = self._words(name, moment, delivery)
        lifetime = self._instance(name).lifetime
        return of_ec2(self.start + moment, delivery, *words, lifetime=lifetime)

    def _moments(self, name: str) -> list[timedelta]:
        """Return when an instance gets keys: at birth and at each start, then at each rotation."""
        if name in self._known:
            return self._known[name]
        instance = self._instance(name)
        starts = [instance.born, *(end for _, end in instance.off if end is not None)]
        stops = [*(begin for begin, _ in instance.off), _NEVER]
        moments: list[timedelta] = []
        for start, stop in zip(starts, stops, strict=False):
            moment = start
            while moment <= self.story.end and moment < stop:
                moments.append(moment)
                moment += instance.rotate or _NEVER
        return self._known.setdefault(name, moments or [instance.born])

    def _words(self, *words: object) -> tuple[object, ...]:
        return ("story", self.seed, self.story.name, *words)
