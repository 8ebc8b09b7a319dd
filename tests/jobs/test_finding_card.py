"""A finding in full: both sides, reason, calls; and hostile text in every view."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from jobs.console import console
from jobs.finding_card import KINDS, render_card
from jobs.finding_list import render_csv, render_json
from jobs.show import CELL
from tests.results import HOME, NOON, THIEF, after, call, finding, review
from tests.views import COLUMNS, HOSTILE, card, listed, row
from transforms import schemas

HEX = "0123456789abcdef0123456789abcdef"


def after_replacement(found: Mapping[str, Any], replaced_at: datetime) -> str:
    """A card that is shown once the workload has its other role."""
    return render_card(found, (), None, console(io.StringIO(), 120), 40, replaced_at=replaced_at)


def test_hostile_text_is_harmless_in_every_view() -> None:
    """No view of a finding lets escapes, reversals, line breaks or markup of CloudTrail act."""
    hostile = row(
        instance_id=None,
        session_name=HOSTILE,
        source=HOSTILE,
        title=HOSTILE,
        reason=HOSTILE,
        role_arn=HOSTILE,
        user_agents=[HOSTILE],
        event_names=[HOSTILE],
        home=[HOSTILE],
    )
    calls = [call(user_agent=HOSTILE, request_parameters=HOSTILE), call(1, error_code=HOSTILE)]
    notes = review(note=HOSTILE, by=HOSTILE)

    for view in (
        "\n".join(listed(hostile)),
        "\n".join(listed(hostile, width=80)),
        card(hostile, calls, notes),
        render_csv([hostile], COLUMNS),
        render_json([{**hostile, "finding_calls": calls}]),
    ):
        assert view.replace("\n", "").isprintable()
        assert view.count("[bold]forg") == view.count("forg") > 0
        assert not any(line.startswith("[bold]") for line in view.splitlines())
    assert len(listed(hostile)) == 2


def test_huge_text_is_bounded() -> None:
    """A name of a megabyte does not flood the terminal."""
    huge = "x" * 1_000_000
    found = row(session_name=huge, instance_id=None, source=huge, title=huge, user_agents=[huge])

    assert len("\n".join(listed(found))) < 1_000
    assert len(card(found, [call(request_parameters=huge, user_agent=huge)])) < 5_000
    (cells,) = csv.DictReader(io.StringIO(render_csv([found], COLUMNS)))
    assert max(map(len, cells.values())) == CELL


def test_a_card_shows_both_sides() -> None:
    """Home since when, and the intruder with kind, endpoint and owner of the endpoint."""
    found = finding(
        source="vpce-0abc/10.0.1.20",
        source_kind="endpoint",
        vpc_endpoint_id="vpce-0abc",
        vpc_endpoint_account_id="999988887777",
    )

    lines = [" ".join(line.split()) for line in card(found).splitlines()]

    assert f"home {HOME}" in lines
    assert "since 2026-03-02 07:00:00 UTC" in lines
    assert "intruder vpce-0abc/10.0.1.20 (VPC endpoint)" in lines
    assert "owner of vpce-0abc: 999988887777" in lines


@pytest.mark.parametrize(
    ("likely", "home", "source"),
    [("source", "home", "intruder"), ("home", "intruder", "source"), ("unknown", "home", "source")],
)
def test_the_likely_intruder_is_named(likely: str, home: str, source: str) -> None:
    """The side that the judgement takes for the thief's is called intruder, whichever it is."""
    text = card(finding(likely_intruder=likely))

    assert f"\n{home:<10}{HOME}" in text
    assert f"\n{source:<10}{THIEF}" in text
    assert ("no telling which side is the thief" in text) == (likely == "unknown")


@pytest.mark.parametrize("likely", ["source", "unknown"])
def test_a_source_that_is_home_is_no_other_side(likely: str) -> None:
    """Where calls from home are suspicious, home is not called the intruder's."""
    text = card(finding(source=HOME, likely_intruder=likely))

    assert f"\n{'source':<10}{HOME}" in text
    assert "home itself" in text
    assert "intruder" not in text
    assert "no telling" not in text


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("ec2", "none that could be learnt"),
        ("lambda_function", "anywhere in AWS: a function has no home of its own"),
        ("impersonated", "none: this session was issued to no workload"),
        (None, "none that could be learnt"),
    ],
)
def test_a_card_says_why_there_is_no_home(kind: str | None, said: str) -> None:
    """A function has none, and neither has who borrowed a name."""
    assert f"\n{'home':<10}{said}" in card(finding(session_kind=kind, home=None))


