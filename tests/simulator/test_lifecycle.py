"""Changes of instances and addresses: shapes as CloudTrail has them, ids that fit together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator import lifecycle
from simulator.identity import Machine, Role
from simulator.ids import resource_id
from simulator.lifecycle import ADDRESSED, BY_INTERFACE, CHANGES, Target

ROLE = Role("111122223333", "WebServer", "AROAWEBSERVER")
MACHINE = Machine("i-0123456789abcdef0", ROLE, "us-west-2")
TARGET = Target(MACHINE, "vpc-0123456789abcdef0", ("52.43.11.1",))
INTERFACE = resource_id("eni", MACHINE.id)
ALLOCATION = resource_id("eipalloc", "52.43.11.1")


def aimed(*addresses: str, **others: str | bool) -> Target:
    """A target with other addresses."""
    return replace(TARGET, addresses=addresses, **others)


@pytest.mark.parametrize("event", CHANGES)
def test_every_change_changes_something(event: str) -> None:
    """Each call bears the name by which a story calls it, and has parameters and a response."""
    call = CHANGES[event](TARGET)

    assert call.event == event
    assert call.parameters
    assert call.response
    assert ADDRESSED <= set(CHANGES)


def test_launch_with_several_interfaces() -> None:
    """Each private address has an interface of its own; IPv6 belongs to the first one."""
    call = lifecycle.run_instances(aimed("10.0.1.20", "10.0.2.30", "2600:1f14::7"))

    launched = call.response["instancesSet"]["items"][0]
    first, second = launched["networkInterfaceSet"]["items"]
    assert launched["privateIpAddress"] == first["privateIpAddress"] == "10.0.1.20"
    assert launched["ipv6Address"] == "2600:1f14::7"
    assert first["networkInterfaceId"] == INTERFACE
    assert first["privateIpAddressesSet"] == {
        "item": [{"privateIpAddress": "10.0.1.20", "primary": True}]
    }
    assert first["ipv6AddressesSet"] == {"item": [{"ipv6Address": "2600:1f14::7"}]}
    assert first["attachment"]["deviceIndex"] == 0
    assert second["privateIpAddress"] == "10.0.2.30"
    assert second["networkInterfaceId"] == aimed(interface="eth1").interface_id != INTERFACE
    assert second["ipv6AddressesSet"] == {}


def test_launch_without_an_address() -> None:
    """A launch may leave the address open."""
    launched = lifecycle.run_instances(aimed()).response["instancesSet"]["items"][0]

    (interface,) = launched["networkInterfaceSet"]["items"]
    assert "privateIpAddress" not in launched
    assert interface["networkInterfaceId"] == INTERFACE


@pytest.mark.parametrize("name", ["StartInstances", "StopInstances", "TerminateInstances"])
def test_steps_of_a_life(name: str) -> None:
    """The instance stands in parameters and response alike."""
    call = CHANGES[f"ec2:{name}"](TARGET)

    assert call.parameters["instancesSet"]["items"] == [{"instanceId": MACHINE.id}]
    assert call.response["instancesSet"]["items"][0]["instanceId"] == MACHINE.id


def test_allocation() -> None:
    """Only the response of an allocation tells the address."""
    call = lifecycle.allocate_address(TARGET)

    assert call.parameters == {"domain": "vpc"}
    assert call.response["publicIp"] == "52.43.11.1"
    assert call.response["allocationId"] == ALLOCATION


def test_association_by_instance() -> None:
    """It tells the address, unless it is asked not to."""
    told = lifecycle.associate_address(TARGET)
    silent = lifecycle.associate_address(replace(TARGET, is_told=False))

    by_id = {"instanceId": MACHINE.id, "allocationId": ALLOCATION}
    assert told.parameters == by_id | {"publicIp": "52.43.11.1"}
    assert silent.parameters == by_id
    assert told.response == silent.response


def test_association_by_interface() -> None:
    """It names interface and allocation alone, unless it is asked to tell the address."""
    by_interface = replace(TARGET, form=BY_INTERFACE)
    silent = lifecycle.associate_address(by_interface)
    told = lifecycle.associate_address(replace(by_interface, is_told=True))

    assert silent.parameters == {"networkInterfaceId": INTERFACE, "allocationId": ALLOCATION}
    assert told.parameters == silent.parameters | {"publicIp": "52.43.11.1"}


def test_an_address_is_taken_away_by_its_association() -> None:
    """The call names what the association was called when it was made, and nothing else."""
    made = lifecycle.associate_address(TARGET).response["associationId"]

    assert lifecycle.disassociate_address(TARGET).parameters == {"associationId": made}
    assert lifecycle.release_address(TARGET).parameters == {"allocationId": ALLOCATION}


def test_life_of_an_interface() -> None:
    """It is made with its addresses, attached, and detached by its attachment."""
    target = aimed("10.0.2.30", "10.0.2.31", interface="eth1")
    made = lifecycle.create_network_interface(target).response["networkInterface"]
    attached = lifecycle.attach_network_interface(target)
    detached = lifecycle.detach_network_interface(target)

    addresses = [one["privateIpAddress"] for one in made["privateIpAddressesSet"]["item"]]
    assert made["privateIpAddress"] == "10.0.2.30"
    assert addresses == ["10.0.2.30", "10.0.2.31"]
    assert attached.parameters == {
        "networkInterfaceId": made["networkInterfaceId"],
        "instanceId": MACHINE.id,
        "deviceIndex": 1,
    }
    assert detached.parameters["attachmentId"] == attached.response["attachmentId"]


def test_attachment_of_a_launch_can_be_detached() -> None:
    """A launch attaches interfaces, too."""
    launched = lifecycle.run_instances(aimed("10.0.1.20")).response["instancesSet"]["items"][0]

    (interface,) = launched["networkInterfaceSet"]["items"]
    detached = lifecycle.detach_network_interface(TARGET).parameters["attachmentId"]
    assert interface["attachment"]["attachmentId"] == detached


def test_private_addresses_and_prefixes() -> None:
    """The caller asks for so many; the response tells which."""
    addresses = lifecycle.assign_private_ip_addresses(aimed("10.0.4.10", "10.0.4.11"))
    prefixes = lifecycle.assign_private_ip_addresses(aimed("10.0.4.16/28"))

    assert addresses.parameters["networkInterfaceId"] == INTERFACE
    assert addresses.parameters["secondaryPrivateIpAddressCount"] == 2
    assert addresses.response["assignedPrivateIpAddressesSet"] == {
        "assignedPrivateIpAddressSetType": [
            {"privateIpAddress": "10.0.4.10"},
            {"privateIpAddress": "10.0.4.11"},
        ]
    }
    assert addresses.response["assignedIpv4PrefixSet"] == {}
    assert prefixes.response["assignedIpv4PrefixSet"] == {"item": [{"ipv4Prefix": "10.0.4.16/28"}]}
    assert prefixes.response["assignedPrivateIpAddressesSet"] == {}


def test_ipv6_addresses_and_prefixes() -> None:
    """Lists of plain texts."""
    call = lifecycle.assign_ipv6_addresses(aimed("2600:1f14::7", "2600:1f14:0:1::/80"))

    assert call.parameters["ipv6AddressCount"] == call.parameters["ipv6PrefixCount"] == 1
    assert call.response["assignedIpv6Addresses"] == {"item": ["2600:1f14::7"]}
    assert call.response["assignedIpv6Prefixes"] == {"item": ["2600:1f14:0:1::/80"]}


def test_nat_gateway() -> None:
    """Inside an object named after the request; a list of one address is no list."""
    made = lifecycle.create_nat_gateway(TARGET)
    told = lifecycle.create_nat_gateway(replace(TARGET, is_told=True))
    more = lifecycle.associate_nat_gateway_address(TARGET)

    gateway = made.response["CreateNatGatewayResponse"]["natGateway"]
    address = gateway["natGatewayAddressSet"]["item"]
    assert made.parameters["CreateNatGatewayRequest"]["AllocationId"] == ALLOCATION
    assert address["allocationId"] == ALLOCATION
    assert address["networkInterfaceId"].startswith("eni-0")
    assert "publicIp" not in address
    gateway_told = told.response["CreateNatGatewayResponse"]["natGateway"]
    assert gateway_told["natGatewayAddressSet"]["item"]["publicIp"] == "52.43.11.1"
    request = more.parameters["AssociateNatGatewayAddressRequest"]
    assert request["NatGatewayId"] == gateway["natGatewayId"]
    assert request["AllocationId"] == {"tag": 1, "content": ALLOCATION}


def test_endpoint() -> None:
    """The response names the endpoint, its owner and its interfaces."""
    call = lifecycle.create_vpc_endpoint(replace(TARGET, endpoint="vpce-0aaaaaaaaaaaaaaaa"))

    made = call.response["CreateVpcEndpointResponse"]["vpcEndpoint"]
    assert made["vpcEndpointId"] == "vpce-0aaaaaaaaaaaaaaaa"
    assert made["ownerId"] == "111122223333"
    assert made["networkInterfaceIdSet"]["item"].startswith("eni-0")


def test_instance_that_forwards() -> None:
    """Its check is off, and the default route leads to it, or to its interface."""
    check = lifecycle.modify_instance_attribute(TARGET)
    route = lifecycle.create_route(TARGET)
    other = lifecycle.replace_route(replace(TARGET, form=BY_INTERFACE))

    assert check.parameters == {"instanceId": MACHINE.id, "sourceDestCheck": {"value": False}}
    assert route.parameters["instanceId"] == MACHINE.id
    assert route.parameters["destinationCidrBlock"] == "0.0.0.0/0"
    assert other.parameters["networkInterfaceId"] == INTERFACE
    assert other.parameters["routeTableId"] == route.parameters["routeTableId"]
