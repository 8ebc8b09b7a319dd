"""Judge records as a run does, without files and tables."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, settings
from pyspark.sql import DataFrame

from jobs.judging import Memories, Verdicts, judge
from jobs.settings import load
from jobs.world import World
from tests.factories import records
from transforms.summary import address_changes, credentials, inventory, sightings, summary

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

AWS = {
    "52.95.0.0/16": "us-west-2",
    "54.240.0.0/16": "us-west-2",
    "54.72.0.0/16": "eu-west-1",
    "2600:1f14::/32": "us-west-2",
}
"""AWS space of the tests: a handful of its real prefixes."""


MEMORIES = ("sightings", "credentials", "inventory", "changes")
"""Parts of :class:`jobs.judging.Memories` that are rows of tables."""

DEAR = settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
"""Hypothesis where an example is a whole judging: few, the same ones each time."""


@dataclass(frozen=True)
class Allowed:
    """An entry of the allow-list, with defaults."""

    value: str
    what: str = "cidr"
    account: str | None = None
    role: str | None = None
    rules: tuple[str, ...] = ()
    owner: str = "network team"
    reason: str = "office"
    expires: date = date(2027, 1, 1)


def world(spark: SparkSession, allowed: Iterable[Allowed] = (), ours: Iterable[str] = ()) -> World:
    """A world whose AWS space is :data:`AWS`."""
    ranges = [
        (bytearray(net.network_address.packed), net.prefixlen, region)
        for net, region in ((ipaddress.ip_network(cidr), region) for cidr, region in AWS.items())
    ]
    entries = [(*_entry(entry), i) for i, entry in enumerate(allowed)]
    shape = (
        "what string, value string, cidr_network binary, prefix_length int, account string, "
        "role string, rules array<string>, owner string, reason string, expires date, entry int"
    )
    return World(
        spark.createDataFrame(ranges, "cidr_network binary, prefix_length int, region string"),
        spark.createDataFrame(entries, shape),
        spark.createDataFrame([(a,) for a in ours], "account_id string"),
    )


def _entry(entry: Allowed) -> tuple[Any, ...]:
    net = ipaddress.ip_network(entry.value) if entry.what == "cidr" else None
    return (
        entry.what,
        entry.value,
        bytearray(net.network_address.packed) if net else None,
        net.prefixlen if net else None,
        entry.account,
        entry.role,
        list(entry.rules),
        entry.owner,
        entry.reason,
        entry.expires,
    )


def memories(batches: Iterable[DataFrame], others: Collection[str] = ()) -> Memories:
    """Summarise batches of records one by one, as runs do."""
    whole: list[tuple[DataFrame, ...]] = []
    for number, batch in enumerate(batches, start=1):
        summarised = summary(batch, 6, others).localCheckpoint()
        whole.append(
            (
                sightings(summarised, number, others),
                credentials(summarised, number, others),
                inventory(summarised, number),
                address_changes(summarised, number, others),
            )
        )
    return Memories(*[reduce(DataFrame.union, part) for part in zip(*whole, strict=True)])


def judged(
    spark: SparkSession,
    rows: Iterable[dict[str, Any]],
    world_: World | None = None,
    others: Collection[str] = (),
    **method: Any,
) -> Verdicts:
    """Verdicts of one batch of records, with default settings but for ``method`` and ``others``."""
    loaded = load(None, {"method": method} if method else {})
    told = memories([records(spark, rows)], others)
    return judge(told, world_ or world(spark), loaded.method, others)


def verdicts(result: Verdicts) -> dict[tuple[str, str], Any]:
    """Mismatches by (session, source)."""
    return {(row.session_id, row.source): row for row in result.pairs.collect()}
