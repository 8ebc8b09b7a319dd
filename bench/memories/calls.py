"""What instances of a past did: sightings of them, and the keys they were issued."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from bench.memories.columns import access_key, batch, drawn, time_at, uuid
from simulator.bulk.rare import THIEVES
from simulator.fleet import DAY, HOUR
from transforms import marks

if TYPE_CHECKING:
    from bench.memories.past import Past, Rates

THEFT = 0.0001
"""Share of sightings that are a thief's."""

_BUCKET = 6 * HOUR
_LONGEST_KEY = 6 * HOUR + 35 * 60
_QUIET = 8 * HOUR
_SHARE_SECOND, _SHARE_FOR_IT, _SHARE_FORWARDED = 0.55, 0.05, 0.25
_SHARE_FAILED = 0.01
_SSM, _HTTP, _THIEF = "amazon-ssm-agent", "go-http-client", "aws-cli"
_FOR_IT = "secretsmanager.amazonaws.com"


def sightings(every: DataFrame, past: Past, rates: Rates) -> DataFrame:
    """Rows of ``schemas.SIGHTINGS``: what each instance did in each hour in which it called."""
    second = F.col("second")
    issued = F.col("issued") + F.floor((second - F.col("issued")) / rates.key_seconds) * (
        rates.key_seconds
    )
    return (
        _calls(_first_hours(every).unionByName(_hours(every, past)))
        .withColumn("since", issued)
        .withColumn("until", second + (drawn("until") * (HOUR - 1 - second % HOUR)).cast("long"))
        .select(
            "*",
            F.col("instance_id").alias("session_name"),
            F.col("region").alias("instance_region"),
            F.lit("in_scope_of").alias("proof"),
            F.when(F.col("call.endpoint").isNotNull(), F.col("region")).alias("endpoint_region"),
            F.col("account_id").alias("recipient_account_id"),
            time_at(F.floor(second / _BUCKET) * _BUCKET, past).alias("bucket"),
            time_at(second, past).alias("first_seen"),
            time_at(F.col("until"), past).alias("last_seen"),
            (1 + F.floor(drawn("calls") * 4)).alias("calls"),
            F.when(drawn("errors") < _SHARE_FAILED, 1).otherwise(0).alias("errors"),
            time_at(F.col("since"), past).alias("issued_min"),
            time_at(F.col("since"), past).alias("issued_max"),
            (F.col("until") - F.col("since")).alias("key_age_max"),
            F.when(F.col("old_metadata"), marks.DELIVERY_V1)
            .otherwise(marks.DELIVERY_V2)
            .alias("delivery"),
            F.when(F.col("call.recon"), time_at(second, past)).alias("first_recon"),
            _file_bits().alias("file_bits"),
            batch(second).alias("batch_id"),
            F.concat_ws("/", "call.endpoint", "call.address").alias("source"),
            F.col("call.kind").alias("source_kind"),
            F.when(F.col("call.kind") != "service", F.col("call.address")).alias("source_address"),
            F.col("call.endpoint").alias("vpc_endpoint_id"),
            F.col("call.owner").alias("vpc_endpoint_account_id"),
            F.col("call.invoked_by").alias("invoked_by"),
            F.col("call.forwarded").alias("forwarded"),
            F.col("call.family").alias("agent_family"),
            F.col("call.marks").alias("marks"),
        )
    )


def _first_hours(every: DataFrame) -> DataFrame:
    """The first call of each instance: it comes from all of its sources."""
    first = F.greatest("issued", F.lit(0)) + 60 + F.floor(F.lit(300) * drawn("first", "number"))
    return every.select("*", first.alias("second"), F.lit(True).alias("is_first"))


