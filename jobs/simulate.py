"""``simulate``: CloudTrail of an invented organisation, thefts among it, and what must be found.

Stories are played in a healthy organisation; all of it depends on the options alone.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.argument_types import Wrong, choice, day, needed
from jobs.argument_types import number as whole
from jobs.errors import Problem, UsageError
from jobs.progress import Progress
from jobs.show import plain
from simulator import labels, shelf
from simulator.fleet import Plan, fleet
from simulator.identity import Style
from simulator.ids import number
from simulator.play import Played, play
from simulator.story import Story, StoryError
from simulator.traffic import Traffic
from simulator.writers import FORMATS, Writer, Written, writer

if TYPE_CHECKING:
    import argparse

    from simulator.labels import Labels
    from simulator.record import Record

START = date(2026, 3, 2)
"""First day of the trail, unless another is asked for."""

STYLES = tuple(Style)

_ALL = "*"
_SPREAD_MINUTES = 6 * 60
"""Stories start within so many minutes of the trail's start, each at a time of its own."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``simulate``; mistakes are noted in their values, not raised."""
    needed(parser, "--output", "DIR", "an empty folder for the files")
    parser.add_argument(
        "--stories",
        metavar="GLOB",
        default=_ALL,
        help="which stories to play: names such as 'T0*', several with commas, files such as "
        "'my/*.toml', or none (default: all)",
    )
    choice(parser, "--format", FORMATS, "shape of the files")
    choice(parser, "--style", STYLES, "records as CloudTrail writes them today, or wrote in 2018")
    whole(parser, "--accounts", 3, 1, "accounts of the organisation")
    whole(parser, "--instances", 300, 0, "healthy instances beside the stories, in all accounts")
    whole(parser, "--days", 3, 1, "days of history")
    parser.add_argument(
        "--rate", metavar="N", type=_rate, default=3.0, help="calls per instance-hour (default: 3)"
    )
    parser.add_argument(
        "--start",
        metavar="DATE",
        type=day("--start"),
        default=START,
        help=f"first day, UTC (default: {START})",
    )
    whole(parser, "--seed", 1, 0, "the same seed gives the same files")


def run(args: argparse.Namespace) -> int:
    """Entry point of ``credtrail simulate``."""
    names = ("stories", "format", "accounts", "instances", "days", "rate", "start", "seed", "style")
    with Progress().stage("simulate") as stage:
        told = simulate(Path(args.output), **{name: getattr(args, name) for name in names})
        stage.say(told.summary())
    folder = plain(args.output, None)
    sys.stdout.write(
        f"{told.summary()}.\n"
        f"{folder}/{labels.FILE} lists what must be found.\n\n"
        f"Next:\n  credtrail detect --input {folder} --warehouse wh\n"
    )
    return 0


def simulate(  # noqa: PLR0913 - each is an option of the command
    output: Path,
    *,
    stories: str = _ALL,
    format: str = FORMATS[0],  # noqa: A002 - named as the option is
    accounts: int = 3,
    instances: int = 300,
    days: int = 3,
    rate: float = 3.0,
    start: date = START,
    seed: int = 1,
    style: str = Style.MODERN,
) -> Labels:
    """Write CloudTrail into an empty folder, with its labels beside it, and return the labels.

    Args:
        output: made if it is not there.
        stories: names or files of stories (see ``simulator.shelf``).
        format: one of ``FORMATS``.
        accounts: accounts of the healthy organisation.
        instances: its instances; without any there are the stories alone.
        days: length of the trail; stories may last longer.
        rate: calls of an instance per hour, beside the key that it gets.
        start: first day, UTC.
        seed: the same options and seed give the same bytes.
        style: ``modern`` or ``2018``, for stories that have none of their own.

    Raises:
        UsageError: the folder is not empty, or stories have mistakes: all of them.
    """
    plan = Plan(
        accounts=accounts,
        instances=instances,
        rate=rate,
        start=datetime.combine(start, time(), UTC),
        days=days,
        seed=seed,
        style=Style(style),
    )
    chosen = _chosen(stories)
    _make_room(output)
    played = [play(story, _start_of(story, plan), seed, plan.style) for story in chosen]
    organisation = "" if plan.style is Style.OF_2018 else plan.organisation
    written = _written(played, plan, writer(format, output, organisation))
    told = replace(
        labels.together(one.labels for one in played),
        instances=instances,
        events=written.events,
        files=written.files,
        bytes=written.bytes,
    )
    told.write(output)
    return told


def _chosen(pattern: str) -> tuple[Story, ...]:
    try:
        return shelf.stories(pattern)
    except StoryError as error:
        problems = [Problem(p.where, p.found, p.advice) for p in error.problems]
        raise UsageError(problems) from error


def _make_room(output: Path) -> None:
    """Make the folder, or see that it is empty: labels of other records would be wrong."""
    if output.is_dir() and not any(output.iterdir()):
        return
    if output.exists():
        found = f"{plain(output, None)} is not {'empty' if output.is_dir() else 'a folder'}."
        raise UsageError([Problem("--output", found, "Name another folder, or remove this one.")])
    output.mkdir(parents=True)


def _start_of(story: Story, plan: Plan) -> datetime:
    minutes = number(_SPREAD_MINUTES, "start", plan.seed, story.name)
    return story.start or plan.start + timedelta(minutes=minutes)


def _written(played: list[Played], plan: Plan, out: Writer) -> Written:
    """Write the stories and the healthy organisation, account by account."""
    of_stories, healthy = _by_account(played), fleet(plan)
    written = Written()
    for account in sorted({*plan.account_ids, *of_stories}):
        records = Traffic(healthy, account).records() if account in plan.account_ids else ()
        own = ((record["eventTime"], record) for record in records)
        events = merge(of_stories.get(account, ()), own, key=itemgetter(0))
        written += out.write(account, (record for _, record in events))
    return written


def _by_account(played: list[Played]) -> dict[str, list[tuple[str, Record]]]:
    """Return the events of all stories by the account they are delivered to, in order of time."""
    accounts: dict[str, list[tuple[str, Record]]] = {}
    for event in merge(*(one.events for one in played), key=itemgetter(0)):
        accounts.setdefault(str(event[1]["recipientAccountId"]), []).append(event)
    return accounts


def _rate(text: str) -> float | Wrong:
    if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text, re.ASCII):
        return float(text)
    return Wrong("--rate", f"found {plain(text, 80)!r}.", "Write a number, such as 3 or 0.5.")
