"""Workloads other than EC2 instances: what their records show, and which mistakes are told."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from simulator.calls import host, logged_in
from simulator.identity import Style
from simulator.play import Played, play
from simulator.story import StoryError
from simulator.story_file import parse

if TYPE_CHECKING:
    from simulator.record import Record

START = datetime(2026, 3, 2, 22, 0, tzinfo=UTC)

STORY = """
title = "One of every kind"
quiet = true

[instance.web]
role = "WebServer"
from = "52.43.10.7"
off = ["4h..5h"]

[workload.ecs]
kind = "ecs_task"
role = "Task"
from = "52.43.10.8"

[workload.a-pod-of-long-name]
kind = "eks_pod"
role = "Pod"
from = "52.43.10.9"

[workload.resize]
kind = "lambda_function"
role = "Function"
from = "52.43.10.10"

[workload.identity]
kind = "instance_identity"
on = "web"
from = "52.43.10.7"

[workload.managed]
kind = "managed_instance"
on = "web"
from = "52.43.10.7"
born = "1m"

[workload.disk]
kind = "ec2_infrastructure"
on = "web"
from = "AWS Internal"

[thief.curl]
steals = "identity"
delivery = "v1"
from = "67.178.52.232"

[thief.mallory]
steals = "ecs"
stolen = "1h"
from = "67.178.52.232"

[role.forger]
role = "Support"
assumed_by = "web"
session = "{ecs}"
from = "52.43.10.7"
"""
ACTORS = re.findall(r"^\[(?:workload|thief|role)\.(\S+)]", STORY, re.MULTILINE)


def told(style: Style = Style.MODERN, region: str = "us-west-2") -> Played:
    """The story, in which every actor calls once, seven hours after the start."""
    steps = "".join(
        f'[[step]]\nat = "7h"\nwho = "{name}"\ncall = "sts:GetCallerIdentity"\n' for name in ACTORS
    )
    return play(parse(f'region = "{region}"\n{STORY}{steps}', "kinds.toml"), START, 1, style)


def calls(style: Style = Style.MODERN) -> dict[str, Record]:
    """What every actor calls."""
    made = [r for r in told(style).records if r["eventName"] == "GetCallerIdentity"]
    return dict(zip(ACTORS, made, strict=True))


def keys(actor: str, style: Style = Style.MODERN) -> list[Record]:
    """AssumeRole calls that give an actor its keys."""
    played = told(style)
    named = next(s.session_name for s in played.labels.sessions if s.actor == actor)
    return [
        r
        for r in played.records
        if r["eventName"] == "AssumeRole"
        and r["requestParameters"]["roleSessionName"] == named
        and r["userIdentity"]["type"] == "AWSService"
    ]


def life(issued: Record) -> timedelta:
    """How long an issued key lives."""
    text = issued["responseElements"]["credentials"]["expiration"]
    end = datetime.strptime(text, "%b %d, %Y, %I:%M:%S %p").replace(tzinfo=UTC)
    return end - datetime.strptime(issued["eventTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("actor", "name", "service", "hours"),
    [
        ("ecs", "[0-9a-f]{32}", "ecs-tasks.amazonaws.com", 6),
        (
            "a-pod-of-long-name",
            "eks-production-a-pod-of-lon-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
            "pods.eks.amazonaws.com",
            6,
        ),
        ("resize", "resize", "lambda.amazonaws.com", 12),
    ],
)
def test_a_service_assumes_the_role(actor: str, name: str, service: str, hours: int) -> None:
    """The service names the session; its key signs the calls, until another one does."""
    issued, call = keys(actor), calls()[actor]

    assert len(issued) > 1
    for record in issued:
        assert record["userIdentity"] == {"type": "AWSService", "invokedBy": service}
        assert record["sourceIPAddress"] == record["userAgent"] == service
        assert record["sharedEventID"]
        assert life(record) == timedelta(hours=hours)
    session = issued[-1]["requestParameters"]["roleSessionName"]
    who = call["userIdentity"]
    assert re.fullmatch(name, session)
    assert len(session) <= 64
    assert who["arn"].endswith(f"/{session}")
    assert who["principalId"].endswith(f":{session}")
    assert who["accessKeyId"] == issued[-1]["responseElements"]["credentials"]["accessKeyId"]
    assert "ec2RoleDelivery" not in who["sessionContext"]
    assert call["tlsDetails"]


def test_a_task_of_2018_has_a_uuid() -> None:
    """Tasks had longer ids then."""
    session = keys("ecs", Style.OF_2018)[0]["requestParameters"]["roleSessionName"]

    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", session)


def test_what_eks_asks_for() -> None:
    """EKS tells how long a key shall live, and for which pod; the response names the session."""
    issued = keys("a-pod-of-long-name")[0]

    asked = issued["requestParameters"]
    tags = {tag["key"]: tag["value"] for tag in asked["tags"]}
    assert asked["durationSeconds"] == 21_600
    assert asked["transitiveTagKeys"] == list(tags)
    assert tags["kubernetes-pod-name"] == "a-pod-of-long-name"
    assert tags["eks-cluster-arn"] == "arn:aws:eks:us-west-2:111122223333:cluster/production"
    assert issued["responseElements"]["assumedRoleUser"]["arn"].endswith(asked["roleSessionName"])
    assert "assumedRoleUser" not in keys("ecs")[0]["responseElements"]


def test_whom_a_key_was_issued_to() -> None:
    """Modern records say it of instances and functions alone; those of 2018 say nothing."""
    scopes = {name: r["userIdentity"].get("inScopeOf", {}) for name, r in calls().items()}

    web = scopes["identity"]["credentialsIssuedTo"]
    assert {name for name, scope in scopes.items() if scope} == {
        "resize",
        "identity",
        "disk",
        "curl",
    }
    assert scopes["resize"] == {
        "issuerType": "AWS::Lambda::Function",
        "credentialsIssuedTo": "arn:aws:lambda:us-west-2:111122223333:function:resize",
    }
    assert re.fullmatch(r"arn:aws:ec2:us-west-2:111122223333:instance/i-0[0-9a-f]{16}", web)
    assert web == scopes["disk"]["credentialsIssuedTo"]
    assert not any("inScopeOf" in r["userIdentity"] for r in calls(Style.OF_2018).values())


def test_the_identity_of_an_instance() -> None:
    """Its role is AWS's own, without an id; it comes by the metadata service, like any other."""
    made, played = calls(), told()

    who, thief = made["identity"]["userIdentity"], made["curl"]["userIdentity"]
    instance = played.labels.sessions[0].session_name
    assert who["principalId"] == f"111122223333:aws:ec2-instance:{instance}"
    assert who["arn"] == f"arn:aws:sts::111122223333:assumed-role/aws:ec2-instance/{instance}"
    issuer = who["sessionContext"]["sessionIssuer"]
    assert issuer["principalId"] == "111122223333:aws:ec2-instance"
    assert issuer["arn"] == "arn:aws:iam::111122223333:role/aws:ec2-instance"
    assert who["sessionContext"]["ec2RoleDelivery"] == "2.0"
    assert thief["sessionContext"]["ec2RoleDelivery"] == "1.0"
    assert thief["accessKeyId"] != who["accessKeyId"]
    roles = [
        r["requestParameters"]["roleArn"] for r in played.records if r["eventName"] == "AssumeRole"
    ]
    assert not any("aws:ec2-instance" in role for role in roles)


