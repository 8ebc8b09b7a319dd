"""Containment: the policies that stop a stolen session, and the commands that attach them.

All that a finding says comes from CloudTrail, where whoever calls AWS chooses names. A value goes
into a policy or a command only if it has the very form that AWS gives it. What has another form
is never shown: a person is told to look it up.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.show import iso, utc
from transforms.workloads import (
    EC2,
    ECS_TASK,
    EKS_POD,
    INSTANCE_IDENTITY,
    INSTANCE_NAME,
    LAMBDA,
    MANAGED_INSTANCE,
    MANAGEMENT_ROLE,
    TASK_NAME,
    UUID,
    WORKLOADS,
)

Row = Mapping[str, Any]

REPLACED_AT = "WRITE-HERE-WHEN-THE-PROFILE-WAS-REPLACED"
"""Stands in the policy that revokes older sessions as long as nobody said when that was."""

IAM_REGIONS = {
    "aws": "us-east-1",
    "aws-cn": "cn-north-1",
    "aws-us-gov": "us-gov-west-1",
    "aws-iso": "us-iso-east-1",
    "aws-iso-b": "us-isob-east-1",
    "aws-iso-e": "eu-isoe-west-1",
    "aws-iso-f": "us-isof-south-1",
    "aws-eusc": "eusc-de-east-1",
}
"""Region in which IAM of a partition is reached."""

_ROLE_ARN = re.compile(
    r"arn:(aws[a-z-]{0,16}):iam::([0-9]{12}):role/(?:[!-~]{0,510}/)?([A-Za-z0-9_+=,.@-]{1,64})"
)
_ROLE_ID = re.compile(r"AROA[A-Z0-9]{1,124}")
_WIDTH = 58

_POD_NAME = f"eks-[0-9A-Za-z][0-9A-Za-z_.-]{{0,22}}-{UUID}"
_INSTANCE_FORM = "instance id (i- and 8 to 17 of 0-9a-f)"


@dataclass(frozen=True)
class _Plan:
    """How sessions of one kind are stopped."""

    order: str
    name: str
    """Pattern of the names that AWS gives such sessions; all else is never passed on."""
    form: str
    """What such a name is, in words."""
    deny_first: bool = False
    """Denying the session breaks nothing that has to go on."""
    role_name: str | None = None
    """The one role that such sessions have."""


_PLANS = {
    EC2: _Plan(
        "First give the instance another instance profile, or replace it, and only then deny the "
        "old keys: while the instance has this role, the deny below stops it, too, and a deny by "
        "time lets it fetch fresh keys, which a thief with a foothold gets as well.",
        INSTANCE_NAME,
        _INSTANCE_FORM,
    ),
    ECS_TASK: _Plan(
        "First deny the session: the deny stops this one task and whoever has its keys, and other "
        "tasks of the role go on. Then stop the task: its service starts another, under another "
        "name. If a hole let the keys be read, those of the next task can be read, too: give the "
        "tasks another role, and then revoke the older sessions of this one.",
        TASK_NAME,
        "id of a task (32 of 0-9a-f, or a UUID)",
        deny_first=True,
    ),
    EKS_POD: _Plan(
        "First deny the session: the deny stops whoever has this key, and this one pod as long as "
        "it uses that key; other pods of the role go on. Then delete the pod: its next key comes "
        "under another name, which the deny does not stop. If a hole let the key be read, those of "
        "the next pod can be read, too: give the service account another role, and then revoke the "
        "older sessions of this one.",
        _POD_NAME,
        "name of a pod's session (eks-, cluster, pod and a UUID, 64 characters at most)",
        deny_first=True,
    ),
    LAMBDA: _Plan(
        "First give the function another role, and only then deny the old keys: all that runs the "
        "function has one session name, that of the function. As long as the function has this "
        "role, the deny below stops the function as a whole, in every region that has one of this "
        "name and role.",
        "[0-9A-Za-z_-]{1,64}",
        "name of a function (letters, digits, hyphens and underscores, 64 at most)",
    ),
    MANAGED_INSTANCE: _Plan(
        "First isolate the instance, which cuts it off from Systems Manager: while its agent gets "
        "through, it fetches fresh keys, and an EC2 instance can't be deregistered there. Then "
        "deny the session: the deny stops what Systems Manager does on this one instance. What "
        "else runs there has another role, and goes on.",
        INSTANCE_NAME,
        _INSTANCE_FORM,
        role_name=MANAGEMENT_ROLE,
    ),
    INSTANCE_IDENTITY: _Plan(
        "Nothing can be denied here: AWS owns the role by which an instance identifies itself, and "
        "no policy can be written into it. Isolate the instance or stop it, so that nobody fetches "
        "fresh keys there. Keys that are out live on for hours, whatever you do. They open "
        "few doors, but one leads on: Systems Manager gives their holder keys of "
        f"{MANAGEMENT_ROLE}. Look for findings of that session, too.",
        INSTANCE_NAME,
        _INSTANCE_FORM,
    ),
}

_DOWN = {
    EC2: _Plan(
        "The instance was stopped or terminated: see in EC2 that it is down. If so, it fetches no "
        "keys: deny the session first, which stops whoever has those that are out. Before it is "
        "started again, give it another instance profile: the deny would stop it, too.",
        INSTANCE_NAME,
        _INSTANCE_FORM,
        deny_first=True,
    ),
    MANAGED_INSTANCE: _Plan(
        "The instance was stopped or terminated: see in EC2 that it is down. If so, its agent "
        "fetches no keys: deny the session first, which stops whoever has those that are out. "
        "Before it is started again, isolate it, so that nobody there fetches fresh keys.",
        INSTANCE_NAME,
        _INSTANCE_FORM,
        deny_first=True,
        role_name=MANAGEMENT_ROLE,
    ),
}
"""How sessions of instances that are down are stopped."""

_BORROWED = {
    "impersonated": (
        "First take the right to assume this role from whoever assumed it (the role's trust "
        "policy, or the assumer's own rights), and only then deny the session, which bears the "
        "name of {a_workload}: the deny stops that {workload}, too, if it has this role."
    ),
    "self_assumed": (
        "First contain the session that assumed this role: it has the same name, that of "
        "{a_workload}, and it can assume the role again. Only then deny this one: the deny stops "
        "what that {workload} does with this role, too."
    ),
}
"""Order of steps for sessions of somebody else that bear the name of a workload."""


@dataclass(frozen=True)
class Denial:
    """A policy to write into the role."""

    policy: str
    """JSON, on one line."""
    command: str | None
    """Writes it into the role; none while a value that it needs is unknown."""


@dataclass(frozen=True)
class Containment:
    """What stops the session of a finding."""

    order: str
    """What comes first, and why."""
    account_id: str | None
    """Account in which the commands are to be run."""
    deny_first: bool
    """The session is to be denied before anything else is done."""
    deny_session: Denial | None
    """Denies everything to this one session, whichever key it uses, now and later."""
    revoke_older: Denial | None
    """Denies everything to all sessions of the role whose key is older than a given time."""
    doubts: tuple[str, ...]
    """Which values look wrong, and how to look them up."""


@dataclass(frozen=True)
class _Role:
    partition: str
    account_id: str
    name: str


def contain(finding: Row, replaced_at: datetime | None = None) -> Containment:
    """Return what stops the session of a finding.

    Args:
        finding: row of the table ``findings``.
        replaced_at: when the workload got its other role. Keys issued since then belong to
            workloads that run as they should. No time of the finding will do: keys that were
            issued after it, and before the role was replaced, would stay alive.
    """
    plan = _plan(finding)
    if finding["session_kind"] == INSTANCE_IDENTITY:
        doubts = tuple(_doubts_of_identity(finding, plan))
        return Containment(plan.order, None, plan.deny_first, None, None, doubts)
    role, user_id = _role(finding, plan), _user_id(finding, plan)
    deny = _policy("StringEquals", "aws:userId", user_id) if user_id else None
    revoke = _policy(
        "DateLessThan", "aws:TokenIssueTime", iso(replaced_at) if replaced_at else REPLACED_AT
    )
    return Containment(
        order=plan.order,
        account_id=role.account_id if role else None,
        deny_first=plan.deny_first,
        deny_session=_denial(role, f"credtrail-deny-{finding['session_name']}", deny)
        if deny
        else None,
        revoke_older=_denial(role if replaced_at else None, "credtrail-revoke-older", revoke),
        doubts=(*_doubts(finding, plan), *_doubts_of_time(finding, replaced_at)),
    )


def for_programs(steps: Containment) -> dict[str, Any]:
    """Return containment as JSON has it: the commands that can be run as they are, in order."""
    denials = (steps.deny_session, steps.revoke_older)
    return {
        "order": steps.order,
        "doubts": list(steps.doubts),
        "account_id": steps.account_id,
        "commands": [denial.command for denial in denials if denial and denial.command],
    }


def _plan(finding: Row) -> _Plan:
    """Return the plan for a session's kind; of borrowed names, what the name tells."""
    kind, name = _text(finding["session_kind"]), _text(finding["session_name"])
    if kind not in _BORROWED:
        plan = _PLANS.get(kind, _PLANS[EC2])
        return _DOWN.get(kind, plan) if finding["verdict"] == "not_running" else plan
    lent = (EC2, ECS_TASK, EKS_POD)
    owner = next((one for one in lent if re.fullmatch(_PLANS[one].name, name)), None)
    article, noun = (
        (WORKLOADS[owner].article, WORKLOADS[owner].noun) if owner else ("a", "workload")
    )
    return _Plan(
        _BORROWED[kind].format(a_workload=f"{article} {noun}", workload=noun),
        "|".join(_PLANS[one].name for one in lent),
        "name of an instance, a task or a pod",
    )


