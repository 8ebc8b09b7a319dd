"""Addresses are parsed as Python's ``ipaddress`` parses them, in Spark's own functions."""

from __future__ import annotations

import ipaddress
import random

import pytest
from pyspark.sql import functions as F

from transforms import ip
from transforms.ranges import in_aws_space, in_cidrs

ODD = (
    "", "-", "::", ":::", "1::2::3", "::1", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", ":1.2.3.4",
    "1:2:3:4:5:6:7:8:", "::1.2.3.4", "::ffff:1.2.3.256", "035.1.1.1", "1.2.3", "1.2.3.4.5", "%",
    "fe80::1%", "a%b", "1:0:0:2:0:0:0:3", "::ffff:0:0", "1:2:3:4:5:6:1.2.3.4", "256.44.44.11",
    "1:2:3:4:5:6:7:1.2.3.4", "1.2.3.4:", "30.*.0.210", "XXXX", "0.0.0.0", " 1.2.3.4 ", "fe80::1%e0",
)  # fmt: skip


def _spelling(rng: random.Random) -> str:
    """An address in one of its spellings, every other one damaged a little."""
    number = rng.choice(
        [0, 1, rng.getrandbits(16), rng.getrandbits(64) << 64, 0xFFFF << 32 | rng.getrandbits(32),
         rng.getrandbits(128), rng.getrandbits(128) & 0xFFFF0000FFFF00000000FFFFFFFF0000]
    )  # fmt: skip
    v6, v4 = ipaddress.IPv6Address(number), ipaddress.IPv4Address(number & 0xFFFFFFFF)
    tail = ":".join(v6.exploded.split(":")[:6]) + f":{v4}"
    spellings = [str(v6), v6.exploded, str(v6).upper(), f"{v6}%eth0", tail, str(v4), str(v4)]
    text = list(rng.choice(spellings))
    for _ in range(rng.choice([0, 0, 1, 2])):
        at = rng.randrange(len(text))
        text[at : at + rng.choice([0, 1])] = rng.choice([*":.0afg%9", ""])
        text = text or ["0"]
    return "".join(text)


def _expected(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """What the text is by Python; a zone id is dropped, a mapped address is its IPv4 address."""
    plain = text.strip(" ")
    bare, percent, zone = plain.partition("%")
    if percent and zone and "%" not in zone and ":" in bare:
        plain = bare
    try:
        address = ipaddress.ip_address(plain)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@pytest.fixture(scope="module")
def parsed(spark):
    """Thousands of spellings with all that is told of them."""
    rng = random.Random(20260302)
    texts = [*ODD, *(_spelling(rng) for _ in range(4000))]
    canonical = F.col("canonical")
    return (
        spark.createDataFrame([(text,) for text in texts], "text string")
        .withColumn("canonical", ip.address(F.col("text")))
        .withColumn("bytes", ip.address_bytes(canonical))
        .withColumn("private", ip.is_private(canonical))
        .withColumn("site", ip.prefix(canonical, 3, 3))
        .collect()
    )


def test_addresses_are_those_of_python(parsed):
    """Any text is an address just where Python says so, and has Python's canonical text."""
    wrong = [
        (row.text, row.canonical)
        for row in parsed
        if row.canonical != (str(_expected(row.text)) if _expected(row.text) else None)
    ]

    assert wrong == []
    assert sum(row.canonical is not None for row in parsed) > 1000


def test_bytes_are_the_packed_address(parsed):
    """Bytes of an address are its packed form, so that they compare as addresses do."""
    for row in parsed:
        if row.canonical:
            assert bytes(row.bytes) == ipaddress.ip_address(row.canonical).packed


def test_private_is_the_explicit_list(parsed):
    """Private is what lies in the listed ranges; documentation ranges are public."""
    ranges = [ipaddress.ip_network(cidr) for cidr in ip.PRIVATE_RANGES]

    for row in parsed:
        if row.canonical:
            address = ipaddress.ip_address(row.canonical)
            inside = any(address in net for net in ranges if net.version == address.version)
            assert row.private == inside, row.canonical


def test_prefix_is_the_network(parsed):
    """The prefix of an address is its /24, or /48 for IPv6."""
    for row in parsed:
        if row.canonical:
            length = 24 if "." in row.canonical else 48
            network = ipaddress.ip_network(f"{row.canonical}/{length}", strict=False)
            assert row.site == str(network)


RANGES = (
    "52.95.0.0/16",
    "52.95.255.0/25",
    "3.0.0.0/9",
    "2600:1f14::/35",
    "1.2.3.4/32",
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
    found = in_aws_space(
        _addresses(spark, "52.95.255.121", "52.95.255.200", "2600:1f14:1fff::1", "1.2.3.4"),
        _ranges(spark, RANGES),
    )

    assert {row.address: row.aws_region for row in found.collect()} == {
        "52.95.255.121": "52.95.255.0/25",
        "52.95.255.200": "52.95.0.0/16",
        "2600:1f14:1fff::1": "2600:1f14::/35",
        "1.2.3.4": "1.2.3.4/32",
    }


def test_an_address_in_no_range_is_outside(spark):
    """An address just beyond a range is outside AWS space, and has no region."""
    found = in_aws_space(
        _addresses(spark, "3.128.0.0", "2600:1f14:2000::", "52.96.0.0"), _ranges(spark, RANGES[:5])
    )

    assert [(row.aws, row.aws_region) for row in found.collect()] == [(False, None)] * 3


def test_the_lookup_is_a_hash_join(spark):
    """Ranges are found by equal prefixes, broadcast: no nested loops, no Python."""
    found = in_cidrs(_addresses(spark, "1.2.3.4"), _ranges(spark, RANGES))

    plan = found._jdf.queryExecution().executedPlan().toString()

    assert "BroadcastHashJoin" in plan
    assert "Python" not in plan
