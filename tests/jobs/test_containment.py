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

from jobs.containment import IAM_REGIONS, REPLACED_AT, Denial, contain, for_programs
from tests.results import NOON, after, finding
from tests.views import HOSTILE
from transforms.sessions import BORROWED
from transforms.workloads import MANAGEMENT_ROLE, WORKLOADS

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


UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
HEX = "0123456789abcdef0123456789abcdef"
MANAGEMENT = "AWSSystemsManagerDefaultEC2InstanceManagementRole"
OWN = {
    "ec2": {},
    "ecs_task": {"session_name": HEX},
    "eks_pod": {"session_name": f"eks-k8s-wl-dev-engine-boo-{UUID}"},
    "lambda_function": {"session_name": "resize_Images-2"},
    "managed_instance": {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/service-role/{MANAGEMENT}"},
    "instance_identity": {
        "role_arn": f"arn:aws:iam::{ACCOUNT}:role/aws:ec2-instance",
        "role_id": f"{ACCOUNT}:aws:ec2-instance",
    },
}
"""What AWS writes into the records of each kind of workload, but for an instance's."""

WITH_POLICY = [kind for kind in OWN if kind != "instance_identity"]
NAMES = {
    "ecs_task": [HEX, UUID],
    "eks_pod": [
        f"eks-a-b-{UUID}",
        f"eks-Prod_1-web-7d9f.x-{UUID}",
        f"eks-{'c' * 23}-{UUID}",
    ],
    "lambda_function": ["f", "F" * 64, "-_-"],
    "managed_instance": ["i-01234567"],
    "impersonated": ["i-01234567", HEX, UUID, f"eks-a-b-{UUID}"],
    "self_assumed": ["i-01234567", HEX, UUID, f"eks-a-b-{UUID}"],
}
"""Names that AWS gives to sessions of a kind."""

FOREIGN = {
    "ecs_task": [HEX[1:], f"{HEX}0", HEX.upper(), UUID[1:], f"{UUID}-0", "i-01234567", f"{HEX}\n"],
    "eks_pod": [
        f"eks-{'c' * 24}-{UUID}",
        f"eks--{UUID}",
        f"eks-.a-b-{UUID}",
        f"eks-{UUID}",
        f"eks-a'$(id)'-{UUID}",
        f"eks-a b-{UUID}",
        f"eks-a-b-{UUID}\n",
        f"eks-a*-{UUID}",
        f"eks-ä-b-{UUID}",
        UUID,
        "eks-a-b",
    ],
    "lambda_function": ["f" * 65, "f n", "f.n", "f:1", "$LATEST", "'$(id)'", "f\n", "fünf", "f*"],
    "managed_instance": ["mi-0123456789abcdef0", HEX],
    "impersonated": ["resize-images", f"eks-{'c' * 24}-{UUID}", f"{HEX}\n", "jane"],
    "self_assumed": ["resize-images", f"{HEX}0"],
}
"""Names that it does not give to sessions of that kind, though some it gives to others."""


def _of_kind(kind: str, **said: Any) -> dict[str, Any]:
    """A finding of a kind of session, as AWS has it."""
    return finding(session_kind=kind, **{**OWN.get(kind, {}), **said})


def _each(names: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(kind, name) for kind, those in names.items() for name in those]


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

    assert steps.revoke_older is not None
    assert _statement(steps.revoke_older.policy) == {
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": "2026-03-03T02:30:00Z"}},
    }


def test_without_that_time_nothing_can_be_pasted() -> None:
    """A plain placeholder stands in the policy, and there is no command that would write it."""
    steps = contain(finding())

    assert steps.revoke_older is not None
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
    assert steps.revoke_older is not None
    assert steps.revoke_older.command is None
    assert ["look the role up" in doubt for doubt in steps.doubts] == [True]
    assert "rm -rf" not in repr(steps)
    assert "$(id)" not in repr(steps)


@pytest.mark.parametrize("role_id", [*BAD, "AROA", "AIDAEXAMPLE", "AROAexample", "AROA*", "AROA:X"])
def test_a_role_id_that_looks_wrong_is_in_no_policy(role_id: object) -> None:
    """A masked, cut or forged id gives no deny for the session, and a word to look it up."""
    steps = contain(finding(role_id=role_id), NOON)

    assert steps.deny_session is None
    assert steps.revoke_older is not None
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
    assert not own.deny_first
    assert not borrowed.deny_first


def test_every_kind_of_session_has_an_order_of_its_own() -> None:
    """No kind of workload, and no borrowed name, is contained as if it were something else."""
    assert set(OWN) == set(WORKLOADS)

    orders = {contain(_of_kind(kind)).order for kind in (*WORKLOADS, *BORROWED)}

    assert len(orders) == len(WORKLOADS) + len(BORROWED)


@pytest.mark.parametrize("kind", WITH_POLICY)
def test_the_session_of_any_workload_is_denied_by_its_name(kind: str) -> None:
    """What AWS itself writes passes: the policy has it as it is, and no value is doubted."""
    said = _of_kind(kind)

    steps = contain(said, NOON)

    options = _command(steps.deny_session)
    user_id = f"AROAEXAMPLE:{said['session_name']}"
    condition = _statement(options["--policy-document"])["Condition"]
    assert condition == {"StringEquals": {"aws:userId": user_id}}
    assert options["--policy-name"] == f"credtrail-deny-{said['session_name']}"
    assert options["--role-name"] == said["role_arn"].rpartition("/")[2]
    assert _command(steps.revoke_older)["--policy-name"] == "credtrail-revoke-older"
    assert steps.doubts == ()


@pytest.mark.parametrize(("kind", "name"), _each(NAMES))
def test_every_name_that_aws_gives_is_taken(kind: str, name: str) -> None:
    """Old and new ids of tasks, pods of any name, functions up to their 64 characters."""
    if kind in WORKLOADS and (named := WORKLOADS[kind].named):
        assert re.search(named, name)

    steps = contain(_of_kind(kind, session_name=name))

    assert steps.deny_session is not None
    assert _statement(steps.deny_session.policy)["Condition"] == {
        "StringEquals": {"aws:userId": f"AROAEXAMPLE:{name}"}
    }
    assert steps.doubts == ()


@pytest.mark.parametrize(
    ("kind", "name"),
    [*_each(FOREIGN), *((kind, bad) for kind in (*WITH_POLICY, *BORROWED) for bad in BAD[:6])],
)
def test_no_other_name_reaches_a_policy(kind: str, name: object) -> None:
    """A name of another kind, one that is too long, or anything hostile is to be looked up."""
    steps = contain(_of_kind(kind, session_name=name), NOON)

    assert steps.deny_session is None
    assert ["look it up, in userIdentity.principalId" in doubt for doubt in steps.doubts] == [True]
    assert "rm -rf" not in repr(steps)
    assert "$(id)" not in repr(steps)


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("ecs_task", "id of a task"),
        ("eks_pod", "name of a pod's session"),
        ("lambda_function", "name of a function"),
        ("managed_instance", "instance id"),
        ("instance_identity", "instance id"),
        ("impersonated", "name of an instance, a task or a pod"),
    ],
)
def test_a_doubt_says_what_the_name_should_be(kind: str, form: str) -> None:
    """Who looks it up knows what to look for."""
    (doubt,) = contain(_of_kind(kind, session_name="x'y")).doubts

    assert f"missing or no {form}" in doubt


