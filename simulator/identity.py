"""Who makes a call: ``userIdentity`` of a record, for every kind of caller."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from simulator.moments import iso

if TYPE_CHECKING:
    from datetime import datetime

Json = dict[str, Any]

IMDS_V1, IMDS_V2 = "1.0", "2.0"
"""``ec2RoleDelivery``: how the instance got the key from its metadata service."""

INSTANCE, FUNCTION = "AWS::EC2::Instance", "AWS::Lambda::Function"
"""``issuerType``: what a key was issued to, where AWS says it."""

_RESOURCES = {
    INSTANCE: "ec2:{region}:{account}:instance/{id}",
    FUNCTION: "lambda:{region}:{account}:function:{id}",
}


class Style(StrEnum):
    """What records look like.

    ``modern``: event version 1.11, with ``inScopeOf``, ``ec2RoleDelivery``, ``tlsDetails``,
    ``vpcEndpointAccountId``, ``eventCategory`` and ``managementEvent``. ``2018``: 1.05, with none
    of them, nor ``readOnly``, which most records of that year lack.
    """

    MODERN = "modern"
    OF_2018 = "2018"


@dataclass(frozen=True, slots=True)
class Role:
    """An IAM role. Its path is part of its ARN, but not of the ARN of its sessions."""

    account: str
    name: str
    id: str
    path: str = "/"
    partition: str = "aws"

    @property
    def arn(self) -> str:
        """ARN of the role."""
        return f"arn:{self.partition}:iam::{self.account}:role{self.path}{self.name}"

    def session_arn(self, session: str) -> str:
        """Return the ARN of a session of the role."""
        return f"arn:{self.partition}:sts::{self.account}:assumed-role/{self.name}/{session}"


@dataclass(frozen=True, slots=True)
class Key:
    """A temporary access key; ``delivery`` is empty where no instance got it."""

    id: str
    issued: datetime
    expires: datetime
    delivery: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """An EC2 instance, or another workload, with its role: its id names the role's sessions."""

    id: str
    role: Role
    region: str


def of_workload(machine: Machine, key: Key, style: Style, scope: str = INSTANCE) -> Json:
    """Return the identity of calls signed with a key that AWS gave an instance or other workload.

    Args:
        machine: whose key it is.
        key: which one.
        style: only modern records say how a key was delivered, and to what.
        scope: what keys of such a workload are issued to; empty where no record says it.
    """
    identity = of_session(machine.role, machine.id, key)
    if style is Style.MODERN and key.delivery:
        identity["sessionContext"]["ec2RoleDelivery"] = key.delivery
    if style is Style.MODERN and scope:
        identity["inScopeOf"] = in_scope_of(machine, scope)
    return identity


def in_scope_of(machine: Machine, scope: str = INSTANCE) -> Json:
    """Return what AWS itself says of whom credentials were issued to: no caller can choose it."""
    role = machine.role
    named = _RESOURCES[scope].format(region=machine.region, account=role.account, id=machine.id)
    return {"issuerType": scope, "credentialsIssuedTo": f"arn:{role.partition}:{named}"}


def of_session(role: Role, session: str, key: Key) -> Json:
    """Return the identity of a role session, whoever assumed the role."""
    return {
        "type": "AssumedRole",
        "principalId": f"{role.id}:{session}",
        "arn": role.session_arn(session),
        "accountId": role.account,
        "accessKeyId": key.id,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": role.id,
                "arn": role.arn,
                "accountId": role.account,
                "userName": role.name,
            },
            "attributes": {"creationDate": iso(key.issued), "mfaAuthenticated": "false"},
        },
    }


def of_user(
    account: str, name: str, user_id: str, access_key_id: str, partition: str = "aws"
) -> Json:
    """Return the identity of an IAM user."""
    return {
        "type": "IAMUser",
        "principalId": user_id,
        "arn": f"arn:{partition}:iam::{account}:user/{name}",
        "accountId": account,
        "accessKeyId": access_key_id,
        "userName": name,
    }


def of_service(name: str) -> Json:
    """Return the identity of an AWS service that acts by itself."""
    return {"type": "AWSService", "invokedBy": name}


def on_behalf(identity: Json, service: str) -> Json:
    """Return the identity of calls that a service makes for somebody."""
    return {**identity, "invokedBy": service}
