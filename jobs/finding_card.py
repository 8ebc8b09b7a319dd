"""One finding in full: what happened, why that is suspicious, its calls, and what stops it."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from jobs.console import STYLES
from jobs.containment import contain
from jobs.finding_calls import print_calls
from jobs.finding_list import holder
from jobs.show import moment, plain
from transforms.signal_names import MEANING
from transforms.workloads import WORKLOADS

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from jobs.containment import Containment, Denial

Row = Mapping[str, Any]

KINDS = {
    "public_ipv4": "public IPv4 address",
    "public_ipv6": "public IPv6 address",
    "endpoint": "VPC endpoint",
    "private": "private address without endpoint",
    "service": "service name instead of an address",
    "internal": "hidden by AWS",
}
"""Kinds of source in words."""

_RUNBOOK = "docs/runbook.md has every step, and what each breaks."
_REVOKE = (
    "If more than this session may be stolen, --replaced-at TIME adds the last step: the command "
    "that revokes all older sessions of the role."
)
_CONTAIN = "Contain, unless somebody can name a harmless cause"
_LABEL = 10
_PROSE = 96
_SHOWN = 6


def render_card(  # noqa: PLR0913 - each is a part of what is shown
    finding: Row,
    calls: Sequence[Row],
    review: Row | None,
    to: Console,
    most_calls: int,
    *,
    replaced_at: datetime | None = None,
) -> str:
    """Return a finding in full.

    Args:
        finding: row of the table ``findings``.
        calls: its rows of ``finding_calls``.
        review: newest row of ``reviews`` of its case.
        to: the console it is meant for.
        most_calls: how many calls to show.
        replaced_at: when the workload got its other role, if it has one.
    """
    width = min(to.width, _PROSE)
    with to.capture() as captured:
        severity, title = plain(finding["severity"]), plain(finding["title"])
        style = STYLES.get(severity, "")
        to.print(Text.assemble((severity.upper(), style), "  ", (title, "bold")), soft_wrap=True)
        to.print()
        _print_prose(plain(finding["reason"], 4000), to, width)
        to.print()
        for label, lines in _facts(finding, review):
            _print_fact(label, lines, to, width)
        to.print()
        print_calls(calls, finding["calls"] or 0, to, most_calls)
        if finding["status"] == "open":
            _print_containment(contain(finding, replaced_at), replaced_at, to, width)
    return captured.get()


def next_steps(finding: Row, warehouse: str) -> str:
    """Return what to type after reading a finding in full."""
    place = shlex.quote(plain(warehouse, None))
    case = plain(finding["case_id"])[:8]
    return (
        "Next:\n"
        f'  credtrail review {case} --state acknowledged --note "…" --warehouse {place}\n'
        "      or --state contained once the key is dead, false_alarm if this is harmless\n"
        f"  credtrail findings --id {case} --format json --warehouse {place}\n"
        "      all of it, with every call kept, for programs\n"
    )


def open_one(finding: Row, warehouse: str) -> str:
    """Return what to type after reading a list that a finding is in."""
    place = shlex.quote(plain(warehouse, None))
    case = plain(finding["case_id"])[:8]
    return f"Next:\n  credtrail findings --id {case} --warehouse {place}\n"


def _facts(finding: Row, review: Row | None) -> Iterator[tuple[str, list[str]]]:
    yield from _sides(finding)
    yield _noun(finding), [f"{holder(finding)} in account {finding['account_id']}"]
    yield "role", [finding["role_arn"] or finding["role_id"] or "unknown"]
    yield "keys", _some(finding["access_key_ids"])
    yield "seen", [f"{moment(finding['first_seen'])} to {moment(finding['last_seen'])} UTC"]
    calls, denied = finding["calls"] or 0, finding["denied_calls"] or 0
    yield "calls", [f"{calls:,}, of which {denied:,} denied"]
    yield "names", [", ".join(_some(finding["event_names"], 2 * _SHOWN))]
    yield "agents", _some(finding["user_agents"])
    yield "signals", [_meaning(name) for name in finding["signals"] or []]
    yield "verdict", [f"{finding['verdict']} (docs/rules.md explains it)"]
    yield "case", [f"{finding['case_id']}, finding {finding['finding_id']}"]
    yield "status", [_status(finding)]
    if review:
        who = f"{review['state']} by {review['by']}, {moment(review['at'], seconds=False)} UTC"
        yield "review", [f"{who}: {review['note']}"]


def _noun(finding: Row) -> str:
    """Return what the credential was issued to; who borrowed a name is a mere session."""
    workload = WORKLOADS.get(finding["session_kind"])
    return workload.noun if workload and finding["instance_id"] else "session"


def _meaning(signal: str) -> str:
    return f"{signal}: {MEANING[signal]}" if signal in MEANING else signal


def _sides(finding: Row) -> Iterator[tuple[str, list[str]]]:
    """Home and the other side; the one that is likely the thief's is called intruder."""
    likely = finding["likely_intruder"]
    since = moment(finding["home_since"])
    homes = _some(finding["home"]) or [_homeless(finding["session_kind"])]
    yield (
        "intruder" if likely == "home" else "home",
        [*homes, *([f"since {since} UTC"] if since else [])],
    )
    kind = KINDS.get(finding["source_kind"], finding["source_kind"])
    source = [f"{finding['source']} ({kind})"]
    if finding["vpc_endpoint_id"]:
        owner = finding["vpc_endpoint_account_id"] or "unknown"
        source.append(f"owner of {finding['vpc_endpoint_id']}: {owner}")
    at_home = finding["source"] in (finding["home"] or ())
    if at_home:
        source.append("home itself: the reason says why, and calls of its own are counted, too")
    elif likely == "unknown":
        source.append("no telling which side is the thief")
    yield "intruder" if likely == "source" and not at_home else "source", source