@pytest.mark.parametrize("kind", ["ecs_task", "eks_pod"])
def test_of_a_task_or_pod_the_deny_comes_first(kind: str) -> None:
    """It stops that one alone; then the task is stopped, and another role comes last."""
    steps = contain(_of_kind(kind))

    noun = WORKLOADS[kind].noun
    places = [
        steps.order.index(words)
        for words in (
            "First deny the session",
            f"this one {noun}",
            f"other {noun}s of the role go on",
            f"Then {'stop' if kind == 'ecs_task' else 'delete'} the {noun}",
            "another role, and then revoke the older sessions",
        )
    ]
    assert places == sorted(places)
    assert steps.deny_first


def test_the_next_key_of_a_pod_has_another_name() -> None:
    """The deny of one key is not the end of it: whoever reads this deletes the pod."""
    assert "its next key comes under another name" in contain(_of_kind("eks_pod")).order


def test_a_function_gets_another_role_first() -> None:
    """As all that runs it has one session name, the deny stops the function as a whole."""
    steps = contain(_of_kind("lambda_function"))

    assert steps.order.startswith("First give the function another role, and only then deny")
    assert "stops the function as a whole" in steps.order
    assert not steps.deny_first


def test_a_managed_instance_is_isolated_first() -> None:
    """Its agent would fetch fresh keys; the deny stops Systems Manager there and nothing else."""
    steps = contain(_of_kind("managed_instance"))

    assert steps.order.startswith("First isolate the instance")
    assert "what Systems Manager does on this one instance" in steps.order
    assert not steps.deny_first


@pytest.mark.parametrize(
    ("kind", "last"),
    [("ec2", "give it another instance profile"), ("managed_instance", "isolate it")],
)
def test_an_instance_that_is_down_is_denied_first(kind: str, last: str) -> None:
    """It fetches no keys, so the deny need not wait; what is next is for the day it starts."""
    steps = contain(_of_kind(kind, verdict="not_running"))

    assert "see in EC2 that it is down" in steps.order
    assert "deny the session first" in steps.order
    assert f"Before it is started again, {last}" in steps.order
    assert steps.deny_first
    assert steps.deny_session == contain(_of_kind(kind)).deny_session


