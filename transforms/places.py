"""Places: where sessions called from directly, and where they were born.

What many sessions say together (method, section 5, strata 2 to 5) is read from these rows alone:
few, a handful of each session however long it lives. So a session of which nothing is new speaks
for others without its stays being read.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from transforms import schemas
from transforms.stays import SESSION

_CLIENT = ("agent_family", "delivery", "marks")


def places(presences: DataFrame, births: DataFrame, clients: DataFrame) -> DataFrame:
    """``schemas.PLACES``: one row per session and source that it called from directly.

    Args:
        presences: rows of :func:`transforms.births.located`.
        births: rows of :func:`transforms.births.births`.
        clients: rows of :func:`clients`.
    """
    given = [name for name in schemas.PLACES.columns if name not in _TOLD]
    showing = clients.groupBy("session_id", "source").agg(
        F.sort_array(F.collect_list(F.struct(*_CLIENT))).alias("clients")
    )
    born = births.select("session_id", "source", "born_at", "first_alive")
    return (
        presences.groupBy(*given)
        .agg(F.min("first_seen").alias("first_seen"))
        .join(born, on=["session_id", "source"], how="left")
        .join(showing, on=["session_id", "source"], how="left")
        .select(*schemas.PLACES.columns)
    )


_TOLD = ("first_seen", "born_at", "first_alive", "clients")
"""Columns that are no property of session and source themselves."""


def clients(stays: DataFrame, births: DataFrame) -> DataFrame:
    """What clients show at birth homes: one row per session, source and agent family.

    Columns: session_id, source, agent_family, and ``delivery`` and ``marks`` as bits.

    Args:
        stays: rows of ``schemas.STAYS``, direct ones of workloads that have a home.
        births: rows of :func:`transforms.births.births`.
    """
    born = births.select("session_id", "source").distinct()
    return (
        stays.join(born, on=["session_id", "source"], how="left_semi")
        .groupBy("session_id", "source", "agent_family")
        .agg(F.bit_or("delivery").alias("delivery"), F.bit_or("marks").alias("marks"))
    )


def births_at(places: DataFrame) -> DataFrame:
    """Births as :func:`transforms.births.births` has them, with ``own_region`` of the session."""
    return places.where("born_at is not null").select(*_BIRTH)


_BIRTH = (
    *SESSION,
    "network",
    "source",
    "source_address",
    "vpc_endpoint_id",
    "aws",
    "aws_region",
    "prefix",
    "first_alive",
    "born_at",
    "own_region",
)


def clients_at(places: DataFrame) -> DataFrame:
    """Clients as :func:`clients` has them, with account and role."""
    return places.select("session_id", "account_id", "role_id", "source", F.inline("clients"))


def unknown_private(places: DataFrame) -> DataFrame:
    """Instances seen at a private address that is no part of a birth home: account, instance.

    The first source of a session is its home, whatever it is; behind an endpoint of a birth home
    the same address is that home, by services that log no endpoint.
    """
    session = Window.partitionBy("session_id")
    is_private = F.col("source_kind") == "private"
    place = F.struct("born_at", ~F.col("aws"), "source")
    first_born = F.min(F.when(F.col("born_at").isNotNull(), place)).over(session)
    lived_at = F.collect_set(
        F.when(F.col("born_at").isNotNull() & ~is_private, F.col("source_address"))
    ).over(session)
    return (
        places.withColumn("is_first", F.coalesce(place == first_born, F.lit(False)))
        .withColumn("lived_at", lived_at)
        .where(is_private & ~F.col("is_first"))
        .where(~F.array_contains("lived_at", F.col("source_address")))
        .select("account_id", "instance_id")
        .distinct()
    )