def _role(finding: Row, plan: _Plan) -> _Role | None:
    """Return the role, if its ARN is one, of the account of the finding and of the plan."""
    match = _ROLE_ARN.fullmatch(_text(finding["role_arn"]))
    if match is None:
        return None
    role = _Role(*match.groups())
    known = role.partition in IAM_REGIONS and role.account_id == finding["account_id"]
    return role if known and plan.role_name in {None, role.name} else None


def _user_id(finding: Row, plan: _Plan) -> str | None:
    """Return what ``aws:userId`` is for this session, if both of its parts look right."""
    role_id, name = _text(finding["role_id"]), _text(finding["session_name"])
    looks_right = _ROLE_ID.fullmatch(role_id) and re.fullmatch(plan.name, name)
    return f"{role_id}:{name}" if looks_right else None


def _doubts(finding: Row, plan: _Plan) -> Iterator[str]:
    if _role(finding, plan) is None:
        other = f", is not {plan.role_name}" if plan.role_name else ""
        yield (
            f"The role's ARN is missing or looks wrong{other}, or it is of another account than "
            "the finding: look the role up, in IAM, before you change one."
        )
    if not _ROLE_ID.fullmatch(_text(finding["role_id"])):
        yield (
            "The role's id is missing or looks wrong (it should be AROA and capitals or digits): "
            "look it up, aws iam get-role shows it as RoleId."
        )
    yield from _doubts_of_name(finding, plan)


