"""Workloads whose role sessions are judged: names, nouns, and who hands them their keys.

Method, section 1. EC2 instances always; the others by a setting each. No Spark here.
"""

from __future__ import annotations

from dataclasses import dataclass

EC2 = "ec2"
ECS_TASK = "ecs_task"
EKS_POD = "eks_pod"
LAMBDA = "lambda_function"
MANAGED_INSTANCE = "managed_instance"
INSTANCE_IDENTITY = "instance_identity"

INSTANCE_NAME = "^i-[0-9a-f]{8,17}$"
"""Session names that look like an instance id; applications choose such names, too."""

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
TASK_NAME = f"^([0-9a-f]{{32}}|{UUID})$"

MANAGEMENT_ROLE = "AWSSystemsManagerDefaultEC2InstanceManagementRole"
"""The role of instances under default host management of Systems Manager."""


@dataclass(frozen=True)
class Workload:
    """One kind of workload.

    Attributes:
        noun: what people call one.
        article: the indefinite one of its noun.
        issuers: service principals that assume its role for it.
        named: pattern of its session names, where they alone tell it from other sessions.
        has_home: one lives at one place, so that a first source means something.
    """

    noun: str
    article: str = "a"
    issuers: tuple[str, ...] = ()
    named: str | None = None
    has_home: bool = True


WORKLOADS: dict[str, Workload] = {
    EC2: Workload(
        "instance", "an", ("ec2.amazonaws.com", "ec2.amazonaws.com.cn"), named=INSTANCE_NAME
    ),
    ECS_TASK: Workload("task", issuers=("ecs-tasks.amazonaws.com",), named=TASK_NAME),
    EKS_POD: Workload("pod", issuers=("pods.eks.amazonaws.com",), named=f"^eks-.+-{UUID}$"),
    LAMBDA: Workload("function", has_home=False),
    MANAGED_INSTANCE: Workload("instance", "an"),
    INSTANCE_IDENTITY: Workload("instance", "an"),
}
"""Every kind, by its name: the value of ``session_kind``."""

OTHERS = tuple(kind for kind in WORKLOADS if kind != EC2)
"""Kinds that are judged only where a setting says so."""

WITH_HOME = tuple(kind for kind, workload in WORKLOADS.items() if workload.has_home)
CONTAINERS = (ECS_TASK, EKS_POD)
"""Several of them may share the address of the instance that they run on."""
