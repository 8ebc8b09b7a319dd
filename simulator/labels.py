"""Labels: what must be said of simulated CloudTrail, for tests and for measuring.

A story is a closed world: a finding of one of its sessions that no label expects is wrong, and so
is any finding of a session of the healthy fleet, which has no labels at all.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

FILE = "_expected.json"
"""Readers of CloudTrail pass over names that begin with an underscore."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session of a story: of a workload (see ``workloads``), or ``assumed`` by somebody."""

    story: str
    actor: str
    kind: str
    account_id: str
    role_name: str
    role_id: str
    session_name: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be said of a session at a source; ``severity`` is empty where it is excused."""

    session: Session
    source: str
    verdict: str
    severity: str
    excused: bool


@dataclass(frozen=True, slots=True)
class Labels:
    """All labels of one simulation, and what was written.

    Attributes:
        stories: that were played.
        sessions: of the stories.
        expected: pairs with a known verdict; only those not excused are findings.
        undetectable: stories with a theft that CloudTrail cannot show, and why.
        instances: healthy instances beside the stories: none of them may alert.
        events: records written.
        files: files written.
        bytes: their size.
    """

    stories: tuple[str, ...]
    sessions: tuple[Session, ...]
    expected: tuple[Expected, ...]
    undetectable: Mapping[str, str] = field(default_factory=dict)
    instances: int = 0
    events: int = 0
    files: int = 0
    bytes: int = 0

    @property
    def findings(self) -> tuple[Expected, ...]:
        """Pairs that must be found, and none beside them."""
        return tuple(one for one in self.expected if not one.excused)

    def summary(self) -> str:
        """Return in a line what was written."""
        parts = (
            _count(self.events, "event"),
            _count(self.files, "file"),
            _count(len(self.stories), "story", "stories"),
            _count(self.instances, "healthy instance"),
            f"{_count(len(self.findings), 'finding')} expected",
        )
        return ", ".join(parts)

    def write(self, folder: Path) -> Path:
        """Write the labels beside the records, and return the file."""
        path = folder / FILE
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        return path


def read(folder: Path) -> Labels:
    """Return the labels that :meth:`Labels.write` wrote."""
    told = json.loads((folder / FILE).read_text(encoding="utf-8"))
    told["stories"] = tuple(told["stories"])
    told["sessions"] = tuple(Session(**one) for one in told["sessions"])
    told["expected"] = tuple(
        Expected(**{**one, "session": Session(**one["session"])}) for one in told["expected"]
    )
    return Labels(**told)


def together(parts: Iterable[Labels]) -> Labels:
    """Return the labels of several stories as one."""
    listed = tuple(parts)
    return Labels(
        stories=tuple(name for part in listed for name in part.stories),
        sessions=tuple(session for part in listed for session in part.sessions),
        expected=tuple(one for part in listed for one in part.expected),
        undetectable={name: why for part in listed for name, why in part.undetectable.items()},
    )


def _count(number: int, noun: str, plural: str = "") -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