def _doubts_of_identity(finding: Row, plan: _Plan) -> Iterator[str]:
    if finding["role_id"] != f"{finding['account_id']}:aws:ec2-instance":
        yield (
            "The role's id is missing or looks wrong (it should be the account's id and "
            ":aws:ec2-instance): see userIdentity of the calls for the role that this really is."
        )
    yield from _doubts_of_name(finding, plan)


def _doubts_of_name(finding: Row, plan: _Plan) -> Iterator[str]:
    if not re.fullmatch(plan.name, _text(finding["session_name"])):
        yield (
            f"The session's name is missing or no {plan.form}: look it up, in "
            "userIdentity.principalId of the calls it is what follows the last colon."
        )


def _doubts_of_time(finding: Row, replaced_at: datetime | None) -> Iterator[str]:
    first_seen = finding["first_seen"]
    if replaced_at and first_seen and utc(replaced_at) < utc(first_seen):
        yield (
            "The role was replaced before the first suspicious call, if the time is right. If it "
            "is too early, keys that were issued since then stay alive: make sure."
        )


def _policy(operator: str, key: str, value: str) -> str:
    condition = {operator: {key: value}}
    statement = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def _denial(role: _Role | None, name: str, policy: str) -> Denial:
    return Denial(policy, _put(role, name, policy) if role else None)


def _put(role: _Role, name: str, policy: str) -> str:
    """Return the command, folded: the policy has blanks between its parts only.

    The equals sign keeps a role name that begins with a hyphen from being read as an option.
    """
    region = [] if role.partition == "aws" else [f"--region={IAM_REGIONS[role.partition]}"]
    first = "--policy-document='"
    document = textwrap.wrap(
        policy,
        _WIDTH,
        initial_indent=f"  {first}",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    options = [
        *region,
        f"--role-name={role.name}",
        f"--policy-name={name}",
        "\n".join(document).lstrip() + "'",
    ]
    return " \\\n  ".join(["aws iam put-role-policy", *options])


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
