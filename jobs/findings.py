"""Show findings: as a list, or one case in full. Reads by PyIceberg, without Spark."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from jobs.console import console
from jobs.containment import contain, for_programs
from jobs.errors import InputError, Problem, UsageError
from jobs.finding_calls import print_followed
from jobs.finding_card import next_steps, open_one, render_card
from jobs.finding_list import (
    badness,
    in_order,
    render_csv,
    render_json,
    render_table,
    short_ids,
    summary,
)
from jobs.show import moment, plain
from jobs.warehouse import Warehouse

if TYPE_CHECKING:
    import argparse

Row = Mapping[str, Any]

_RECENT = timedelta(days=7)
_CANDIDATES = 5
_CALLS = 40


def run(args: argparse.Namespace) -> int:
    """Entry point of ``credtrail findings``."""
    problems = tuple(_misused(args))
    if problems:
        raise UsageError(problems)
    with Warehouse(args.warehouse) as warehouse:
        if args.id is None:
            return _show_list(warehouse, args.format, args.min_severity, args.status)
        shown = show_case(warehouse, args.id, args.format, args.calls, args.replaced_at)
    if args.follow:
        _follow(shown, args)
    if args.format == "table":
        _out("\n" + next_steps(shown[0], args.warehouse))
    return 0


def _misused(args: argparse.Namespace) -> Iterator[Problem]:
    """Tell options that need another one."""
    if args.follow and args.id is None:
        yield Problem("--follow", "nothing to follow.", "Name a finding with --id.")
    if args.replaced_at and args.id is None:
        yield Problem("--replaced-at", "nothing to contain.", "Name a case with --id.")
    if args.replaced_at and args.format == "csv":
        yield Problem("--replaced-at", "CSV has no commands.", "Write --format table or json.")


def _follow(findings: Sequence[Row], args: argparse.Namespace) -> None:
    """Show the keys that were issued from the findings' sources, and the calls made with them."""
    from jobs.follow import follow
    from jobs.settings import load

    keys, calls = follow(args.warehouse, findings, load(args.settings))
    if args.format != "table":
        _out(render_json([{"issued_keys": keys, "calls": calls}]))
        return
    to = console()
    with to.capture() as captured:
        print_followed(keys, calls, to, args.calls)
    _out("\n\n" + captured.get())


def show(warehouse: str, shape: str, min_severity: str, *, lead_on: bool = True) -> int:
    """Show the open findings of a warehouse, as ``detect`` does when it is done.

    Args:
        warehouse: folder or ``s3://`` prefix.
        shape: table, json or csv.
        min_severity: the mildest severity to show.
        lead_on: say what to type next.
    """
    with Warehouse(warehouse) as opened:
        return _show_list(opened, shape, min_severity, "open", lead_on=lead_on)


def worst(warehouse: Warehouse) -> str | None:
    """Return the id of the case that stands first in the list of open findings, if there is one."""
    findings = in_order(_findings(warehouse, "open"))
    return str(findings[0]["case_id"]) if findings else None


def show_case(
    warehouse: Warehouse,
    prefix: str,
    shape: str,
    most_calls: int = _CALLS,
    replaced_at: datetime | None = None,
) -> Sequence[Row]:
    """Show all findings of a case, or one finding, in full, and return them.

    Args:
        warehouse: where they are.
        prefix: id of the case or finding, or how it begins.
        shape: table, json or csv.
        most_calls: how many calls to show of each finding in a table.
        replaced_at: when the workload got its other role, if it has one.
    """
    findings = in_order(select(_findings(warehouse, "all"), prefix))
    if shape == "csv":
        _out(render_csv(findings, _columns(warehouse)))
        return findings
    reviews = newest_reviews(warehouse.scan("reviews"))
    for number, finding in enumerate(findings):
        calls = _calls(warehouse, finding["finding_id"])
        if shape == "json":
            steps = contain(finding, replaced_at) if finding["status"] == "open" else None
            stops = for_programs(steps) if steps else None
            _out(render_json([{**finding, "finding_calls": calls, "containment": stops}]))
        else:
            review = reviews.get(finding["case_id"])
            card = render_card(
                finding, calls, review, console(), most_calls, replaced_at=replaced_at
            )
            _out("\n\n" * bool(number) + card)
    return findings


