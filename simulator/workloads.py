"""Workloads: whose keys a story may have, how they get them, and what their sessions are called.

As in public records of 2018 to 2026. EC2 instances are one kind of several; two others, and what
EC2 does for an instance's disks, bear the id of an instance and have a role of AWS's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulator.calls import CLUSTER
from simulator.identity import FUNCTION, IMDS_V1, IMDS_V2, INSTANCE, Style
from simulator.ids import digest, instance_id, uuid
from simulator.partitions import EC2

if TYPE_CHECKING:
    from simulator.calls import Json
    from simulator.identity import Machine

EC2_INSTANCE = "ec2"
ECS_TASK = "ecs_task"
EKS_POD = "eks_pod"
LAMBDA_FUNCTION = "lambda_function"
MANAGED_INSTANCE = "managed_instance"
INSTANCE_IDENTITY = "instance_identity"
EC2_INFRASTRUCTURE = "ec2_infrastructure"

_TASK_DIGITS = 32
_POD_CHARS = 12
_POD_SECONDS = 6 * 3600


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of workload.

    Attributes:
        client: that usually calls (see ``agents``).
        issuer: service that assumes its role for it; empty where no record shows that.
        scope: what its keys are issued to, as modern records say it; empty where they do not.
        deliveries: versions of the metadata service by which it gets keys.
        role: role of AWS's own that it has; empty where its account chooses one.
        path: of that role.
        usual: keys of its table in a story that are usual for it.
    """

    client: str
    issuer: str = ""
    scope: str = ""
    deliveries: tuple[str, ...] = ("",)
    role: str = ""
    path: str = "/"
    usual: Mapping[str, str] = field(default_factory=dict)


KINDS: Mapping[str, Kind] = {
    EC2_INSTANCE: Kind("app", EC2, INSTANCE, (IMDS_V1, IMDS_V2)),
    ECS_TASK: Kind("app", "ecs-tasks.amazonaws.com", usual={"rotate": "5h30m", "lifetime": "6h"}),
    EKS_POD: Kind("go", "pods.eks.amazonaws.com", usual={"rotate": "3h", "lifetime": "6h"}),
    LAMBDA_FUNCTION: Kind(
        "lambda", "lambda.amazonaws.com", FUNCTION, usual={"rotate": "2h", "lifetime": "12h"}
    ),
    MANAGED_INSTANCE: Kind(
        "ssm",
        role="AWSSystemsManagerDefaultEC2InstanceManagementRole",
        path="/service-role/",
        usual={"rotate": "30m", "lifetime": "1h"},
    ),
    INSTANCE_IDENTITY: Kind(
        "ssm", scope=INSTANCE, deliveries=(IMDS_V1, IMDS_V2), role="aws:ec2-instance"
    ),
    EC2_INFRASTRUCTURE: Kind("app", scope=INSTANCE, role="aws:ec2-infrastructure"),
}
"""Every kind, by its name in stories and labels."""

OTHERS = tuple(name for name in KINDS if name != EC2_INSTANCE)
"""Kinds that a story names."""


def session_name(kind: str, name: str, style: Style, *words: object) -> str:
    """Return what the sessions of a workload with an id of its own are called.

    Args:
        kind: of workload.
        name: by which the story calls it.
        style: tasks of 2018 had a UUID.
        words: what the id is made from.
    """
    if kind == ECS_TASK:
        old = style is Style.OF_2018
        return uuid(*words) if old else digest(*words).hex()[:_TASK_DIGITS]
    if kind == EKS_POD:
        return f"eks-{CLUSTER}-{name[:_POD_CHARS]}-{uuid(*words)}"
    return name if kind == LAMBDA_FUNCTION else instance_id(*words)


def asked_by_eks(pod: Machine, name: str) -> Json:
    """Return what EKS asks for beside role and session, when it assumes the role of a pod."""
    arn = f"arn:{pod.role.partition}:eks:{pod.region}:{pod.role.account}:cluster/{CLUSTER}"
    tags = {
        "eks-cluster-arn": arn,
        "eks-cluster-name": CLUSTER,
        "kubernetes-namespace": "default",
        "kubernetes-service-account": name,
        "kubernetes-pod-name": name,
        "kubernetes-pod-uid": uuid("pod", pod.id),
    }
    return {
        "durationSeconds": _POD_SECONDS,
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
        "transitiveTagKeys": list(tags),
    }
