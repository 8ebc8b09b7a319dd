"""Records look as CloudTrail writes them: today, and in 2018."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from simulator.play import play
from simulator.story_file import parse

if TYPE_CHECKING:
    from simulator.record import Record

START = datetime(2026, 3, 2, 22, 0, tzinfo=UTC)

STORY = """
title = "One of everything"
quiet = true

[endpoint]
vpce-0aaaaaaaaaaaaaaaa = "444455556666"

[instance.web]
role = "WebServer"
from = "52.43.10.7"

[user.admin]
from = "80.187.96.33"

[role.ci]
role = "Deployment"
session = "deploy-{web}"
assumed_by = "admin"
from = "80.187.96.33"

[role.task]
role = "Task"
assumed_by = "ecs-tasks.amazonaws.com"
from = "52.43.10.8"

[role.partner]
role = "Partner"
account = "444455556666"
assumed_by = "web"
from = "52.43.10.7"
"""

STEPS = {
    "own": 'who = "web"\ncall = "ec2:DescribeInstances"',
    "ssm": 'who = "web"\ncall = "ssm:UpdateInstanceInformation"',
    "endpoint": 'who = "web"\ncall = "kms:Decrypt"\nfrom = "vpce-0aaaaaaaaaaaaaaaa/10.0.1.20"',
    "unowned": 'who = "web"\ncall = "kms:Decrypt"\nfrom = "vpce-0bbbbbbbbbbbbbbbb/10.0.1.20"',
    "ipv6": 'who = "web"\ncall = "ec2:DescribeTags"\nfrom = "2600:1f14::1"',
    "service": 'who = "web"\ncall = "kms:Decrypt"\ninvoked_by = "athena.amazonaws.com"',
    "hidden": 'who = "web"\ncall = "ecr:BatchGetImage"\ninvoked_by = "AWS Internal"',
    "forwarded": 'who = "web"\ncall = "sts:GetCallerIdentity"\nfrom = "52.43.99.1"\n'
    'agent = "Go-http-client/1.1"',
    "denied": 'who = "web"\ncall = "iam:CreateUser"\nerror_code = "AccessDenied"\n'
    'parameters = { userName = "{web}" }',
    "object": 'who = "web"\ncall = "s3:GetObject"',
    "spoilt": 'who = "web"\ncall = "s3:ListBuckets"\n'
    'set = { eventTime = "soon", userIdentity = { arn = "?" }, extra = 1 }',
    "user": 'who = "admin"\ncall = "iam:ListRoles"',
    "role": 'who = "ci"\ncall = "ec2:DescribeInstances"',
    "task": 'who = "task"\ncall = "s3:ListBuckets"',
    "partner": 'who = "partner"\ncall = "s3:ListBuckets"',
    "start": 'who = "admin"\ncall = "ec2:StartInstances"\ntarget = "web"',
    "run": 'who = "admin"\ncall = "ec2:RunInstances"\ntarget = "web"\naddress = "10.0.1.20"',
    "address": 'who = "admin"\ncall = "ec2:AssociateAddress"\ntarget = "web"\n'
    'address = "52.43.11.1"',
    "make": 'who = "admin"\ncall = "ec2:CreateVpcEndpoint"\ntarget = "web"\n'
    'endpoint = "vpce-0aaaaaaaaaaaaaaaa"',
}

NEW_FIELDS = ("eventCategory", "managementEvent", "tlsDetails", "vpcEndpointAccountId")


def told(*names: str, style: str = "modern") -> list[Record]:
    """Records of some steps, in order, with what must come before them."""
    steps = "".join(f'\n[[step]]\nat = "{i}m"\n{STEPS[n]}\n' for i, n in enumerate(names, start=1))
    story = parse(f'style = "{style}"\n{STORY}{steps}', "everything.toml")
    return play(story, START, seed=1).records


def one(name: str, style: str = "modern") -> Record:
    """Record of one step."""
    return told(name, style=style)[-1]


def test_call_of_an_instance_today() -> None:
    """A call of today names the instance itself, how it got its key, and the client's TLS."""
    record = one("own")

    who, context = record["userIdentity"], record["userIdentity"]["sessionContext"]
    instance = who["arn"].rpartition("/")[2]
    assert record["eventVersion"] == "1.11"
    assert who["type"] == "AssumedRole"
    assert who["principalId"] == f"{context['sessionIssuer']['principalId']}:{instance}"
    assert who["arn"] == f"arn:aws:sts::111122223333:assumed-role/WebServer/{instance}"
    assert who["inScopeOf"] == {
        "issuerType": "AWS::EC2::Instance",
        "credentialsIssuedTo": f"arn:aws:ec2:us-west-2:111122223333:instance/{instance}",
    }
    assert context["ec2RoleDelivery"] == "2.0"
    assert context["attributes"]["creationDate"] == "2026-03-02T22:00:00Z"
    assert record["tlsDetails"]["clientProvidedHostHeader"] == "ec2.us-west-2.amazonaws.com"
    assert record["managementEvent"] is True
    assert record["eventCategory"] == "Management"
    assert record["sourceIPAddress"] == "52.43.10.7"
    assert record["recipientAccountId"] == "111122223333"