def select(findings: Iterable[Row], prefix: str) -> list[Row]:
    """Return the findings of the one case, or the one finding, whose id begins so.

    Raises:
        InputError: nothing begins so, or more than one does.
    """
    start, rows = prefix.strip().lower(), list(findings)
    of_case = [row for row in rows if start and row["case_id"].startswith(start)]
    single = [row for row in rows if start and row["finding_id"].startswith(start)]
    ids = sorted({row["case_id"] for row in of_case} | {row["finding_id"] for row in single})
    is_one_case = of_case and len({row["case_id"] for row in (*of_case, *single)}) == 1
    if is_one_case or len(ids) == 1:
        return of_case or single
    shown = plain(prefix, 40)
    if ids:
        several = ", ".join(list(short_ids(ids).values())[:_CANDIDATES])
        message = f'Several ids begin with "{shown}": {several} … Write more of it.'
    else:
        listing = "credtrail findings --status all --min-severity informational --warehouse …"
        message = f'No case or finding begins with "{shown}". List all there are: {listing}'
    raise InputError(message)


def newest_reviews(reviews: Iterable[Row]) -> dict[str, Row]:
    """Return the newest review of each case."""
    return {review["case_id"]: review for review in sorted(reviews, key=lambda r: r["at"])}


def _show_list(
    warehouse: Warehouse, shape: str, min_severity: str, status: str, *, lead_on: bool = True
) -> int:
    found = _findings(warehouse, status)
    rows = in_order(row for row in found if badness(row["severity"]) <= badness(min_severity))
    if shape == "json":
        _out(render_json(rows))
    elif shape == "csv":
        _out(render_csv(rows, _columns(warehouse)))
    elif rows:
        _out(render_table(rows, console()))
    kind = "" if status == "all" else f"{status} "
    _say(summary(rows) if rows else f"No {kind}findings of severity {min_severity} or worse.")
    _say(last_run(_recent_runs(warehouse)))
    if rows and shape == "table" and lead_on:
        _say(f"\n{open_one(rows[0], warehouse.uri)}")
    return 0


def last_run(runs: Sequence[Row]) -> str:
    """Return what the last finished run of the past days covered: no news may mean no eyes."""
    if not runs:
        return f"No run of detect finished in the last {_RECENT.days} days."
    run = max(runs, key=lambda row: row["finished_at"])
    counts, shares = dict(run["counts"] or {}), dict(run["coverage"] or {})
    seen = [f"{counts['sessions']:,} sessions"] if "sessions" in counts else []
    seen += [f"{plain(name)}: {share:.1%}" for name, share in sorted(shares.items())]
    words = "; ".join(seen)
    when = moment(run["finished_at"], seconds=False)
    return f"Last run: {when} UTC{'. Judged ' * bool(words)}{words}."


def _findings(warehouse: Warehouse, status: str) -> Sequence[Row]:
    where = None if status == "all" else f"status = '{status}'"
    reviews = newest_reviews(warehouse.scan("reviews", ("case_id", "state", "at")))
    return [
        {**row, "review_state": reviews.get(row["case_id"], {}).get("state")}
        for row in warehouse.scan("findings", where=where)
    ]


def _columns(warehouse: Warehouse) -> list[str]:
    return [*warehouse.columns("findings"), "review_state"]


def _calls(warehouse: Warehouse, finding_id: str) -> Sequence[Row]:
    return warehouse.scan("finding_calls", where=f"finding_id = '{finding_id}'")


def _recent_runs(warehouse: Warehouse) -> Sequence[Row]:
    """Return finished runs of the past days; older files of the table are not opened."""
    since = (datetime.now(UTC) - _RECENT).isoformat()
    where = f"finished_at >= '{since}' and outcome = 'finished'"
    return warehouse.scan("runs", ("finished_at", "outcome", "counts", "coverage"), where)


def _out(text: str) -> None:
    sys.stdout.write(text)


def _say(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"{text}\n")