def test_a_managed_instance() -> None:
    """Its identity asks for its keys, twice an hour, unless it is switched off."""
    records, call = told().records, calls()["managed"]

    asked = [r for r in records if r["eventName"] == "RequestManagedInstanceRoleToken"]
    who = call["userIdentity"]
    issuer = who["sessionContext"]["sessionIssuer"]
    assert issuer["arn"].endswith(":role/service-role/" + issuer["userName"])
    assert issuer["userName"] == "AWSSystemsManagerDefaultEC2InstanceManagementRole"
    assert "amazon-ssm-agent" in call["userAgent"]
    assert "ec2RoleDelivery" not in who["sessionContext"]
    instance = who["arn"].rpartition("/")[2]
    for record in asked:
        assert ":aws:ec2-instance:" in record["userIdentity"]["principalId"]
        assert record["requestParameters"] == {"fingerprint": instance}
        assert record["sourceIPAddress"] == "52.43.10.7"
    times = [record["eventTime"][11:16] for record in asked]
    assert times[:8] == [f"{h}:{m}" for h in (22, 23, "00", "01") for m in ("01", "31")]
    assert times[8:] == ["03:00", "03:30", "04:00", "04:30", "05:00"]
    assert asked[-1]["responseElements"]["accessKeyId"] == who["accessKeyId"]
    assert asked[-1]["responseElements"]["tokenExpirationDate"] == "2026-03-03T06:00:00Z"


def test_a_thief_keeps_the_key_of_a_task() -> None:
    """The key of one hour after the start is the first one, and is used for ever."""
    issued, thief = keys("ecs"), calls()["mallory"]

    first = issued[0]["responseElements"]["credentials"]["accessKeyId"]
    assert thief["userIdentity"]["accessKeyId"] == first


def test_a_forged_name() -> None:
    """Braces stand for the session name of a task, which anybody may choose."""
    made = calls()

    task, forger = (made[name]["userIdentity"]["arn"] for name in ("ecs", "forger"))
    assert task.rpartition("/")[2] == forger.rpartition("/")[2]
    assert task != forger


def test_labels_tell_the_kind() -> None:
    """Each session is labelled by its kind, with the role id that its records show."""
    played = told()

    shown = {
        r["userIdentity"]["sessionContext"]["sessionIssuer"]["principalId"]
        for r in played.records
        if r["userIdentity"]["type"] == "AssumedRole"
    }
    sessions = {s.actor: s for s in played.labels.sessions}
    kinds = {name: session.kind for name, session in sessions.items()}
    assert {session.role_id for name, session in sessions.items() if name != "web"} <= shown
    assert kinds == {
        "web": "ec2",
        "ecs": "ecs_task",
        "a-pod-of-long-name": "eks_pod",
        "resize": "lambda_function",
        "identity": "instance_identity",
        "managed": "managed_instance",
        "disk": "ec2_infrastructure",
        "forger": "assumed",
    }