@pytest.mark.parametrize("name", STEPS)
def test_records_of_2018_lack_what_came_later(name: str) -> None:
    """Records of 2018 have version 1.05 and none of the newer fields."""
    for record in told(name, style="2018"):
        assert record["eventVersion"] == "1.05"
        assert not set(NEW_FIELDS) & set(record)
        assert "inScopeOf" not in record["userIdentity"]
        assert "ec2RoleDelivery" not in record["userIdentity"].get("sessionContext", {})


def test_ec2_issues_two_keys_in_the_same_second() -> None:
    """EC2's AssumeRole names the service alone; each key lives for 6 h 3 min to 6 h 35 min."""
    first, second, call = told("own")

    for record in (first, second):
        assert record["eventName"] == "AssumeRole"
        assert record["userIdentity"] == {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}
        assert record["sourceIPAddress"] == record["userAgent"] == "ec2.amazonaws.com"
        assert record["eventTime"] == "2026-03-02T22:00:00Z"
        assert list(record["responseElements"]) == ["credentials"]
        assert record["requestParameters"]["roleSessionName"] in call["userIdentity"]["arn"]
        assert "tlsDetails" not in record
        expires = record["responseElements"]["credentials"]["expiration"]
        end = datetime.strptime(expires, "%b %d, %Y, %I:%M:%S %p").replace(tzinfo=UTC)
        assert 6 * 60 + 3 <= (end - START).total_seconds() / 60 <= 6 * 60 + 35
    assert first["sharedEventID"] != second["sharedEventID"]
    keys = [r["responseElements"]["credentials"]["accessKeyId"] for r in (first, second)]
    assert keys[0] != keys[1] == call["userIdentity"]["accessKeyId"]


def test_expiration_is_spelt_without_a_comma_in_2018() -> None:
    """Records of 2018 have no comma between year and time."""
    assume = told("own", style="2018")[0]

    expires = assume["responseElements"]["credentials"]["expiration"]
    assert datetime.strptime(expires, "%b %d, %Y %I:%M:%S %p")  # noqa: DTZ007 - the form matters


def test_call_through_an_endpoint() -> None:
    """The endpoint stands beside its address, and its owner where a record tells it."""
    owned, unowned, old = one("endpoint"), one("unowned"), one("endpoint", style="2018")

    assert owned["sourceIPAddress"] == "10.0.1.20"
    assert owned["vpcEndpointId"] == "vpce-0aaaaaaaaaaaaaaaa"
    assert owned["vpcEndpointAccountId"] == "444455556666"
    assert "vpcEndpointAccountId" not in unowned
    assert old["vpcEndpointId"] == "vpce-0aaaaaaaaaaaaaaaa"


def test_call_over_ipv6() -> None:
    """IPv6 has servers of other names."""
    record = one("ipv6")

    assert record["sourceIPAddress"] == "2600:1f14::1"
    assert record["tlsDetails"]["clientProvidedHostHeader"] == "ec2.us-west-2.api.aws"


@pytest.mark.parametrize(
    ("name", "service"), [("service", "athena.amazonaws.com"), ("hidden", "AWS Internal")]
)
def test_call_by_a_service(name: str, service: str) -> None:
    """The service stands for the address, and there is no client whose TLS could be told."""
    record = one(name)

    assert record["userIdentity"]["invokedBy"] == service
    assert record["sourceIPAddress"] == record["userAgent"] == service
    assert record["userIdentity"]["type"] == "AssumedRole"
    assert "tlsDetails" not in record