def test_an_arn_can_be_copied() -> None:
    """A word that is longer than the line is not cut."""
    arn = f"arn:aws:iam::111122223333:role/service-role/{'x' * 60}"

    assert arn in card(finding(role_arn=arn), width=60)


def test_a_card_has_what_a_responder_needs() -> None:
    """Sentence, reason, keys, calls, denied calls, names, agents, signals, status and review."""
    text = card(
        finding(signals=["after_silence"], status="closed", closed_reason="It was our scanner."),
        [call()],
        review(state="false_alarm", note="our scanner"),
    )

    for part in (
        "HIGH  Credentials of i-0123456789abcdef0 were used from outside AWS",
        "somebody took it and runs it elsewhere",
        "ASIAEXAMPLEEXAMPLE00",
        "3, of which 1 denied",
        "sts:GetCallerIdentity, s3:ListBuckets, iam:ListUsers",
        "aws-cli/1.15.0",
        "after_silence",
        "closed, found 2026-03-02 13:00 UTC. It was our scanner.",
        "false_alarm by jane, 2026-03-02 13:30 UTC: our scanner",
    ):
        assert part in text


def test_long_lists_say_what_they_leave_out() -> None:
    """Of many homes, keys, names or agents the first are shown, and how many more there are."""
    many = [f"52.95.0.{n}" for n in range(20)]

    text = card(finding(home=many, event_names=[f"s3:Call{n}" for n in range(50)]))

    assert "and 14 more" in text
    assert "s3:Call11, and 38 more" in text


def test_calls_are_in_order_of_time() -> None:
    """Each with its time, name, effect and result."""
    calls = [
        call(5, event_id="a", event_name="ListUsers", error_code="AccessDenied"),
        call(1, event_name="PutObject", read_only=False, request_parameters='{"key":"a"}'),
    ]

    lines = card(calls=calls).splitlines()
    at = lines.index("Calls in order of time (UTC), all in us-west-2")

    assert [line.split() for line in lines[at + 1 : at + 4]] == [
        ["time", "call", "does", "result", "parameters"],
        ["2026-03-02", "12:01:00", "s3:PutObject", "write", "ok", '{"key":"a"}'],
        ["2026-03-02", "12:05:00", "s3:ListUsers", "read", "AccessDenied"],
    ]


def test_what_differs_between_calls_gets_a_column() -> None:
    """Regions, keys and agents are columns where not all calls have the same."""
    text = card(calls=[call(), call(1, aws_region="eu-west-1", access_key_id="ASIAOTHER")])

    head = next(line for line in text.splitlines() if line.startswith("time"))
    assert head.split() == ["time", "call", "does", "result", "region", "key"]


@pytest.mark.parametrize(("most", "shown"), [(1, 1), (4, 4), (5, 5), (10, 10), (11, 10)])
def test_calls_are_bounded_and_say_so(most: int, shown: int) -> None:
    """The first and the last are shown, with how many are left out between and were not kept."""
    text = card(finding(calls=500), [call(n) for n in range(10)], most=most)

    assert text.count("s3:ListBuckets  ") == shown
    assert ("\n…\n" in text) == (shown < 10)
    assert (f"{10 - shown} call" in text and "left out between" in text) == (shown < 10)
    assert "10 of 500 calls were kept" in text
    assert "12:00:00  s3:" in text
    assert ("12:09:00" in text) == (most > 1)


def test_a_finding_without_calls_says_so() -> None:
    """Evidence is not gathered for mild findings; their calls were counted all the same."""
    assert "No calls of this finding were kept; 3 were counted." in card()


def test_a_card_survives_what_is_unknown() -> None:
    """A finding of which a record told hardly anything is shown like any other."""
    needed = {"finding_id", "case_id", "severity", "verdict", "status", "first_seen", "last_seen"}
    bare = {name: value if name in needed else None for name, value in finding().items()}

    assert "none that could be learnt" in card(bare, [dict.fromkeys(call()) | {"event_time": NOON}])
    assert len(listed({**bare, "review_state": None})) == 2