@pytest.mark.parametrize(
    ("region", "partition", "home"),
    [
        ("eu-west-1", "aws", "us-east-1"),
        ("us-gov-east-1", "aws-us-gov", "us-gov-west-1"),
        ("cn-northwest-1", "aws-cn", "cn-north-1"),
    ],
)
def test_partitions(region: str, partition: str, home: str) -> None:
    """All ARNs are of the region's partition; services without a region are logged in one."""
    arns = set(re.findall(r"'arn:([^:]+):", str(told(region=region).records)))

    assert arns == {partition}
    assert logged_in("iam", region) == home
    assert logged_in("ec2", region) == region


@pytest.mark.parametrize(
    ("service", "region", "ipv6", "name"),
    [
        ("ec2", "eu-west-1", False, "ec2.eu-west-1.amazonaws.com"),
        ("ec2", "eu-west-1", True, "ec2.eu-west-1.api.aws"),
        ("eks-auth", "eu-west-1", False, "eks-auth.eu-west-1.api.aws"),
        ("iam", "eu-west-1", False, "iam.amazonaws.com"),
        ("iam", "us-gov-east-1", False, "iam.us-gov.amazonaws.com"),
        ("ec2", "cn-northwest-1", False, "ec2.cn-northwest-1.amazonaws.com.cn"),
        ("ec2", "cn-northwest-1", True, "ec2.cn-northwest-1.api.amazonwebservices.com.cn"),
        ("iam", "cn-northwest-1", False, "iam.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_hosts(service: str, region: str, ipv6: bool, name: str) -> None:  # noqa: FBT001
    """Servers have names of their own in each partition."""
    assert host(service, region, ipv6=ipv6) == name


@pytest.mark.parametrize(
    ("good", "bad", "wrong"),
    [
        (
            'kind = "ecs_task"',
            'kind = "ec2"',
            'workload.ecs, kind: found "ec2". Write one of ecs_task, ',
        ),
        ('kind = "ecs_task"\n', "", "workload.ecs, kind: it is missing. Write one of ecs_task, "),
        ('kind = "ecs_task"', "kind = []", "workload.ecs, kind: found []. Write one of"),
        ('role = "Task"\n', "", "workload.ecs, role: it is missing. ecs_task needs a role."),
        (
            'role = "Task"',
            'role = "Task"\non = "web"',
            'workload.ecs, on: found "web". Leave it out: ecs_task has an id of its own.',
        ),
        (
            'kind = "instance_identity"',
            'kind = "instance_identity"\nrole = "Mine"',
            (
                'workload.identity, role: found "Mine". '
                "Leave it out: instance_identity has the role aws:ec2-instance."
            ),
        ),
        (
            'kind = "managed_instance"\non = "web"\n',
            'kind = "managed_instance"\n',
            (
                "workload.managed, on: it is missing. "
                "managed_instance bears the id of an instance: write its name."
            ),
        ),
        (
            'kind = "managed_instance"\non = "web"\n',
            'kind = "managed_instance"\non = "ecs"\n',
            'workload.managed, on: found "ecs". Write an instance. Known: web.',
        ),
        (
            'kind = "managed_instance"\n',
            'kind = "managed_instance"\nregion = "eu-west-1"\n',
            'workload.managed, region: found "eu-west-1". Leave it out: web is in us-west-2.',
        ),
        (
            'kind = "instance_identity"',
            'kind = "ec2_infrastructure"',
            (
                "workload.managed: nobody asks for its keys. "
                "Write a workload of kind instance_identity on web as well."
            ),
        ),
        (
            'kind = "instance_identity"',
            'kind = "instance_identity"\nborn = "2m"',
            (
                "workload.managed, born: before anybody can ask for its keys. "
                "The instance_identity asks for its keys: let that be born first."
            ),
        ),
        (
            'stolen = "1h"',
            'delivery = "v1"',
            'thief.mallory, delivery: found "v1". Leave it out: ecs gets its keys elsewhere.',
        ),
        (
            'steals = "ecs"',
            'steals = "forger"',
            'thief.mallory, steals: found "forger". Write an instance or workload. Known: web, ',
        ),
        ('off = ["4h..5h"]', 'off = ["4h..8h"]', "step 4, at: while identity is off."),
        ("[workload.resize]", '[workload.resize]\nborn = "8h"', "before resize is born"),
        ("[workload.resize]", "[workload.resize]\noff = []", "workload.resize, off: unknown key."),
    ],
)
def test_mistakes(good: str, bad: str, wrong: str) -> None:
    """A workload that cannot be is told, with what would be right."""
    steps = "".join(
        f'[[step]]\nat = "7h"\nwho = "{name}"\ncall = "s3:ListBuckets"\n' for name in ACTORS
    )
    assert STORY.count(good) == 1

    with pytest.raises(StoryError) as error:
        parse(STORY.replace(good, bad) + steps, "kinds.toml")

    lines = str(error.value).splitlines()
    assert any(wrong in line for line in lines), lines