def _homeless(kind: str | None) -> str:
    """Return why a session has no home."""
    workload = WORKLOADS.get(kind or "")
    if workload and not workload.has_home:
        return f"anywhere in AWS: {workload.article} {workload.noun} has no home of its own"
    if kind and not workload:
        return "none: this session was issued to no workload"
    return "none that could be learnt"


def _status(finding: Row) -> str:
    found = f"{finding['status']}, found {moment(finding['detected_at'], seconds=False)} UTC"
    return f"{found}. {finding['closed_reason']}" if finding["closed_reason"] else found


def _some(values: Iterable[str] | None, most: int = _SHOWN) -> list[str]:
    """Return the first values, and how many are left out."""
    given = [plain(value) for value in values or ()]
    rest = len(given) - most
    return [*given[:most], f"and {rest:,} more"] if rest > 0 else given


def _print_fact(label: str, lines: Iterable[str], to: Console, width: int) -> None:
    for line in filter(None, lines):
        for part in _wrapped(plain(line, 600), width - _LABEL):
            to.print(Text.assemble((f"{label:<{_LABEL}}", "dim"), part), soft_wrap=True)
            label = ""


def _print_containment(
    steps: Containment, replaced_at: datetime | None, to: Console, width: int
) -> None:
    """Print what comes first, the statement that stops this one session, and what comes last."""
    deny, revoke = steps.deny_session, steps.revoke_older
    account = f", in account {steps.account_id}"
    to.print()
    to.print(Text(_CONTAIN, "bold"), soft_wrap=True)
    for paragraph in (steps.order, *steps.doubts):
        _print_prose(paragraph, to, width)
    if deny:
        first = "First" if steps.deny_first else "Then"
        _print_denial(f"{first}{account}:" if deny.command else "", deny, to, width)
    if revoke and replaced_at:
        last = (
            f"Last{account if revoke.command else ''}, revoke the older sessions of the role; each "
            f"stops until it has a key that was issued after {moment(replaced_at)} UTC:"
        )
        _print_denial(last, revoke, to, width)
    _print_prose(_RUNBOOK if replaced_at or not revoke else f"{_RUNBOOK} {_REVOKE}", to, width)


def _print_denial(lead: str, denial: Denial, to: Console, width: int) -> None:
    _print_prose(lead, to, width)
    to.print(denial.command or denial.policy, soft_wrap=True)


def _print_prose(paragraph: str, to: Console, width: int) -> None:
    for line in _wrapped(paragraph, width):
        to.print(line, soft_wrap=True)


def _wrapped(line: str, width: int) -> list[str]:
    """Return a line in parts of a width; a longer word stays whole, so that it can be copied."""
    return textwrap.wrap(line, max(20, width), break_on_hyphens=False, break_long_words=False)
