"""Reads stories from TOML files, and tells all mistakes of all files at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator import toml_checks as check
from simulator.identity import Style
from simulator.source import Source, is_endpoint
from simulator.story import Actor, Expect, Problem, Step, Story, StoryError
from simulator.story_checks import mistakes
from simulator.story_keys import ACTORS, DELIVERIES, EXPECT, STEP, STORY
from simulator.toml_tables import Key, found, read
from simulator.workloads import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NAME = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)


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
    told = read(tables, STORY, file, problems)
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
        undetectable=told["undetectable"],
        trail_from=told["trail_from"],
    )
    problems += mistakes(story, file)
    return story


def _owners(table: Mapping[str, object], file: str, problems: list[Problem]) -> Mapping[str, str]:
    """Return who owns which endpoint."""
    keys = {name: Key(check.account, default="") for name in table if is_endpoint(name)}
    problems += [
        Problem(f"{file}, endpoint", found(name), 'Write vpce-0123456789abcdef0 = "account".')
        for name in table
        if name not in keys
    ]
    known = {name: value for name, value in table.items() if name in keys}
    return read(known, keys, f"{file}, endpoint", problems)


def _actors(
    told: Mapping[str, Any], owners: Mapping[str, str], file: str, problems: list[Problem]
) -> Mapping[str, Actor]:
    actors: dict[str, Actor] = {}
    for kind, (make, keys) in ACTORS.items():
        for name, table in told[kind].items():
            where = f"{file}, {kind}.{name}"
            values = read(_as_usual(table), keys, where, problems)
            if not _NAME.fullmatch(name):
                advice = "Name actors in lower-case letters, digits, - and _, a letter first."
                problems.append(Problem(where, found(name), advice))
            if name in actors:
                problems.append(Problem(where, "the name is taken.", "Give each actor its own."))
            host = actors.get(values.get("on") or "")
            place = {"account": host.account, "region": host.region} if host else told
            for common in ("account", "region"):
                values[common] = values.get(common) or place[common]
            if kind == "thief":
                values["delivery"] = DELIVERIES[values["delivery"]]
            values["source"] = _owned(values.pop("from"), owners)
            actors[name] = make(name=name, **values)
    return actors


def _as_usual(table: object) -> object:
    """Return a table with what is usual for a workload of its kind and not said otherwise."""
    if not isinstance(table, Mapping) or not isinstance(table.get("kind"), str):
        return table
    kind = KINDS.get(table["kind"])
    return {**kind.usual, **table} if kind else table


def _steps(
    tables: Iterable[object], owners: Mapping[str, str], file: str, problems: list[Problem]
) -> Iterator[Step]:
    for i, table in enumerate(tables, start=1):
        where = f"{file}, step {i}"
        values = read(table, STEP, where, problems)
        if (values["every"] is None) != (values["times"] is None):
            advice = "Write every and times together: how long apart, and how often."
            problems.append(Problem(where, "one of every and times is missing.", advice))
        values["every"] = values["every"] or timedelta()
        values["times"] = values["times"] or 1
        yield Step(
            source=_owned(values.pop("from"), owners),
            calls=values.pop("call") or (),
            set_=values.pop("set"),
            addresses=values.pop("address"),
            **values,
        )


def _expected(tables: Iterable[object], file: str, problems: list[Problem]) -> Iterator[Expect]:
    for i, table in enumerate(tables, start=1):
        values = read(table, EXPECT, f"{file}, expect {i}", problems)
        yield Expect(**{**values, "source": str(values["source"] or "")})


def _owned(source: Source | None, owners: Mapping[str, str]) -> Source | None:
    """Return a source with the owner of its endpoint."""
    return replace(source, owner=owners.get(source.endpoint, "")) if source else None
