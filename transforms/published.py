"""The published method of 2018 as a policy: what it says of the same presences.

Method, section 9. Bengtson's algorithm, session by session in order of event time: the first
address is the lock; one private address is free; a successful AttachNetworkInterface or
AssociateAddress that the session itself makes for its instance gives one token, and a new public
address uses one up; calls of AWS services are passed over; a list of networks is allowed; without
EC2's AssumeRole nothing is said. It knows no endpoints, egress, fleets, epochs or signals, and no
requests that others send on. Its crashes and its mixing of sessions of equal name are left out.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.addresses import ASSOCIATE, ATTACH
from transforms.stays import PUBLIC

_ITEM = "struct<at:timestamp,rank:int,source:string,private:boolean>"
_STATE = "struct<locked:boolean,private_seen:boolean,tokens:int,homes:array<string>>"

_OFF = (
    "egress",
    "moved_fleet",
    "endpoint_ours",
    "speaks_for_endpoint",
    "another_here",
    "exact",
    "permitted",
    "self_made",
    "gives_way",
    "never_corroborated",
    "after_silence",
    "first_of_network",
)


def as_direct(stays: DataFrame) -> DataFrame:
    """Stays as the published method sees them: what others send on is a call like any other."""
    kind = F.when(F.col("kind") == "forwarded", F.lit("direct")).otherwise(F.col("kind"))
    return stays.withColumn("kind", kind).where(~F.col("kind").isin("service_name_only"))


def locked(facts: DataFrame, changes: DataFrame, lives: DataFrame) -> DataFrame:
    """Facts with ``outcome`` by the published method, and nothing that it does not know.

    Args:
        facts: presences with the facts of all strata and the allow-list.
        changes: rows of ``schemas.ADDRESS_CHANGES``.
        lives: session_id and alive_at of EC2's AssumeRole calls.
    """
    known = facts.join(lives.select("session_id").distinct(), on="session_id", how="left_semi")
    homes = _locks(known.where("allow_owner is null"), changes)
    at_home = F.array_contains("locks", F.col("source"))
    off = {name: F.lit(False) for name in _OFF}
    nothing = F.lit(None)
    return (
        known.join(homes, on="session_id", how="left")
        .withColumns(off)
        .withColumns(
            {
                "outcome": F.when(at_home, F.lit("home")).otherwise(F.lit("mismatch")),
                "epoch": F.lit(1),
                "holder": nothing.cast("string"),
                "down_since": nothing.cast("timestamp"),
                "signal_groups": F.lit(0),
                "signs": F.array().cast("array<string>"),
                "marks": F.lit(0),
                "corroborated_by": F.lit("none"),
            }
        )
        .drop("locks")
    )


def folded(locked: DataFrame, home_type: str) -> DataFrame:
    """Homes in the shape of :func:`transforms.homes.folded`, without outcomes."""
    home = F.struct(
        "source",
        "network",
        F.lit(1).alias("epoch"),
        F.col("first_seen").alias("since"),
        F.col("last_seen").alias("until"),
        F.col("last_seen").alias("source_until"),
        "aws",
        F.lit(None).cast("string").alias("prefix24"),
        "egress",
        F.col("source_address").alias("address"),
        F.lit(None).cast("timestamp").alias("elastic_until"),
        "corroborated_by",
    ).cast(home_type)
    return (
        locked.where("outcome = 'home'")
        .groupBy("session_id")
        .agg(F.sort_array(F.collect_list(home)).alias("homes"))
    )


def _locks(known: DataFrame, changes: DataFrame) -> DataFrame:
    sources = known.groupBy("session_id", "source", "source_kind").agg(
        F.min("first_seen").alias("at")
    )
    seen = sources.select(
        "session_id",
        "at",
        F.lit(1).alias("rank"),
        "source",
        (~F.col("source_kind").isin(*PUBLIC)).alias("private"),
    )
    own = changes.where(
        F.col("change").isin(ATTACH, ASSOCIATE)
        & (F.col("made_by_session_name") == F.col("instance_id"))
    )
    sessions = known.select("session_id", "instance_id").distinct()
    tokens = own.join(sessions, on="instance_id", how="inner").select(
        "session_id",
        F.col("event_time").alias("at"),
        F.lit(0).alias("rank"),
        F.col("event_id").alias("source"),
        F.lit(False).alias("private"),
    )
    item = F.struct("at", "rank", "source", "private").cast(_ITEM)
    return (
        seen.union(tokens)
        .groupBy("session_id")
        .agg(F.sort_array(F.collect_set(item)).alias("items"))
        .select("session_id", _play(F.col("items")).alias("locks"))
    )


def _play(items: Column) -> Column:
    start = F.struct(
        F.lit(False).alias("locked"),
        F.lit(False).alias("private_seen"),
        F.lit(0).alias("tokens"),
        F.array().cast("array<string>").alias("homes"),
    ).cast(_STATE)
    return F.aggregate(items, start, _step)["homes"]


def _step(state: Column, item: Column) -> Column:
    is_token = item["rank"] == 0
    uses_token = state["locked"] & ~item["private"] & (state["tokens"] > 0)
    free = F.when(item["private"], ~state["private_seen"]).otherwise(state["tokens"] > 0)
    accepted = ~is_token & (~state["locked"] | free)
    change = F.when(is_token, 1).when(accepted & uses_token, -1).otherwise(0)
    return F.struct(
        (state["locked"] | ~is_token).alias("locked"),
        (state["private_seen"] | item["private"]).alias("private_seen"),
        (state["tokens"] + change).alias("tokens"),
        F.when(accepted, F.array_append(state["homes"], item["source"]))
        .otherwise(state["homes"])
        .alias("homes"),
    ).cast(_STATE)
