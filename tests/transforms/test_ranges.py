"""Which range an address lies in, as Python's ``ipaddress`` says, by equi-joins."""

from __future__ import annotations

import ipaddress
import random

import pytest

from transforms.ranges import in_aws_space, in_cidrs

RANGES = (
    "52.95.0.0/16",
    "52.95.255.0/25",
    "3.0.0.0/9",
    "3.0.0.0/10",
    "2600:1f14::/35",
    "1.2.3.4/32",
    "::1/128",
    "0.0.0.0/0",
)


def _ranges(spark, cidrs):
    nets = [ipaddress.ip_network(cidr) for cidr in cidrs]
    rows = [(bytearray(n.network_address.packed), n.prefixlen, str(n)) for n in nets]
    return spark.createDataFrame(rows, "cidr_network binary, prefix_length int, region string")


def _addresses(spark, *texts):
    return spark.createDataFrame([(text,) for text in texts], "address string")


def test_the_most_specific_range_names_the_region(spark):
    """An address in several ranges gets the region of the longest prefix."""
    texts = ["52.95.255.121", "52.95.255.200", "3.1.2.3", "2600:1f14:1fff::1", "1.2.3.4", "::1"]

    found = in_aws_space(_addresses(spark, *texts), _ranges(spark, RANGES))

    assert {row.address: row.aws_region for row in found.collect()} == {
        "52.95.255.121": "52.95.255.0/25",
        "52.95.255.200": "52.95.0.0/16",
        "3.1.2.3": "3.0.0.0/10",
        "2600:1f14:1fff::1": "2600:1f14::/35",
        "1.2.3.4": "1.2.3.4/32",
        "::1": "::1/128",
    }


def test_a_range_ends_where_it_ends(spark):
    """First and last address of a range lie in it, their neighbours do not."""
    texts = {
        "52.94.255.255": False,
        "52.95.0.0": True,
        "52.95.255.255": True,
        "52.96.0.0": False,
        "3.127.255.255": True,
        "3.128.0.0": False,
        "2600:1f14:1fff:ffff:ffff:ffff:ffff:ffff": True,
        "2600:1f14:2000::": False,
    }

    found = in_aws_space(_addresses(spark, *texts), _ranges(spark, RANGES[:7])).collect()

    assert {row.address: row.aws for row in found} == texts
    assert all((row.aws_region is not None) == row.aws for row in found)


def test_families_are_not_mixed(spark):
    """The ranges of one family hold no address of the other, however alike their bits are."""
    found = in_cidrs(_addresses(spark, "1.2.3.4", "102:304::"), _ranges(spark, ["::/0"]))

    assert [(row.address, row.region) for row in found.collect()] == [("102:304::", "::/0")]


def test_what_is_no_address_is_outside(spark):
    """Junk and null lie in no range, not even in all of IPv4, and stay in the result."""
    found = in_aws_space(
        _addresses(spark, "AWS Internal", "", "1.2.3.400", None), _ranges(spark, RANGES)
    )

    rows = found.collect()

    assert {row.address for row in rows} == {"AWS Internal", "", "1.2.3.400", None}
    assert {(row.aws, row.aws_region) for row in rows} == {(False, None)}


def test_equal_ranges_of_two_regions_give_one_row(spark):
    """A range that two regions claim gives an address one region, always the same."""
    both = _ranges(spark, ["10.0.0.0/8"]).selectExpr(
        "cidr_network", "prefix_length", "explode(array('us-west-2', 'eu-west-1')) as region"
    )

    rows = in_aws_space(_addresses(spark, "10.1.2.3"), both).collect()

    assert [row.aws_region for row in rows] == ["us-west-2"]


def test_all_ranges_are_found_with_all_they_say(spark):
    """An address comes with each range that holds it, and with every other column of that range."""
    listed = _ranges(spark, [*RANGES, "52.95.255.121/32"]).selectExpr("*", "1 as entry")

    rows = in_cidrs(_addresses(spark, "52.95.255.121"), listed).collect()

    assert {(row.region, row.prefix_length, row.entry) for row in rows} == {
        ("52.95.0.0/16", 16, 1),
        ("52.95.255.0/25", 25, 1),
        ("52.95.255.121/32", 32, 1),
        ("0.0.0.0/0", 0, 1),
    }


def test_entries_without_a_network_hold_nothing(spark):
    """A list may have other entries, too: those without a network match no address."""
    shape = "cidr_network binary, prefix_length int, region string"
    listed = spark.createDataFrame([(None, None, "vpce-0abc")], shape)

    assert in_cidrs(_addresses(spark, "1.2.3.4", "::1", None), listed).collect() == []


@pytest.mark.parametrize("seed", [1, 2])
def test_ranges_are_found_as_python_finds_them(spark, seed):
    """For any addresses and ranges, the pairs are those that Python's networks hold."""
    rng = random.Random(seed)
    numbers = [rng.getrandbits(32) for _ in range(20)]
    cidrs = {
        str(ipaddress.ip_network((number, length), strict=False))
        for number in numbers
        for length in rng.sample(range(33), 6)
    } | {
        str(ipaddress.ip_network((number << 96 | 1, length), strict=False))
        for number in numbers
        for length in rng.sample(range(129), 6)
    }
    near = [number ^ (1 << rng.randrange(32)) for number in numbers]
    texts = [str(ipaddress.IPv4Address(number)) for number in {*numbers, *near}]
    texts += [str(ipaddress.IPv6Address(number << 96)) for number in {*numbers, *near}]

    rows = in_cidrs(_addresses(spark, *texts), _ranges(spark, sorted(cidrs))).collect()

    networks = [ipaddress.ip_network(cidr) for cidr in cidrs]
    expected = {(t, str(n)) for t in texts for n in networks if ipaddress.ip_address(t) in n}
    assert {(row.address, row.region) for row in rows} == expected
    assert len(rows) == len(expected)


def test_the_lookup_is_a_hash_join(spark):
    """Ranges are found by equal bits, broadcast: no nested loops, no Python, no own function."""
    found = in_aws_space(_addresses(spark, "1.2.3.4"), _ranges(spark, RANGES))

    plan = found._jdf.queryExecution().toString()

    assert "BroadcastHashJoin" in plan
    for unwanted in ("NestedLoop", "Cartesian", "Python", "UDF"):
        assert unwanted not in plan
