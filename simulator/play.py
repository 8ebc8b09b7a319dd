"""A story played: its records in order of time, and its labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.cast import Cast
from simulator.identity import Style
from simulator.ids import EventIds
from simulator.labels import Expected, Labels, Session
from simulator.moments import iso
from simulator.record import Record, stamp
from simulator.stage import Stage
from simulator.story import Assumed, Keyholder, Story

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.calls import Json


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a story: its events in order of time, and labels.

    An event is the true time (as ``eventTime`` has it) and the record, whose own time a story may
    have spoilt.
    """

    events: list[tuple[str, Record]]
    labels: Labels

    @property
    def records(self) -> list[Record]:
        """The records alone."""
        return [record for _, record in self.events]


def play(story: Story, start: datetime, seed: int, style: Style = Style.MODERN) -> Played:
    """Play a story.

    Args:
        story: what happens.
        start: when it starts, in UTC.
        seed: the same seed gives the same ids.
        style: of the records, unless the story has one of its own.
    """
    cast = Cast(story, start.replace(microsecond=0), seed, story.style or style)
    ids = EventIds("story", seed, story.name)
    happened = sorted(Stage(cast).play(), key=lambda event: event[0])
    events = [
        (iso(at), _merged(stamp(made, who, iso(at), ids), own))
        for at, made, who, own in happened
        if at >= cast.start + story.trail_from
    ]
    return Played(events, _labels(cast))


def _merged(record: Json, own: Mapping[str, Any]) -> Json:
    merged = dict(record)
    for name, value in own.items():
        inner = merged.get(name)
        is_table = isinstance(value, Mapping) and isinstance(inner, Mapping)
        merged[name] = _merged(dict(inner), value) if is_table and inner else value
    return merged


def _labels(cast: Cast) -> Labels:
    story = cast.story
    sessions = {actor.name: _of_workload(cast, actor) for actor in story.of(Keyholder)}
    sessions |= {actor.name: _of_role(cast, actor) for actor in story.of(Assumed)}
    expected = tuple(
        Expected(sessions[e.session], e.source, e.verdict, e.severity, e.excused)
        for e in story.expect
        if e.style in ("", cast.style)
    )
    hidden = {story.name: story.undetectable} if story.undetectable else {}
    return Labels((story.name,), tuple(sessions.values()), expected, hidden)


def _of_workload(cast: Cast, actor: Keyholder) -> Session:
    machine = cast.machine(actor.name)
    role, kind = machine.role, actor.kind
    return Session(cast.story.name, actor.name, kind, role.account, role.name, role.id, machine.id)


def _of_role(cast: Cast, actor: Assumed) -> Session:
    role, name = cast.role(actor, actor.role), cast.session_name(actor)
    return Session(cast.story.name, actor.name, "assumed", role.account, role.name, role.id, name)
