"""Progress is told on stderr, and shows life only to a person."""

from __future__ import annotations

import io
import itertools
import threading

import pytest

from jobs import progress as module
from jobs.progress import Progress


class Terminal(io.StringIO):
    """A terminal that says when something was written to it ``beats`` times."""

    def __init__(self, beats: int = 3) -> None:
        super().__init__()
        self.enough = threading.Event()
        self._beats = beats

    def isatty(self) -> bool:
        """Tell that it is a terminal."""
        return True

    def write(self, text: str) -> int:
        """Count what is written."""
        self._beats -= 1
        if self._beats <= 0:
            self.enough.set()
        return super().write(text)


class Ticking(Progress):
    """Progress on no terminal, with a clock that moves a second at each look."""

    def __init__(self) -> None:
        seconds = itertools.count()
        self.out = io.StringIO()
        super().__init__(self.out, clock=lambda: float(next(seconds)))


def told(progress: Ticking) -> str:
    """All that was said."""
    return progress.out.getvalue()


def test_a_stage_is_one_line() -> None:
    """A stage that ends is one line: its name, its seconds, and what it did."""
    progress = Ticking()

    with progress.stage("summarise") as stage:
        stage.say("1 file")
        stage.say("1,234 files, 56,789 events")

    assert " ".join(told(progress).split()) == "summarise 1.0 s 1,234 files, 56,789 events"
    assert told(progress).count("\n") == 1


def test_seconds_are_kept_by_stage() -> None:
    """The seconds of each stage are there for the table of runs; equal names add up."""
    progress = Ticking()

    for name in ("read", "read", "judge"):
        with progress.stage(name):
            pass

    assert progress.seconds == {"read": 2.0, "judge": 1.0}


def test_a_stage_that_fails_says_so() -> None:
    """The error goes on, the line says failed, and the seconds count."""
    progress = Ticking()

    def judge() -> None:
        with progress.stage("judge") as stage:
            stage.say("3 sessions")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        judge()

    assert "failed (3 sessions)" in told(progress)
    assert progress.seconds == {"judge": 1.0}


def test_a_terminal_sees_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the line of a long stage is drawn again and again, and replaced at its end."""
    monkeypatch.setattr(module, "_BEAT", 0.01)
    terminal = Terminal()

    with Progress(terminal).stage("summarise") as stage:
        stage.say("so far so good")
        assert terminal.enough.wait(timeout=30)

    *beats, last = terminal.getvalue().split("\r\x1b[K")
    assert sum("s …" in beat for beat in beats) >= 3
    assert "…" not in last
    assert last.endswith("so far so good\n")


def test_elsewhere_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where stderr is no terminal there are no control characters and no unfinished lines."""
    monkeypatch.setattr(module, "_BEAT", 0.001)
    progress = Ticking()

    with progress.stage("summarise"):
        threading.Event().wait(0.05)

    assert told(progress).strip().isprintable()
    assert told(progress).count("\n") == 1


def test_warnings_are_told_at_once() -> None:
    """A warning is a line of its own, and hostile text in it is harmless."""
    progress = Ticking()

    progress.warn("entry 10.0.0.0/8 expired \x1b[2J")

    assert told(progress) == "Warning: entry 10.0.0.0/8 expired \\x1b[2J\n"


def test_hostile_words_of_a_stage_are_harmless() -> None:
    """A file name in a stage's words acts on no terminal."""
    progress = Ticking()

    with progress.stage("list") as stage:
        stage.say("trail/\x1b]0;x\x07.json\nforged line")

    assert told(progress).count("\n") == 1
    assert "\x1b" not in told(progress)


def test_nobody_listening_stops_nothing() -> None:
    """A run goes on where stderr was closed."""
    stream = io.StringIO()
    progress = Progress(stream)
    stream.close()

    with progress.stage("judge"):
        pass

    assert list(progress.seconds) == ["judge"]


def test_stages_may_nest() -> None:
    """A stage inside another has its own line and its own seconds."""
    progress = Ticking()

    with progress.stage("publish"), progress.stage("findings"):
        pass

    assert list(progress.seconds) == ["findings", "publish"]
    assert progress.seconds["publish"] > progress.seconds["findings"]
