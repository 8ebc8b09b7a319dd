"""Addresses are parsed as Python's ``ipaddress`` parses them, in Spark's own functions."""

from __future__ import annotations

import ipaddress
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from transforms import ip

ODD = (
    "", "-", "%", "::", ":::", "::1", "1::2::3", "1::2::3:4:5:6", "1:2:3:4::5:6:7:8", "::ffff:0:0",
    "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:", ":1:2:3:4:5:6:7:8", ":1::2", "1::2:",
    "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1:0:0:2:0:0:0:3", "1:0:0:2:3:0:0:4",
    "1:0:2:3:4:5:6:7",
    "0:0:0:0:0::ffff:1:2", "0:0:0:0::ffff:1:2", "0:0:0:0:0:ffff:0102:0304", "::fffe:1.2.3.4",
    "::ffff:1.2.3.256", "::ffff:01.2.3.4", "::1.2.3.4", ":1.2.3.4", "1.2.3.4:", "1.2.3.4::",
    "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5::1.2.3.4", "1:2:3:4:5:6::1.2.3.4",
    "64:ff9b::192.0.2.33", "12345::", "g::", "0x1::", "::1/128", "[::1]", "1.2.3", "1.2.3.4.5",
    "1.2.3.4.", ".1.2.3.4", "1..3.4", "+1.2.3.4", "1.2.3.4/32", "1.2.3.4:80", "256.44.44.11",
    "035.249.253.232", "08.1.250.216", "30.*.0.210", "XXXX", "0.0.0.0", "255.255.255.255",
    "\N{FULLWIDTH DIGIT ONE}.2.3.4", "\N{ARABIC-INDIC DIGIT ONE}::", "1.2.3.4\N{LINE SEPARATOR}",
    "::1\N{NEXT LINE}", "1.2.3.4\x00", "::\N{LATIN SMALL LETTER SHARP S}",
)  # fmt: skip

EDGES = [
    edge
    for network in map(ipaddress.ip_network, ip.PRIVATE_RANGES)
    for number in (int(network[0]), int(network[-1]))
    for edge in (number - 1, number, number + 1)
    if 0 <= edge < 2**network.max_prefixlen
]


def _number(rng: random.Random) -> int:
    """The number of an address: any, mostly zeros, short, IPv4-mapped, or beside a known range."""
    spread = sum(rng.choice([0, 0, rng.getrandbits(16)]) << 16 * group for group in range(8))
    mapped = 0xFFFF << 32 | rng.getrandbits(32)
    return rng.choice(
        [rng.getrandbits(128), spread, rng.getrandbits(33), mapped, rng.choice(EDGES)]
    )


def _spelling(rng: random.Random) -> str:
    """An address in one of its spellings, every other one damaged a little."""
    number = _number(rng)
    v6, v4 = ipaddress.IPv6Address(number), ipaddress.IPv4Address(number & 0xFFFFFFFF)
    groups = v6.exploded.split(":")
    tail = ":".join(groups[:6]) + f":{v4}"
    ragged = ":".join(group[rng.randrange(4) :] for group in groups)
    spellings = [str(v6), v6.exploded, str(v6).upper(), f"{v6}%eth0", tail, f"::{v4}", ragged]
    text = list(rng.choice([*spellings, str(v4), str(v4)]))
    for _ in range(rng.choice([0, 0, 1, 2, 3])):
        at = rng.randrange(len(text))
        text[at : at + rng.choice([0, 1])] = rng.choice([*":.0afFg%9", "::", ""])
        text = text or ["0"]
    return rng.choice(["", "", " ", "\t"]) + "".join(text) + rng.choice(["", "", " ", "\r\n"])


def _expected(text: str) -> str | None:
    """What the text is by Python; a zone id is dropped, a mapped address is its IPv4 address."""
    try:
        address = ipaddress.ip_address(text.strip(" \t\r\n"))
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.IPv6Address(int(address)))
    return str(address)


def _parsed(spark, texts):
    """Texts with all that is told of them."""
    text, canonical = F.col("text"), F.col("canonical")
    return (
        spark.createDataFrame([(text,) for text in texts], "text string")
        .withColumn("canonical", ip.address(text))
        .withColumn("v4", ip.ipv4(text))
        .withColumn("v6", ip.ipv6(text))
        .withColumn("host", ip.host(text))
        .withColumn("bytes", ip.address_bytes(canonical))
        .withColumn("private", ip.is_private(canonical))
        .withColumn("site", ip.network24_48(canonical))
        .withColumn("vpc", ip.network56(canonical))
        .withColumn("subnet", ip.network64(canonical))
        .withColumn("wide", ip.prefix(canonical, 2, 2))
        .collect()
    )


