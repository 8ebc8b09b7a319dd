"""What is known of API calls: where they are logged, whether they only read, what they carry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from simulator.partitions import partition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Json = dict[str, Any]

_READS = (
    "Assume",
    "BatchGet",
    "Decrypt",
    "Describe",
    "Filter",
    "Get",
    "Head",
    "List",
    "Lookup",
    "Query",
    "Scan",
    "Search",
    "Simulate",
)
_WORLDWIDE = ("cloudfront", "iam", "organizations", "route53")
_DUAL_STACK_ONLY = ("eks-auth",)
_DATA_EVENTS = frozenset(
    {
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "lambda:Invoke",
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:HeadObject",
        "s3:PutObject",
        "s3:UploadPart",
    }
)
CLUSTER = "production"
"""The Kubernetes cluster of a story."""

_SIGN_IN = frozenset({"signin:ConsoleLogin", "signin:GetSigninToken"})


@dataclass(frozen=True, slots=True)
class Call:
    """One API call: ``event`` is its service and name, such as ``ec2:DescribeInstances``.

    Attributes:
        event: service and event name.
        parameters: ``requestParameters``.
        response: ``responseElements``; calls that only read have none.
        error_code: ``errorCode``; empty where the call succeeded.
        resources: ``resources``: type and ARN of each.
        additional: ``additionalEventData``.
    """

    event: str
    parameters: Json | None = None
    response: Json | None = None
    error_code: str = ""
    resources: tuple[tuple[str, str], ...] = ()
    additional: Json | None = None

    @property
    def service(self) -> str:
        """Service as the event has it: ``ec2``."""
        return self.event.partition(":")[0]

    @property
    def name(self) -> str:
        """Event name: ``DescribeInstances``."""
        return self.event.partition(":")[2]


@cache
def is_read_only(event: str) -> bool:
    """Tell whether a call changes nothing."""
    return event.partition(":")[2].startswith(_READS)


def is_data_event(event: str) -> bool:
    """Tell whether a call is logged as a data event, which a trail must ask for."""
    return event in _DATA_EVENTS


def event_type(event: str) -> str:
    """Return ``eventType``."""
    return "AwsConsoleSignIn" if event in _SIGN_IN else "AwsApiCall"


def logged_in(service: str, region: str) -> str:
    """Return the region whose trail shows a call of a caller in a region."""
    return partition(region).home if service in _WORLDWIDE else region


def host(service: str, region: str, *, ipv6: bool) -> str:
    """Return the name of the server that a client called; IPv6 has names of its own."""
    names = partition(region)
    if service in _WORLDWIDE:
        return f"{service}.{names.worldwide}{names.suffix}"
    is_dual = ipv6 or service in _DUAL_STACK_ONLY
    return f"{service}.{region}.{names.dual_stack if is_dual else names.suffix}"


def usual(event: str, instance: str, region: str, account: str) -> Call:
    """Return a call with parameters as they usually are.

    Args:
        event: service and event name; others than those known here have no parameters.
        instance: id of the calling instance, for calls that name it.
        region: of the caller.
        account: of the caller.
    """
    parameters = _PARAMETERS.get(event)
    if event in OF_INSTANCE:
        parameters = OF_INSTANCE[event](instance)
    elif event == "s3:ListBuckets":
        parameters = {"Host": host("s3", region, ipv6=False)}
    elif event.startswith("s3:") and event in _DATA_EVENTS:
        parameters = {"bucketName": f"data-{account}", "key": "service/latest.json"}
    return Call(event, parameters, additional=_signature(event))


def _filter(name: str, value: str) -> Json:
    return {"name": name, "valueSet": {"items": [{"value": value}]}}


def _signature(event: str) -> Json | None:
    """S3 alone tells how a request was signed: in a header, or in the query string."""
    if not event.startswith("s3:"):
        return None
    return {
        "SignatureVersion": "SigV4",
        "CipherSuite": "TLS_AES_128_GCM_SHA256",
        "bytesTransferredIn": 0,
        "AuthenticationMethod": "AuthHeader",
        "bytesTransferredOut": 1024,
    }


_PARAMETERS: Mapping[str, Json] = {
    "ec2:DescribeInstances": {"instancesSet": {}, "filterSet": {}},
    "ec2:DescribeNetworkInterfaces": {"networkInterfaceIdSet": {}, "filterSet": {}},
    "ec2:DescribeVolumes": {"volumeSet": {}, "filterSet": {}},
    "ecr:BatchGetImage": {"repositoryName": "service", "imageIds": [{"imageTag": "stable"}]},
    "eks-auth:AssumeRoleForPodIdentity": {
        "clusterName": CLUSTER,
        "token": "HIDDEN_DUE_TO_SECURITY_REASONS",
    },
    "kms:Decrypt": {"encryptionAlgorithm": "SYMMETRIC_DEFAULT"},
    "secretsmanager:GetSecretValue": {"secretId": "service/database"},
    "ssm:GetParameters": {"names": ["/service/settings"], "withDecryption": True},
}

OF_INSTANCE: Mapping[str, Callable[[str], Json]] = {
    "ec2:DescribeTags": lambda instance: {
        "filterSet": {"items": [_filter("resource-id", instance)]}
    },
    "ssm:ListInstanceAssociations": lambda instance: {"instanceId": instance, "maxResults": 20},
    "ssm:RequestManagedInstanceRoleToken": lambda instance: {"fingerprint": instance},
    "ssm:UpdateInstanceInformation": lambda instance: {
        "instanceId": instance,
        "agentVersion": "3.3.987.0",
        "agentStatus": "Active",
        "platformType": "Linux",
        "platformName": "Amazon Linux",
        "platformVersion": "2023",
        "agentName": "amazon-ssm-agent",
    },
}
"""Parameters of calls that name the calling instance."""
