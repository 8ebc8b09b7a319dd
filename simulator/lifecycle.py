"""EC2's calls that change instances, addresses and endpoints, with parameters and responses.

Shapes as CloudTrail has them; older calls write their parameters flat, newer ones inside an object
that is named after the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.calls import Call, Json
from simulator.ids import resource_id, uuid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulator.identity import Machine

_STATES = {
    "StartInstances": ((80, "stopped"), (0, "pending")),
    "StopInstances": ((16, "running"), (64, "stopping")),
    "TerminateInstances": ((16, "running"), (32, "shutting-down")),
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a change is about: an instance in a VPC, and an address or endpoint if one changes."""

    machine: Machine
    vpc: str
    address: str = ""
    endpoint: str = ""

    @property
    def instance(self) -> str:
        """Id of the instance."""
        return self.machine.id

    @property
    def account(self) -> str:
        """Account of the instance."""
        return self.machine.role.account


def run_instances(target: Target) -> Call:
    """Return the call that launches an instance."""
    image = {"imageId": "ami-0c2b8ca1dad447f8a", "minCount": 1, "maxCount": 1}
    launched = {
        "instanceId": target.instance,
        "imageId": image["imageId"],
        "instanceState": {"code": 0, "name": "pending"},
        **({"privateIpAddress": target.address} if target.address else {}),
        "vpcId": target.vpc,
        "networkInterfaceSet": {
            "items": [{"networkInterfaceId": resource_id("eni", target.instance)}]
        },
    }
    return Call(
        "ec2:RunInstances",
        {"instancesSet": {"items": [image]}, "instanceType": "m7g.large"},
        {"instancesSet": {"items": [launched]}, "ownerId": target.account},
    )


def start_instances(target: Target) -> Call:
    """Return the call that starts a stopped instance."""
    return _changed("StartInstances", target)


def stop_instances(target: Target) -> Call:
    """Return the call that stops an instance."""
    return _changed("StopInstances", target)


def terminate_instances(target: Target) -> Call:
    """Return the call that ends an instance for good."""
    return _changed("TerminateInstances", target)


def associate_address(target: Target) -> Call:
    """Return the call that gives an Elastic address to an instance."""
    allocation = resource_id("eipalloc", target.address)
    parameters: Json = {"instanceId": target.instance, "allocationId": allocation}
    if target.address:
        parameters["publicIp"] = target.address
    association = resource_id("eipassoc", target.instance, target.address)
    return Call("ec2:AssociateAddress", parameters, {"_return": True, "associationId": association})


def create_vpc_endpoint(target: Target) -> Call:
    """Return the call that makes a VPC endpoint in the instance's VPC."""
    endpoint = target.endpoint or resource_id("vpce", target.vpc)
    service = f"com.amazonaws.{target.machine.region}.ec2"
    request = {"VpcId": target.vpc, "ServiceName": service, "VpcEndpointType": "Interface"}
    made = {
        "vpcEndpointId": endpoint,
        "vpcEndpointType": "Interface",
        "vpcId": target.vpc,
        "serviceName": service,
        "state": "pending",
        "ownerId": target.account,
    }
    return Call(
        "ec2:CreateVpcEndpoint",
        {"CreateVpcEndpointRequest": request},
        {"CreateVpcEndpointResponse": {"vpcEndpoint": made, "requestId": uuid("made", endpoint)}},
    )


def _changed(name: str, target: Target) -> Call:
    (was, was_name), (now, now_name) = _STATES[name]
    state = {
        "instanceId": target.instance,
        "currentState": {"code": now, "name": now_name},
        "previousState": {"code": was, "name": was_name},
    }
    return Call(
        f"ec2:{name}",
        {"instancesSet": {"items": [{"instanceId": target.instance}]}},
        {"instancesSet": {"items": [state]}},
    )


CHANGES: Mapping[str, Callable[[Target], Call]] = {
    "ec2:RunInstances": run_instances,
    "ec2:StartInstances": start_instances,
    "ec2:StopInstances": stop_instances,
    "ec2:TerminateInstances": terminate_instances,
    "ec2:AssociateAddress": associate_address,
    "ec2:CreateVpcEndpoint": create_vpc_endpoint,
}
"""Calls that a story may aim at an instance by ``target``."""
