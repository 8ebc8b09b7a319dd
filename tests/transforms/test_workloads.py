"""Workloads beside EC2 instances: who counts as one, and what is said of it.

All cases live in accounts of their own and are judged in one go, as in ``test_ladder``.
"""

from __future__ import annotations

import json
import zlib

import pytest

from tests.factories import REGION, THIEF, Instance, records
from tests.judged import judged, memories, verdicts
from transforms.sessions import identities, sessions
from transforms.workloads import EC2, OTHERS

OTHER_AWS = "54.240.230.177"
SERVICES = {"ecs_task": "ecs-tasks.amazonaws.com", "eks_pod": "pods.eks.amazonaws.com"}


class Workload(Instance):
    """A task, pod or function: a role session under a name of its own."""

    def __init__(
        self, kind: str, name: str, home: str | None = None, account: str | None = None
    ) -> None:
        """Make one; equal names are the same."""
        super().__init__(f"{kind}-{name}", account)
        digits = f"{zlib.crc32(name.encode()):032x}"
        self.kind = kind
        self.id = {
            "ecs_task": digits,
            "eks_pod": f"eks-prod-web-{digits[:8]}-{digits[8:12]}-4000-a000-{digits[20:]}",
            "lambda_function": name,
        }[kind]
        self.home = home or self.home

    def call(self, hours, source=None, **changes):
        """A call of the workload: nothing but its key speaks for a task or pod."""
        told = {"ec2_role_delivery": None, "in_scope_issuer_type": None, "in_scope_issued_to": None}
        if self.kind == "lambda_function":
            told["in_scope_issuer_type"] = "AWS::Lambda::Function"
            told["in_scope_issued_to"] = (
                f"arn:aws:lambda:{REGION}:{self.account}:function:{self.id}"
            )
        return super().call(hours, source, **{**told, **changes})

    def assumed(self, hours, **changes):
        """The service of the workload assumes its role."""
        service = SERVICES[self.kind]
        by = {"source_ip_address": service, "user_agent": service, "invoked_by": service}
        return super().assumed(hours, **{**by, **changes})


def _by_user(workload, hours):
    """A user assumes a role under the name of a task: another key of the same name."""
    return workload.assumed(
        hours,
        identity_type="IAMUser",
        invoked_by=None,
        arn=f"arn:aws:iam::{workload.account}:user/eve",
        source_ip_address=THIEF,
        response_elements=json.dumps({"credentials": {"accessKeyId": "ASIAEVE"}}),
    )


def _of_aws(instance, role, hours, source=None):
    """A call by a role that AWS gives an instance beside its own."""
    if role == "aws:ec2-instance":
        own_id = f"{instance.account}:aws:ec2-instance"
        arn = f"arn:aws:iam::{instance.account}:role/aws:ec2-instance"
    else:
        own_id = "AROASSMSSMSSMSSM"
        arn = f"arn:aws:iam::{instance.account}:role/service-role/{role}"
    return instance.call(
        hours,
        source,
        principal_id=f"{own_id}:{instance.id}",
        arn=f"arn:aws:sts::{instance.account}:assumed-role/{role}/{instance.id}",
        issuer_principal_id=own_id,
        issuer_arn=arn,
        ec2_role_delivery=None,
        in_scope_issuer_type=None,
        in_scope_issued_to=None,
        access_key_id=f"ASIA{role[-8:]}",
    )


SSM = "AWSSystemsManagerDefaultEC2InstanceManagementRole"
CASES: dict[str, tuple[str, list, dict]] = {}


def case(name, claim, rows, expected):
    """Take a case down."""
    CASES[name] = (claim, rows, {(s, source): say for (s, source), say in expected.items()})


for kind in ("ecs_task", "eks_pod"):
    w = Workload(kind, "stolen")
    case(
        f"{kind} stolen",
        "A key used away from where its task or pod was first seen is stolen.",
        [w.assumed(0), w.call(0.1), w.call(1, THIEF)],
        {(w.session_id, THIEF): "outside_aws/high"},
    )
    w = Workload(kind, "quiet")
    case(f"{kind} quiet", "One home is nothing.", [w.assumed(0), w.call(0.1), w.call(5)], {})
    w = Workload(kind, "by name")
    case(
        f"{kind} by name",
        "A name alone makes no task or pod: its service must have assumed the role.",
        [w.call(0.1), w.call(1, THIEF)],
        {},
    )
    w = Workload(kind, "forged")
    case(
        f"{kind} forged",
        "Somebody who takes the name of a task or pod is told apart from it.",
        [w.assumed(0), w.call(0.1), _by_user(w, 1), w.call(1.1, THIEF, access_key_id="ASIAEVE")],
        {(f"{w.session_id}@impersonated", THIEF): "impersonated_session/medium"},
    )