def test_an_open_finding_says_how_to_contain_it() -> None:
    """The order in one sentence, the statement for this session, the account, and the runbook."""
    text = card()

    at = text.index("\nContain, unless")
    order = text.index("First give the instance another instance profile", at)
    account = text.index("Then, in account 111122223333:\naws iam put-role-policy \\\n", order)
    statement = text.index('"aws:userId":', account)
    assert "AROAEXAMPLE:i-0123456789abcdef0" in text[statement:]
    assert "docs/runbook.md" in text[statement:]


def test_the_last_step_waits_for_its_time() -> None:
    """The card tells of --replaced-at, and has the command that revokes once it is given."""
    early, late = card(), after_replacement(finding(), after(65))

    assert "--replaced-at TIME" in " ".join(early.split())
    assert "credtrail-revoke-older" not in early
    assert "--replaced-at" not in late
    deny = late.index("Then, in account 111122223333:\naws iam put-role-policy \\\n")
    revoke = late.index("Last, in account 111122223333, revoke the older sessions", deny)
    assert "--policy-name=credtrail-revoke-older" in late[revoke:]
    assert '"aws:TokenIssueTime": "2026-03-02T13:05:00Z"' in late[revoke:]
    assert late.count("docs/runbook.md has") == 1


def test_of_an_unknown_role_the_last_step_is_a_policy_alone() -> None:
    """It is there to be pasted once the role is looked up; no account is named."""
    text = after_replacement(finding(role_arn=None), after(65))

    assert "put-role-policy" not in text
    assert '"aws:TokenIssueTime": "2026-03-02T13:05:00Z"' in text
    assert "in account None" not in text


def test_what_comes_first_is_printed_first() -> None:
    """The deny of a task is the first thing to do, that of an instance the second."""
    task = card(finding(session_kind="ecs_task", session_name=HEX, instance_id=HEX))

    assert "First, in account 111122223333:\naws iam put-role-policy" in task
    assert "Then, in account 111122223333:\naws iam put-role-policy" in card()


def test_an_identity_role_has_no_command() -> None:
    """The card says that nothing can be denied, and does not tell of a revocation either."""
    found = finding(session_kind="instance_identity", role_id="111122223333:aws:ec2-instance")

    for text in (card(found), after_replacement(found, after(65))):
        assert "Nothing can be denied here" in text
        assert "put-role-policy" not in text
        assert "aws:TokenIssueTime" not in text
        assert "--replaced-at" not in text
        assert "docs/runbook.md" in text


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("ec2", "instance"),
        ("ecs_task", "task"),
        ("eks_pod", "pod"),
        ("lambda_function", "function"),
        ("managed_instance", "instance"),
        ("instance_identity", "instance"),
        ("impersonated", "session"),
        ("self_assumed", "session"),
        (None, "session"),
    ],
)
def test_a_card_calls_the_workload_what_it_is(kind: str | None, label: str) -> None:
    """Who merely borrowed the name of a workload is a session."""
    assert f"\n{label:<10}web-1 in account 1111" in card(
        finding(session_kind=kind, instance_id="web-1")
    )


def test_a_closed_finding_is_not_contained() -> None:
    """What proved harmless needs no deny."""
    text = card(finding(status="closed", closed_reason="It was our scanner."))

    assert "\nContain, unless" not in text
    assert "put-role-policy" not in text


def test_hostile_names_reach_no_command() -> None:
    """A role whose name looks wrong is to be looked up; the statement is there without it."""
    hostile = "arn:aws:iam::111122223333:role/x'; curl evil #"

    text = card(finding(role_arn=hostile))
    contained = text[text.index("\nContain, unless") :]
    assert "put-role-policy" not in contained
    assert "evil" not in contained
    assert "look the role up" in " ".join(contained.split())
    assert "AROAEXAMPLE:i-0123456789abcdef0" in contained
    nameless = card(finding(session_name=HOSTILE, instance_id=None))
    assert "aws:userId" not in nameless


def test_a_card_fits_its_terminal() -> None:
    """Prose is folded to the width of the terminal."""
    assert max(map(len, card(width=60).splitlines()[1:])) <= 60


def test_every_kind_of_source_has_words() -> None:
    """The kinds of the table's own description are all said in words."""
    comment = schemas.FINDINGS.schema["source_kind"].metadata["comment"]

    assert set(KINDS) == set(comment.split(", "))
