"""What each call teaches the ledger, in every shape that CloudTrail writes it in."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from tests.factories import REGION, THIEF, Instance, at, record, records
from transforms import schemas
from transforms.addresses import CALLS
from transforms.summary import address_changes, summary

A, B = "i-0aaaaaaaaaaaaaaaa", "i-0bbbbbbbbbbbbbbbb"
ENI, ENI2, VPC = "eni-0a", "eni-0b", "vpc-0a"
EIP, EIP2, ASSOCIATION, ATTACHMENT = "eipalloc-0a", "eipalloc-0b", "eipassoc-0a", "eni-attach-0a"
ELASTIC, ELASTIC2 = "52.95.1.1", "52.95.1.2"
OWNER = "444455556666"

_NAMES = (
    "change",
    "instance_id",
    "network_interface_id",
    "allocation_id",
    "vpc_id",
    "vpc_endpoint_id",
    "association_id",
    "address",
)


class Case(NamedTuple):
    """A successful call and the facts that it tells."""

    claim: str
    event: str
    request: Any
    response: Any
    facts: set[tuple[str | None, ...]]


def _fact(change: str, **parts: str) -> tuple[str | None, ...]:
    """A fact by its short names: instance, interface, allocation, vpc, association, address."""
    full = {"interface": "network_interface_id", "address": "address"}
    told = {full.get(name, f"{name}_id"): part for name, part in parts.items()}
    assert told.keys() <= set(_NAMES)
    return tuple({**told, "change": change}.get(name) for name in _NAMES)


def _private(*addresses: str) -> list[dict[str, str]]:
    return [{"privateIpAddress": address} for address in addresses]


def _v6(*addresses: str) -> list[dict[str, str]]:
    return [{"ipv6Address": address} for address in addresses]


def _ids(*instances: str) -> dict[str, Any]:
    return {"instancesSet": {"items": [{"instanceId": i} for i in instances]}}


def _launches() -> list[Case]:
    def interface(key: str) -> dict[str, Any]:
        return {
            "networkInterfaceId": ENI,
            "vpcId": VPC,
            "attachment": {"attachmentId": ATTACHMENT},
            "privateIpAddress": "10.0.0.1",
            "privateIpAddressesSet": {key: _private("10.0.0.1", "10.0.0.2")},
            "ipv6AddressesSet": {key: _v6("2600:1F14:0::5")},
        }

    def full(key: str) -> dict[str, Any]:
        instance = {
            "instanceId": A,
            "vpcId": VPC,
            "privateIpAddress": "10.0.0.1",
            "ipv6Address": "2600:1F14:0::5",
            "networkInterfaceSet": {"items": [interface(key)]},
        }
        return {"instancesSet": {"items": [instance]}}

    facts = {
        _fact("launch", instance=A),
        _fact("attach", instance=A, interface=ENI, association=ATTACHMENT),
        *(
            _fact("hold", interface=ENI, vpc=VPC, address=a)
            for a in ("10.0.0.1", "10.0.0.2", "2600:1f14::5")
        ),
        *(_fact("hold", instance=A, vpc=VPC, address=a) for a in ("10.0.0.1", "2600:1f14::5")),
    }
    two = {
        "instancesSet": {
            "items": [
                {"instanceId": A, "privateIpAddress": "10.0.0.1", "networkInterfaceSet": {}},
                {"instanceId": B},
            ]
        }
    }
    return [
        Case("a launch, lists under item", "RunInstances", {}, full("item"), facts),
        Case("a launch, lists under items", "RunInstances", {}, full("items"), facts),
        Case(
            "a launch of two without interfaces",
            "RunInstances",
            {"instancesSet": {"items": [{"imageId": "ami-0a", "minCount": 2}]}},
            two,
            {
                _fact("launch", instance=A),
                _fact("launch", instance=B),
                _fact("hold", instance=A, address="10.0.0.1"),
            },
        ),
    ]


def _steps() -> list[Case]:
    def was(instance: str, state: str) -> dict[str, Any]:
        return {"instanceId": instance, "previousState": {"code": 0, "name": state}}

    start = "StartInstances"
    mixed = {"instancesSet": {"items": [was(A, "stopped"), was(B, "running")]}}
    return [
        *(
            Case(claim, event, request, response, {_fact(change, instance=i) for i in instances})
            for event, change in (("StopInstances", "stop"), ("TerminateInstances", "terminate"))
            for claim, request, response, instances in (
                (f"{change} of two, by the response", _ids(A, B), _ids(A, B), [A, B]),
                (f"{change}: the response tells what happened", _ids(A, B), _ids(A), [A]),
                (f"{change}: the request, where no response is", _ids(A), None, [A]),
            )
        ),
        Case("start of one; another ran already", start, {}, mixed, {_fact("start", instance=A)}),
        Case("start from an untold state", start, {}, _ids(B), {_fact("start", instance=B)}),
    ]


def _endpoints() -> list[Case]:
    made = {"vpcEndpoint": {"vpcEndpointId": "vpce-0a", "vpcId": VPC}}
    event, fact = "CreateVpcEndpoint", _fact("endpoint", vpc_endpoint="vpce-0a")
    return [
        Case("an endpoint, flat", event, {"vpcId": VPC}, made, {fact}),
        Case("an endpoint, wrapped", event, {}, {"CreateVpcEndpointResponse": made}, {fact}),
    ]


def _interfaces() -> list[Case]:
    def created(key: str) -> dict[str, Any]:
        interface = {
            "networkInterfaceId": ENI,
            "vpcId": VPC,
            "privateIpAddress": "10.0.0.3",
            "privateIpAddressesSet": {key: _private("10.0.0.3", "10.0.0.4")},
            "ipv6AddressesSet": {key: _v6("2600:1f14::6")},
        }
        return {"networkInterface": interface}

    held = {
        _fact("hold", interface=ENI, vpc=VPC, address=a)
        for a in ("10.0.0.3", "10.0.0.4", "2600:1f14::6")
    }
    create, attach = "CreateNetworkInterface", "AttachNetworkInterface"
    return [
        Case("an interface is made, item", create, {}, created("item"), held),
        Case("an interface is made, items", create, {}, created("items"), held),
        Case(
            "an interface of one address",
            create,
            {"subnetId": "subnet-0a"},
            {"networkInterface": {"networkInterfaceId": ENI2, "privateIpAddress": "10.0.0.5",
                                  "ipv6AddressesSet": {}}},
            {_fact("hold", interface=ENI2, address="10.0.0.5")},
        ),
        Case(
            "an interface is attached",
            attach,
            {"networkInterfaceId": ENI, "instanceId": A, "deviceIndex": 1},
            {"attachmentId": ATTACHMENT},
            {_fact("attach", instance=A, interface=ENI, association=ATTACHMENT)},
        ),
        Case(
            "an interface is detached",
            "DetachNetworkInterface",
            {"attachmentId": ATTACHMENT, "force": True},
            {"_return": True},
            {_fact("detach", association=ATTACHMENT)},
        ),
    ]  # fmt: skip


def _assigned() -> list[Case]:
    assign, give = "AssignPrivateIpAddresses", "AssignIpv6Addresses"
    cases = [
        Case(
            f"addresses are assigned, response under {key}",
            assign,
            {"networkInterfaceId": ENI, "secondaryPrivateIpAddressCount": 2},
            {"assignedPrivateIpAddressesSet": {key: _private("10.0.1.1", "10.0.1.2")}},
            {_fact("hold", interface=ENI, address=a) for a in ("10.0.1.1", "10.0.1.2")},
        )
        for key in ("assignedPrivateIpAddressSetType", "item", "items")
    ]
    for key in ("item", "items"):
        asked = {"privateIpAddressesSet": {key: _private("10.0.1.3")}}
        cases += [
            Case(
                f"addresses are asked for by name under {key}",
                assign,
                {"networkInterfaceId": ENI, **asked},
                {"_return": True},
                {_fact("hold", interface=ENI, address="10.0.1.3")},
            ),
            Case(
                f"an IPv4 prefix under {key}, interface in the response",
                assign,
                {"ipv4PrefixCount": 1},
                {
                    "networkInterfaceId": ENI,
                    "assignedIpv4PrefixSet": {key: [{"ipv4Prefix": "10.0.2.16/28"}]},
                },
                {_fact("hold", interface=ENI, address="10.0.2.16/28")},
            ),
            Case(
                f"addresses are taken away under {key}",
                "UnassignPrivateIpAddresses",
                {
                    "networkInterfaceId": ENI,
                    "privateIpAddressesSet": {key: _private("10.0.1.1", "10.0.1.2")},
                },
                {"_return": True},
                {_fact("unhold", interface=ENI, address=a) for a in ("10.0.1.1", "10.0.1.2")},
            ),
            Case(
                f"IPv6 addresses under {key}",
                give,
                {"networkInterfaceId": ENI, "ipv6AddressCount": 2},
                {"assignedIpv6Addresses": {key: ["2600:1F14::7", "2600:1f14::8"]}},
                {_fact("hold", interface=ENI, address=a) for a in ("2600:1f14::7", "2600:1f14::8")},
            ),
            Case(
                f"an IPv6 prefix under {key}, interface in the response",
                give,
                {"ipv6PrefixCount": 1},
                {"networkInterfaceId": ENI, "assignedIpv6Prefixes": {key: ["2600:1f14:0:1::/80"]}},
                {_fact("hold", interface=ENI, address="2600:1f14:0:1::/80")},
            ),
        ]
    return cases


def _elastic() -> list[Case]:
    associate, drop, release = "AssociateAddress", "DisassociateAddress", "ReleaseAddress"
    return [
        Case(
            "an address is allocated",
            "AllocateAddress",
            {"domain": "vpc"},
            {"publicIp": ELASTIC, "allocationId": EIP, "domain": "vpc"},
            {_fact("allocate", allocation=EIP, address=ELASTIC)},
        ),
        Case(
            "an association by instance and address",
            associate,
            {"publicIp": ELASTIC, "instanceId": A},
            {"_return": True},
            {_fact("associate", instance=A, address=ELASTIC)},
        ),
        Case(
            "an association by interface and allocation",
            associate,
            {"networkInterfaceId": ENI, "allocationId": EIP},
            {"_return": True, "associationId": ASSOCIATION},
            {_fact("associate", interface=ENI, allocation=EIP, association=ASSOCIATION)},
        ),
        Case(
            "an association whose response names the address",
            associate,
            {"instanceId": A, "allocationId": EIP},
            {"associationId": ASSOCIATION, "publicIp": ELASTIC},
            {
                _fact(
                    "associate",
                    instance=A,
                    allocation=EIP,
                    association=ASSOCIATION,
                    address=ELASTIC,
                )
            },
        ),
        Case(
            "a disassociation by id",
            drop,
            {"associationId": ASSOCIATION},
            {"_return": True},
            {_fact("disassociate", association=ASSOCIATION)},
        ),
        Case(
            "a disassociation by address",
            drop,
            {"publicIp": ELASTIC},
            None,
            {_fact("disassociate", address=ELASTIC)},
        ),
        Case(
            "a release by allocation",
            release,
            {"allocationId": EIP},
            {"_return": True},
            {_fact("release", allocation=EIP)},
        ),
        Case(
            "a release by address; an empty text is none",
            release,
            {"publicIp": ELASTIC, "allocationId": ""},
            None,
            {_fact("release", address=ELASTIC)},
        ),
    ]


def _gateways() -> list[Case]:
    first, second = (
        {"allocationId": EIP, "publicIp": ELASTIC, "privateIp": "10.0.0.9"},
        {"allocationId": EIP2, "publicIp": ELASTIC2},
    )
    told = [
        _fact("nat", allocation=EIP, address=ELASTIC),
        _fact("nat", allocation=EIP2, address=ELASTIC2),
    ]
    asked = [_fact("nat", allocation=EIP), _fact("nat", allocation=EIP2)]

    def case(claim: str, event: str, allocations: Any, items: Any, facts: set[Any]) -> Case:
        inside = {"natGatewayAddressSet": {"item": items}, "natGatewayId": "nat-0a"}
        made = {"natGateway": inside} if event == "CreateNatGateway" else inside
        return Case(
            f"{event} {claim}",
            event,
            {f"{event}Request": {"NatGatewayId": "nat-0a", "AllocationId": allocations}},
            {f"{event}Response": {"requestId": "1", **made}},
            facts,
        )

    return [
        made
        for event in ("CreateNatGateway", "AssociateNatGatewayAddress")
        for made in (
            case("with one address", event, EIP, first, {told[0], asked[0]}),
            case("with a list of one", event, [EIP], [first], {told[0], asked[0]}),
            case("with two", event, [EIP, EIP2], [first, second], {*told, *asked}),
            case(
                "with numbered allocations",
                event,
                [{"tag": 1, "content": EIP}, {"tag": 2, "content": EIP2}],
                [{"allocationId": EIP}],
                set(asked),
            ),
        )
    ]


def _routes() -> list[Case]:
    cases = []
    for event in ("CreateRoute", "ReplaceRoute"):

        def case(claim: str, facts: set[Any], event: str = event, **request: str) -> None:
            request["routeTableId"] = "rtb-0a"
            cases.append(Case(f"{event} {claim}", event, request, {"_return": True}, facts))

        everywhere = {"destinationCidrBlock": "0.0.0.0/0"}
        case("to an instance", {_fact("route", instance=A)}, instanceId=A, **everywhere)
        case(
            "of IPv6 to an interface",
            {_fact("route", interface=ENI)},
            networkInterfaceId=ENI,
            destinationIpv6CidrBlock="::/0",
        )
        case("of a part is no default", set(), instanceId=A, destinationCidrBlock="10.0.0.0/8")
        case("to a gateway names no instance", set(), natGatewayId="nat-0a", **everywhere)
    for event, name, fact in (
        ("ModifyInstanceAttribute", "instanceId", _fact("route", instance=A)),
        ("ModifyNetworkInterfaceAttribute", "networkInterfaceId", _fact("route", interface=ENI)),
    ):
        target = {name: A if name == "instanceId" else ENI}
        cases += [
            Case(
                f"{event} {claim}",
                event,
                {**target, **request},
                {"_return": True},
                {fact} if off else set(),
            )
            for claim, request, off in (
                ("check off", {"sourceDestCheck": {"value": False}}, True),
                ("check on", {"sourceDestCheck": {"value": True}}, False),
                ("something else", {"disableApiTermination": {"value": False}}, False),
            )
        ]
    return cases


CASES = [
    *_launches(),
    *_steps(),
    *_endpoints(),
    *_interfaces(),
    *_assigned(),
    *_elastic(),
    *_gateways(),
    *_routes(),
]
FAILED = {
    "errorCode": {"error_code": "Client.UnauthorizedOperation"},
    "errorMessage alone": {"error_message": "Request limit exceeded."},
    "dry run": {"error_code": "Client.DryRunOperation", "error_message": "would have"},
    "another service": {"event_source": "autoscaling.amazonaws.com"},
    "another call": {"event_name": "DescribeAddresses"},
}
_OF_OTHER_TYPES = {
    "instancesSet": 7,
    "networkInterface": "x",
    "privateIpAddressesSet": [[]],
    "sourceDestCheck": 0,
    "assignedIpv6Addresses": "::1",
    "assignedPrivateIpAddressesSet": True,
    "CreateNatGatewayResponse": {"natGateway": {"natGatewayAddressSet": {"item": "eipalloc"}}},
    "AssociateNatGatewayAddressResponse": {"natGatewayAddressSet": {"item": [7, {}]}},
    "AssociateNatGatewayAddressRequest": {"AllocationId": {"a": []}},
}
_OF_NO_ADDRESS = {
    "publicIp": "52.95.1",
    "assignedIpv6Addresses": {"item": ["", "2600::1::2", 7]},
    "assignedIpv4PrefixSet": {"item": [{"ipv4Prefix": "10.0.0/28"}, {"ipv4Prefix": "/"}]},
    "privateIpAddressesSet": {"item": [{"privateIpAddress": "10.0.0.256"}, None, {}]},
    "networkInterface": {"privateIpAddress": "ip-10-0-0-1"},
    "CreateNatGatewayResponse": {
        "natGateway": {"natGatewayAddressSet": {"item": {"publicIp": "x"}}}
    },
    "CreateNatGatewayRequest": {"AllocationId": "alloc"},
}
JUNK = (
    None,
    "",
    "not JSON",
    "[]",
    "7",
    "null",
    '"text"',
    '{"instancesSet":{"items":[{"instanceId":"i-0aaa',
    json.dumps(_OF_OTHER_TYPES),
    json.dumps(_OF_NO_ADDRESS),
)
BOX = Instance("box")


def _call(event_id: str, event: str, request: Any, response: Any, **changes: Any) -> dict[str, Any]:
    parts = {"request_parameters": request, "response_elements": response}
    texts = {
        name: part if part is None or isinstance(part, str) else json.dumps(part)
        for name, part in parts.items()
    }
    return record(**{"event_id": event_id, "event_name": event, **texts, **changes})


def _rows():
    for case in CASES:
        yield _call(case.claim, case.event, case.request, case.response)
        for why, failed in FAILED.items():
            call = _call(f"failed/{why}/{case.claim}", case.event, case.request, case.response)
            yield {**call, **failed}
    for event in CALLS:
        for n, junk in enumerate(JUNK):
            yield _call(f"junk/{n}/{event}", event, junk, junk)
    allocated = {"allocationId": EIP, "publicIp": ELASTIC}
    alone = _call("by somebody", "AllocateAddress", {}, allocated)
    yield {
        **alone,
        "event_time": at(3),
        "arn": "arn:aws:iam::444455556666:user/ops",
        "principal_id": "AIDAOPS",
        "account_id": "111122223333",
        "recipient_account_id": OWNER,
        "access_key_id": "AKIAOPS",
        "source_ip_address": THIEF,
    }
    asked = ("event_id", "event_name", "request_parameters", "response_elements")
    call = BOX.call(1, "10.0.0.1", vpc_endpoint_id="vpce-0a", recipient_account_id=None)
    yield {**call, **{name: alone[name] for name in asked}, "event_id": "by a box"}
    yield {**alone, "event_id": "by a service", "invoked_by": "autoscaling.amazonaws.com"}


@pytest.fixture(scope="module")
def told(spark):
    """All facts of all calls at once: {event id: rows}."""
    facts: dict[str, list[Any]] = {}
    for row in address_changes(summary(records(spark, _rows()), 6), 7).collect():
        facts.setdefault(row.event_id, []).append(row)
    return facts


def _facts(rows):
    return {tuple(row[name] for name in _NAMES) for row in rows}


@pytest.mark.parametrize("case", CASES, ids=[case.claim for case in CASES])
def test_a_call_tells_just_these_facts(case, told):
    """A successful call teaches what its request and response say, no less and no more."""
    assert case.facts == _facts(told.get(case.claim, []))


def test_every_call_has_a_case():
    """Each call that the ledger learns from stands above, and teaches something."""
    assert set(CALLS) == {case.event for case in CASES if case.facts}
    assert len(CASES) == len({case.claim for case in CASES})


@pytest.mark.parametrize("why", FAILED)
def test_what_did_not_happen_teaches_nothing(why, told):
    """Neither failed calls, be it by code or by message alone, nor calls of other names."""
    assert [] == [event_id for event_id in told if event_id.startswith(f"failed/{why}/")]


def test_junk_teaches_nothing_and_breaks_nothing(spark, told):
    """Text that is no JSON, or not of this shape, names no instance, no address, nothing.

    Where the name of the call alone is a fact, a row without any name says nothing of anything.
    """
    junk = {event_id: _facts(rows) for event_id, rows in told.items() if "junk/" in event_id}

    assert spark.conf.get("spark.sql.ansi.enabled") == "true"
    named = {
        event_id: facts
        for event_id, facts in junk.items()
        if any(part is not None for fact in facts for part in fact[1:])
    }
    assert {} == named


def test_a_fact_tells_who_made_the_change(told):
    """A fact carries when, where, whose, and who made it from where; a workload by its session."""
    names = [n for n in schemas.ADDRESS_CHANGES.columns if n not in {*_NAMES, "event_id"}]
    (somebody,), (box,), (service,) = (
        told[event_id] for event_id in ("by somebody", "by a box", "by a service")
    )
    assert {
        "event_time": at(3).replace(tzinfo=None),
        "account_id": OWNER,
        "aws_region": REGION,
        "made_by": "arn:aws:iam::444455556666:user/ops",
        "made_by_account_id": None,
        "made_by_role_id": None,
        "made_by_session_name": None,
        "made_from": THIEF,
        "made_with_key": "AKIAOPS",
        "batch_id": 7,
    } == {name: somebody[name] for name in names}
    assert {
        "event_time": at(1).replace(tzinfo=None),
        "account_id": BOX.account,
        "aws_region": REGION,
        "made_by": f"arn:aws:sts::{BOX.account}:assumed-role/{BOX.role}/{BOX.id}",
        "made_by_account_id": BOX.account,
        "made_by_role_id": BOX.role_id,
        "made_by_session_name": BOX.id,
        "made_from": "vpce-0a/10.0.0.1",
        "made_with_key": BOX.key,
        "batch_id": 7,
    } == {name: box[name] for name in names}
    assert service.made_by == "autoscaling.amazonaws.com"