def _hours(every: DataFrame, past: Past) -> DataFrame:
    """Hours in which instances call, by a second of each: spread over the day, never the same."""
    last = F.coalesce("ended", F.lit(past.seconds)) - 1
    first = F.greatest("born", F.lit(0))
    days = F.sequence(F.floor(first / DAY), F.floor(last / DAY))
    turns = F.sequence(F.lit(0).cast("long"), F.col("hours") - 1)
    of_turn = F.floor(
        (F.col("turn") + drawn("hour", "number", "day", "turn")) * 24 / F.col("hours")
    )
    second = (
        F.col("day") * DAY
        + of_turn * HOUR
        + F.floor(drawn("second", "number", "day", "turn") * F.lit(HOUR // 2))
    )
    return (
        every.withColumn("day", F.explode(days))
        .withColumn("turn", F.explode(turns))
        .withColumn("second", second)
        .where((F.col("second") > first + HOUR // 4) & (F.col("second") < last - HOUR))
        .select(*every.columns, "second", F.lit(False).alias("is_first"))
    )


def _calls(hours: DataFrame) -> DataFrame:
    """Hours with each kind of ``call`` that is made in them."""
    two = ~F.col("address_2").eqNullSafe(F.col("address_1")) | ~F.col("endpoint_2").eqNullSafe(
        F.col("endpoint_1")
    )
    is_first = F.col("is_first")
    plain = marks.TLS_1_3
    nets = F.array(*map(F.lit, THIEVES))
    net = nets[F.floor(drawn("net") * len(THIEVES)).cast("int")]
    thief = F.concat_ws(".", net, (1 + F.floor(drawn("thief") * 254)).cast("string"))
    late = F.col("second") > F.greatest("born", F.lit(0)) + _QUIET
    calls = (
        F.when(~is_first, _own(1, F.col("family"), plain | marks.DATA_EVENT)),
        F.when(is_first, _own(1, F.lit(_SSM), plain)),
        F.when(is_first & two, _own(2, F.lit(_SSM), plain, after=1)),
        F.when(~is_first & (drawn("two") < _SHARE_SECOND), _own(2, F.lit(_SSM), plain)),
        F.when(
            ~is_first & (drawn("for it") < _SHARE_FOR_IT),
            _call(F.lit(_FOR_IT), "service", _FOR_IT, marks.TLS_NONE, invoked_by=_FOR_IT),
        ),
        F.when(
            ~is_first & F.col("is_eks") & (drawn("sent on") < _SHARE_FORWARDED),
            _call(F.col("control_plane"), "public_ipv4", _HTTP, plain, forwarded=True),
        ),
        F.when(
            ~is_first & late & (drawn("theft") < THEFT),
            _call(thief, "public_ipv4", _THIEF, plain | marks.DATA_EVENT, recon=True),
        ),
    )
    made = F.filter(F.array(*calls), lambda call: call.isNotNull())
    return hours.withColumn("call", F.explode(made)).withColumn(
        "second", F.col("second") + F.col("call.after")
    )


def _file_bits() -> Column:
    """One group of files; of a thief's calls all, as evidence of them is looked for once."""
    group = F.floor(drawn("file") * 64).cast("int")
    one = F.call_function("shiftleft", F.lit(1).cast("long"), group)
    return F.when(F.col("call.recon"), F.lit(-1).cast("long")).otherwise(one)


def _own(number: int, family: Column, bits: int, after: int = 0) -> Column:
    """A call of an instance from its first or its last source, some seconds later."""
    address, endpoint, owner = (
        F.col(f"{what}_{number}") for what in ("address", "endpoint", "owner")
    )
    kind = (
        F.when(endpoint.isNotNull(), "endpoint")
        .when(address.contains(":"), "public_ipv6")
        .otherwise("public_ipv4")
    )
    own = _struct(address, kind, family, F.lit(bits), endpoint=endpoint, owner=owner)
    return own.withField("after", F.lit(after))


def _call(  # noqa: PLR0913 - what a call is
    address: Column,
    kind: str,
    family: str,
    bits: int,
    *,
    invoked_by: str | None = None,
    forwarded: bool = False,
    recon: bool = False,
) -> Column:
    return _struct(
        address,
        F.lit(kind),
        F.lit(family),
        F.lit(bits),
        invoked_by=F.lit(invoked_by),
        forwarded=F.lit(forwarded),
        recon=F.lit(recon),
    )


def _struct(address: Column, kind: Column, family: Column, bits: Column, **more: Column) -> Column:
    fields = {
        "address": (address, "string"),
        "kind": (kind, "string"),
        "family": (family, "string"),
        "marks": (bits, "int"),
        "endpoint": (more.get("endpoint"), "string"),
        "owner": (more.get("owner"), "string"),
        "invoked_by": (more.get("invoked_by"), "string"),
        "forwarded": (more.get("forwarded", F.lit(False)), "boolean"),
        "recon": (more.get("recon", F.lit(False)), "boolean"),
        "after": (F.lit(0), "int"),
    }
    return F.struct(
        *[
            (F.lit(None) if value is None else value).cast(kind_).alias(name)
            for name, (value, kind_) in fields.items()
        ]
    )


def credentials(every: DataFrame, past: Past, rates: Rates) -> DataFrame:
    """Rows of ``schemas.CREDENTIALS``: EC2's AssumeRole, as long as an instance lives."""
    begin, end = F.greatest("issued", F.lit(0)), F.coalesce("ended", F.lit(past.seconds)) - 1
    counts = F.sequence(
        F.ceil((begin - F.col("issued")) / rates.key_seconds),
        F.floor((end - F.col("issued")) / rates.key_seconds),
    )
    second = F.col("issued") + F.col("count") * rates.key_seconds
    digits = F.md5(F.concat_ws(" ", F.lit("key"), "number", "count"))
    return (
        every.where(end >= begin)
        .withColumn("count", F.explode(counts))
        .select(
            "*",
            uuid(digits).alias("event_id"),
            access_key("ASIA", digits).alias("access_key_id"),
            F.col("instance_id").alias("session_name"),
            F.lit("ec2").alias("issued_for"),
            F.lit("ec2.amazonaws.com").alias("issued_by"),
            F.lit("ec2.amazonaws.com").alias("issued_from"),
            time_at(second, past).alias("issued_at"),
            time_at(second + _LONGEST_KEY, past).alias("expires_at"),
            F.col("region").alias("aws_region"),
            batch(second).alias("batch_id"),
        )
    )
