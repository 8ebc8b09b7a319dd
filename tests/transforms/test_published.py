"""Policy ``seed`` says what the published code says, in each case where that is right or meant.

Case numbers are those of ``docs/published-method.md``; its sequences begin with EC2's AssumeRole.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.factories import THIEF, Instance, record
from tests.judged import Allowed, judged, verdicts, world

HOME, NEW, NEWER = "52.95.255.121", "52.95.255.122", "54.240.230.177"
ALLOWED = Allowed("81.2.3.0/24")
MINUTE = 1 / 60


@dataclass(frozen=True)
class Case:
    """Rows of a case, and the sources that the published code flags."""

    rows: list[dict[str, Any]]
    flagged: set[str]


def _associates(box: Instance, hours: float, **changes: Any) -> dict[str, Any]:
    """The session itself asks for an address for its instance."""
    return box.call(
        hours,
        HOME,
        **{
            "event_name": "AssociateAddress",
            "request_parameters": json.dumps({"instanceId": box.id, "allocationId": "eipalloc-1"}),
            "response_elements": json.dumps({"associationId": f"eipassoc-{hours}"}),
            **changes,
        },
    )


def _call(
    box: Instance, hours: float, source: str, changes: dict[str, Any] | None = None
) -> dict[str, Any]:
    return box.call(hours, source, **(changes or {}))


def _cases() -> dict[str, Case]:
    cases = {}

    def case(name: str, flagged: set[str], *parts: Any) -> None:
        box = Instance(f"published {name}")
        assumed = [] if name == "2" else [box.assumed(0)]
        rows = [part(box) if callable(part) else _call(box, *part) for part in parts]
        cases[name] = Case([*assumed, *rows], flagged)

    service = "autoscaling.amazonaws.com"
    a, x = (MINUTE, HOME), (3 * MINUTE, THIEF)
    case("1", {THIEF}, a, x)
    case("2", set(), a, x)
    case("3", {HOME}, (MINUTE, THIEF), (2 * MINUTE, HOME), (3 * MINUTE, HOME))
    case("4", {THIEF}, a, *[(m * MINUTE, THIEF) for m in range(3, 7)])
    case("5", set(), a, (2 * MINUTE, "10.0.0.5"), (3 * MINUTE, "10.0.0.5"))
    case("9", set(), a, lambda b: b.call(0.1, service, invoked_by=service, tls_present=False))
    case("14", {THIEF}, (MINUTE, "81.2.3.4"), (0.1, HOME), (0.2, "81.2.3.9"), (0.3, THIEF))
    case("18", {NEWER}, a, lambda b: _associates(b, 0.1), (0.2, NEW), (0.3, NEW), (0.4, NEWER))
    failed = {"error_code": "Client.AuthFailure", "error_message": "no"}
    case("25", {NEW}, a, lambda b: _associates(b, 0.1, **failed), (0.2, NEW))
    case("31", {THIEF}, a, lambda b: b.assumed(1), (1.1, THIEF))
    case("34", set(), _assumed_by_a_user)
    two = [lambda b: _associates(b, 0.1), lambda b: _associates(b, 0.15)]
    case("44", {THIEF}, a, *two, (0.2, NEW), (0.3, NEWER), (0.4, THIEF))
    case("48", set(), a, (0.5, HOME, {"user_agent": "aws-cli/2.31.18 Python/3.11"}))
    return cases


def _assumed_by_a_user(box: Instance) -> dict[str, Any]:
    """A user chooses the name of the instance for a session of the role."""
    return record(
        event_name="AssumeRole",
        event_source="sts.amazonaws.com",
        source_ip_address=THIEF,
        identity_type="IAMUser",
        arn=f"arn:aws:iam::{box.account}:user/eve",
        request_parameters=json.dumps(
            {"roleArn": f"arn:aws:iam::{box.account}:role/{box.role}", "roleSessionName": box.id}
        ),
        response_elements=json.dumps({"credentials": {"accessKeyId": "ASIAEVE"}}),
    )


CASES = _cases()


@pytest.fixture(scope="module")
def flagged(spark) -> dict[str, set[str]]:
    """Sources that policy seed raises an alarm for, by account."""
    rows = [row for case in CASES.values() for row in case.rows]
    said = verdicts(judged(spark, rows, world(spark, [ALLOWED]), policy="seed"))
    found: dict[str, set[str]] = {}
    for (session, source), row in said.items():
        if not row.excused:
            found.setdefault(session.split("/")[0], set()).add(source)
    return found


@pytest.mark.parametrize("name", CASES)
def test_it_agrees_with_the_published_code(name, flagged):
    """The same sources are flagged."""
    account = Instance(f"published {name}").account

    assert flagged.get(account, set()) == CASES[name].flagged
