"""IP addresses as text and bytes, with Spark's built-in functions alone.

Parsed strictly: no leading zeros, no octet over 255, one ``::`` at most. Canonical IPv6 text is
that of RFC 5952; an IPv4-mapped address is its IPv4 address; a zone id is dropped.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from transforms.columns import let

_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"({_OCTET}\.){{3}}{_OCTET}"
_LIKE_IPV6 = "^(?=[^%]*:)[0-9A-Fa-f:.]{2,45}(%[^%]+)?$"
_GROUPS = 8

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


def address(text: Column) -> Column:
    """Canonical address of either family, or null."""

    def parsed(trimmed: Column) -> Column:
        v6 = let(
            _ipv6_hex(trimmed), lambda digits: F.coalesce(_mapped(digits), _compressed(digits))
        )
        return F.when(trimmed.rlike(f"^{_IPV4}$"), trimmed).when(trimmed.rlike(_LIKE_IPV6), v6)

    return let(F.trim(text), parsed)


def address_bytes(canonical: Column) -> Column:
    """4 or 16 bytes of a canonical address, or null; bytes compare as addresses do."""
    octets = F.transform(F.split(canonical, r"\."), lambda o: F.lpad(F.hex(o.cast("int")), 2, "0"))
    v4 = F.when(canonical.rlike(f"^{_IPV4}$"), F.unhex(F.array_join(octets, "")))
    v6 = F.when(canonical.rlike(_LIKE_IPV6), F.unhex(_ipv6_hex(canonical)))
    return F.coalesce(v4, v6)


def is_private(canonical: Column) -> Column:
    """Tell whether a canonical address lies in one of :data:`PRIVATE_RANGES`."""
    v4 = canonical.rlike(
        r"^(10\.|192\.168\.|169\.254\.|127\.|172\.(1[6-9]|2[0-9]|3[01])\.|"
        r"100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.)"
    )
    v6 = (canonical == "::1") | canonical.rlike("^f([cd][0-9a-f]{2}|e[89ab][0-9a-f]):")
    return F.coalesce(v4 | v6, F.lit(False))


def is_host(canonical: Column) -> Column:
    """Tell whether a canonical address can be a caller's: not unspecified, multicast, broadcast."""
    nobody = canonical.rlike(r"^(0\.|22[4-9]\.|2[34][0-9]\.|25[0-5]\.|ff[0-9a-f]{2}:)") | (
        canonical == "::"
    )
    return canonical.isNotNull() & ~F.coalesce(nobody, F.lit(True))


def prefix(canonical: Column, ipv4_octets: int, ipv6_groups: int) -> Column:
    """Text of the prefix an address lies in: so many octets or 16-bit groups, with its length."""
    v4 = F.concat(F.substring_index(canonical, ".", ipv4_octets), F.lit(".0" * (4 - ipv4_octets)))
    head = F.rpad(F.substring(_ipv6_hex(canonical), 1, 4 * ipv6_groups), 32, "0")
    v6 = F.concat(let(head, _compressed), F.lit(f"/{16 * ipv6_groups}"))
    return F.when(canonical.contains(":"), v6).when(
        canonical.contains("."), F.concat(v4, F.lit(f"/{8 * ipv4_octets}"))
    )


def _ipv6_hex(text: Column) -> Column:
    """32 hexadecimal digits of an IPv6 address in any spelling, or null."""

    def full(halves: Column) -> Column:
        return let(
            F.struct(
                _groups(F.get(halves, F.lit(0))).alias("left"),
                _groups(F.get(halves, F.lit(1))).alias("right"),
            ),
            lambda half: _filled(half["left"], half["right"], F.size(halves)),
        )

    plain = let(F.lower(F.substring_index(text, "%", 1)), _without_ipv4_tail)
    return let(let(F.split(plain, "::", -1), full), _digits)


def _filled(left: Column, right: Column, halves: Column) -> Column:
    """Eight groups, with ``::`` filled by zeros; null where they cannot be eight."""
    missing = _GROUPS - F.size(left) - F.size(right)
    zeros = F.array_repeat(F.lit("0"), F.greatest(missing, F.lit(0)))
    return F.when((halves == 1) & (missing == 0), left).when(
        (halves == 2) & (missing >= 1),  # noqa: PLR2004 - the text on both sides of ::
        F.concat(left, zeros, right),
    )


def _digits(groups: Column) -> Column:
    valid = F.forall(groups, lambda group: group.rlike("^[0-9a-f]{1,4}$"))
    padded = F.transform(groups, lambda group: F.lpad(group, 4, "0"))
    return F.when(valid, F.array_join(padded, ""))


def _groups(half: Column) -> Column:
    empty = F.array().cast("array<string>")
    return F.when(half.isNull() | (half == ""), empty).otherwise(F.split(half, ":", -1))


def _without_ipv4_tail(text: Column) -> Column:
    """Write the dotted tail that IPv6 text may end in as two groups; a bad tail stays."""

    def groups(tail: Column) -> Column:
        head = F.substring(text, F.lit(1), F.length(text) - F.length(tail))
        octets = F.transform(
            F.split(tail, r"\."), lambda o: F.lower(F.lpad(F.hex(o.try_cast("int")), 2, "0"))
        )
        low, high = F.slice(octets, 1, 2), F.slice(octets, 3, 2)
        return F.when(tail == "", text).otherwise(
            F.concat(head, F.array_join(low, ""), F.lit(":"), F.array_join(high, ""))
        )

    return let(F.regexp_extract(text, f":({_IPV4})$", 1), groups)


def _mapped(digits: Column) -> Column:
    """IPv4 address of the 32 digits of ``::ffff:a.b.c.d``, or null."""
    octets = F.transform(
        F.array(*[F.substring(digits, at, 2) for at in (25, 27, 29, 31)]),
        lambda pair: F.conv(pair, 16, 10),
    )
    return F.when(digits.startswith("0" * 20 + "ffff"), F.array_join(octets, "."))


def _compressed(digits: Column) -> Column:
    """RFC 5952: no leading zeros, the first longest run of two or more zero groups as ``::``."""
    groups = [F.regexp_replace(F.substring(digits, at, 4), "^0{1,3}", "") for at in range(1, 33, 4)]
    joined = F.concat(F.lit(":"), F.concat_ws(":", *groups), F.lit(":"))
    trimmed = F.regexp_replace(let(joined, _without_zero_run), "^:(?!:)", "")
    return F.when(digits.isNotNull(), F.regexp_replace(trimmed, "(?<!:):$", ""))


def _without_zero_run(joined: Column) -> Column:
    cut = joined
    for run in range(2, _GROUPS + 1):
        zeros = ":" + "0:" * run
        at = F.instr(joined, zeros)
        rest = F.substring(joined, at + len(zeros), F.length(joined))
        shorter = F.concat(F.substring(joined, F.lit(1), at - 1), F.lit("::"), rest)
        cut = F.when(at > 0, shorter).otherwise(cut)
    return cut