@pytest.mark.parametrize("name", ["AppRole", f"{MANAGEMENT}2", MANAGEMENT.lower()])
def test_a_managed_instance_has_one_role_alone(name: str) -> None:
    """No policy is written into another role on the word of a record of this kind."""
    steps = contain(
        _of_kind("managed_instance", role_arn=f"arn:aws:iam::{ACCOUNT}:role/{name}"), NOON
    )

    assert MANAGEMENT_ROLE == MANAGEMENT
    assert steps.account_id is None
    assert for_programs(steps)["commands"] == []
    assert [f"is not {MANAGEMENT}" in doubt for doubt in steps.doubts] == [True]


def test_an_identity_role_gets_no_policy() -> None:
    """AWS owns it: there is neither a policy nor a command, and the card says what to do."""
    steps = contain(_of_kind("instance_identity"), NOON)

    assert (steps.deny_session, steps.revoke_older, steps.account_id) == (None, None, None)
    assert "no policy can be written into it" in steps.order
    assert "Isolate the instance or stop it" in steps.order
    assert "live on for hours" in steps.order
    assert steps.doubts == ()


@pytest.mark.parametrize(
    "role_id", [*BAD, "AROAEXAMPLE", "444455556666:aws:ec2-instance", f"{ACCOUNT}:aws:ec2-other"]
)
def test_an_identity_role_of_another_id_is_doubted(role_id: object) -> None:
    """It may be any other role: a word to see which, without the value."""
    steps = contain(_of_kind("instance_identity", role_id=role_id))

    assert [":aws:ec2-instance" in doubt for doubt in steps.doubts] == [True]
    assert "rm -rf" not in repr(steps)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("i-01234567", "an instance"),
        (HEX, "a task"),
        (f"eks-a-b-{UUID}", "a pod"),
        ("x'y", "a workload"),
    ],
)
@pytest.mark.parametrize("kind", BORROWED)
def test_a_borrowed_name_is_called_what_it_is(kind: str, name: str, said: str) -> None:
    """The workload of that name is named, as the deny may stop it, too."""
    order = contain(_of_kind(kind, session_name=name)).order

    assert f"name of {said}" in order or f"that of {said}" in order
    assert f"that {said.split()[1]}" in order


def test_a_session_that_a_workload_assumed_is_contained_at_its_source() -> None:
    """The session that assumed the role comes first: it would assume it again."""
    steps = contain(_of_kind("self_assumed"))

    assert steps.order.startswith("First contain the session that assumed this role")
    assert not steps.deny_first


@pytest.mark.parametrize(("minutes", "doubts"), [(-1, 1), (0, 0), (600, 0)])
def test_a_replacement_before_the_theft_is_doubted(minutes: float, doubts: int) -> None:
    """A time that is too early leaves keys alive; a later one is as it should be."""
    steps = contain(finding(), after(minutes))

    assert len(steps.doubts) == doubts
    assert all("stay alive" in doubt for doubt in steps.doubts)
    assert steps.revoke_older is not None
    assert steps.revoke_older.command is not None


def test_programs_get_the_commands_in_order() -> None:
    """Only such as can be run as they are; without the time there is none that revokes."""
    early, late = for_programs(contain(finding())), for_programs(contain(finding(), NOON))

    assert [_words(command)[3] for command in late["commands"]] == [
        "--policy-name=credtrail-deny-i-0123456789abcdef0",
        "--policy-name=credtrail-revoke-older",
    ]
    assert early["commands"] == late["commands"][:1]
    assert set(late) == {"order", "doubts", "account_id", "commands"}
    assert (late["account_id"], late["doubts"]) == (ACCOUNT, [])
    assert for_programs(contain(finding(role_arn=None), NOON))["commands"] == []


def test_a_finding_of_which_little_is_known_is_no_obstacle() -> None:
    """All three doubts are told at once, and the policy by time is there all the same."""
    steps = contain(dict.fromkeys(finding()), datetime(2026, 3, 2, tzinfo=UTC))

    assert len(steps.doubts) == 3
    assert steps.deny_session is None
    assert steps.revoke_older is not None
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


def test_the_runbook_leads_to_the_steps_of_every_kind() -> None:
    """A row for each kind of session, and what a row links to is a section of the page."""
    text = _runbook()
    titles = re.findall(r"^### (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}

    rows = [line for line in text.splitlines() if line.startswith("| `")]
    links = re.findall(r"\]\(#(.*?)\)", text)

    assert [
        kind for kind in (*WORKLOADS, *BORROWED) if not any(f"`{kind}`" in r for r in rows)
    ] == []
    assert len(links) == len(WORKLOADS)
    assert set(links) <= anchors


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
