"""EC2's calls that change instances, addresses and endpoints, with parameters and responses.

Shapes as CloudTrail has them. Older calls write their parameters flat and lists below ``items``;
newer ones write them inside an object that is named after the request, where a list of one is no
list, and where members of a list in a request are numbered. Ids depend on what they belong to
alone, so that two calls about one thing name it alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.calls import Call, Json
from simulator.ids import resource_id, uuid
from simulator.partitions import partition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulator.identity import Machine

_STATES = {
    "StartInstances": ((80, "stopped"), (0, "pending")),
    "StopInstances": ((16, "running"), (64, "stopping")),
    "TerminateInstances": ((16, "running"), (32, "shutting-down")),
}

BY_INSTANCE, BY_INTERFACE = "instance", "interface"
"""Forms of a call that may name an instance or its interface."""

PRIMARY = "eth0"
"""The interface that an instance is born with."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a change is about: an instance in a VPC, and what is given to it or taken from it.

    Attributes:
        machine: the instance.
        vpc: where it is.
        addresses: addresses or prefixes that change hands.
        endpoint: VPC endpoint.
        interface: name of the instance's interface; ``eth0`` is the one it is born with.
        form: whether the call names the instance or the interface, where it can do either.
        is_told: whether the call tells a public address itself; none where it does as usual.
    """

    machine: Machine
    vpc: str
    addresses: tuple[str, ...] = ()
    endpoint: str = ""
    interface: str = PRIMARY
    form: str = BY_INSTANCE
    is_told: bool | None = None

    @property
    def instance(self) -> str:
        """Id of the instance."""
        return self.machine.id

    @property
    def account(self) -> str:
        """Account of the instance."""
        return self.machine.role.account

    @property
    def address(self) -> str:
        """The first address."""
        return self.addresses[0] if self.addresses else ""

    @property
    def interface_id(self) -> str:
        """Id of the interface."""
        return _interface_id(self.instance, self.interface)

    @property
    def subnet(self) -> str:
        """Id of the subnet; a VPC has one."""
        return resource_id("subnet", self.vpc)

    @property
    def allocation(self) -> str:
        """Id of the allocation of an Elastic address."""
        return resource_id("eipalloc", self.address)

    @property
    def association(self) -> str:
        """Id of the association of an Elastic address with the interface."""
        return resource_id("eipassoc", self.interface_id, self.address)

    @property
    def attachment(self) -> str:
        """Id of the attachment of the interface."""
        return resource_id("eni-attach", self.interface_id)

    @property
    def gateway(self) -> str:
        """Id of the NAT gateway; the interface's name tells several of a VPC apart."""
        return resource_id("nat", self.vpc, self.interface)