@pytest.fixture(scope="module")
def addresses(spark):
    """Thousands of addresses: what was parsed of many spellings."""
    rng = random.Random(20260302)
    numbers = [*EDGES, *(_number(rng) for _ in range(3000))]
    texts = [str(ipaddress.IPv6Address(n)) for n in numbers]
    texts += [str(ipaddress.IPv4Address(n & 0xFFFFFFFF)) for n in numbers]
    return [row for row in _parsed(spark, texts) if row.canonical]


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_addresses_are_those_of_python(spark, seed):
    """Any text is an address just where Python says so, and has Python's canonical text."""
    rng = random.Random(seed)
    rows = _parsed(spark, [*ODD, *(_spelling(rng) for _ in range(3000))])

    actual = {row.text: row.canonical for row in rows}

    expected = {row.text: _expected(row.text) for row in rows}
    assert {t: (actual[t], expected[t]) for t in actual if actual[t] != expected[t]} == {}
    assert sum(text is not None for text in actual.values()) > 1000
    assert sum(text is None for text in actual.values()) > 300


@settings(max_examples=4, deadline=None)
@given(texts=st.lists(st.text(max_size=30) | st.text("0:.f% ", max_size=30), max_size=300))
def test_any_text_is_read(spark, texts):
    """No text makes the parser fail, and it is an address just where Python says so."""
    usable = [text for text in texts if text.isascii() and "%" not in text]
    rows = _parsed(spark, [*texts, *usable, None])

    actual = {row.text: row.canonical for row in rows if row.text in usable}

    assert actual == {text: _expected(text) for text in usable}


def test_an_address_is_of_one_family(addresses):
    """An address is IPv4 or IPv6, and never both."""
    for row in addresses:
        assert (row.v4, row.v6) == (
            (row.canonical, None) if "." in row.canonical else (None, row.canonical)
        )


def test_bytes_are_the_packed_address(addresses):
    """Bytes of an address are its packed form, so that they compare as addresses do."""
    for row in addresses:
        assert bytes(row.bytes) == ipaddress.ip_address(row.canonical).packed


def test_private_is_the_explicit_list(addresses):
    """Private is what lies in the listed ranges, to their edges; all else is public."""
    ranges = [ipaddress.ip_network(cidr) for cidr in ip.PRIVATE_RANGES]

    for row in addresses:
        assert row.private == any(ipaddress.ip_address(row.canonical) in net for net in ranges)


def test_documentation_ranges_are_public(spark):
    """Addresses of documentation are public, unlike in Python: published records use them."""
    rows = _parsed(
        spark, ["192.0.2.1", "198.51.100.9", "203.0.113.89", "198.18.0.1", "2001:db8::1"]
    )

    assert [row.private for row in rows] == [False] * 5


def test_nobody_calls_from_some_addresses(spark):
    """Unspecified, multicast and broadcast addresses are addresses, but not those of a caller."""
    nobody = ["0.0.0.0", "::", "224.0.0.1", "239.255.255.255", "255.255.255.255", "ff02::1"]
    callers = ["0.0.0.1", "223.255.255.255", "240.0.0.1", "255.255.255.254", "::2", "fe80::1"]

    rows = _parsed(spark, [*nobody, *callers, "::ffff:0.0.0.0"])

    assert [row.canonical for row in rows] == [*nobody, *callers, "0.0.0.0"]
    assert [row.host for row in rows] == [*[None] * len(nobody), *callers, None]


def test_networks_are_those_of_python(addresses):
    """Networks are an address cut to /24 or /48, /56, /64; the latter two of IPv6 alone."""
    for row in addresses:
        v4 = "." in row.canonical

        def cut(length: int, canonical: str = row.canonical) -> str:
            return str(ipaddress.ip_network(f"{canonical}/{length}", strict=False))

        assert row.site == cut(24 if v4 else 48)
        assert row.wide == cut(16 if v4 else 32)
        assert (row.vpc, row.subnet) == ((None, None) if v4 else (cut(56), cut(64)))


def test_long_junk_is_read_in_no_time(spark):
    """A text of a million characters neither overflows the stack nor takes long."""
    junk = [part * (1_000_000 // len(part)) for part in ("1:", "::", "1.", "0", " ", "f%", "a")]

    rows = _parsed(spark, [*junk, *("::1" + text for text in junk), *(t + "::1" for t in junk)])

    expected = {"::1" + " " * 1_000_000: "::1", " " * 1_000_000 + "::1": "::1"}
    assert [row.canonical for row in rows] == [expected.get(row.text) for row in rows]


def test_nothing_of_null_is_null(spark):
    """A missing text is no address and in no network."""
    (row,) = _parsed(spark, [None])

    assert row.asDict() == {**dict.fromkeys(row.asDict()), "private": False}


def test_the_plan_has_built_in_functions_alone(spark):
    """Addresses are parsed without Python and without a function of our own in the JVM."""
    frame = spark.createDataFrame([("::1",)], "text string")
    text = F.col("text")

    plan = (
        frame.select(ip.address(text), ip.address_bytes(text), ip.network56(text))
        ._jdf.queryExecution()
        .toString()
    )

    assert "Python" not in plan
    assert "UDF" not in plan
