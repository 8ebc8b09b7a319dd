"""The ledger: what CloudTrail itself says of who holds which address, and who said so.

Method, section 4. One row is one fact of a successful call: an interface that belongs to an
instance, an address that an interface or an instance gets or loses, a NAT gateway's address, one
step of an instance's life. What was there before the trail began is unknown, not false.

Shapes of the calls: Amazon EC2 API Reference; CloudTrail writes older calls flat and with
``items``, newer ones inside an object that is named after the request.
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms import schemas
from transforms.columns import let
from transforms.ip import address as canonical
from transforms.ip import network28, network80

LAUNCH, START, STOP, TERMINATE = "launch", "start", "stop", "terminate"
ATTACH, DETACH = "attach", "detach"
HOLD, UNHOLD = "hold", "unhold"
ALLOCATE, RELEASE, ASSOCIATE, DISASSOCIATE = "allocate", "release", "associate", "disassociate"
NAT, ROUTE, ENDPOINT = "nat", "route", "endpoint"

_ADDRESSES = "array<struct<privateIpAddress:string>>"
_V6 = "array<struct<ipv6Address:string>>"
_INTERFACE = (
    "networkInterfaceId:string,vpcId:string,attachment:struct<attachmentId:string>,privateIpAddress:string,"
    f"privateIpAddressesSet:struct<item:{_ADDRESSES},items:{_ADDRESSES}>,"
    f"ipv6AddressesSet:struct<item:{_V6},items:{_V6}>"
)
_INSTANCES = (
    "struct<items:array<struct<instanceId:string,previousState:struct<name:string>,vpcId:string,"
    "privateIpAddress:string,ipv6Address:string,"
    f"networkInterfaceSet:struct<items:array<struct<{_INTERFACE}>>>>>>"
)
_PREFIXES_4 = "array<struct<ipv4Prefix:string>>"
_NAT_ADDRESSES = "array<struct<allocationId:string,publicIp:string>>"
_TEXTS = "array<string>"

_COMMON = (
    "instanceId:string,networkInterfaceId:string,allocationId:string,publicIp:string,"
    "associationId:string,attachmentId:string,"
)
_REQUEST = (
    f"struct<{_COMMON}sourceDestCheck:struct<value:string>,destinationCidrBlock:string,"
    "destinationIpv6CidrBlock:string,instancesSet:struct<items:array<struct<instanceId:string>>>,"
    f"privateIpAddressesSet:struct<item:{_ADDRESSES},items:{_ADDRESSES}>>"
)
_RESPONSE = (
    f"struct<{_COMMON}networkInterface:struct<{_INTERFACE}>,instancesSet:{_INSTANCES},"
    "assignedPrivateIpAddressesSet:struct<assignedPrivateIpAddressSetType:"
    f"{_ADDRESSES},item:{_ADDRESSES},items:{_ADDRESSES}>,"
    f"assignedIpv4PrefixSet:struct<item:{_PREFIXES_4},items:{_PREFIXES_4}>,"
    f"assignedIpv6Addresses:struct<item:{_TEXTS},items:{_TEXTS}>,"
    f"assignedIpv6Prefixes:struct<item:{_TEXTS},items:{_TEXTS}>>"
)
_FACT = {
    "change": "string",
    "instance_id": "string",
    "network_interface_id": "string",
    "allocation_id": "string",
    "vpc_id": "string",
    "vpc_endpoint_id": "string",
    "association_id": "string",
    "address": "string",
    "ipv4": "string",
    "prefix": "string",
}
"""Fields of a fact as a call tells it; ``ipv4`` and ``prefix`` are addresses, too, until read."""


def is_address_change() -> Column:
    """Tell whether a record is a successful call that the ledger learns from."""
    return F.coalesce(
        (F.col("event_source") == "ec2.amazonaws.com")
        & F.col("event_name").isin(*CALLS)
        & F.col("error_code").isNull()
        & F.col("error_message").isNull(),
        F.lit(False),
    )


def address_changes(told: DataFrame) -> DataFrame:
    """``schemas.ADDRESS_CHANGES``.

    Args:
        told: one row per successful call of :data:`CALLS`: the columns that those of the table
            which are no facts have, with ``event_name``, ``request_parameters`` and
            ``response_elements`` (JSON texts).
    """
    names = schemas.ADDRESS_CHANGES.columns
    calls = told.withColumns(
        {
            "request": F.from_json("request_parameters", _REQUEST),
            "response": F.from_json("response_elements", _RESPONSE),
        }
    )
    event = F.col("event_name")
    facts = F.coalesce(*[F.when(event == name, facts()) for name, facts in CALLS.items()])
    return calls.withColumn("fact", F.explode(_read(facts))).select("*", "fact.*").select(*names)


def _read(facts: Column) -> Column:
    """Facts, each once, with their addresses read; none that an address is held which is none.

    All addresses are read in one place: the expression is a long one.
    """

    def with_address(fact: Column) -> Column:
        prefix = F.substring_index(fact["prefix"], "/", 1)
        told = canonical(F.coalesce(fact["address"], fact["ipv4"], prefix))
        address = let(told, lambda a: _as_told(fact, a))
        return fact.withField("address", address).dropFields("ipv4", "prefix")

    def is_known(fact: Column) -> Column:
        return ~fact["change"].isin(HOLD, UNHOLD) | fact["address"].isNotNull()

    return F.array_distinct(F.filter(F.transform(facts, with_address), is_known))


def _as_told(fact: Column, address: Column) -> Column:
    """The address as a fact holds it: of IPv4 alone, or the network of a prefix."""
    return (
        F.when(fact["prefix"].isNotNull(), F.coalesce(network28(address), network80(address)))
        .when(fact["ipv4"].isNotNull(), F.when(~address.contains(":"), address))
        .otherwise(address)
    )


def _fact(change: str, **parts: Column) -> Column:
    values = {"change": F.lit(change), **parts}
    return F.struct(
        *[
            F.nullif(values.get(name, F.lit(None)).cast(kind), F.lit("")).alias(name)
            for name, kind in _FACT.items()
        ]
    )


def _listed(struct: Column, *keys: str) -> Column:
    """The list in a struct, under whichever key this call has it; empty where there is none."""
    return F.coalesce(*[struct[key] for key in keys], F.array())


def _steps(change: str) -> Callable[[], Column]:
    def facts() -> Column:
        named = F.coalesce(
            F.col("response.instancesSet.items.instanceId"),
            F.col("request.instancesSet.items.instanceId"),
            F.array(),
        )
        return F.transform(named, lambda i: _fact(change, instance_id=i))

    return facts


def _started() -> Column:
    """A start of what is running already starts nothing."""
    items = F.coalesce(F.col("response.instancesSet.items"), F.array())
    stopped = F.filter(
        items, lambda i: F.coalesce(i["previousState"]["name"], F.lit("")) != "running"
    )
    return F.transform(stopped, lambda i: _fact(START, instance_id=i["instanceId"]))


def _endpoint() -> Column:
    made = F.get_json_object(
        "response_elements", "$.CreateVpcEndpointResponse.vpcEndpoint.vpcEndpointId"
    )
    flat = F.get_json_object("response_elements", "$.vpcEndpoint.vpcEndpointId")
    return F.array(_fact(ENDPOINT, vpc_endpoint_id=F.coalesce(made, flat)))


def _launch() -> Column:
    def of_instance(instance: Column) -> Column:
        interfaces = _listed(instance["networkInterfaceSet"], "items")
        attached = F.transform(
            interfaces,
            lambda i: _fact(
                ATTACH,
                instance_id=instance["instanceId"],
                network_interface_id=i["networkInterfaceId"],
                association_id=i["attachment"]["attachmentId"],
            ),
        )
        held = F.flatten(
            F.transform(interfaces, lambda i: _held_by_interface(i, instance["vpcId"]))
        )
        first = F.array(
            *[
                _fact(
                    HOLD,
                    instance_id=instance["instanceId"],
                    vpc_id=instance["vpcId"],
                    address=instance[a],
                )
                for a in ("privateIpAddress", "ipv6Address")
            ]
        )
        launched = F.array(_fact(LAUNCH, instance_id=instance["instanceId"]))
        return F.concat(launched, attached, held, first)

    instances = F.coalesce(F.col("response.instancesSet.items"), F.array())
    return F.flatten(F.transform(instances, of_instance))


def _held_by_interface(interface: Column, vpc: Column) -> Column:
    """Facts of the private and IPv6 addresses that an interface carries."""
    v4 = F.concat(
        F.array(interface["privateIpAddress"]),
        F.transform(
            _listed(interface["privateIpAddressesSet"], "item", "items"),
            lambda a: a["privateIpAddress"],
        ),
    )
    v6 = F.transform(
        _listed(interface["ipv6AddressesSet"], "item", "items"), lambda a: a["ipv6Address"]
    )
    return _holds(HOLD, interface["networkInterfaceId"], F.concat(v4, v6), vpc)


def _holds(change: str, interface: Column, addresses: Column, vpc: Column | None = None) -> Column:
    where = {} if vpc is None else {"vpc_id": vpc}
    return F.transform(
        addresses, lambda a: _fact(change, network_interface_id=interface, address=a, **where)
    )


def _prefixes(interface: Column, prefixes: Column) -> Column:
    """Facts of prefixes that are delegated to an interface: IPv4 /28, IPv6 /80."""
    return F.transform(prefixes, lambda p: _fact(HOLD, network_interface_id=interface, prefix=p))


def _create_interface() -> Column:
    interface = F.col("response.networkInterface")
    return _held_by_interface(interface, interface["vpcId"])


def _attach() -> Column:
    return F.array(
        _fact(
            ATTACH,
            instance_id=F.col("request.instanceId"),
            network_interface_id=F.col("request.networkInterfaceId"),
            association_id=F.col("response.attachmentId"),
        )
    )


def _detach() -> Column:
    return F.array(_fact(DETACH, association_id=F.col("request.attachmentId")))


def _assign_private() -> Column:
    interface = F.coalesce("request.networkInterfaceId", "response.networkInterfaceId")
    told = F.concat(
        _listed(
            F.col("response.assignedPrivateIpAddressesSet"),
            "assignedPrivateIpAddressSetType",
            "item",
            "items",
        ),
        _listed(F.col("request.privateIpAddressesSet"), "item", "items"),
    )
    addresses = F.transform(told, lambda a: a["privateIpAddress"])
    prefixes = F.transform(
        _listed(F.col("response.assignedIpv4PrefixSet"), "item", "items"),
        lambda p: p["ipv4Prefix"],
    )
    return F.concat(_holds(HOLD, interface, addresses), _prefixes(interface, prefixes))


def _unassign_private() -> Column:
    addresses = F.transform(
        _listed(F.col("request.privateIpAddressesSet"), "item", "items"),
        lambda a: a["privateIpAddress"],
    )
    return _holds(UNHOLD, F.col("request.networkInterfaceId"), addresses)


def _assign_ipv6() -> Column:
    interface = F.coalesce("request.networkInterfaceId", "response.networkInterfaceId")
    addresses = _listed(F.col("response.assignedIpv6Addresses"), "item", "items")
    prefixes = _listed(F.col("response.assignedIpv6Prefixes"), "item", "items")
    return F.concat(_holds(HOLD, interface, addresses), _prefixes(interface, prefixes))


def _allocate() -> Column:
    return F.array(
        _fact(
            ALLOCATE,
            allocation_id=F.col("response.allocationId"),
            ipv4=F.col("response.publicIp"),
        )
    )


def _associate() -> Column:
    return F.array(
        _fact(
            ASSOCIATE,
            instance_id=F.col("request.instanceId"),
            network_interface_id=F.col("request.networkInterfaceId"),
            allocation_id=F.col("request.allocationId"),
            association_id=F.col("response.associationId"),
            ipv4=F.coalesce("request.publicIp", "response.publicIp"),
        )
    )


def _disassociate() -> Column:
    return F.array(
        _fact(
            DISASSOCIATE,
            association_id=F.col("request.associationId"),
            ipv4=F.col("request.publicIp"),
        )
    )


def _release() -> Column:
    return F.array(
        _fact(
            RELEASE,
            allocation_id=F.col("request.allocationId"),
            ipv4=F.col("request.publicIp"),
        )
    )


def _nat(told: str, asked: str) -> Callable[[], Column]:
    """Facts of a NAT gateway's addresses: those the response tells, and the allocations asked for.

    Args:
        told: path of the addresses in the response.
        asked: path of the allocations in the request.
    """

    def facts() -> Column:
        addresses = F.from_json(_as_list(F.col("response_elements"), told), _NAT_ADDRESSES)
        given = F.transform(
            F.coalesce(addresses, F.array()),
            lambda a: _fact(NAT, allocation_id=a["allocationId"], ipv4=a["publicIp"]),
        )
        allocations = F.regexp_extract_all(
            F.coalesce(F.get_json_object("request_parameters", asked), F.lit("")),
            F.lit("(eipalloc-[0-9a-f]+)"),
        )
        return F.concat(given, F.transform(allocations, lambda a: _fact(NAT, allocation_id=a)))

    return facts


def _as_list(text: Column, path: str) -> Column:
    """JSON at a path as a list: CloudTrail writes a list of one as the element itself."""
    found = F.get_json_object(text, path)
    return F.when(found.startswith("["), found).otherwise(F.concat(F.lit("["), found, F.lit("]")))


def _route() -> Column:
    is_default = F.coalesce(
        (F.col("request.destinationCidrBlock") == "0.0.0.0/0")
        | (F.col("request.destinationIpv6CidrBlock") == "::/0"),
        F.lit(False),
    )
    has_target = F.coalesce("request.instanceId", "request.networkInterfaceId").isNotNull()
    return _forwards(is_default & has_target)


def _source_check() -> Column:
    """An instance whose source/destination check is off forwards what others send."""
    off = F.lower("request.sourceDestCheck.value") == "false"
    return _forwards(F.coalesce(off, F.lit(False)))


def _forwards(holds: Column) -> Column:
    """One fact, where a condition holds: what the request names forwards for others."""
    route = _fact(
        ROUTE,
        instance_id=F.col("request.instanceId"),
        network_interface_id=F.col("request.networkInterfaceId"),
    )
    return F.filter(F.array(route), lambda _: holds)


CALLS: dict[str, Callable[[], Column]] = {
    "RunInstances": _launch,
    "StartInstances": _started,
    "CreateVpcEndpoint": _endpoint,
    "StopInstances": _steps(STOP),
    "TerminateInstances": _steps(TERMINATE),
    "CreateNetworkInterface": _create_interface,
    "AttachNetworkInterface": _attach,
    "DetachNetworkInterface": _detach,
    "AssignPrivateIpAddresses": _assign_private,
    "UnassignPrivateIpAddresses": _unassign_private,
    "AssignIpv6Addresses": _assign_ipv6,
    "AllocateAddress": _allocate,
    "AssociateAddress": _associate,
    "DisassociateAddress": _disassociate,
    "ReleaseAddress": _release,
    "CreateNatGateway": _nat(
        "$.CreateNatGatewayResponse.natGateway.natGatewayAddressSet.item",
        "$.CreateNatGatewayRequest.AllocationId",
    ),
    "AssociateNatGatewayAddress": _nat(
        "$.AssociateNatGatewayAddressResponse.natGatewayAddressSet.item",
        "$.AssociateNatGatewayAddressRequest.AllocationId",
    ),
    "CreateRoute": _route,
    "ReplaceRoute": _route,
    "ModifyInstanceAttribute": _source_check,
    "ModifyNetworkInterfaceAttribute": _source_check,
}
"""Calls that the ledger learns from, and the facts that each tells."""
