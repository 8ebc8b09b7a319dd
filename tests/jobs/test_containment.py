"""Containment: right policies, pasteable commands, and nothing of them from hostile text."""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader

from jobs.containment import IAM_REGIONS, REPLACED_AT, Denial, contain
from tests.results import NOON, finding
from tests.views import HOSTILE

ACCOUNT = "111122223333"
DOCS = Path(__file__).parents[2] / "docs"
BAD = ("'; rm -rf ~ #", HOSTILE, "x" * 1_000, "", None, 7, "AppRole\n", "*")
"""What no field of a finding may carry into a command."""

BAD_ROLES = (
    *BAD,
    "AppRole",
    f"arn:aws:iam::{ACCOUNT}:role/",
    f"arn:aws:iam::{ACCOUNT}:role/App Role",
    f"arn:aws:iam::{ACCOUNT}:role/App'$(id)'",
    f"arn:aws:iam::{ACCOUNT}:role/AppRole\n",
    f"arn:aws:iam::{ACCOUNT}:role/{'r' * 65}",
    f"arn:aws:iam::{ACCOUNT}:role/Röle",
    f"arn:aws:iam::{ACCOUNT}:role/pa th/AppRole",
    f"arn:aws:iam::{ACCOUNT}:user/AppRole",
    f"arn:aws:sts::{ACCOUNT}:assumed-role/AppRole/i-0123456789abcdef0",
    f"arn:aws-mars:iam::{ACCOUNT}:role/AppRole",
    "arn:aws:iam::444455556666:role/AppRole",
    "arn:aws:iam::١١١١٢٢٢٢٣٣٣٣:role/AppRole",
)


def _command(denial: Denial | None) -> dict[str, str]:
    """Options of a command as a shell gives them to the program."""
    assert denial is not None
    assert denial.command is not None
    words = _words(denial.command)
    assert words[:2] == ["iam", "put-role-policy"]
    return dict(word.split("=", 1) for word in words[2:])


def _words(command: str, **variables: str) -> list[str]:
    """What a shell passes to ``aws``."""
    script = f"aws() {{ printf '%s\\0' \"$@\"; }}\n{command}"
    ran = subprocess.run(
        ["/bin/sh", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **variables},
    )
    assert ran.stderr == ""
    return ran.stdout.split("\0")[:-1]


def _statement(policy: str) -> dict[str, Any]:
    document = json.loads(policy)
    assert document["Version"] == "2012-10-17"
    return dict(document["Statement"])


def test_one_session_is_denied_everything() -> None:
    """The policy names the session as IAM does, role id and session name, and nothing else."""
    denial = contain(finding()).deny_session

    assert denial is not None
    assert _statement(denial.policy) == {
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:userId": "AROAEXAMPLE:i-0123456789abcdef0"}},
    }


def test_older_sessions_are_denied_by_the_time_of_replacement() -> None:
    """The time is the one that is passed in, in UTC; no time of the finding is used."""
    steps = contain(finding(), datetime(2026, 3, 3, 4, 30, tzinfo=timezone(timedelta(hours=2))))

    assert _statement(steps.revoke_older.policy) == {
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": "2026-03-03T02:30:00Z"}},
    }


def test_without_that_time_nothing_can_be_pasted() -> None:
    """A plain placeholder stands in the policy, and there is no command that would write it."""
    steps = contain(finding())

    condition = _statement(steps.revoke_older.policy)["Condition"]
    assert condition == {"DateLessThan": {"aws:TokenIssueTime": REPLACED_AT}}
    assert steps.revoke_older.command is None
    with pytest.raises(ValueError, match="Invalid isoformat"):
        datetime.fromisoformat(REPLACED_AT)


def test_a_command_is_what_a_shell_needs() -> None:
    """Pasted as it is, it gives the role's name and the very policy, over several lines."""
    steps = contain(finding(), NOON)

    for denial, name in (
        (steps.deny_session, "credtrail-deny-i-0123456789abcdef0"),
        (steps.revoke_older, "credtrail-revoke-older"),
    ):
        options = _command(denial)
        document = options.pop("--policy-document")
        assert options == {"--role-name": "AppRole", "--policy-name": name}
        assert denial is not None
        assert json.loads(document) == json.loads(denial.policy)
        assert max(map(len, (denial.command or "").splitlines())) <= 60
    assert steps.account_id == ACCOUNT
    assert steps.doubts == ()


def test_a_path_is_no_part_of_the_name() -> None:
    """IAM takes the name of a role without its path."""
    path = f"arn:aws:iam::{ACCOUNT}:role/team/app/AppRole"

    assert _command(contain(finding(role_arn=path)).deny_session)["--role-name"] == "AppRole"


def test_a_name_is_never_an_option() -> None:
    """IAM allows names that begin with a hyphen; they stay the value of their option."""
    options = _command(
        contain(finding(role_arn=f"arn:aws:iam::{ACCOUNT}:role/--debug")).deny_session
    )

    assert options["--role-name"] == "--debug"
    assert "--debug" not in options


@pytest.mark.parametrize(
    ("partition", "region"), [("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")]
)
def test_other_partitions_get_their_region(partition: str, region: str) -> None:
    """China and GovCloud have an IAM of their own, which the command names by a region."""
    steps = contain(finding(role_arn=f"arn:{partition}:iam::{ACCOUNT}:role/AppRole"), NOON)

    assert _command(steps.deny_session)["--region"] == region
    assert _command(steps.revoke_older)["--region"] == region
    assert steps.doubts == ()


