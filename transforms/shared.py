"""What many births say together: endpoints of ours, egress, addresses that others hold.

Method, sections 5 (stratum 4) and 6. Every count is of distinct *other* instances: what an
instance shows of itself never corroborates it.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def with_shared_facts(  # noqa: PLR0913 - each stratum above it is a table of its own
    presences: DataFrame,
    births: DataFrame,
    regions: DataFrame,
    owners: DataFrame,
    *,
    n: int,
    share: float,
) -> DataFrame:
    """Presences with what the fleet says of their source.

    Adds ``own_region``; ``endpoint_owner``, ``owner_is_ours``; ``endpoint_assumed`` (``n`` others
    and ``share`` of the account's instances were born behind it), ``endpoint_ours``;
    ``held_by_another`` (another instance was born at this very source); ``egress``.

    Args:
        presences: rows of :func:`transforms.births.presences`.
        births: rows of :func:`transforms.births.births`.
        regions: ``session_id``, ``own_region``.
        owners: rows of :func:`endpoint_owners`.
        n: distinct other instances that make a shared fact.
        share: share of one account's instances, where the account is the measure.
    """
    born = births.join(regions, on="session_id", how="left")
    rows = presences.join(regions, on="session_id", how="left").join(
        F.broadcast(owners), on="vpc_endpoint_id", how="left"
    )
    rows = _with_others(rows, born, "others_here", ["source"])
    rows = _with_others(rows, born, "others_here_in_region", ["source", "own_region"])
    rows = _with_others(rows, born, "others_in_prefix", ["prefix", "account_id"])
    rows = _with_others(rows, born, "others_behind", ["vpc_endpoint_id", "account_id"])
    rows = _with_others(rows, born, "others_in_account", ["account_id"])
    enough = F.greatest(F.lit(n), F.ceil(F.lit(share) * (F.col("others_in_account") + 1)))
    ours = F.coalesce("owner_is_ours", F.lit(False))
    return (
        rows.withColumn("owner_is_ours", ours)
        .withColumn("endpoint_assumed", ~ours & (F.col("others_behind") >= enough))
        .withColumn("endpoint_ours", ours | F.col("endpoint_assumed"))
        .withColumn("held_by_another", F.col("others_here") > 0)
        .withColumn("egress", _egress(n, enough))
    )


def endpoint_owners(inventory: DataFrame, accounts: DataFrame) -> DataFrame:
    """VPC endpoints of known owner: vpc_endpoint_id, endpoint_owner, owner_is_ours."""
    ours = accounts.select(
        F.col("account_id").alias("endpoint_owner"), F.lit(True).alias("owner_is_ours")
    )
    return (
        inventory.where("what = 'endpoint' and owner_account_id is not null")
        .groupBy(F.col("id").alias("vpc_endpoint_id"))
        .agg(F.min("owner_account_id").alias("endpoint_owner"))
        .join(F.broadcast(ours), on="endpoint_owner", how="left")
        .select(
            "vpc_endpoint_id",
            "endpoint_owner",
            F.coalesce("owner_is_ours", F.lit(False)).alias("owner_is_ours"),
        )
    )


def _egress(n: int, enough: Column) -> Column:
    """A public source that many share, so that it is no sign of one instance."""
    inside = F.col("aws") & (F.col("others_here_in_region") >= n)
    outside = F.col("prefix").isNotNull() & (F.col("others_in_prefix") >= enough)
    return F.coalesce(inside | outside, F.lit(False))


def _with_others(rows: DataFrame, born: DataFrame, name: str, place: list[str]) -> DataFrame:
    """Count, per row, the distinct other instances that were born at the row's ``place``."""
    instances = born.select("instance_id", *place).dropna(subset=place).distinct()
    count = instances.groupBy(*place).agg(F.count("instance_id").alias("born"))
    itself = instances.withColumn("itself", F.lit(1))
    return (
        rows.join(count, on=place, how="left")
        .join(itself, on=["instance_id", *place], how="left")
        .withColumn(name, F.coalesce("born", F.lit(0)) - F.coalesce("itself", F.lit(0)))
        .drop("born", "itself")
    )
