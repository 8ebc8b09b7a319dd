"""Signals: what else speaks for a theft, in three independent groups that count once each.

Method, section 7 (stratum 5). They are measured against the birth homes of all sessions of the
same role, and never against a verdict: credential (how the key was delivered, how old it is),
client (agent and TLS family), behaviour (reconnaissance, console, role chaining, blinding the
detector). A key that home did not use is no signal: SDK processes cache keys one by one.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.marks import (
    CONSOLE,
    DELIVERY_V1,
    DELIVERY_V2,
    ROLE_CHAINING,
    TAMPERING,
    TLS_1_2,
    TLS_1_3,
    TLS_OLD,
)
from transforms.signal_names import GROUPS
from transforms.stays import PUBLIC

_DELIVERIES = DELIVERY_V1 | DELIVERY_V2
_TLS = TLS_OLD | TLS_1_2 | TLS_1_3


def signals(
    stays: DataFrame, births: DataFrame, clients: DataFrame, max_key_hours: float
) -> DataFrame:
    """Signals of each source of a session but the one where it was born first.

    One row per session_id and source, with ``signs`` (array of names in the order of
    :data:`transforms.signal_names.GROUPS`) and ``signal_groups`` (0 to 3).

    Which network he uses is up to a thief, so the birth home of a further one is measured, too,
    and not against public ones of its like: he would vouch for himself, or with a second key.

    Args:
        stays: rows of ``schemas.STAYS``, direct ones of instances.
        births: rows of :func:`transforms.births.births`, of all sessions.
        clients: rows of :func:`transforms.places.clients_at`: what is seen at these births.
        max_key_hours: longest life of an issued key.
    """
    marked = stays.join(_born(births), on=["session_id", "source"], how="left").withColumn(
        "is_further", F.coalesce("is_further", F.lit(False))
    )
    usual = usual_clients(clients, births)
    measured = _with_newer_key(marked.where("vouches_for is null or is_further"))
    told = measured.join(usual, on=["account_id", "role_id", "is_further"], how="left").select(
        "session_id", "source", *[sign.alias(name) for name, sign in _signs(max_key_hours).items()]
    )
    names = [name for group in GROUPS.values() for name in group]
    pairs = told.groupBy("session_id", "source").agg(*[F.max(name).alias(name) for name in names])
    return pairs.select(
        "session_id",
        "source",
        F.array_compact(F.array(*[F.when(F.col(n), F.lit(n)) for n in names])).alias("signs"),
        _groups().alias("signal_groups"),
    )


def _born(births: DataFrame) -> DataFrame:
    """Birth homes: session_id, source, ``is_further`` and ``vouches_for``.

    Further is all but the session's first. ``vouches_for`` lists whose measure it is part of: of
    sources that are no birth home (false), and of further birth homes (true).
    """
    place = F.struct("born_at", ~F.col("aws"), "source")
    session = Window.partitionBy("session_id")
    is_further = place != F.min(place).over(session)
    to_all, to_others = F.array(F.lit(False), F.lit(True)), F.array(F.lit(False))
    is_public = F.col("network").isin(*PUBLIC)
    return (
        births.withColumn("is_further", is_further)
        .withColumn(
            "vouches_for", F.when(F.col("is_further") & is_public, to_others).otherwise(to_all)
        )
        .select("session_id", "source", "is_further", "vouches_for")
        .distinct()
    )


def weak_signals(stays: DataFrame, homes: DataFrame, n: int, max_key_hours: float) -> DataFrame:
    """Homes at which a client speaks for a thief who shares the source: signals of two groups.

    One row per session_id and source, with ``weak_signs``. Measured against the homes of the
    role's other workloads, of which there must be ``n``: the client is one that none of them
    shows, and it looks around, goes on from there, or has a key past its life.

    Args:
        stays: rows of ``schemas.STAYS``, direct ones of workloads with a home.
        homes: rows of ``schemas.HOMES``.
        n: how many others of the role must be there to compare with.
        max_key_hours: longest life of an issued key.
    """
    at_home = stays.join(
        homes.select("session_id", "source").distinct(), on=["session_id", "source"], how="inner"
    )
    role = ["account_id", "role_id"]
    by_agent = at_home.groupBy(*role, "agent_family").agg(
        F.count_distinct("instance_id").alias("with_agent")
    )
    in_role = at_home.groupBy(*role).agg(F.count_distinct("instance_id").alias("in_role"))
    told = (
        at_home.join(by_agent, on=[*role, "agent_family"], how="inner")
        .join(in_role, on=role, how="inner")
        .where((F.col("with_agent") == 1) & (F.col("in_role") > n))
    )
    signs = {
        "new_agent": F.lit(True),
        "expired_key": _is_expired(max_key_hours),
        **{name: sign for name, sign in _behaviour().items() if name != "console_pivot"},
    }
    found = told.select(
        "session_id",
        "source",
        F.array_compact(
            F.array(*[F.when(F.coalesce(sign, F.lit(False)), name) for name, sign in signs.items()])
        ).alias("weak_signs"),
    )
    return (
        found.where(F.size("weak_signs") > 1)
        .groupBy("session_id", "source")
        .agg(
            F.array_sort(F.array_distinct(F.flatten(F.collect_list("weak_signs")))).alias(
                "weak_signs"
            )
        )
    )


def _is_expired(max_key_hours: float) -> Column:
    return F.col("key_age_max") > max_key_hours * 3600


def _behaviour() -> dict[str, Column]:
    marks = F.col("marks")
    hour = F.expr("interval 1 hour")
    return {
        "reconnaissance": F.col("first_recon") <= F.col("first_seen") + hour,
        "console_pivot": marks.bitwiseAND(CONSOLE) != 0,
        "role_chaining": marks.bitwiseAND(ROLE_CHAINING) != 0,
        "tampering": marks.bitwiseAND(TAMPERING) != 0,
    }


def _groups() -> Column:
    total = F.lit(0)
    for group in GROUPS.values():
        total = total + F.greatest(*[F.col(name) for name in group], F.lit(False)).cast("int")
    return total


def usual_clients(clients: DataFrame, births: DataFrame) -> DataFrame:
    """What the homes of a role show: agents, TLS families, and deliveries of each agent.

    Two measures of each role: with ``is_further`` that for birth homes of a further network.

    Args:
        clients: rows of :func:`transforms.places.clients_at`.
        births: rows of :func:`transforms.births.births`.
    """
    measure = ["account_id", "role_id", "is_further"]
    return (
        clients.join(_born(births), on=["session_id", "source"], how="inner")
        .drop("is_further")
        .withColumn("is_further", F.explode("vouches_for"))
        .groupBy(*measure, "agent_family")
        .agg(F.bit_or("delivery").alias("delivery"), F.bit_or("marks").alias("marks"))
        .groupBy(*measure)
        .agg(
            F.sort_array(F.collect_list(F.struct("agent_family", "delivery"))).alias(
                "usual_agents"
            ),
            F.bit_or("marks").alias("usual_marks"),
        )
    )


def _with_newer_key(away: DataFrame) -> DataFrame:
    before = (
        Window.partitionBy("session_id", "source", "agent_family")
        .orderBy("first_seen", "last_seen")
        .rowsBetween(Window.unboundedPreceding, -1)
    )
    return away.withColumn("newest_before", F.max("issued_max").over(before))


def _signs(max_key_hours: float) -> dict[str, Column]:
    marks, delivery = F.col("marks"), F.col("delivery").bitwiseAND(_DELIVERIES)
    same_agent = F.filter("usual_agents", lambda a: a["agent_family"] == F.col("agent_family"))
    known = F.get(same_agent, F.lit(0))
    usual_delivery = known["delivery"].bitwiseAND(_DELIVERIES)
    usual_tls = F.col("usual_marks").bitwiseAND(_TLS)
    has_baseline = F.col("usual_agents").isNotNull()
    signs = {
        "other_delivery": (usual_delivery != 0)
        & (delivery.bitwiseAND(F.bitwise_not(usual_delivery)) != 0),
        "expired_key": _is_expired(max_key_hours),
        "stale_key": F.col("issued_min") < F.col("newest_before"),
        "new_agent": has_baseline & known.isNull(),
        "new_tls": has_baseline
        & (usual_tls != 0)
        & (marks.bitwiseAND(_TLS).bitwiseAND(F.bitwise_not(usual_tls)) != 0),
        **_behaviour(),
    }
    return {name: F.coalesce(sign, F.lit(False)) for name, sign in signs.items()}
