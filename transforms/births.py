"""Birth homes: the first source of each network within hours of a session's first sign of life.

Method, sections 3 and 5 (stratum 2). Everything here comes from stays, credentials and the
inventory alone, so that no verdict can feed back into it.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.identity import role_name
from transforms.ip import network24_48
from transforms.stays import PLACE, PUBLIC, SESSION, hours, merged, network
from transforms.workloads import WITH_HOME


def lives(credentials: DataFrame, stays: DataFrame) -> DataFrame:
    """Keys that services issue, as signs of life of sessions: session_id, alive_at, region."""
    sessions = _with_home(stays).select(
        "session_id",
        "account_id",
        "session_name",
        role_name(F.col("role_arn")).alias("role_name"),
    )
    return (
        credentials.where("issued_for is not null")
        .select(
            "account_id",
            "session_name",
            role_name(F.col("role_arn")).alias("role_name"),
            F.col("issued_at").alias("alive_at"),
            "aws_region",
        )
        .join(sessions.distinct(), on=["account_id", "session_name", "role_name"], how="inner")
        .select("session_id", "alive_at", "aws_region")
        .distinct()
    )


def presences(stays: DataFrame, addresses: DataFrame, ttl_hours: float) -> DataFrame:
    """Direct stays of workloads that have a home, whatever the agent: what can be home.

    One row per session, source and stay, with ``network``, ``aws`` (public and in AWS space),
    ``aws_region`` of its prefix, and ``prefix``: the /24 or /48 of a public address outside.
    """
    direct = _with_home(stays).where(F.col("kind") == "direct")
    return (
        merged(direct, (*SESSION, *PLACE), ttl_hours, [F.bit_or("marks").alias("marks")])
        .withColumn("network", network())
        .join(
            addresses.select(F.col("address").alias("source_address"), "aws", "aws_region"),
            on="source_address",
            how="left",
        )
        .withColumn("aws", F.col("source_kind").isin(*PUBLIC) & F.coalesce("aws", F.lit(False)))
        .withColumn("aws_region", F.when(F.col("aws"), F.col("aws_region")))
        .withColumn("prefix", F.when(_outside_aws(), network24_48(F.col("source_address"))))
    )


def births(presences: DataFrame, lives: DataFrame, window_hours: int) -> DataFrame:
    """The first source of each network within hours of a session's first sign of life.

    One row per session and network: the session, ``network``, the source and ``born_at``.
    Ties within a second go to AWS space, then to the text.
    """
    first_alive = (
        presences.select("session_id", F.col("first_seen").alias("alive_at"))
        .union(lives.select("session_id", "alive_at"))
        .groupBy("session_id")
        .agg(F.min("alive_at").alias("first_alive"))
    )
    order = Window.partitionBy("session_id", "network").orderBy(
        "first_seen", (~F.col("aws")).cast("int"), "source"
    )
    in_time = F.col("first_seen") <= F.col("first_alive") + hours(window_hours)
    return (
        presences.join(first_alive, on="session_id", how="inner")
        .where(in_time)
        .withColumn("place", F.row_number().over(order))
        .where("place = 1")
        .select(
            *SESSION,
            "network",
            "source",
            "source_address",
            "vpc_endpoint_id",
            "aws",
            "aws_region",
            "prefix",
            "first_alive",
            F.col("first_seen").alias("born_at"),
        )
    )


def own_regions(stays: DataFrame, lives: DataFrame, births: DataFrame) -> DataFrame:
    """Region of each session, by the best witness: session_id, own_region.

    ``inScopeOf`` names it; else the region of its service's AssumeRole; else of calls through
    an endpoint; else of the birth home's prefix. A session of unknown region has no row.
    """

    def witness(rows: DataFrame, rank: int, region: str) -> DataFrame:
        told = F.struct(F.lit(rank).alias("rank"), F.col(region).alias("region"))
        return rows.where(F.col(region).isNotNull()).select("session_id", told.alias("told"))

    return (
        witness(stays, 1, "instance_region")
        .union(witness(lives, 2, "aws_region"))
        .union(witness(stays, 3, "endpoint_region"))
        .union(witness(births.where("aws_region <> 'GLOBAL'"), 4, "aws_region"))
        .distinct()
        .groupBy("session_id")
        .agg(F.min("told").alias("told"))
        .select("session_id", F.col("told.region").alias("own_region"))
    )


def located(presences: DataFrame, regions: DataFrame) -> DataFrame:
    """Presences with ``own_region`` of the session, and ``in_own_region``: in AWS space of it."""
    there = F.col("aws") & (F.col("aws_region") == F.col("own_region"))
    return presences.join(regions, on="session_id", how="left").withColumn(
        "in_own_region", F.coalesce(there, F.lit(False))
    )


def believed(births: DataFrame, presences: DataFrame) -> DataFrame:
    """Births whose home may be believed where a change is made from it.

    Which networks a session uses is under a thief's control, and so is the first source of each.
    Believed is what lies in AWS space of the own region, is private, or is behind an endpoint that
    is not known to be somebody else's; where a session has none of these, its very first source.

    Args:
        births: rows of :func:`births`.
        presences: rows of :func:`located`, with ``endpoint_owner`` and ``owner_is_ours``.
    """
    session = Window.partitionBy("session_id")
    known = presences.select(
        "session_id", "source", "in_own_region", "endpoint_owner", "owner_is_ours"
    ).distinct()
    behind = F.col("vpc_endpoint_id").isNotNull()
    foreign = (
        behind & F.col("endpoint_owner").isNotNull() & ~F.coalesce("owner_is_ours", F.lit(False))
    )
    inside = (
        F.coalesce("in_own_region", F.lit(False)) | (F.col("network") == "private") | behind
    ) & ~foreign
    return (
        births.join(known, on=["session_id", "source"], how="left")
        .withColumn("inside", inside)
        .withColumn("has_inside", F.max("inside").over(session))
        .withColumn("first_born", F.min("born_at").over(session))
        .where(
            F.col("inside")
            | (~F.col("has_inside") & (F.col("born_at") == F.col("first_born")) & ~foreign)
        )
        .select(*births.columns)
    )


def our_accounts(
    inventory: DataFrame, places: DataFrame, stays: DataFrame, listed: DataFrame
) -> DataFrame:
    """Accounts of ours: listed, or their trail reaches us; column ``account_id``.

    Where no record names the account it was delivered to, the accounts of the sessions.
    """
    seen = inventory.where("what = 'account'").select(F.col("id").alias("account_id"))
    told = seen.agg(F.count("account_id").alias("told"))
    untold = (
        stays.select("account_id")
        .union(places.select("account_id"))
        .distinct()
        .crossJoin(F.broadcast(told))
        .where("told = 0")
        .select("account_id")
    )
    return listed.select("account_id").union(seen).union(untold).distinct()


def _with_home(stays: DataFrame) -> DataFrame:
    return stays.where(F.col("session_kind").isin(*WITH_HOME))


def _outside_aws() -> Column:
    return F.col("source_kind").isin(*PUBLIC) & ~F.col("aws")
