"""IP addresses as text and bytes, with Spark's built-in functions alone.

Parsed strictly: no leading zeros in IPv4, no octet over 255, one ``::`` at most. Canonical IPv6
is that of RFC 5952; an IPv4-mapped address is its IPv4 address; a zone id is dropped.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from transforms.columns import let

PRIVATE_RANGES = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "fc00::/7",
    "fe80::/10",
    "::1/128",
)
"""Ranges that are private here: an explicit list, as documentation ranges are public to us."""

# Java: \z is the end of the text ($ would let a line break follow), *+ never goes back.
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_GROUP = "[0-9A-Fa-f]{1,4}"
_SOME = f"{_GROUP}(?::{_GROUP}){{0,6}}"
_IPV6 = (
    f"(?:{_GROUP}:){{7}}{_GROUP}|(?:{_GROUP}:){{6}}{_IPV4}|"
    f"(?:{_SOME})?::(?:(?:{_GROUP}:){{0,5}}{_IPV4}|{_SOME})?"
)
_ZONE = r"(?:%[^%\s]{1,64})?"
_MAPPED = "0" * 20 + "ffff"


def address(text: Column) -> Column:
    """Canonical address of either family, or null where the text is none.

    >>> from pyspark.sql import functions as F
    >>> texts = [("2600:1F14:0:0::1%eth0",), ("::ffff:345f:ff79",), ("052.95.255.121",)]
    >>> spark.createDataFrame(texts, "text string").select(
    ...     "text", address(F.col("text")).alias("address")
    ... ).show(truncate=False)
    +---------------------+-------------+
    |text                 |address      |
    +---------------------+-------------+
    |2600:1F14:0:0::1%eth0|2600:1f14::1 |
    |::ffff:345f:ff79     |52.95.255.121|
    |052.95.255.121       |NULL         |
    +---------------------+-------------+
    <BLANKLINE>
    """
    plain = F.lower(captured(text, rf"^\s*+({_IPV6}){_ZONE}\s*+\z"))
    v6 = let(let(let(plain, _without_dotted_end), _digits), _of_digits)
    return F.coalesce(_dotted(text), F.when(text.contains(":"), v6))


def host(text: Column) -> Column:
    """Canonical address that a caller can have, or null: not unspecified, multicast, broadcast."""
    nobody = r"0\.0\.0\.0\z|255\.255\.255\.255\z|22[4-9]\.|23[0-9]\.|::\z|ff[0-9a-f]{2}:"
    return captured(address(text), rf"^(?!{nobody})(.+)\z")


def ipv4(text: Column) -> Column:
    """Canonical IPv4 address, or null; an IPv4-mapped IPv6 address is one, too."""
    return captured(address(text), r"^([^:]+)\z")


def ipv6(text: Column) -> Column:
    """Canonical IPv6 address, or null."""
    return captured(address(text), r"^([^.]+)\z")


def address_bytes(canonical: Column) -> Column:
    """4 or 16 bytes of a canonical address, or null; bytes compare as addresses do."""
    digits = F.when(canonical.contains(":"), _digits(canonical))
    return F.unhex(digits.otherwise(_hex_octets(_dotted(canonical))))


def is_private(canonical: Column) -> Column:
    """Tell whether a canonical address lies in one of :data:`PRIVATE_RANGES`."""
    private = canonical.rlike(
        r"^(?:10\.|192\.168\.|169\.254\.|127\.|172\.(?:1[6-9]|2[0-9]|3[01])\.|"
        r"100\.(?:6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|"
        r"f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:|::1\z)"
    )
    return F.coalesce(private, F.lit(False))


def prefix(canonical: Column, ipv4_octets: int, ipv6_groups: int) -> Column:
    """Text of the network an address lies in: so many octets, or groups of IPv6, and its length."""
    zeros = ".0" * (4 - ipv4_octets) + f"/{8 * ipv4_octets}"
    v4 = F.concat(F.substring_index(canonical, ".", ipv4_octets), F.lit(zeros))
    v6 = _ipv6_network(canonical, 16 * ipv6_groups)
    return F.when(canonical.contains(":"), v6).when(canonical.contains("."), v4)


def network24_48(canonical: Column) -> Column:
    """Text of the /24 (IPv6: /48) an address lies in: what one site or provider's corner shares."""
    return prefix(canonical, 3, 3)


