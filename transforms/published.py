"""The published method of 2018 as a policy: what it says of the same presences.

Method, section 9. Bengtson's algorithm, session by session in order of event time: nothing is seen
before EC2's AssumeRole; the first address is the lock; one private address is free, whatever
endpoint it came through; a successful AttachNetworkInterface or AssociateAddress that the session
itself makes for its instance gives one token, and a new public address uses one up; sources that
are no address are passed over; a list of networks is allowed. It knows no endpoints, egress,
fleets, epochs or signals, and no requests that services or others send. Its crashes and its mixing
of sessions of equal name are left out.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.addresses import ASSOCIATE, ATTACH
from transforms.stays import ADDRESSES

_PRIVATE = (
    r"^(?:10\.|192\.168\.|172\.(?:1[6-9]|2[0-9]|3[01])\.|"
    r"100\.(?:6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.)"
)
"""The four networks that the published code takes for private; to it, all else is public."""

_ITEM = "struct<at:timestamp,rank:int,name:string,private:boolean>"
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
    """Stays as the published method sees them: who calls from an address is the session itself."""
    from_address = stays.where(F.col("source_kind").isin(*ADDRESSES))
    return from_address.withColumn("kind", F.lit("direct"))


def locked(facts: DataFrame, changes: DataFrame, lives: DataFrame) -> DataFrame:
    """Facts with ``outcome`` by the published method, and nothing that it does not know.

    Args:
        facts: presences with the facts of all strata and the allow-list.
        changes: rows of ``schemas.ADDRESS_CHANGES``.
        lives: session_id and alive_at of EC2's AssumeRole calls.
    """
    assumed = lives.groupBy("session_id").agg(F.min("alive_at").alias("assumed_at"))
    known = facts.join(assumed, on="session_id", how="inner").where("last_seen >= assumed_at")
    homes = _locks(known.where("allow_entries is null"), changes)
    at_home = F.array_contains("locks", F.col("source_address"))
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
        .drop("locks", "assumed_at")
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
    """One row per session: ``locks``, the addresses that it may call from."""
    seen = (
        known.groupBy("session_id", F.col("source_address").alias("name"))
        .agg(F.greatest(F.min("first_seen"), F.min("assumed_at")).alias("at"))
        .select(
            "session_id",
            "at",
            F.lit(1).alias("rank"),
            "name",
            F.col("name").rlike(_PRIVATE).alias("private"),
        )
    )
    own = changes.where(
        F.col("change").isin(ATTACH, ASSOCIATE)
        & (F.col("made_by_session_name") == F.col("instance_id"))
    )
    sessions = known.select("session_id", "instance_id", "assumed_at").distinct()
    given = own.join(sessions, on="instance_id", how="inner").where("event_time >= assumed_at")
    tokens = given.select(
        "session_id",
        F.col("event_time").alias("at"),
        F.lit(0).alias("rank"),
        F.col("event_id").alias("name"),
        F.lit(False).alias("private"),
    )
    item = F.struct("at", "rank", "name", "private").cast(_ITEM)
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
        F.when(accepted, F.array_append(state["homes"], item["name"]))
        .otherwise(state["homes"])
        .alias("homes"),
    ).cast(_STATE)
