"""Homes and mismatches in one fold over a session's sources, in order of event time.

Method, section 6 (stratum 6). The fold reads facts of the strata above it and nothing that it
decides itself, so every outcome is a function of the set of events. It is one ``aggregate`` over
the sorted stays of a session; the state is the homes so far, the sources once suspicious, when a
home was last alive, and the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms import schemas
from transforms.ip import network24_48
from transforms.shared import of_another, own_endpoint
from transforms.stays import PUBLIC, STAY, hours, merged, minutes

HOME = (
    "struct<source:string,network:string,epoch:int,since:timestamp,until:timestamp,"
    "source_until:timestamp,aws:boolean,prefix24:string,egress:boolean,address:string,"
    "elastic_until:timestamp,corroborated_by:string>"
)
"""One home of a session, as the fold keeps it."""
_OUT = (
    "struct<source:string,first_seen:timestamp,outcome:string,epoch:int,"
    "after_silence:boolean,first_of_network:boolean>"
)


@dataclass(frozen=True)
class Fold:
    """Numbers of the fold, from the settings."""

    ttl_hours: float
    birth_window_hours: int
    move_grace_minutes: int
    max_stays: int
    neighbours: int


def folded(presences: DataFrame, lives: DataFrame, births: DataFrame, fold: Fold) -> DataFrame:
    """One row per session: ``homes`` (array) and ``outcomes`` (array, one per folded stay).

    Args:
        presences: rows of :func:`transforms.shared.with_neighbours` with ``explained``: a rule
            excuses the source whatever the fold says.
        lives: EC2's AssumeRole calls as signs of life: session_id, alive_at.
        births: rows of :func:`transforms.births.births`.
        fold: the numbers.
    """
    items = _items(presences, births, fold).unionByName(
        _life_items(lives, fold.ttl_hours), allowMissingColumns=True
    )
    order = Window.partitionBy("session_id").orderBy("first_seen", "rank", "source")
    bounded = items.withColumn("place", F.row_number().over(order)).where(
        F.col("place") <= fold.max_stays
    )
    item = F.struct("place", *[name for name in items.columns if name != "session_id"])
    return (
        bounded.groupBy("session_id")
        .agg(F.sort_array(F.collect_list(item)).alias("items"))
        .withColumn("folded", _fold(F.col("items"), fold))
        .select("session_id", "folded.homes", F.col("folded.out").alias("outcomes"))
    )


def homes(folded: DataFrame, sessions: DataFrame) -> DataFrame:
    """``schemas.HOMES``: one row per session, epoch, network and source."""
    return (
        folded.select("session_id", F.explode("homes").alias("home"))
        .select("session_id", "home.*")
        .groupBy("session_id", "epoch", "network", "source", "corroborated_by")
        .agg(F.min("since").alias("since"), F.max("until").alias("until"))
        .join(sessions, on="session_id", how="inner")
        .select(*schemas.HOMES.columns)
    )


def outcomes(folded: DataFrame, presences: DataFrame) -> DataFrame:
    """Presences with ``outcome`` and ``epoch``: home, assigned, moved, restarted or mismatch.

    Stays beyond the bound of the fold are judged set-wise: at a home, or not.
    """
    told = folded.select("session_id", F.explode("outcomes").alias("out")).select(
        "session_id", "out.*"
    )
    known = folded.select(
        "session_id", F.transform("homes", lambda h: h["source"]).alias("home_sources")
    )
    at_home = F.array_contains("home_sources", F.col("source"))
    none = F.lit(False)
    return (
        presences.join(told, on=[*STAY], how="left")
        .join(known, on="session_id", how="left")
        .withColumn(
            "outcome",
            F.coalesce("outcome", F.when(at_home, F.lit("home")), F.lit("mismatch")),
        )
        .withColumn("after_silence", F.coalesce("after_silence", none))
        .withColumn("first_of_network", F.coalesce("first_of_network", none))
        .drop("home_sources")
    )


def with_corroboration(presences: DataFrame) -> DataFrame:
    """Adds ``corroborated_by``, ``gives_way`` and ``never_corroborated`` to presences.

    A source outside AWS space that nothing corroborates gives way to a source of the session that
    something does: in AWS space of its own region, behind an endpoint of ours, an egress.
    """
    by = (
        F.when(F.col("exact"), F.lit("ledger"))
        .when(F.col("egress"), F.lit("egress"))
        .when(F.col("allow_entries").isNotNull(), F.lit("allow_list"))
        .when(F.col("endpoint_ours"), F.lit("endpoint"))
        .when(F.col("in_own_region"), F.lit("aws"))
        .when(F.col("source_kind") == "private", F.lit("private"))
        .otherwise(F.lit("none"))
    )
    outside = F.col("prefix").isNotNull() & (F.col("corroborated_by") == "none")
    session = Window.partitionBy("session_id")
    better = F.max(~F.col("corroborated_by").isin("private", "none")).over(session)
    return (
        presences.withColumn("corroborated_by", by)
        .withColumn("gives_way", outside & better)
        .withColumn("never_corroborated", F.min(outside).over(session))
    )


def _items(presences: DataFrame, births: DataFrame, fold: Fold) -> DataFrame:
    """What the fold reads of a presence, sorted later by time, AWS space first, then text."""
    first_alive = births.select("session_id", "first_alive").distinct()
    source = Window.partitionBy("session_id", "source")
    in_window = F.col("first_seen") <= F.col("first_alive") + hours(fold.birth_window_hours)
    in_time = F.coalesce(in_window, F.lit(False))
    foreign = (F.col("source_kind") == "endpoint") & F.col("endpoint_owner").isNotNull()
    return presences.join(first_alive, on="session_id", how="left").select(
        "session_id",
        "first_seen",
        F.when(F.col("aws"), F.lit(1)).otherwise(F.lit(2)).alias("rank"),
        "source",
        "last_seen",
        "network",
        "aws",
        F.col("source_kind").isin(*PUBLIC).alias("public"),
        F.col("source_address").alias("address"),
        network24_48(F.col("source_address")).alias("prefix24"),
        "egress",
        "explained",
        "gives_way",
        "corroborated_by",
        "exact",
        "permitted",
        _is_free(in_time, fold.neighbours).alias("free"),
        (foreign & ~F.col("endpoint_ours")).alias("foreign"),
        (of_another() & ~F.col("exact")).alias("of_another"),
        "in_own_region",
        "elastic_until",
        (F.coalesce("signal_groups", F.lit(0)) >= 2).alias("contradicted"),  # noqa: PLR2004
        F.max("last_seen").over(source).alias("source_until"),
    )


def _is_free(in_window: Column, n: int) -> Column:
    """The first source of a further network is home if something beside it says so.

    The ledger; a shared egress; an endpoint of ours that nobody else is at; a fleet that lives
    like that; or, where the role has too few others to tell, the session's first hours.
    """
    kind = F.col("source_kind")
    like_peers = ((kind == "public_ipv4") & (F.col("public_peers") >= n)) | (
        (kind == "public_ipv6") & (F.col("v6_neighbours") > 0)
    )
    alone = (F.col("peers") < n) & in_window & (F.coalesce("signal_groups", F.lit(0)) < 2)  # noqa: PLR2004
    return (
        F.col("exact")
        | F.col("egress")
        | own_endpoint()
        | (kind.isin(*PUBLIC) & F.col("in_own_region") & (like_peers | alone))
    )


def _life_items(lives: DataFrame, ttl_hours: float) -> DataFrame:
    seen = lives.select(
        "session_id", F.col("alive_at").alias("first_seen"), F.col("alive_at").alias("last_seen")
    )
    return merged(seen, ["session_id"], ttl_hours).select(
        "session_id", "first_seen", F.lit(0).alias("rank"), F.lit("").alias("source"), "last_seen"
    )


def _fold(items: Column, fold: Fold) -> Column:
    start = F.struct(
        F.array().cast(f"array<{HOME}>").alias("homes"),
        F.array().cast("array<string>").alias("suspicious"),
        F.lit(None).cast("timestamp").alias("alive"),
        F.lit(1).alias("epoch"),
        F.lit(False).alias("fresh"),
        F.array().cast(f"array<{_OUT}>").alias("out"),
    )
    return F.aggregate(items, start, lambda state, item: _step(state, item, fold))


def _step(state: Column, item: Column, fold: Fold) -> Column:
    """One step. What later parts need more than once is computed once, in a one-element array."""
    ttl = hours(fold.ttl_hours)
    silent = F.coalesce(item["first_seen"] > state["alive"] + ttl, F.lit(False))
    former = F.filter(state["homes"], lambda h: h["network"] == item["network"])
    seen = F.array(
        F.struct(
            silent.alias("silent"),
            (silent | state["fresh"]).alias("fresh"),
            F.get(former, F.size(former) - 1).alias("former"),
            F.forall(former, _is_listed_outside).alias("is_first"),
        )
    )
    decided = F.transform(
        seen,
        lambda v: F.struct(
            v["silent"].alias("silent"),
            v["fresh"].alias("fresh"),
            v["former"].isNull().alias("first_of_network"),
            _outcome(state, item, v, fold).alias("outcome"),
        ),
    )
    return F.transform(decided, lambda v: _next_state(state, item, v))[0]


def _is_listed_outside(home: Column) -> Column:
    """A home outside AWS by the allow-list alone, beside which the instance may have its own."""
    return ~home["aws"] & (home["corroborated_by"] == "allow_list")


def _outcome(state: Column, item: Column, v: Column, fold: Fold) -> Column:
    first = v["former"].isNull() | (v["is_first"] & item["aws"])
    known = F.exists(state["homes"], lambda h: h["source"] == item["source"])
    return (
        F.when(item["rank"] == 0, F.lit("life"))
        .when(item["of_another"], F.lit("mismatch"))
        .when(F.array_contains(state["suspicious"], item["source"]), F.lit("mismatch"))
        .when(known, F.lit("home"))
        .when(item["foreign"] | item["gives_way"], F.lit("mismatch"))
        .when(F.size(state["homes"]) == 0, F.lit("home"))
        .when(first & _may_be_first(state, item), F.lit("home"))
        .when(item["exact"], F.lit("assigned"))
        .when(item["permitted"], F.lit("moved"))
        .when(v["fresh"] & _moved_like_for_like(item, v["former"], fold), F.lit("restarted"))
        .otherwise(F.lit("mismatch"))
    )


def _may_be_first(state: Column, item: Column) -> Column:
    """The first source of a further network is not free: a thief chooses which one he uses."""
    at_home = F.exists(state["homes"], lambda h: h["address"] == item["address"])
    return item["free"] | ((item["network"] == "private") & at_home)


def _moved_like_for_like(item: Column, former: Column, fold: Fold) -> Column:
    """A restart excuses a move only: like for like, and the former source falls silent."""
    grace = minutes(fold.move_grace_minutes)
    alike = F.when(former["aws"], item["in_own_region"] & ~item["contradicted"]).otherwise(
        former["prefix24"] == item["prefix24"]
    )
    gone = former["source_until"] <= item["first_seen"] + grace
    fixed = former["egress"] | F.coalesce(
        former["elastic_until"] > item["first_seen"], F.lit(False)
    )
    return F.coalesce(item["public"] & alike & gone & ~fixed, F.lit(False))


def _next_state(state: Column, item: Column, v: Column) -> Column:
    is_home = v["outcome"].isin("home", "restarted", "assigned", "moved")
    is_life = v["outcome"] == "life"
    is_alive = is_home | is_life
    is_moved = (v["outcome"] == "restarted") | (is_home & (item["network"] == "public_ipv4"))
    epoch = state["epoch"] + (v["silent"] & is_alive).cast("int")
    out = F.struct(
        item["source"].alias("source"),
        item["first_seen"].alias("first_seen"),
        v["outcome"].alias("outcome"),
        epoch.alias("epoch"),
        v["silent"].alias("after_silence"),
        v["first_of_network"].alias("first_of_network"),
    )
    suspicious = (v["outcome"] == "mismatch") & ~item["explained"]
    return F.struct(
        F.when(is_home, _with_home(state["homes"], item, epoch))
        .otherwise(state["homes"])
        .alias("homes"),
        F.when(suspicious, F.array_union(state["suspicious"], F.array(item["source"])))
        .otherwise(state["suspicious"])
        .alias("suspicious"),
        F.when(is_alive, F.greatest(state["alive"], item["last_seen"]))
        .otherwise(state["alive"])
        .alias("alive"),
        epoch.alias("epoch"),
        F.when(is_alive, v["fresh"] & ~is_moved).otherwise(state["fresh"]).alias("fresh"),
        F.when(is_life, state["out"]).otherwise(F.array_append(state["out"], out)).alias("out"),
    )


def _with_home(homes: Column, item: Column, epoch: Column) -> Column:
    """Homes with one more, the last; one that was there already comes last, and lasts longer.

    Whoever stays at home for a year does so in hundreds of stays: each step looks through homes.
    """

    def is_it(home: Column) -> Column:
        return (
            (home["source"] == item["source"])
            & (home["network"] == item["network"])
            & (home["epoch"] == epoch)
            & (home["corroborated_by"] == item["corroborated_by"])
        )

    before = F.get(F.filter(homes, is_it), F.lit(0))
    home = F.struct(
        item["source"].alias("source"),
        item["network"].alias("network"),
        epoch.alias("epoch"),
        F.coalesce(before["since"], item["first_seen"]).alias("since"),
        F.greatest(before["until"], item["last_seen"]).alias("until"),
        item["source_until"].alias("source_until"),
        item["aws"].alias("aws"),
        item["prefix24"].alias("prefix24"),
        item["egress"].alias("egress"),
        item["address"].alias("address"),
        item["elastic_until"].alias("elastic_until"),
        item["corroborated_by"].alias("corroborated_by"),
    )
    return F.array_append(F.filter(homes, lambda h: ~is_it(h)), home)
