"""The actors of a story as AWS knows them: ids, keys and identities, made from story and seed.

Two stories never share a role, an instance or a key, whatever names they use.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from simulator.identity import Json, Key, Machine, Role, Style, of_user, of_workload
from simulator.ids import access_key_id, resource_id, unique_id
from simulator.keys import issue
from simulator.partitions import partition
from simulator.story import Actor, Assumed, Keyholder, Story, Thief, User, Workload
from simulator.story_checks import PLACEHOLDER
from simulator.workloads import KINDS, Kind, session_name

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEVER = timedelta(days=365_000)
_ROLE_OF_AWS = "aws:"

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
        """Return the instance or other workload of a name."""
        holder, kind = self._holder(name)
        if isinstance(holder, Workload) and holder.on:
            named = self.machine(holder.on).id
        else:
            named = session_name(holder.kind, name, self.style, *self._words(name))
        role = self.role(holder, kind.role or holder.role, kind.path)
        return Machine(named, role, holder.region)

    def vpc(self, machine: Machine) -> str:
        """Return the VPC of an instance: a story has one in each account and region."""
        return resource_id("vpc", *self._words(machine.role.account, machine.region))

    def role(self, actor: Actor, name: str, path: str = "/") -> Role:
        """Return the role of a name in the actor's account; roles of AWS's own have no ids."""
        is_of_aws = name.startswith(_ROLE_OF_AWS)
        made = unique_id("AROA", *self._words(actor.account, name))
        role_id = f"{actor.account}:{name}" if is_of_aws else made
        return Role(actor.account, name, role_id, path, partition(actor.region).name)

    def issues(self, name: str) -> Iterator[Key]:
        """Return the keys that a workload gets: EC2 issues two in the same second each time."""
        for moment in self._moments(name):
            for delivery in self._holder(name)[1].deliveries:
                yield self._issued(name, moment, delivery)

    def session_key(self, role: Assumed, issued: datetime) -> Key:
        """Return the key of a role that an actor assumes at a time."""
        key_id = access_key_id("ASIA", *self._words(role.name, issued))
        return Key(key_id, issued, issued + SESSION_LIFE)

    def of_workload(self, actor: Keyholder | Thief, at: datetime) -> Json:
        """Return the identity of calls with a workload's key: its own, or the thief's."""
        name, delivery, taken = actor.name, "", at
        if isinstance(actor, Thief):
            name, delivery = actor.steals, actor.delivery
            taken = at if actor.stolen is None else self.start + actor.stolen
        _, kind = self._holder(name)
        way = delivery if delivery in kind.deliveries else kind.deliveries[-1]
        key = self._newest(name, taken, way)
        return of_workload(self.machine(name), key, self.style, kind.scope)

    def of_user(self, user: User) -> Json:
        """Return the identity of an IAM user."""
        words = self._words(user.name)
        return of_user(
            user.account,
            user.name,
            unique_id("AIDA", *words),
            access_key_id("AKIA", *words),
            partition(user.region).name,
        )

    def filled(self, text: str) -> str:
        """Return a text with ids of workloads in place of their names in braces."""
        return PLACEHOLDER.sub(lambda found: self.machine(found[1]).id, text)

    def session_name(self, role: Assumed) -> str:
        """Return the session name that whoever assumes a role chooses."""
        return self.filled(role.session) or role.name

    def _holder(self, name: str) -> tuple[Keyholder, Kind]:
        actor = self.story.actors[name]
        if not isinstance(actor, Keyholder):
            message = f"{name} is no workload"
            raise TypeError(message)
        return actor, KINDS[actor.kind]

    def _newest(self, name: str, at: datetime, delivery: str) -> Key:
        """Return the newest key that a workload has at a time, by way of delivery."""
        moments = self._moments(name)
        newest = max(1, bisect_right(moments, at - self.start)) - 1
        return self._issued(name, moments[newest], delivery)

    def _issued(self, name: str, moment: timedelta, delivery: str) -> Key:
        words = self._words(name, moment, delivery)
        lifetime = self._holder(name)[0].lifetime
        return issue(self.start + moment, delivery, *words, lifetime=lifetime)

    def _moments(self, name: str) -> list[timedelta]:
        """Return when a workload gets keys: at birth and at each start, then at each rotation."""
        if name in self._known:
            return self._known[name]
        holder, _ = self._holder(name)
        off = self.story.off(holder)
        starts = [holder.born, *(end for _, end in off if end is not None)]
        stops = [*(begin for begin, _ in off), _NEVER]
        moments: list[timedelta] = []
        for start, stop in zip(starts, stops, strict=False):
            moment = start
            while moment <= self.story.end and moment < stop:
                moments.append(moment)
                moment += holder.rotate or _NEVER
        return self._known.setdefault(name, moments or [holder.born])

    def _words(self, *words: object) -> tuple[object, ...]:
        return ("story", self.seed, self.story.name, *words)
