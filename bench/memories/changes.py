"""The ledger of a past: what its launches, Elastic addresses and gateways left."""

from __future__ import annotations

from functools import partial, reduce
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from bench.memories.columns import access_key, batch, resource, time_at, uuid
from simulator.fleet import DAY, HOUR

if TYPE_CHECKING:
    from bench.memories.past import Past

_RELEASED_AFTER = HOUR
_ELASTIC_AFTER = 10
_AUTOSCALING = "autoscaling.amazonaws.com"


def address_changes(every: DataFrame, past: Past) -> DataFrame:
    """Rows of ``schemas.ADDRESS_CHANGES``: launches, Elastic addresses, ends, NAT gateways."""
    launched = every.where("born >= 0")
    elastic = launched.where("elastic is not null")
    ended = every.where("ended is not null")
    interface, attachment, allocation, association = (
        resource(kind, "number") for kind in ("eni", "eni-attach", "eipalloc", "eipassoc")
    )
    instance, private = F.col("instance_id"), F.col("private")
    given, released = F.col("born") + _ELASTIC_AFTER, F.col("ended") + _RELEASED_AFTER
    by_scaling, by_alice = _by_autoscaling(), _by_administrator()
    of_launch = partial(_change, launched, past, F.col("born"), by_scaling, event="launch")
    own, held = {"instance_id": instance}, {"address": private, "vpc_id": F.col("vpc_id")}
    elastic_own = {"allocation_id": allocation, "address": F.col("elastic")}
    attached = {"network_interface_id": interface, "association_id": attachment}
    associated = {**own, **elastic_own, "association_id": association}
    parts = (
        of_launch("launch", own),
        of_launch("attach", {**own, **attached}),
        of_launch("hold", {"network_interface_id": interface, **held}),
        of_launch("hold", {**own, **held}),
        _change(elastic, past, given, by_alice, "allocate", elastic_own),
        _change(elastic, past, given + 1, by_alice, "associate", associated),
        _change(ended, past, F.col("ended"), by_scaling, "terminate", own),
        _change(
            elastic.where(released < past.seconds),
            past,
            released,
            by_alice,
            "release",
            {"allocation_id": allocation},
        ),
        _gateways(every, past),
    )
    return reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), parts)


def _change(  # noqa: PLR0913, PLR0917 - what a change is
    rows: DataFrame,
    past: Past,
    second: Column,
    made: dict[str, Column],
    change: str,
    told: dict[str, Column],
    event: str = "",
) -> DataFrame:
    """One kind of change of some instances; those of one event have its id."""
    digits = F.md5(F.concat_ws(" ", F.lit(event or change), "number"))
    facts = {**made, **told}
    return rows.select(
        uuid(digits).alias("event_id"),
        time_at(second, past).alias("event_time"),
        F.lit(change).alias("change"),
        "account_id",
        F.col("region").alias("aws_region"),
        *[fact.alias(name) for name, fact in facts.items()],
        batch(second).alias("batch_id"),
    )


def _by_autoscaling() -> dict[str, Column]:
    role = "assumed-role/AWSServiceRoleForAutoScaling/AutoScaling"
    key = access_key("ASIA", F.md5(F.concat_ws(" ", "account_id", "born")))
    return {
        "made_by": F.concat(F.lit("arn:aws:sts::"), "account_id", F.lit(f":{role}")),
        "made_from": F.lit(_AUTOSCALING),
        "made_with_key": key,
    }


def _by_administrator() -> dict[str, Column]:
    return {
        "made_by": F.concat(F.lit("arn:aws:iam::"), "account_id", F.lit(":user/alice")),
        "made_from": F.col("office"),
        "made_with_key": access_key("AKIA", F.md5("account_id")),
    }


def _gateways(every: DataFrame, past: Past) -> DataFrame:
    """How the gateways came to be, as if all had on the first day: each told once."""
    behind = [b for b in past.fleet.boxes if b.way in ("nat", "mixed", "eks")]
    addresses = sorted({b.sources[0].address for b in behind})
    nats = (
        every.where(F.col("address_1").isin(addresses))
        .groupBy("address_1", "account_id", "region", "office")
        .agg(F.min("number").alias("number"))
    )
    allocation = resource("eipalloc", "address_1")
    second = F.col("number") % (DAY // 2)
    asked = {"allocation_id": allocation}
    told = {**asked, "address": F.col("address_1")}
    of_nat = partial(_change, nats, past, second, _by_administrator(), "nat")
    return of_nat(told).unionByName(of_nat(asked), allowMissingColumns=True)
