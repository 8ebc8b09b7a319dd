"""The calls of a finding, in order of time; what all of them share is not said with each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobs.console import Table, text
from jobs.show import count, moment, plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

Row = Mapping[str, Any]
Columns = dict[str, Callable[[Row], "Text"]]

_WHERE_THEY_DIFFER = {
    "region": ("aws_region", 16),
    "key": ("access_key_id", 32),
    "agent": ("user_agent", 48),
}
"""Head of a column that is shown only where calls differ: what it shows, and its width at most."""

_PARAMETERS = 16
"""Fewer characters of parameters than this are not worth a column."""

_MOST_PARAMETERS = 160


def print_calls(calls: Sequence[Row], total: int, to: Console, most: int) -> None:
    """Print the first and the last calls, and say how many are left out.

    Args:
        calls: rows of ``finding_calls``.
        total: calls that were counted, kept or not.
        to: the console.
        most: how many to print.
    """
    if not calls:
        to.print(f"No calls of this finding were kept; {total:,} were counted.", soft_wrap=True)
        to.print("Which are kept: see evidence.min_severity in the settings.", soft_wrap=True)
        return
    in_time = sorted(calls, key=lambda call: (call["event_time"], call["event_id"] or ""))
    left_out = max(0, len(calls) - most)
    first = (most + 1) // 2
    shown = [*in_time[:first], *in_time[first + left_out :]]
    regions = {call["aws_region"] for call in calls}
    place = f", all in {plain(calls[0]['aws_region'])}" if len(regions) == 1 else ""
    to.print(text(f"Calls in order of time (UTC){place}", "bold"), soft_wrap=True)
    _table(calls, shown, to.width).print(to, gap_after=first if left_out else None)
    notes = [f"{count(left_out, 'call')} left out between these"] * bool(left_out)
    notes += [f"{len(calls):,} of {total:,} calls were kept"] * (total > len(calls))
    if notes:
        to.print(f"{'; '.join(notes)}.", style="dim", soft_wrap=True)


def print_followed(keys: Sequence[Row], calls: Sequence[Row], to: Console, most: int) -> None:
    """Print keys that a stolen session issued, and what they were used for.

    Args:
        keys: rows with access_key_id, role_arn, session_name, issued_at and expires_at.
        calls: calls signed with them, in order of time.
        to: the console.
        most: how many calls to print.
    """
    if not keys:
        to.print("No keys were issued from there: the trail ends here.", soft_wrap=True)
        return
    to.print(text("Keys that were issued from there (UTC)", "bold"), soft_wrap=True)
    columns: Columns = {
        "issued": lambda key: text(moment(key["issued_at"])),
        "key": lambda key: text(key["access_key_id"], limit=32),
        "role": lambda key: text(key["role_arn"], limit=96),
        "session": lambda key: text(key["session_name"], limit=64),
        "until": lambda key: text(moment(key["expires_at"])),
    }
    _filled(columns, keys).print(to)
    to.print()
    if calls:
        print_calls(calls, len(calls), to, most)
    else:
        to.print("No call was made with them in the files read.", soft_wrap=True)


def in_words(call: Row) -> str:
    """Return service and call, such as ``s3:ListBuckets``."""
    service = str(call["event_source"] or "").removesuffix(".amazonaws.com")
    return f"{service}:{call['event_name']}"


def _table(calls: Sequence[Row], shown: Sequence[Row], width: int) -> Table:
    columns: Columns = {
        "time": lambda call: text(moment(call["event_time"])),
        "call": lambda call: text(in_words(call), limit=48),
        "does": lambda call: _effect(call["read_only"]),
        "result": lambda call: _result(call["error_code"]),
    }
    for head, (column, limit) in _WHERE_THEY_DIFFER.items():
        if len({call[column] for call in calls}) > 1:
            columns[head] = _cell(column, limit)
    if any(call.get("issued_access_key_id") for call in shown):
        columns["issued key"] = _cell("issued_access_key_id", 32)
    table = _filled(columns, shown)
    room = min(width - table.width - 2, _MOST_PARAMETERS)
    if room < _PARAMETERS or not any(call["request_parameters"] for call in shown):
        return table
    columns["parameters"] = lambda call: text(call["request_parameters"], "dim", room)
    return _filled(columns, shown)


def _filled(columns: Columns, shown: Sequence[Row]) -> Table:
    return Table(list(columns), [[cell(call) for cell in columns.values()] for call in shown])


def _cell(column: str, limit: int) -> Callable[[Row], Text]:
    return lambda call: text(call[column], limit=limit)


def _effect(read_only: bool | None) -> Text:  # noqa: FBT001 - a value of the table
    return text({True: "read", False: "write", None: ""}[read_only], "" if read_only else "bold")


def _result(error_code: str | None) -> Text:
    return text(error_code, "yellow", 40) if error_code else text("ok")