def test_every_partition_is_known() -> None:
    """The regions are ones of their partitions, and no partition of the SDK is left out."""
    partitions = {
        partition["id"]: set(partition["regions"])
        for partition in Loader().load_data("partitions")["partitions"]
    }

    assert set(partitions) == set(IAM_REGIONS)
    assert all(region in partitions[partition] for partition, region in IAM_REGIONS.items())


@pytest.mark.parametrize("role_arn", BAD_ROLES)
def test_a_role_that_looks_wrong_is_in_no_command(role_arn: object) -> None:
    """Whatever else a role's ARN says: no command, no account, and a word to look it up."""
    steps = contain(finding(role_arn=role_arn), NOON)

    assert steps.account_id is None
    assert steps.deny_session is not None
    assert steps.deny_session.command is None
    assert steps.revoke_older.command is None
    assert ["look the role up" in doubt for doubt in steps.doubts] == [True]
    assert "rm -rf" not in repr(steps)
    assert "$(id)" not in repr(steps)


@pytest.mark.parametrize("role_id", [*BAD, "AROA", "AIDAEXAMPLE", "AROAexample", "AROA*", "AROA:X"])
def test_a_role_id_that_looks_wrong_is_in_no_policy(role_id: object) -> None:
    """A masked, cut or forged id gives no deny for the session, and a word to look it up."""
    steps = contain(finding(role_id=role_id), NOON)

    assert steps.deny_session is None
    assert steps.revoke_older.command is not None
    assert ["RoleId" in doubt for doubt in steps.doubts] == [True]
    assert "rm -rf" not in repr(steps)


@pytest.mark.parametrize(
    "name",
    [*BAD, "i-", "i-XYZ", "i-0123456789ABCDEF0", "i-0123456789abcdef0\n", "i-*", "i-" + "0" * 18],
)
def test_a_session_name_that_looks_wrong_is_in_no_policy(name: object) -> None:
    """Any caller may choose a session name: one that is no instance id is not passed on."""
    steps = contain(finding(session_name=name), NOON)

    assert steps.deny_session is None
    assert ["no instance id" in doubt for doubt in steps.doubts] == [True]
    assert "rm -rf" not in repr(steps)


def test_the_order_is_told() -> None:
    """First the profile, then the deny; of a borrowed name first the right to assume the role."""
    own, borrowed = contain(finding()), contain(finding(session_kind="impersonated"))

    assert own.order.startswith("First give the instance another instance profile")
    assert borrowed.order.startswith("First take the right to assume this role")
    assert "stops that instance, too" in borrowed.order


def test_a_finding_of_which_little_is_known_is_no_obstacle() -> None:
    """All three doubts are told at once, and the policy by time is there all the same."""
    steps = contain(dict.fromkeys(finding()), datetime(2026, 3, 2, tzinfo=UTC))

    assert len(steps.doubts) == 3
    assert steps.deny_session is None
    assert "2026-03-02T00:00:00Z" in steps.revoke_older.policy


def _runbook() -> str:
    return (DOCS / "runbook.md").read_text(encoding="utf-8")


def test_the_runbook_writes_the_same_policies() -> None:
    """Step by step by hand gives what is printed with a finding, under the same names."""
    commands = re.findall(r"^aws iam put-role-policy .*\n  '.*'$", _runbook(), re.MULTILINE)
    variables = {
        "ROLE": "AppRole",
        "ROLEID": "AROAEXAMPLE",
        "I": "i-0123456789abcdef0",
        "REPLACED_AT": "2026-03-02T12:00:00Z",
    }
    steps = contain(finding(), NOON)

    by_hand = [_words(command, **variables)[2:] for command in commands]

    for words, denial in zip(by_hand, (steps.deny_session, steps.revoke_older), strict=True):
        options = dict(zip(words[::2], words[1::2], strict=True))
        printed = _command(denial)
        assert json.loads(options.pop("--policy-document")) == json.loads(
            printed.pop("--policy-document")
        )
        assert options == printed


def test_the_runbook_replaces_before_it_revokes() -> None:
    """The profile goes first, then the session is denied, then the older ones are."""
    text = _runbook()

    places = [
        text.index(step)
        for step in (
            "aws ec2 replace-iam-instance-profile-association",
            "REPLACED_AT=$(date",
            "credtrail-deny-$I",
            "credtrail-revoke-older",
        )
    ]
    assert places == sorted(places)


def test_the_runbook_has_checks_for_every_verdict() -> None:
    """Each rule of the ladder that makes a finding has a row that says what to check."""
    rules = (DOCS / "rules.md").read_text(encoding="utf-8")

    alarms = re.findall(r"^## \d+\. (\w+)\n\nFinding\.", rules, re.MULTILINE)

    assert len(alarms) > 5
    assert [name for name in alarms if f"| `{name}` |" not in _runbook()] == []


def test_the_published_method_is_told_case_by_case() -> None:
    """All 51 cases stand in the table, in order, each with what credtrail says."""
    page = (DOCS / "published-method.md").read_text(encoding="utf-8")

    rows = [line.strip("|").split(" | ") for line in page.splitlines() if re.match(r"\| \d", line)]

    assert [int(row[0]) for row in rows] == list(range(1, 52))
    assert {len(row) for row in rows} == {5}
    assert all(cell.strip() for row in rows for cell in row)
