"""Reads stories from TOML files, and tells all mistakes of all files at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from simulator import toml_checks as check
from simulator.identity import IMDS_V1, IMDS_V2, Style
from simulator.source import Source, is_endpoint
from simulator.story import (
    ACCOUNT,
    REGION,
    Actor,
    Assumed,
    Expect,
    Instance,
    Problem,
    Step,
    Story,
    StoryError,
    Thief,
    User,
)
from simulator.story_checks import mistakes
from simulator.toml_checks import Key
from simulator.verdicts import SEVERITIES, VERDICTS

_NAME = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)
_DELIVERIES = {"v1": IMDS_V1, "v2": IMDS_V2}

_STORY = {
    "title": Key(check.text, is_needed=True),
    "about": Key(check.text, default=""),
    "style": Key(check.one_of(*Style)),
    "start": Key(check.moment),
    "account": Key(check.account, default=ACCOUNT),
    "region": Key(check.region, default=REGION),
    "quiet": Key(check.flag, default=False),
    "endpoint": Key(check.table, default={}),
    "instance": Key(check.table, default={}),
    "thief": Key(check.table, default={}),
    "user": Key(check.table, default={}),
    "role": Key(check.table, default={}),
    "step": Key(check.tables, default=()),
    "expect": Key(check.tables, default=()),
}
_CALLER = {
    "from": Key(check.place, is_needed=True),
    "region": Key(check.region),
    "agent": Key(check.text, default=""),
}
_ACTOR = {**_CALLER, "account": Key(check.account)}
_ACTORS: Mapping[str, tuple[type[Actor], Mapping[str, Key]]] = {
    "instance": (
        Instance,
        {
            **_ACTOR,
            "role": Key(check.role, is_needed=True),
            "born": Key(check.offset, default=check.offset("0s")),
            "rotate": Key(check.rotation, default=check.offset("1h")),
            "lifetime": Key(check.span),
        },
    ),
    "thief": (
        Thief,
        {
            **_CALLER,
            "steals": Key(check.text, is_needed=True),
            "delivery": Key(check.one_of(*_DELIVERIES), default="v2"),
            "stolen": Key(check.offset),
        },
    ),
    "user": (User, _ACTOR),
    "role": (
        Assumed,
        {
            **_ACTOR,
            "role": Key(check.role, is_needed=True),
            "session": Key(check.text, default=""),
            "assumed_by": Key(check.text, is_needed=True),
        },
    ),
}
_STEP = {
    "at": Key(check.offset, is_needed=True),
    "who": Key(check.text, is_needed=True),
    "call": Key(check.calls, is_needed=True),
    "from": Key(check.place),
    "every": Key(check.span),
    "times": Key(check.times),
    "error_code": Key(check.text, default=""),
    "agent": Key(check.text, default=""),
    "region": Key(check.region, default=""),
    "invoked_by": Key(check.service, default=""),
    "target": Key(check.text, default=""),
    "address": Key(check.text, default=""),
    "endpoint": Key(check.endpoint, default=""),
    "parameters": Key(check.table),
    "response": Key(check.table),
    "set": Key(check.table, default={}),
}
_EXPECT = {
    "session": Key(check.text, is_needed=True),
    "source": Key(check.place, is_needed=True),
    "verdict": Key(check.one_of(*VERDICTS), is_needed=True),
    "severity": Key(check.one_of(*SEVERITIES), default=""),
    "excused": Key(check.flag, default=False),
    "style": Key(check.one_of(*Style), default=""),
}


def load(paths: Iterable[Path]) -> tuple[Story, ...]:
    """Return the stories of files, by name.

    Raises:
        StoryError: all mistakes of all files.
    """
    problems: list[Problem] = []
    stories = [_read(path, problems) for path in sorted(paths, key=lambda p: (p.stem, str(p)))]
    if problems:
        raise StoryError(tuple(problems))
    return tuple(story for story in stories if story)


def parse(text: str, file: str) -> Story:
    """Return the story that a text tells.

    Args:
        text: TOML.
        file: name of its file, which names the story.

    Raises:
        StoryError: all mistakes.
    """
    problems: list[Problem] = []
    story = _parsed(text, file, problems)
    if problems or story is None:
        raise StoryError(tuple(problems))
    return story


def _read(path: Path, problems: list[Problem]) -> Story | None:
    try:
        return _parsed(path.read_text(encoding="utf-8"), path.name, problems)
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem(str(path), f"cannot be read ({error}).", "Write TOML in UTF-8."))
        return None


def _parsed(text: str, file: str, problems: list[Problem]) -> Story | None:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problems.append(Problem(file, f"not TOML: {error}.", "See https://toml.io."))
        return None
    told = check.read(tables, _STORY, file, problems)
    owners = _owners(told["endpoint"], file, problems)
    story = Story(
        name=Path(file).stem,
        title=told["title"],
        about=told["about"],
        start=told["start"],
        style=told["style"] and Style(told["style"]),
        actors=_actors(told, owners, file, problems),
        steps=tuple(_steps(told["step"], owners, file, problems)),
        expect=tuple(_expected(told["expect"], file, problems)),
        quiet=told["quiet"],
    )
    problems += mistakes(story, file)
    return story


def _owners(table: Mapping[str, object], file: str, problems: list[Problem]) -> Mapping[str, str]:
    """Return who owns which endpoint."""
    keys = {name: Key(check.account, default="") for name in table if is_endpoint(name)}
    problems += [
        Problem(f"{file}, endpoint", check.found(name), 'Write vpce-0123456789abcdef0 = "account".')
        for name in table
        if name not in keys
    ]
    known = {name: value for name, value in table.items() if name in keys}
    return check.read(known, keys, f"{file}, endpoint", problems)


def _actors(
    told: Mapping[str, Any], owners: Mapping[str, str], file: str, problems: list[Problem]
) -> Mapping[str, Actor]:
    actors: dict[str, Actor] = {}
    for kind, (make, keys) in _ACTORS.items():
        for name, table in told[kind].items():
            where = f"{file}, {kind}.{name}"
            values = check.read(table, keys, where, problems)
            if not _NAME.fullmatch(name):
                advice = "Name actors in lower-case letters, digits, - and _, a letter first."
                problems.append(Problem(where, check.found(name), advice))
            if name in actors:
                problems.append(Problem(where, "the name is taken.", "Give each actor its own."))
            for common in ("account", "region"):
                values[common] = values.get(common) or told[common]
            if kind == "thief":
                values["delivery"] = _DELIVERIES[values["delivery"]]
            actors[name] = make(name=name, source=_owned(values.pop("from"), owners), **values)
    return actors


def _steps(
    tables: Iterable[object], owners: Mapping[str, str], file: str, problems: list[Problem]
) -> Iterator[Step]:
    for i, table in enumerate(tables, start=1):
        where = f"{file}, step {i}"
        values = check.read(table, _STEP, where, problems)
        if (values["every"] is None) != (values["times"] is None):
            advice = "Write every and times together: how long apart, and how often."
            problems.append(Problem(where, "one of every and times is missing.", advice))
        values["every"] = values["every"] or timedelta()
        values["times"] = values["times"] or 1
        yield Step(
            source=_owned(values.pop("from"), owners),
            calls=values.pop("call") or (),
            set_=values.pop("set"),
            **values,
        )


def _expected(tables: Iterable[object], file: str, problems: list[Problem]) -> Iterator[Expect]:
    for i, table in enumerate(tables, start=1):
        values = check.read(table, _EXPECT, f"{file}, expect {i}", problems)
        yield Expect(**{**values, "source": str(values["source"] or "")})


def _owned(source: Source | None, owners: Mapping[str, str]) -> Any:  # noqa: ANN401
    """Return a source with the owner of its endpoint."""
    return replace(source, owner=owners.get(source.endpoint, "")) if source else None
