"""A session's sightings at one source merged over gaps shorter than the TTL: what judging reads.

All facts of a stay merge idempotently (earliest, latest, bits), so copies of an event, late
files and the cut into batches and buckets change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms import schemas

SESSION = (
    "session_id",
    "account_id",
    "role_id",
    "role_arn",
    "session_name",
    "session_kind",
    "instance_id",
)
STAY = ("session_id", "source", "first_seen")
"""What tells one presence from all others."""
PLACE = ("source", "source_kind", "source_address", "vpc_endpoint_id")

PUBLIC = ("public_ipv4", "public_ipv6")
ADDRESSES = (*PUBLIC, "endpoint", "private")


def placed(sightings: DataFrame, addresses: DataFrame) -> DataFrame:
    """Sightings with ``kind`` of call.

    Args:
        sightings: rows of ``schemas.SIGHTINGS`` with their session.
        addresses: ``address``, ``aws``: which addresses lie in AWS space.
    """
    in_aws = addresses.select(F.col("address").alias("source_address"), "aws")
    known = sightings.join(in_aws, on="source_address", how="left")
    return known.withColumn("kind", call_kind())


def stays(placed: DataFrame, ttl_hours: float, before: DataFrame | None = None) -> DataFrame:
    """``schemas.STAYS`` from rows of :func:`placed`.

    Args:
        placed: sightings that know their session and kind of call.
        ttl_hours: silence that ends a stay, in hours of event time.
        before: stays that other sightings of the same sessions have made: what they were made of
            need not be read again.
    """
    facts = (
        F.min("issued_min").alias("issued_min"),
        F.max("issued_max").alias("issued_max"),
        F.max("key_age_max").alias("key_age_max"),
        F.bit_or("delivery").alias("delivery"),
        F.bit_or("marks").alias("marks"),
        F.min("first_recon").alias("first_recon"),
        F.min("instance_region").alias("instance_region"),
        F.min("endpoint_region").alias("endpoint_region"),
        F.max("batch_id").alias(_NEWEST),
    )
    key = (*SESSION, *PLACE, "kind", "agent_family")
    rows = placed.select(*[n for n in schemas.STAYS.columns if n != _NEWEST], "batch_id")
    if before is not None:
        rows = rows.unionByName(before.withColumnRenamed(_NEWEST, "batch_id"))
    return merged(rows, key, ttl_hours, facts).select(*schemas.STAYS.columns)


_NEWEST = "last_batch_id"


def merged(
    rows: DataFrame, key: Sequence[str], ttl_hours: float, facts: Sequence[Column] = ()
) -> DataFrame:
    """Intervals ``first_seen``..``last_seen`` of equal ``key``, gaps up to the TTL merged.

    Two intervals a TTL apart or less are one; ``facts`` are aggregated over those that merge.
    """
    in_order = Window.partitionBy(*key).orderBy("first_seen", "last_seen")
    before = in_order.rowsBetween(Window.unboundedPreceding, -1)
    so_far = in_order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    silence = F.col("first_seen") > F.max("last_seen").over(before) + hours(ttl_hours)
    return (
        rows.withColumn("starts", F.coalesce(silence, F.lit(False)).cast("int"))
        .withColumn("stay", F.sum("starts").over(so_far))
        .groupBy(*key, "stay")
        .agg(
            F.min("first_seen").alias("first_seen"),
            F.max("last_seen").alias("last_seen"),
            *facts,
        )
        .drop("stay")
    )


def call_kind() -> Column:
    """How a call was made: method, section 2. Needs ``aws`` of the source's address."""
    kind = F.col("source_kind")
    invoked_by = F.col("invoked_by")
    on_behalf = invoked_by.isNotNull() & (
        (F.col("source") == invoked_by)
        | (kind == "internal")
        | (kind.isin(*PUBLIC) & F.coalesce("aws", F.lit(False)))
    )
    return (
        F.when(on_behalf, F.lit("on_behalf"))
        .when(kind == "internal", F.lit("internal"))
        .when(F.col("forwarded"), F.lit("forwarded"))
        .when(kind == "service", F.lit("service_name_only"))
        .when(kind.isin(*ADDRESSES), F.lit("direct"))
        .otherwise(F.lit("unreadable"))
    )


def network() -> Column:
    """Network of an address: public IPv4, public IPv6, each VPC endpoint, private without one."""
    kind = F.col("source_kind")
    return F.when(kind == "endpoint", F.col("vpc_endpoint_id")).when(
        kind.isin(*PUBLIC, "private"), kind
    )


def minutes(count: int) -> Column:
    """An interval of so many minutes."""
    return F.make_dt_interval(mins=F.lit(count))


def hours(count: float) -> Column:
    """An interval of so many hours, to the minute."""
    return F.make_dt_interval(hours=F.lit(int(count)), mins=F.lit(round(count % 1 * 60)))