host = Instance("host")
tasks = [Workload("ecs_task", f"on-host-{n}", host.home, host.account) for n in range(4)]
neighbour = Instance("lodger", host.account)
case(
    "host",
    "Tasks share the address of their host: no egress that would excuse another instance's key, "
    "and none is taken for a thief of the others.",
    [
        host.call(9),
        *[row for t in tasks for row in (t.assumed(0), t.call(0.2), t.call(9))],
        neighbour.call(0),
        neighbour.call(9, host.home),
    ],
    {(neighbour.session_id, host.home): "another_workload/high"},
)
lonely = Workload("ecs_task", "lonely")
visitor = Instance("visitor", lonely.account)
case(
    "no host",
    "A task holds no address, not even one where no instance is seen.",
    [
        *[lonely.assumed(0), *[lonely.call(h) for h in (0.1, 6)]],
        *[visitor.call(0), visitor.call(6, lonely.home)],
    ],
    {(visitor.session_id, lonely.home): "inside_aws/high"},
)
gateway = "52.95.250.40"
late = Workload("ecs_task", "late")
crowd = [Workload("ecs_task", f"behind-gateway-{n}", gateway, late.account) for n in range(3)]
case(
    "tasks behind a gateway",
    "Where no instance is seen, many tasks make an egress as many instances do.",
    [*[row for t in (late, *crowd) for row in (t.assumed(0), t.call(0.1))], late.call(1, gateway)],
    {(late.session_id, gateway): "shared_egress/excused"},
)
behind = Workload("ecs_task", "behind", "10.9.1.20", Instance("hub").account)
hub = Instance("hub")
case(
    "host behind endpoints",
    "A task that reaches a second endpoint late, from the address of its host, is no thief.",
    [
        *[hub.through(h, "vpce-0f1", "10.9.1.20", hub.account) for h in (0, 9)],
        *[hub.through(h, "vpce-0f2", "10.9.1.20", hub.account) for h in (0, 9)],
        behind.assumed(0),
        behind.call(
            0.1, "10.9.1.20", vpc_endpoint_id="vpce-0f1", vpc_endpoint_account_id=hub.account
        ),
        behind.call(
            9, "10.9.1.20", vpc_endpoint_id="vpce-0f2", vpc_endpoint_account_id=hub.account
        ),
    ],
    {},
)
f = Workload("lambda_function", "resize-images")
case(
    "function",
    "A function may call from anywhere inside AWS, and from nowhere else.",
    [
        f.call(0, "52.95.1.1"),
        f.call(1, OTHER_AWS),
        f.call(2, "54.72.9.9"),
        f.call(3, "10.0.0.5", vpc_endpoint_id="vpce-0f3", vpc_endpoint_account_id=f.account),
        f.call(4, THIEF),
    ],
    {(f.session_id, THIEF): "outside_aws/high"},
)
pivot = Workload("lambda_function", "pivot")
leaving = Workload("lambda_function", "leaving")
case(
    "function that pivots",
    "A function that gets a console is a finding inside AWS, too; behind the office line of the "
    "account's instances it is excused.",
    [
        pivot.call(0, event_name="GetSigninToken", event_source="signin.amazonaws.com"),
        *[Instance(f"office-{n}", leaving.account).call(0, "81.10.30.5") for n in range(4)],
        leaving.call(1, "81.10.30.9"),
    ],
    {
        (pivot.session_id, pivot.home): "console_session/critical",
        (leaving.session_id, "81.10.30.9"): "shared_egress/excused",
    },
)
i = Instance("three sessions")
identity = f"{i.account}/{i.account}:aws:ec2-instance/{i.id}"
managed = f"{i.account}/AROASSMSSMSSMSSM/{i.id}"
case(
    "roles of AWS",
    "The identity role and default host management are sessions of their own beside the role's.",
    [
        i.call(0),
        i.call(3),
        *[_of_aws(i, role, h, i.home) for role in ("aws:ec2-instance", SSM) for h in (0, 3)],
        _of_aws(i, "aws:ec2-instance", 4, THIEF),
        _of_aws(i, SSM, 5, OTHER_AWS),
    ],
    {(identity, THIEF): "outside_aws/high", (managed, OTHER_AWS): "inside_aws/high"},
)


def _accounts(rows):
    return {row["recipient_account_id"] for row in rows}


@pytest.fixture(scope="module")
def told(spark):
    """Verdicts of all cases, everything switched on."""
    rows = [row for _, rows, _ in CASES.values() for row in rows]
    return verdicts(judged(spark, rows, others=OTHERS))


@pytest.mark.parametrize("name", CASES)
def test_case(told, name):
    """What must be said is said, and nothing else."""
    claim, rows, expected = CASES[name]
    said = {
        pair: f"{row.verdict}/{row.severity or 'excused'}"
        for pair, row in told.items()
        if row.account_id in _accounts(rows)
    }
    assert said == expected, claim


@pytest.mark.parametrize(
    ("name", "noun", "first"),
    [
        ("ecs_task stolen", "task", "Deny the session, stop the task"),
        ("eks_pod stolen", "pod", "Deny the session, delete the pod"),
        ("function", "function", "Give the function another role"),
        ("roles of AWS", "instance", "Isolate the instance"),
    ],
)
def test_words_fit_the_workload(told, name, noun, first):
    """The reason calls the workload what it is, and its first step is one that can be taken."""
    pairs = CASES[name][2]
    for pair in pairs:
        assert f"signed with the {noun}'s credentials" in told[pair].reason
        assert first in told[pair].reason


@pytest.mark.parametrize(
    ("taken_in", "judged_now", "kinds"),
    [
        (OTHERS, OTHERS, {EC2, *OTHERS, "impersonated"}),
        (OTHERS, ("eks_pod",), {EC2, "eks_pod", "impersonated"}),
        (OTHERS, (), {EC2}),
        ((), (), {EC2}),
    ],
)
def test_only_what_is_switched_on_is_a_session(spark, taken_in, judged_now, kinds):
    """Shipped settings judge instances alone; what was taken in while a kind was on can wait."""
    rows = [row for _, rows, _ in CASES.values() for row in rows]
    told = memories([records(spark, rows)], taken_in)
    named = sessions(
        identities(told.sightings), told.credentials, accept_name_proof=True, others=judged_now
    )
    assert {row.session_kind for row in named.collect()} == kinds
