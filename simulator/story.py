"""A story: actors, a timeline and the verdicts that must come of it, in one TOML file.

``stories/README.md`` describes the form. All mistakes of a file are told at once.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

STORIES = Path(__file__).parent / "stories"

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_OFFSET = re.compile(r"(\d+)([smhd])")


class StoryError(ValueError):
    """Story files that cannot be used: each mistake with file, place and what to do."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class InstanceActor(_Part):
    """An EC2 instance: where it calls from, unless a step says otherwise."""

    account: str
    role: str = "AppRole"
    region: str = "us-west-2"
    home: str
    endpoint: str | None = None
    endpoint_owner: str | None = None


class UserActor(_Part):
    """An IAM user."""

    account: str
    home: str = "3.225.16.109"


class BorrowedActor(_Part):
    """A session of a role that bears an instance's name: ``named`` is that instance."""

    account: str
    role: str
    named: str
    assumed_by: str
    home: str
    region: str = "us-west-2"


class Repeat(_Part):
    """A step done again: so many times in all, so far apart."""

    every: str
    times: int = Field(ge=1, le=10_000)


class Step(_Part):
    """One thing that happens."""

    at: str
    who: str
    call: str | None = Field(default=None, pattern=r"^[a-z0-9-]+:[A-Za-z0-9]+$")
    what: Literal["call", "keys", "assume"] = "call"
    source: str | None = Field(default=None, alias="from")
    endpoint: str | None = None
    endpoint_owner: str | None = None
    service: str | None = None
    agent: str | None = None
    error: str | None = None
    delivery: Literal["1.0", "2.0"] | None = None
    parameters: dict[str, Any] | None = None
    fields: dict[str, Any] = Field(default_factory=dict)
    repeat: Repeat | None = None

    @model_validator(mode="after")
    def _complete(self) -> Step:
        offset(self.at)
        if self.repeat:
            offset(self.repeat.every)
        if self.what == "call" and not self.call:
            msg = "a step needs call = \"service:EventName\", or what = \"keys\" or \"assume\""
            raise ValueError(msg)
        return self


class Expectation(_Part):
    """The verdict that a (session, source) must get."""

    who: str
    source: str
    verdict: str
    severity: Literal["critical", "high", "medium", "low", "informational"] | None = None

    @property
    def excused(self) -> bool:
        """Tell whether the verdict is that of a rule that excuses."""
        return self.severity is None


class Story(_Part):
    """A labelled scenario. Every session that ``expect`` does not name must stay quiet."""

    number: str
    title: str
    why: str
    style: Literal["modern", "2018"] = "modern"
    accounts: dict[str, str]
    instances: dict[str, InstanceActor] = Field(default_factory=dict)
    users: dict[str, UserActor] = Field(default_factory=dict)
    borrowed: dict[str, BorrowedActor] = Field(default_factory=dict)
    steps: list[Step] = Field(alias="step", min_length=1)
    expect: list[Expectation] = Field(default_factory=list)

    @model_validator(mode="after")
    def _names_are_known(self) -> Story:
        actors = {*self.instances, *self.users, *self.borrowed}
        wrong = [
            f"account {a.account!r} of {name!r} is not under [accounts]"
            for group in (self.instances, self.users, self.borrowed)
            for name, a in group.items()
            if a.account not in self.accounts
        ]
        wrong += [f"step {i}: nobody is called {s.who!r}" for i, s in enumerate(self.steps, 1)
                  if s.who not in actors]
        wrong += [f"expect {i}: nobody is called {e.who!r}" for i, e in enumerate(self.expect, 1)
                  if e.who not in actors]
        wrong += [f"borrowed {n!r}: no instance is called {b.named!r}"
                  for n, b in self.borrowed.items() if b.named not in self.instances]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


@dataclass(frozen=True)
class Named:
    """A story with the name of its file."""

    name: str
    story: Story = field(repr=False)


def offset(text: str) -> timedelta:
    """Read an offset from the start: ``90m``, ``1d6h``, ``30s``.

    >>> offset("1d6h")
    datetime.timedelta(days=1, seconds=21600)
    """
    parts = _OFFSET.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        msg = f"{text!r} is no time like 30s, 90m, 6h or 1d6h"
        raise ValueError(msg)
    return timedelta(seconds=sum(int(n) * _UNITS[u] for n, u in parts))


def load_stories(pattern: str = "*") -> list[Named]:
    """Load the stories whose file matches: a glob of names here, or a path of your own.

    Raises:
        StoryError: no file matches, or some cannot be used; all mistakes are told.
    """
    own = Path(pattern)
    if own.suffix == ".toml" or "/" in pattern:
        files = sorted(own.parent.glob(own.name))
    else:
        files = sorted(STORIES.glob(f"{pattern}.toml"))
    if not files:
        names = ", ".join(sorted(p.stem for p in STORIES.glob("*.toml")))
        msg = f"No story matches {pattern!r}. Give a file, or a pattern of these names: {names}"
        raise StoryError(msg)
    loaded, wrong = [], []
    for file in files:
        try:
            loaded.append(Named(file.stem, Story.model_validate(_tables(file))))
        except ValidationError as error:
            wrong += [f"{file.name}: {_place(e['loc'])}{e['msg']}" for e in error.errors()]
        except (OSError, tomllib.TOMLDecodeError) as error:
            wrong.append(f"{file.name}: {error}")
    if wrong:
        raise StoryError("\n".join(wrong))
    return loaded


def _tables(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _place(location: tuple[int | str, ...]) -> str:
    return f"{'.'.join(map(str, location))}: " if location else ""
