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

from jobs.show import iso

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
_INSTANCE = re.compile(r"i-[0-9a-f]{8,17}")
_WIDTH = 58

_ORDER = (
    "First give the instance another instance profile, or replace it, and only then deny the old "
    "keys: while the instance has this role, the deny below stops it, too, and a deny by time "
    "lets it fetch fresh keys, which a thief with a foothold gets as well."
)
_ORDER_IMPERSONATED = (
    "First take the right to assume this role from whoever assumed it (the role's trust policy, "
    "or the assumer's own rights), and only then deny the session, which bears the name of an "
    "instance: the deny stops that instance, too."
)


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
    deny_session: Denial | None
    """Denies everything to this one session, whichever key it uses, now and later."""
    revoke_older: Denial
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
        replaced_at: when the instance got its other profile. Keys issued since then belong to
            instances that run as they should. No time of the finding will do: keys that were
            issued after it, and before the profile was replaced, would stay alive.
    """
    role, user_id = _role(finding), _user_id(finding)
    deny = _policy("StringEquals", "aws:userId", user_id) if user_id else None
    revoke = _policy(
        "DateLessThan", "aws:TokenIssueTime", iso(replaced_at) if replaced_at else REPLACED_AT
    )
    return Containment(
        order=_ORDER_IMPERSONATED if finding["session_kind"] == "impersonated" else _ORDER,
        account_id=role.account_id if role else None,
        deny_session=_denial(role, f"credtrail-deny-{finding['session_name']}", deny)
        if deny
        else None,
        revoke_older=_denial(role if replaced_at else None, "credtrail-revoke-older", revoke),
        doubts=tuple(_doubts(finding)),
    )


def _role(finding: Row) -> _Role | None:
    """Return the role, if its ARN is one, of the account of the finding."""
    match = _ROLE_ARN.fullmatch(_text(finding["role_arn"]))
    if match is None:
        return None
    role = _Role(*match.groups())
    known = role.partition in IAM_REGIONS and role.account_id == finding["account_id"]
    return role if known else None


def _user_id(finding: Row) -> str | None:
    """Return what ``aws:userId`` is for this session, if both of its parts look right."""
    role_id, name = _text(finding["role_id"]), _text(finding["session_name"])
    looks_right = _ROLE_ID.fullmatch(role_id) and _INSTANCE.fullmatch(name)
    return f"{role_id}:{name}" if looks_right else None


def _doubts(finding: Row) -> Iterator[str]:
    if _role(finding) is None:
        yield (
            "The role's ARN is missing or looks wrong, or it is of another account than the "
            "finding: look the role up, in IAM, before you change one."
        )
    if not _ROLE_ID.fullmatch(_text(finding["role_id"])):
        yield (
            "The role's id is missing or looks wrong (it should be AROA and capitals or digits): "
            "look it up, aws iam get-role shows it as RoleId."
        )
    if not _INSTANCE.fullmatch(_text(finding["session_name"])):
        yield (
            "The session's name is missing or no instance id (i- and 8 to 17 of 0-9a-f): look it "
            "up, in userIdentity.principalId of the calls it is what follows the colon."
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
