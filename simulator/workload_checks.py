"""Mistakes about workloads other than instances, and about whom thieves steal from.

A part that is wrong by itself is told by ``story_file``; here it is passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.identity import IMDS_V1
from simulator.story import Instance, Keyholder, Problem, Story, Thief, Workload
from simulator.toml_tables import found, unknown
from simulator.workloads import INSTANCE_IDENTITY, KINDS, MANAGED_INSTANCE

if TYPE_CHECKING:
    from collections.abc import Iterator


def in_workload(story: Story, workload: Workload, where: str) -> Iterator[Problem]:
    """Return what is wrong with a workload."""
    kind = KINDS.get(workload.kind or "")
    if kind is None:
        return
    if kind.role:
        yield from _on_instance(story, workload, where)
        if workload.role:
            advice = f"Leave it out: {workload.kind} has the role {kind.role}."
            yield Problem(f"{where}, role", found(workload.role), advice)
        return
    if not workload.role:
        yield Problem(f"{where}, role", "it is missing.", f"{workload.kind} needs a role.")
    if workload.on:
        advice = f"Leave it out: {workload.kind} has an id of its own."
        yield Problem(f"{where}, on", found(workload.on), advice)


def in_thief(story: Story, thief: Thief, where: str) -> Iterator[Problem]:
    """Return what is wrong with whom a thief steals from, and how the key got there."""
    holders = {holder.name: holder for holder in story.of(Keyholder)}
    yield from unknown(thief.steals, list(holders), "an instance or workload", f"{where}, steals")
    victim = holders.get(thief.steals)
    kind = KINDS.get(victim.kind or "") if victim else None
    if kind and thief.delivery == IMDS_V1 and IMDS_V1 not in kind.deliveries:
        advice = f"Leave it out: {thief.steals} gets its keys elsewhere."
        yield Problem(f"{where}, delivery", found("v1"), advice)


def _on_instance(story: Story, workload: Workload, where: str) -> Iterator[Problem]:
    """Return what is wrong with where a workload is that bears the id of an instance."""
    instances = {instance.name: instance for instance in story.of(Instance)}
    if not workload.on:
        advice = f"{workload.kind} bears the id of an instance: write its name."
        yield Problem(f"{where}, on", "it is missing.", advice)
    yield from unknown(workload.on, list(instances), "an instance", f"{where}, on")
    host = instances.get(workload.on)
    if host is None:
        return
    for key in ("account", "region"):
        mine, its = getattr(workload, key), getattr(host, key)
        if mine != its:
            yield Problem(f"{where}, {key}", found(mine), f"Leave it out: {host.name} is in {its}.")
    if workload.kind == MANAGED_INSTANCE:
        yield from _asked_for(story, workload, where)


def _asked_for(story: Story, managed: Workload, where: str) -> Iterator[Problem]:
    """Return what is wrong with who asks for the keys of a managed instance."""
    born = [
        other.born
        for other in story.of(Workload)
        if other.kind == INSTANCE_IDENTITY and other.on == managed.on
    ]
    if not born:
        advice = f"Write a workload of kind {INSTANCE_IDENTITY} on {managed.on} as well."
        yield Problem(where, "nobody asks for its keys.", advice)
    elif managed.born < born[0]:
        advice = f"The {INSTANCE_IDENTITY} asks for its keys: let that be born first."
        yield Problem(f"{where}, born", "before anybody can ask for its keys.", advice)
