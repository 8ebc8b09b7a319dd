"""Which stories to play: those that come with credtrail, by name, or files of one's own."""

from __future__ import annotations

import fnmatch
import glob
import os
from pathlib import Path

from simulator.story import STORIES, Problem, Story, StoryError
from simulator.story_file import load

NONE = "none"


def stories(pattern: str) -> tuple[Story, ...]:
    """Return the stories that a pattern chooses, by name.

    Args:
        pattern: parts with commas between them. A part is a pattern of names (``t01``, ``T0*``,
            ``*denied*``), or of files (``my/*.toml``) if it has a slash or ends in ``.toml``.
            ``none`` chooses no story.

    Raises:
        StoryError: nothing is chosen, two stories have one name, or stories have mistakes.
    """
    if pattern == NONE:
        return ()
    parts = [part.strip() for part in pattern.split(",") if part.strip()]
    chosen: dict[Path, None] = {}
    problems = []
    for part in parts or [pattern]:
        paths = _paths(part)
        chosen |= dict.fromkeys(paths)
        if not paths:
            known = ", ".join(path.stem for path in shipped())
            problems.append(Problem("--stories", f"{part!r} chooses nothing.", f"Known: {known}."))
    problems += _namesakes(list(chosen))
    if problems:
        raise StoryError(tuple(problems))
    return load(chosen)


def shipped() -> list[Path]:
    """Return the files of the stories that come with credtrail."""
    return sorted(STORIES.glob("*.toml"))


def _paths(part: str) -> list[Path]:
    if os.sep in part or part.endswith(".toml"):
        names = glob.glob(part, recursive=True)  # noqa: PTH207 - patterns may be absolute
        return sorted(Path(name).resolve() for name in names)
    return [path for path in shipped() if _is_called(path.stem, part.lower())]


def _is_called(name: str, pattern: str) -> bool:
    """Tell whether a story's name, or what comes before its first underscore, is meant."""
    return any(fnmatch.fnmatchcase(text, pattern) for text in (name, name.partition("_")[0]))


def _namesakes(paths: list[Path]) -> list[Problem]:
    """Two stories of one name would share their instances and keys."""
    names = [path.stem for path in paths]
    advice = "Give each story file a name of its own."
    return [
        Problem(str(path), "its name is taken.", advice)
        for path in paths
        if names.count(path.stem) > 1
    ]