def network56(canonical: Column) -> Column:
    """Text of the /56 an IPv6 address lies in: a VPC has one; null for IPv4."""
    return F.when(canonical.contains(":"), _ipv6_network(canonical, 56))


def network64(canonical: Column) -> Column:
    """Text of the /64 an IPv6 address lies in: a subnet has one; null for IPv4."""
    return F.when(canonical.contains(":"), _ipv6_network(canonical, 64))


def network80(canonical: Column) -> Column:
    """Text of the /80 an IPv6 address lies in: an interface may be given one; null for IPv4."""
    return F.when(canonical.contains(":"), _ipv6_network(canonical, 80))


def network28(canonical: Column) -> Column:
    """Text of the /28 an IPv4 address lies in: an interface may be given one; null for IPv6."""
    last = F.substring_index(canonical, ".", -1).cast("int")
    start = F.concat(
        F.substring_index(canonical, ".", 3),
        F.lit("."),
        last - F.pmod(last, F.lit(16)),
        F.lit("/28"),
    )
    return F.when(~canonical.contains(":"), start)


def captured(text: Column, pattern: str) -> Column:
    """First group of a pattern, or null where the text does not match."""
    return F.get(F.regexp_extract_all(text, F.lit(pattern)), F.lit(0))


def _dotted(text: Column) -> Column:
    return captured(text, rf"^\s*+({_IPV4})\s*+\z")


def _hex_octets(dotted: Column) -> Column:
    """8 hexadecimal digits of a dotted address."""
    octets = F.transform(
        F.split(dotted, r"\."), lambda octet: F.lpad(F.conv(octet, 10, 16), 2, "0")
    )
    return F.lower(F.array_join(octets, ""))


def _without_dotted_end(plain: Column) -> Column:
    """Write the dotted end that IPv6 text may have as two groups."""
    head = F.regexp_replace(plain, r"[^:]+\z", "")
    end = F.regexp_replace(_hex_octets(F.substring_index(plain, ":", -1)), "^(.{4})", "$1:")
    return F.when(plain.contains("."), F.concat(head, end)).otherwise(plain)


def _digits(plain: Column) -> Column:
    """32 hexadecimal digits of IPv6 text of correct syntax; null where it has too many groups."""
    missing = F.lit(7) - F.regexp_count(plain, F.lit("[0-9a-f]+"))
    zeros = F.concat(F.lit(":0"), F.call_function("repeat", F.lit(":0"), missing), F.lit(":"))
    filled = F.regexp_replace(F.replace(plain, F.lit("::"), zeros), r"^:|:\z", "")
    groups = captured(filled, r"^((?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4})\z")
    padded = F.regexp_replace(groups, "([0-9a-f]+)", "000$1")
    return F.regexp_replace(padded, r"0*([0-9a-f]{4})(?::|\z)", "$1")


def _of_digits(digits: Column) -> Column:
    """Canonical address of 32 digits; a mapped one is IPv4."""
    octets = [F.conv(F.substring(digits, at, 2), 16, 10) for at in (25, 27, 29, 31)]
    mapped = F.when(digits.startswith(_MAPPED), F.concat_ws(".", *octets))
    return mapped.otherwise(_compressed(digits))


def _compressed(digits: Column) -> Column:
    """RFC 5952: no leading zeros, the first longest run of two or more zero groups as ``::``."""
    groups = F.regexp_replace(digits, "([0-9a-f]{4})", ":$1")
    short = F.regexp_replace(groups, ":0{1,3}(?=[0-9a-f])", ":")
    cut = F.regexp_replace(short, r"^(.*?)((?::0){2,}+)(?!.*\2:0)", "$1:")
    return F.regexp_replace(F.regexp_replace(cut, r"^:(?!:|\z)", ""), r"(?<!:):\z", "::")


def _ipv6_network(canonical: Column, bits: int) -> Column:
    head = F.substring(_digits(canonical), 1, bits // 4)
    return F.concat(_compressed(F.rpad(head, 32, "0")), F.lit(f"/{bits}"))
