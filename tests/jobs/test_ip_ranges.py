"""AWS address space: the shipped ranges, and files that users give."""

from __future__ import annotations

import ipaddress
import json
import re
from datetime import date

import pytest

from jobs.errors import SettingsError
from jobs.ip_ranges import load_ip_ranges
from transforms.ranges import in_aws_space

V4 = {"ip_prefix": "52.95.0.0/16", "region": "us-west-2", "service": "AMAZON"}
V6 = {"ipv6_prefix": "2600:1f14::/35", "region": "us-west-2", "service": "AMAZON"}


@pytest.fixture(scope="module")
def shipped():
    """The ranges that come with the program."""
    return load_ip_ranges(None)


@pytest.fixture
def given(tmp_path):
    """Write a file of ranges, with defaults, and return its path."""

    def write(**changes):
        content = {
            "syncToken": "1",
            "createDate": "2026-03-02-21-03-11",
            "prefixes": [V4],
            "ipv6_prefixes": [V6],
        } | changes
        path = tmp_path / "ip-ranges.json"
        path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))
        return str(path)

    return write


def _mistakes(path) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_ip_ranges(path)
    return [str(problem).removeprefix(f"{path}, ") for problem in caught.value.problems]


def test_shipped_ranges_are_aws_address_space(spark, shipped):
    """The published example lies in AWS at home, and outside it where the thief is."""
    texts = {
        "52.95.255.121": "us-west-2",
        "54.240.230.177": "us-west-2",
        "3.225.16.109": "us-east-1",
        "2600:1f14::1": "us-west-2",
        "67.178.52.232": None,
        "8.8.8.8": None,
        "10.0.1.20": None,
    }
    addresses = spark.createDataFrame([(text,) for text in texts], "address string")

    found = in_aws_space(addresses, shipped.to_dataframe(spark)).collect()

    assert {row.address: row.aws_region for row in found} == texts
    assert {row.address: row.aws for row in found} == {a: r is not None for a, r in texts.items()}


def test_shipped_ranges_are_whole_and_dated(shipped):
    """The shipped ranges are thousands of proper networks of both families, of a known day."""
    families = {len(network) for network, _, _ in shipped.rows}

    assert families == {4, 16}
    assert len(shipped.rows) > 9_000
    assert date(2026, 10, 1) <= shipped.created
    assert list(shipped.rows) == sorted(set(shipped.rows))
    for network, length, region in shipped.rows:
        ipaddress.ip_network((network, length))  # strict: no bits beyond the prefix
        assert re.fullmatch("GLOBAL|[a-z]{2,4}(-[a-z]+)+-[0-9]", region)


def test_a_file_of_aws_is_read(given):
    """A file in AWS's own form gives its ranges and its day; a range named twice counts once."""
    twice = [V4, {**V4, "service": "EC2"}, {**V4, "ip_prefix": "3.5.0.0/19", "region": "GLOBAL"}]

    ranges = load_ip_ranges(given(prefixes=twice))

    assert ranges.created == date(2026, 3, 2)
    assert ranges.rows == (
        (b"\x03\x05\x00\x00", 19, "GLOBAL"),
        (bytes.fromhex("26001f14") + bytes(12), 35, "us-west-2"),
        (b"\x34\x5f\x00\x00", 16, "us-west-2"),
    )


def test_the_digest_is_that_of_the_ranges(given):
    """Order, services and the day of a file change nothing; another range or region does."""
    other = {**V4, "ip_prefix": "3.5.0.0/19"}
    first = load_ip_ranges(given(prefixes=[V4, other])).digest

    same = load_ip_ranges(
        given(prefixes=[{**other, "service": "S3"}, V4], createDate="2026-03-09-00-00-00")
    )

    assert same.digest == first
    assert re.fullmatch("[0-9a-f]{64}", first)
    for changed in ({**other, "region": "eu-west-1"}, {**other, "ip_prefix": "3.5.0.0/20"}):
        assert load_ip_ranges(given(prefixes=[V4, changed])).digest != first


@pytest.mark.parametrize(
    ("entry", "mistake"),
    [
        ({**V4, "ip_prefix": "52.95.0.0"}, "prefixes[0].ip_prefix: found 52.95.0.0. It must be"),
        ({**V4, "ip_prefix": "52.95.0.0/33"}, "It must be a network such as 52.95.255.112/28."),
        ({**V4, "ip_prefix": "52.95.0.0/+8"}, "It must be a network"),
        ({**V4, "ip_prefix": "052.95.0.0/16"}, "It must be a network"),
        ({**V4, "ip_prefix": "2600:1f14::/35"}, "It must be a network"),
        ({**V4, "ip_prefix": "0.0.0.0/0"}, "It must be a network"),
        ({**V4, "ip_prefix": "52.95.1.0/16"}, "It has bits set beyond its prefix."),
        ({**V4, "ip_prefix": "52.95.0.0\x00/16"}, r"found 52.95.0.0\x00/16."),
        ({**V4, "ip_prefix": None}, "prefixes[0].ip_prefix: missing."),
        ({**V4, "ip_prefix": 7}, "prefixes[0].ip_prefix: found 7."),
        ({**V4, "region": " "}, "prefixes[0].region: found  . It must be the name of a region."),
        ({**V4, "region": None}, "prefixes[0].region: missing."),
        ("52.95.0.0/16", "prefixes[0]: found 52.95.0.0/16. It must be an object."),
    ],
)
def test_a_bad_range_is_told(given, entry, mistake):
    """A range that cannot be used is named with its place, what stands there, and the remedy."""
    (told,) = _mistakes(given(prefixes=[entry]))

    assert mistake in told


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        ({"createDate": None}, "createDate: missing."),
        ({"createDate": "2026-03-02"}, "createDate: found 2026-03-02."),
        ({"prefixes": None}, "prefixes: missing. It must be a list."),
        ({"ipv6_prefixes": {}}, "ipv6_prefixes: found {}. It must be a list."),
        ({"prefixes": [], "ipv6_prefixes": []}, "it names no ranges"),
    ],
)
def test_a_bad_file_is_told(given, changes, mistake):
    """A file that is not as AWS publishes it is refused, with what is amiss and what to do."""
    (told,) = _mistakes(given(**changes))

    assert mistake in told
    assert "ip-ranges.json" in told


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b"null", b"7"])
def test_what_is_no_json_object_is_told(tmp_path, content):
    """A file of anything else is refused without a stack trace."""
    path = tmp_path / "ip-ranges.json"
    path.write_bytes(content)

    (told,) = _mistakes(str(path))

    assert "Give a copy of ip-ranges.json" in told


def test_a_missing_file_is_told(tmp_path):
    """A file that is not there is named, with the setting that names it."""
    path = str(tmp_path / "none.json")

    assert _mistakes(path) == [
        f"{path}: No such file or directory. Correct [ip_ranges] file in the settings."
    ]


def test_mistakes_are_told_together(given):
    """All mistakes are told at once, but no more than a screen holds."""
    bad = [{**V4, "ip_prefix": str(number)} for number in range(25)]

    told = _mistakes(given(prefixes=bad, createDate="yesterday"))

    assert len(told) == 11
    assert told[0].startswith("createDate: found yesterday.")
    assert "16 more mistakes" in told[-1]