def run_instances(target: Target) -> Call:
    """Return the call that launches an instance.

    Each private address has an interface of its own; IPv6 addresses belong to the first one.
    """
    image = {"imageId": "ami-0c2b8ca1dad447f8a", "minCount": 1, "maxCount": 1}
    private = [a for a in target.addresses if ":" not in a] or [""]
    ipv6 = [a for a in target.addresses if ":" in a]
    interfaces = [
        _interface(target, f"eth{i}", [address] if address else [], [] if i else ipv6)
        | _attached(target, i)
        for i, address in enumerate(private)
    ]
    launched = {
        "instanceId": target.instance,
        "imageId": image["imageId"],
        "instanceState": {"code": 0, "name": "pending"},
        **({"privateIpAddress": private[0]} if private[0] else {}),
        **({"ipv6Address": ipv6[0]} if ipv6 else {}),
        "subnetId": target.subnet,
        "vpcId": target.vpc,
        "sourceDestCheck": True,
        "networkInterfaceSet": {"items": interfaces},
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


def modify_instance_attribute(target: Target) -> Call:
    """Return the call that lets an instance forward what others send."""
    parameters = {"instanceId": target.instance, "sourceDestCheck": {"value": False}}
    return Call("ec2:ModifyInstanceAttribute", parameters, _done("check", target.instance))


def allocate_address(target: Target) -> Call:
    """Return the call that gets an Elastic address: its response alone tells which."""
    response = {
        "publicIp": target.address,
        "domain": "vpc",
        "allocationId": target.allocation,
        "publicIpv4Pool": "amazon",
        "networkBorderGroup": target.machine.region,
    }
    return Call("ec2:AllocateAddress", {"domain": "vpc"}, response)


def associate_address(target: Target) -> Call:
    """Return the call that gives an Elastic address to an instance or an interface.

    Named by its instance, the call tells the address unless asked not to; by its interface, it
    does not unless asked to.
    """
    is_by_instance = target.form == BY_INSTANCE
    named = (
        {"instanceId": target.instance}
        if is_by_instance
        else {"networkInterfaceId": target.interface_id}
    )
    is_told = is_by_instance if target.is_told is None else target.is_told
    parameters: Json = {**named, "allocationId": target.allocation}
    if is_told and target.address:
        parameters["publicIp"] = target.address
    response = {"_return": True, "associationId": target.association}
    return Call("ec2:AssociateAddress", parameters, response)


def disassociate_address(target: Target) -> Call:
    """Return the call that takes an Elastic address away: it names the association alone."""
    parameters = {"associationId": target.association}
    return Call("ec2:DisassociateAddress", parameters, _done("taken", target.association))


def release_address(target: Target) -> Call:
    """Return the call that gives an Elastic address back to AWS."""
    parameters = {"allocationId": target.allocation}
    return Call("ec2:ReleaseAddress", parameters, _done("back", target.allocation))


def create_network_interface(target: Target) -> Call:
    """Return the call that makes an interface; its first address is the primary one."""
    private = [a for a in target.addresses if ":" not in a]
    ipv6 = [a for a in target.addresses if ":" in a]
    made = {
        **_interface(target, target.interface, private, ipv6),
        "ownerId": target.account,
        "status": "pending",
    }
    parameters = {"subnetId": target.subnet, "description": "", "privateIpAddressesSet": {}}
    return Call("ec2:CreateNetworkInterface", parameters, {"networkInterface": made})


def attach_network_interface(target: Target) -> Call:
    """Return the call that attaches an interface to an instance."""
    parameters = {
        "networkInterfaceId": target.interface_id,
        "instanceId": target.instance,
        "deviceIndex": 1,
    }
    return Call("ec2:AttachNetworkInterface", parameters, {"attachmentId": target.attachment})


def detach_network_interface(target: Target) -> Call:
    """Return the call that detaches an interface: it names the attachment alone."""
    parameters = {"attachmentId": target.attachment, "force": False}
    return Call("ec2:DetachNetworkInterface", parameters, _done("off", target.attachment))


def assign_private_ip_addresses(target: Target) -> Call:
    """Return the call that gives an interface more private addresses, or prefixes of 16."""
    prefixes = [a for a in target.addresses if "/" in a]
    addresses = [a for a in target.addresses if "/" not in a]
    parameters: Json = {"networkInterfaceId": target.interface_id, "privateIpAddressesSet": {}}
    if addresses:
        parameters["secondaryPrivateIpAddressCount"] = len(addresses)
    if prefixes:
        parameters["ipv4PrefixCount"] = len(prefixes)
    assigned = [{"privateIpAddress": address} for address in addresses]
    given = [{"ipv4Prefix": prefix} for prefix in prefixes]
    response = {
        "networkInterfaceId": target.interface_id,
        "assignedPrivateIpAddressesSet": (
            {"assignedPrivateIpAddressSetType": assigned} if assigned else {}
        ),
        "assignedIpv4PrefixSet": {"item": given} if given else {},
        "_return": True,
    }
    return Call("ec2:AssignPrivateIpAddresses", parameters, response)


def assign_ipv6_addresses(target: Target) -> Call:
    """Return the call that gives an interface IPv6 addresses or prefixes."""
    prefixes = [a for a in target.addresses if "/" in a]
    addresses = [a for a in target.addresses if "/" not in a]
    parameters: Json = {"networkInterfaceId": target.interface_id}
    if addresses:
        parameters["ipv6AddressCount"] = len(addresses)
    if prefixes:
        parameters["ipv6PrefixCount"] = len(prefixes)
    response = {
        "networkInterfaceId": target.interface_id,
        "assignedIpv6Addresses": {"item": addresses} if addresses else {},
        "assignedIpv6Prefixes": {"item": prefixes} if prefixes else {},
    }
    return Call("ec2:AssignIpv6Addresses", parameters, response)


def create_nat_gateway(target: Target) -> Call:
    """Return the call that makes a NAT gateway with an Elastic address."""
    request = {"SubnetId": target.subnet, "AllocationId": target.allocation}
    made = {
        "natGatewayId": target.gateway,
        "subnetId": target.subnet,
        "vpcId": target.vpc,
        "state": "pending",
        "connectivityType": "public",
        "natGatewayAddressSet": _of_gateway(target),
    }
    response = {"natGateway": made, "requestId": uuid("made", target.gateway, target.address)}
    return Call(
        "ec2:CreateNatGateway",
        {"CreateNatGatewayRequest": request},
        {"CreateNatGatewayResponse": response},
    )


def associate_nat_gateway_address(target: Target) -> Call:
    """Return the call that gives a NAT gateway one more Elastic address."""
    request = {
        "NatGatewayId": target.gateway,
        "AllocationId": {"tag": 1, "content": target.allocation},
    }
    response = {
        "natGatewayId": target.gateway,
        "natGatewayAddressSet": _of_gateway(target),
        "requestId": uuid("more", target.gateway, target.address),
    }
    return Call(
        "ec2:AssociateNatGatewayAddress",
        {"AssociateNatGatewayAddressRequest": request},
        {"AssociateNatGatewayAddressResponse": response},
    )


def create_vpc_endpoint(target: Target) -> Call:
    """Return the call that makes a VPC endpoint in the instance's VPC."""
    endpoint = target.endpoint or resource_id("vpce", target.vpc)
    region = target.machine.region
    owner = ".".join(reversed(partition(region).suffix.split(".")))
    service = f"{owner}.{region}.ec2"
    request = {
        "VpcId": target.vpc,
        "ServiceName": service,
        "VpcEndpointType": "Interface",
        "SubnetId": {"tag": 1, "content": target.subnet},
    }
    made = {
        "vpcEndpointId": endpoint,
        "vpcEndpointType": "Interface",
        "vpcId": target.vpc,
        "serviceName": service,
        "state": "pending",
        "networkInterfaceIdSet": {"item": resource_id("eni", endpoint)},
        "ownerId": target.account,
    }
    return Call(
        "ec2:CreateVpcEndpoint",
        {"CreateVpcEndpointRequest": request},
        {"CreateVpcEndpointResponse": {"vpcEndpoint": made, "requestId": uuid("made", endpoint)}},
    )


def create_route(target: Target) -> Call:
    """Return the call that sends what leaves a VPC through an instance or an interface."""
    return _route("CreateRoute", target)


def replace_route(target: Target) -> Call:
    """Return the call that changes where what leaves a VPC is sent."""
    return _route("ReplaceRoute", target)


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


def _interface_id(instance: str, name: str) -> str:
    return resource_id("eni", instance, *([] if name == PRIMARY else [name]))


def _interface(target: Target, name: str, private: list[str], ipv6: list[str]) -> Json:
    addresses = [{"privateIpAddress": a, "primary": not i} for i, a in enumerate(private)]
    return {
        "networkInterfaceId": _interface_id(target.instance, name),
        "subnetId": target.subnet,
        "vpcId": target.vpc,
        **({"privateIpAddress": private[0]} if private else {}),
        "privateIpAddressesSet": {"item": addresses} if addresses else {},
        "ipv6AddressesSet": {"item": [{"ipv6Address": a} for a in ipv6]} if ipv6 else {},
    }


def _attached(target: Target, index: int) -> Json:
    interface = _interface_id(target.instance, f"eth{index}")
    attachment = resource_id("eni-attach", interface)
    return {"attachment": {"attachmentId": attachment, "deviceIndex": index}}


def _of_gateway(target: Target) -> Json:
    """Return the address of a NAT gateway that is still being given: as a rule without itself."""
    address = {
        "allocationId": target.allocation,
        **({"publicIp": target.address} if target.is_told else {}),
        "networkInterfaceId": resource_id("eni", target.gateway, target.address),
    }
    return {"item": address}


def _route(name: str, target: Target) -> Call:
    holder = (
        {"instanceId": target.instance}
        if target.form == BY_INSTANCE
        else {"networkInterfaceId": target.interface_id}
    )
    parameters = {
        "routeTableId": resource_id("rtb", target.vpc),
        "destinationCidrBlock": "0.0.0.0/0",
        **holder,
    }
    return Call(f"ec2:{name}", parameters, _done(name, target.vpc, target.instance))


def _done(*words: str) -> Json:
    return {"requestId": uuid(*words), "_return": True}


CHANGES: Mapping[str, Callable[[Target], Call]] = {
    "ec2:RunInstances": run_instances,
    "ec2:StartInstances": start_instances,
    "ec2:StopInstances": stop_instances,
    "ec2:TerminateInstances": terminate_instances,
    "ec2:ModifyInstanceAttribute": modify_instance_attribute,
    "ec2:AllocateAddress": allocate_address,
    "ec2:AssociateAddress": associate_address,
    "ec2:DisassociateAddress": disassociate_address,
    "ec2:ReleaseAddress": release_address,
    "ec2:CreateNetworkInterface": create_network_interface,
    "ec2:AttachNetworkInterface": attach_network_interface,
    "ec2:DetachNetworkInterface": detach_network_interface,
    "ec2:AssignPrivateIpAddresses": assign_private_ip_addresses,
    "ec2:AssignIpv6Addresses": assign_ipv6_addresses,
    "ec2:CreateNatGateway": create_nat_gateway,
    "ec2:AssociateNatGatewayAddress": associate_nat_gateway_address,
    "ec2:CreateVpcEndpoint": create_vpc_endpoint,
    "ec2:CreateRoute": create_route,
    "ec2:ReplaceRoute": replace_route,
}
"""Calls that a story may aim at an instance by ``target``."""

ADDRESSED = frozenset(
    {
        "ec2:AllocateAddress",
        "ec2:AssociateAddress",
        "ec2:AssociateNatGatewayAddress",
        "ec2:CreateNatGateway",
        "ec2:DisassociateAddress",
        "ec2:ReleaseAddress",
    }
)
"""Changes that are about an address, and need it even where they do not tell it."""
