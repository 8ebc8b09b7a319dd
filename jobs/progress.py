"""Progress on stderr: one line per stage, with what it did and how long it took.

On a terminal a stage that takes long shows that it lives; elsewhere only finished lines appear.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from jobs.show import plain

_BEAT = 1.0
"""Seconds between signs of life."""

_NAME_WIDTH = 26
_LINE = 300
_ERASE = "\r\x1b[K"


class Stage:
    """A stage under way: what is to be said of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.said = ""

    def say(self, text: str) -> None:
        """Say what the stage does or has done; the last word stands in its line."""
        self.said = text


class Progress:
    """Stages of a run, told as they end; ``seconds`` has the time each took, by name."""

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Tell progress on a stream.

        Args:
            stream: stderr by default.
            clock: gives seconds.
        """
        self.seconds: dict[str, float] = {}
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._is_terminal = self._stream.isatty()
        self._lock = threading.Lock()
        self._under_way: list[tuple[Stage, float]] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Time a stage and tell of it when it ends; stages of one name add up in ``seconds``."""
        stage, start = Stage(name), self._clock()
        self._under_way.append((stage, start))
        ended = self._show_life()
        try:
            yield stage
        except BaseException:
            stage.say(f"failed ({stage.said})" if stage.said else "failed")
            raise
        finally:
            took = self._clock() - start
            self._under_way.pop()
            ended()
            self.seconds[name] = self.seconds.get(name, 0.0) + took
            self._line(_told(stage, took))

    def warn(self, text: str) -> None:
        """Tell of something that a person should know, at once."""
        self._line(f"Warning: {plain(text, limit=1000)}")

    def _show_life(self) -> Callable[[], None]:
        """Start to show that the present stage lives; return what ends that."""
        if not self._is_terminal or len(self._under_way) > 1:
            return lambda: None
        stop = threading.Event()
        thread = threading.Thread(target=self._beat, args=(stop,), daemon=True)
        thread.start()

        def end() -> None:
            stop.set()
            thread.join()

        return end

    def _beat(self, stop: threading.Event) -> None:
        while not stop.wait(_BEAT):
            with contextlib.suppress(IndexError):  # the stage ends just now
                stage, start = self._under_way[-1]
                line = _told(stage, self._clock() - start, is_over=False)
                width = shutil.get_terminal_size().columns - 1
                self._write(f"{_ERASE}{plain(line, width)}")

    def _line(self, text: str) -> None:
        self._write(f"{_ERASE if self._is_terminal else ''}{text}\n")

    def _write(self, text: str) -> None:
        """Write at once; a run does not fail because nobody listens any more."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


def _told(stage: Stage, seconds: float, *, is_over: bool = True) -> str:
    time_taken = f"{seconds:.1f} s" if is_over else f"{seconds:.0f} s …"
    words = [f"{plain(stage.name):<{_NAME_WIDTH}}", f"{time_taken:>9}", plain(stage.said, _LINE)]
    return "  ".join(words).rstrip()