def test_forwarded_request() -> None:
    """A request that another party sends has its address and agent, and the instance's key."""
    record = one("forwarded")

    assert record["sourceIPAddress"] == "52.43.99.1"
    assert record["userAgent"] == "Go-http-client/1.1"
    assert record["userIdentity"]["sessionContext"]["ec2RoleDelivery"] == "2.0"


def test_failed_call() -> None:
    """A failed call has an error and no response; braces become the instance's id."""
    record = one("denied")

    assert record["errorCode"] == "AccessDenied"
    assert record["errorMessage"]
    assert record["responseElements"] is None
    assert record["requestParameters"]["userName"] in record["userIdentity"]["arn"]
    assert record["awsRegion"] == "us-east-1"


def test_data_event() -> None:
    """Object calls of S3 are data events and tell how they were signed."""
    record = one("object")

    assert record["eventCategory"] == "Data"
    assert record["managementEvent"] is False
    assert record["additionalEventData"]["AuthenticationMethod"] == "AuthHeader"


def test_a_story_may_spoil_a_record() -> None:
    """Any field can be replaced, nested ones alone, and the event keeps its place in time."""
    record = one("spoilt")

    assert record["eventTime"] == "soon"
    assert record["userIdentity"]["arn"] == "?"
    assert record["userIdentity"]["type"] == "AssumedRole"
    assert record["extra"] == 1


def test_user() -> None:
    """An IAM user has a key of his own and no session."""
    record = one("user")

    assert record["userIdentity"]["arn"] == "arn:aws:iam::111122223333:user/admin"
    assert record["userIdentity"]["accessKeyId"].startswith("AKIA")
    assert "sessionContext" not in record["userIdentity"]


def test_role_that_a_user_assumes() -> None:
    """Whoever assumes a role is recorded, and the session uses the key that was issued."""
    *_, assume, call = told("role")

    issued = assume["responseElements"]
    assert assume["userIdentity"]["type"] == "IAMUser"
    assert assume["requestParameters"]["roleSessionName"].startswith("deploy-i-0")
    assert issued["credentials"]["accessKeyId"] == call["userIdentity"]["accessKeyId"]
    assert issued["assumedRoleUser"]["arn"] == call["userIdentity"]["arn"]
    assert "inScopeOf" not in call["userIdentity"]
    assert "ec2RoleDelivery" not in call["userIdentity"]["sessionContext"]


def test_role_that_a_service_assumes() -> None:
    """A service that assumes a role stands for the caller and for the address."""
    *_, assume, _ = told("task")

    assert assume["userIdentity"]["invokedBy"] == "ecs-tasks.amazonaws.com"
    assert assume["sourceIPAddress"] == "ecs-tasks.amazonaws.com"
    assert "tlsDetails" not in assume


def test_role_of_another_account() -> None:
    """The trail of the role's account shows a foreign caller by account alone."""
    *_, assume, call = told("partner")

    assert assume["userIdentity"]["type"] == "AWSAccount"
    assert assume["userIdentity"]["accountId"] == "111122223333"
    assert assume["recipientAccountId"] == call["recipientAccountId"] == "444455556666"
    assert assume["sharedEventID"]


def test_changes_name_their_target() -> None:
    """Changes of an instance name it, with what it is given."""
    start, run, address, make = told("start", "run", "address", "make")[-4:]

    instance = start["requestParameters"]["instancesSet"]["items"][0]["instanceId"]
    launched = run["responseElements"]["instancesSet"]["items"][0]
    made = make["responseElements"]["CreateVpcEndpointResponse"]["vpcEndpoint"]
    assert launched["instanceId"] == instance
    assert launched["privateIpAddress"] == "10.0.1.20"
    assert address["requestParameters"]["instanceId"] == instance
    assert address["requestParameters"]["publicIp"] == "52.43.11.1"
    assert address["responseElements"]["associationId"].startswith("eipassoc-0")
    assert made["vpcEndpointId"] == "vpce-0aaaaaaaaaaaaaaaa"
    assert made["vpcId"] == launched["vpcId"]
    assert [r["readOnly"] for r in (start, run, address, make)] == [False] * 4


def test_agents_are_those_of_the_caller() -> None:
    """The agent of the SSM agent's calls is its own; other calls come from an SDK."""
    assert "amazon-ssm-agent" in one("ssm")["userAgent"]
    assert one("own")["userAgent"].startswith("Boto3/")
