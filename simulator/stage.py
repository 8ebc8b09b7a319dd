"""Where the actors of a story act: who calls what, with which key, from where.

What comes out are events that lack only their ids; ``play`` puts them in order and adds those.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from simulator.agents import agent, client_of
from simulator.calls import Call, Json, usual
from simulator.identity import Key, of_service, of_session, on_behalf
from simulator.ids import uuid
from simulator.lifecycle import CHANGES, Target
from simulator.moments import iso
from simulator.record import Record, Setting, assume_role, issued_by, template
from simulator.source import Source
from simulator.story import Actor, Assumed, Keyholder, Step, Story, Thief, User, Workload
from simulator.workloads import EKS_POD, INSTANCE_IDENTITY, KINDS, MANAGED_INSTANCE, asked_by_eks

if TYPE_CHECKING:
    from simulator.cast import Cast

_SECOND = timedelta(seconds=1)

Event = tuple[datetime, Record, Json, Mapping[str, Any]]
"""When (UTC), the template, who, and the fields that the story sets itself."""


class Stage:
    """Where the actors act: it remembers which keys were issued."""

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._keys: dict[str, Key] = {}
        self._events: list[Event] = []

    def play(self) -> list[Event]:
        """Return all events; those of a second in the order in which they happen."""
        steps = sorted(_occasions(self._cast.story, self._cast.start), key=lambda one: one[0])
        for at, step, event in steps:
            self._act(at, step, event)
        return [*self._keys_of_workloads(), *self._events]

    def _act(self, at: datetime, step: Step, event: str) -> None:
        cast, actor = self._cast, self._cast.story.actors[step.who]
        identity = self._identity(actor, at)
        source = step.source or actor.source
        if step.invoked_by:
            identity = on_behalf(identity, step.invoked_by)
            source = step.source or Source(step.invoked_by)
        client = step.agent or step.invoked_by or actor.agent or _usual_agent(actor, event, cast)
        setting = Setting(
            self._owner(actor).account, step.region or actor.region, client, cast.style
        )
        call = _call(cast, actor, step, event)
        made = template(call, source, setting, service=step.invoked_by)
        clock = {"eventTime": iso(at + step.skew)} if step.skew else {}
        self._events.append((at, made, identity, clock | _filled(cast, step.set_)))

    def _identity(self, actor: Actor, at: datetime) -> Json:
        """Return who calls; a role is assumed first, if its key has run out."""
        if isinstance(actor, Keyholder | Thief):
            return self._cast.of_workload(actor, at)
        if isinstance(actor, User):
            return self._cast.of_user(actor)
        if not isinstance(actor, Assumed):
            raise TypeError(actor)
        key = self._keys.get(actor.name)
        if key is None or at >= key.expires:
            key = self._keys[actor.name] = self._assume(actor, at - _SECOND)
        role = self._cast.role(actor, actor.role)
        return of_session(role, self._cast.session_name(actor), key)

    def _assume(self, actor: Assumed, at: datetime) -> Key:
        """Let the maker of a session assume its role; only the role's own trail is ours."""
        cast, key = self._cast, self._cast.session_key(actor, at)
        role = cast.role(actor, actor.role)
        call = assume_role(role, cast.session_name(actor), key, cast.style)
        maker = cast.story.actors.get(actor.assumed_by)
        if maker is None:
            who, source, client = of_service(actor.assumed_by), Source(actor.assumed_by), ""
        else:
            who, source = self._identity(maker, at), maker.source
            client = maker.agent or _usual_agent(maker, call.event, cast)
            if self._owner(maker).account != actor.account:
                who = {"type": "AWSAccount"} | {k: who[k] for k in ("principalId", "accountId")}
        service = "" if maker else actor.assumed_by
        setting = Setting(actor.account, actor.region, client or service, cast.style)
        made = template(call, source, setting, service=service)
        if who["type"] in ("AWSService", "AWSAccount"):
            made["sharedEventID"] = uuid("shared", key.id)
        self._events.append((at, made, who, {}))
        return key

    def _keys_of_workloads(self) -> Iterator[Event]:
        """Return the calls by which workloads get their keys, as far as records show them."""
        cast = self._cast
        for holder in cast.story.of(Keyholder):
            issuer, machine = KINDS[holder.kind].issuer, cast.machine(holder.name)
            asked = asked_by_eks(machine, holder.name) if holder.kind == EKS_POD else None
            for key in cast.issues(holder.name):
                if issuer:
                    made = issued_by(issuer, machine, key, cast.style, asked)
                    yield (key.issued, *made, {})
                elif isinstance(holder, Workload) and holder.kind == MANAGED_INSTANCE:
                    yield (key.issued, *self._asked_for(holder, key), {})

    def _asked_for(self, managed: Workload, key: Key) -> tuple[Record, Json]:
        """Return the call by which the identity of an instance gets a key of host management."""
        cast = self._cast
        identity = next(
            other
            for other in cast.story.of(Workload)
            if other.kind == INSTANCE_IDENTITY and other.on == managed.on
        )
        event, instance = "ssm:RequestManagedInstanceRoleToken", cast.machine(managed.on).id
        call = usual(event, instance, identity.region, identity.account)
        given = {"accessKeyId": key.id, "tokenExpirationDate": iso(key.expires)}
        client = identity.agent or _usual_agent(identity, event, cast)
        setting = Setting(identity.account, identity.region, client, cast.style)
        made = template(replace(call, response=given), identity.source, setting)
        return made, cast.of_workload(identity, key.issued)

    def _owner(self, actor: Actor) -> Actor:
        """Return whose session an actor uses."""
        return self._cast.story.actors[actor.steals] if isinstance(actor, Thief) else actor


def _occasions(story: Story, start: datetime) -> Iterator[tuple[datetime, Step, str]]:
    """Return every single call: when, its step, and what is called."""
    for step in story.steps:
        for time in range(step.times):
            for i, event in enumerate(step.calls):
                yield start + step.at + time * step.every + i * _SECOND, step, event


def _call(cast: Cast, actor: Actor, step: Step, event: str) -> Call:
    name = actor.steals if isinstance(actor, Thief) else actor.name
    is_workload = isinstance(actor, Keyholder | Thief)
    if step.target:
        call = CHANGES[event](_target(cast, step))
    else:
        instance = cast.machine(name).id if is_workload else ""
        call = usual(event, instance, step.region or actor.region, actor.account)
    if step.parameters is not None:
        parameters = _filled(cast, step.parameters)
        call = replace(call, parameters={**(call.parameters or {}), **parameters})
    if step.response is not None:
        call = replace(call, response={**(call.response or {}), **_filled(cast, step.response)})
    return replace(call, error_code=step.error_code, response=None) if step.error_code else call


def _target(cast: Cast, step: Step) -> Target:
    machine = cast.machine(step.target)
    return Target(
        machine,
        cast.vpc(machine),
        addresses=step.addresses,
        endpoint=step.endpoint,
        interface=step.interface,
        form=step.form,
        is_told=step.address_told,
    )


def _filled(cast: Cast, table: Mapping[str, Any]) -> Json:
    told: Json = json.loads(cast.filled(json.dumps(table)))
    return told


def _usual_agent(actor: Actor, event: str, cast: Cast) -> str:
    if isinstance(actor, Keyholder):
        return agent(client_of(event, KINDS[actor.kind].client), cast.style)
    if isinstance(actor, Thief | User):
        return agent("thief" if isinstance(actor, Thief) else "admin", cast.style)
    return agent("go", cast.style)
