"""Mistakes that show only when a story is seen as a whole: names, times and expectations.

A part that is wrong by itself is told by ``story_file``; here it is passed over.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING

from simulator.lifecycle import ADDRESSED, CHANGES
from simulator.source import is_service
from simulator.story import (
    Assumed,
    Expect,
    Instance,
    Keyholder,
    Problem,
    Step,
    Story,
    Thief,
    Workload,
)
from simulator.toml_tables import found, unknown
from simulator.verdicts import ALARMS, EXCUSES
from simulator.workload_checks import in_thief, in_workload

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_-]*)\}", re.ASCII)
"""``{web}`` stands for the id of the workload ``web`` in parameters and session names."""


def mistakes(story: Story, file: str) -> Iterator[Problem]:
    """Return what is wrong with a story whose parts are right."""
    yield from _in_actors(story, file)
    if not story.steps:
        yield Problem(f"{file}, step", "it is missing.", "Write [[step]], once or more.")
    for i, step in enumerate(story.steps, start=1):
        yield from _in_step(story, step, f"{file}, step {i}")
    told: set[tuple[str, str, str]] = set()
    for i, expect in enumerate(story.expect, start=1):
        where = f"{file}, expect {i}"
        yield from _in_expect(story, expect, where)
        key = (expect.session, expect.source, expect.style)
        if key in told:
            yield Problem(where, "told twice.", "Write one expectation per session and source.")
        told.add(key)
    yield from _in_quiet(story, file)


def sources_of(story: Story, session: str) -> set[str]:
    """Return the sources at which a session is seen."""
    users = {session} | {thief.name for thief in story.of(Thief) if thief.steals == session}
    return {
        str(step.source or step.invoked_by or story.actors[step.who].source)
        for step in story.steps
        if step.who in users
    }


def _in_actors(story: Story, file: str) -> Iterator[Problem]:
    for workload in story.of(Workload):
        yield from in_workload(story, workload, f"{file}, workload.{workload.name}")
    for thief in story.of(Thief):
        yield from in_thief(story, thief, f"{file}, thief.{thief.name}")
    makers = [a.name for a in story.actors.values()]
    for role in story.of(Assumed):
        where = f"{file}, role.{role.name}"
        by = role.assumed_by
        others = [name for name in makers if name != role.name]
        if by and not is_service(by):
            advice = "another actor, or a service such as ecs-tasks.amazonaws.com"
            yield from unknown(by, others, advice, f"{where}, assumed_by")
        if _assumes_itself(story, role):
            yield Problem(
                f"{where}, assumed_by", "it leads back.", "Begin with a user or instance."
            )
        yield from _in_text(story, role.session, f"{where}, session")


def _in_step(story: Story, step: Step, where: str) -> Iterator[Problem]:
    yield from unknown(step.who, list(story.actors), "an actor", f"{where}, who")
    instances = [instance.name for instance in story.of(Instance)]
    if step.target:
        yield from unknown(step.target, instances, "an instance", f"{where}, target")
        for call in step.calls:
            if call not in CHANGES:
                advice = f"A target is for {', '.join(CHANGES)}."
                yield Problem(f"{where}, target", f"{found(call)}", advice)
            if call in ADDRESSED and not step.addresses:
                yield Problem(f"{where}, target", f"{found(call)}", "Write address as well.")
    elif step.addresses or step.endpoint:
        yield Problem(where, "address or endpoint without target.", "Write target as well.")
    for mapping in (step.parameters, step.response, step.set_):
        yield from _in_text(story, json.dumps(mapping), where)
    yield from _at_wrong_time(story, step, f"{where}, at")


def _at_wrong_time(story: Story, step: Step, where: str) -> Iterator[Problem]:
    """Return what is wrong with the time of a step; its own time may be wrong already."""
    actor = story.actors.get(step.who)
    if step.at is None:
        return
    if isinstance(actor, Thief):
        if actor.stolen is not None and step.at < actor.stolen:
            yield Problem(where, "before the key is stolen.", "Let it happen after stolen.")
        actor = story.actors.get(actor.steals)
    elif actor:
        times = (step.at + n * step.every for n in range(step.times))
        off = story.off(actor)
        if any(begin <= at < (end or timedelta.max) for at in times for begin, end in off):
            yield Problem(where, f"while {actor.name} is off.", "Let it happen when it is on.")
    if isinstance(actor, Keyholder) and step.at < actor.born:
        yield Problem(where, f"before {actor.name} is born.", "Let it happen after born.")


def _in_expect(story: Story, expect: Expect, where: str) -> Iterator[Problem]:
    thief = story.actors.get(expect.session)
    if isinstance(thief, Thief):
        advice = f"The session is whose key it is: write {thief.steals}."
        yield Problem(f"{where}, session", found(expect.session), advice)
        return
    sessions = [actor.name for actor in chain(story.of(Keyholder), story.of(Assumed))]
    what = "an instance, workload or role"
    wrong = list(unknown(expect.session, sessions, what, f"{where}, session"))
    yield from wrong
    is_whole = all(actor.source for actor in story.actors.values()) and all(
        step.who in story.actors for step in story.steps
    )
    if is_whole and not wrong and expect.session and expect.source:
        seen = sources_of(story, expect.session)
        if expect.source not in seen:
            advice = f"Its calls come from {', '.join(sorted(seen)) or 'nowhere'}."
            yield Problem(f"{where}, source", found(expect.source), advice)
    yield from _in_verdict(expect, where)


def _in_verdict(expect: Expect, where: str) -> Iterator[Problem]:
    if not expect.verdict:
        return
    if expect.verdict in EXCUSES:
        if not expect.excused or expect.severity:
            advice = f"{expect.verdict} excuses: write excused = true, and no severity."
            yield Problem(where, f"{found(expect.verdict)}", advice)
        return
    allowed = ALARMS[expect.verdict]
    if expect.excused or expect.severity not in allowed:
        advice = f"{expect.verdict} alerts: write severity as {' or '.join(allowed)}."
        yield Problem(f"{where}, severity", found(expect.severity), advice)


def _in_quiet(story: Story, file: str) -> Iterator[Problem]:
    alerts = [expect for expect in story.expect if not expect.excused]
    if story.quiet and alerts:
        advice = "Nothing may alert in a quiet story: remove quiet, or the expectation."
        yield Problem(f"{file}, quiet", f"{len(alerts)} expectations alert.", advice)
    if story.undetectable and not story.quiet:
        advice = "What CloudTrail cannot show may not alert: write quiet = true."
        yield Problem(f"{file}, undetectable", "the story is not quiet.", advice)
    if not story.quiet and not alerts:
        advice = "Write [[expect]] for what must be found, or quiet = true if nothing may be."
        yield Problem(f"{file}, expect", "nothing is expected.", advice)


def _in_text(story: Story, text: str, where: str) -> Iterator[Problem]:
    holders = [holder.name for holder in story.of(Keyholder)]
    for name in PLACEHOLDER.findall(text or ""):
        yield from unknown(name, holders, "an instance or workload in braces", where)


def _assumes_itself(story: Story, role: Assumed) -> bool:
    seen: set[str] = set()
    actor = story.actors.get(role.name)
    while isinstance(actor, Assumed):
        if actor.name in seen:
            return True
        seen.add(actor.name)
        actor = story.actors.get(actor.assumed_by)
    return False
