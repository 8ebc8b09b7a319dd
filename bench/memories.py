"""The memories that months of hourly runs leave, made without the events.

``python -m bench.memories --warehouse FOLDER --hours FOLDER --instances 20000 --days 365``. Rows
are those that ``detect`` would have made of such a fleet, hour by hour, after ``maintain``: one
batch an hour, a sighting for each session, source and agent of the hour, a data file a day. What
a real year would have more of is left out, as this machine could not hold it, and each is an
option: instances call in 3.4 hours of a day rather than in all 24, they get a key each 6 hours
rather than each hour (so that none is ever silent), and a file is delivered once an hour in each
account and region rather than each five minutes.

Beside the warehouse come the events of two hours that follow: the first makes a run judge all of
it, the second is that of the run that is measured.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from bench.past import Past
from bench.present import write_hour
from jobs.session import spark_session
from jobs.tables import Warehouse, full_name
from simulator.addresses import private_ipv4
from simulator.bulk.rare import THIEVES
from simulator.fleet import DAY, HOUR
from simulator.identity import IMDS_V1
from simulator.traffic import CLIENTS
from transforms import marks, schemas
from transforms.summary import SUMMARY_VERSION

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from bench.past import Instance

THEFT = 0.0001
"""Share of sightings that are a thief's."""

_BUCKET = 6 * HOUR
_LONGEST_KEY = 6 * HOUR + 35 * 60
_QUIET = 8 * HOUR
_RELEASED_AFTER = HOUR
_ELASTIC_AFTER = 10
_SHARE_SECOND, _SHARE_FOR_IT, _SHARE_FORWARDED = 0.55, 0.05, 0.25
_FAMILIES = {
    "app": "boto3",
    "java": "aws-sdk-java",
    "go": "aws-sdk-go-v2",
    "cni": "amazon-vpc-cni-k8s",
}
_SSM, _HTTP, _THIEF = "amazon-ssm-agent", "go-http-client", "aws-cli"
_FOR_IT = "secretsmanager.amazonaws.com"
_AUTOSCALING = "autoscaling.amazonaws.com"
_PARTITIONS = 48

_INSTANCE = pa.schema(
    [
        *[(name, pa.int64()) for name in ("number", "born", "ended", "issued", "hours")],
        *[
            (name, pa.string())
            for name in (
                "instance_id",
                "account_id",
                "role_id",
                "role_arn",
                "region",
                "family",
                "vpc_id",
                "private",
                "elastic",
                "control_plane",
                "office",
                *[f"{what}_{n}" for n in (1, 2) for what in ("address", "endpoint", "owner")],
            )
        ],
        ("old_metadata", pa.bool_()),
        ("is_eks", pa.bool_()),
    ]
)
"""An instance of the past as a row: seconds after the start of the trail, and its two sources."""


@dataclass(frozen=True)
class Rates:
    """How much of a past is remembered.

    Attributes:
        key_hours: hours from one key of an instance to the next.
        files: files that are delivered in an hour.
    """

    key_hours: int = 6
    files: int = 24

    @property
    def key_seconds(self) -> int:
        """Seconds from one key of an instance to the next."""
        return self.key_hours * HOUR


def main() -> None:
    """Make a warehouse, and the events of two hours."""
    parser = argparse.ArgumentParser(prog="python -m bench.memories", description=__doc__)
    parser.add_argument("--warehouse", required=True, type=Path)
    parser.add_argument("--hours", required=True, type=Path, help="folder for events of two hours")
    parser.add_argument("--instances", type=int, default=500)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--key-hours", type=int, default=Rates.key_hours)
    parser.add_argument("--files", type=int, default=Rates.files, help="files of an hour")
    args = parser.parse_args()
    past, rates = Past(args.instances, args.days), Rates(args.key_hours, args.files)
    for hour in (0, 1):
        events = write_hour(past, hour, args.hours / str(hour), rates.key_hours)
        print(f"hour {hour}: {events:,} events", flush=True)
    settings = {"spark.sql.shuffle.partitions": str(_PARTITIONS)}
    spark = spark_session(settings, str(args.warehouse), "memories")
    write(Warehouse(spark), past, rates)
    spark.stop()


def write(warehouse: Warehouse, past: Past, rates: Rates) -> None:
    """Write all memories of a past into a new warehouse."""
    warehouse.create_missing()
    spark = warehouse.spark
    every = instances(spark, past)
    for table, rows in (
        (schemas.INPUT_FILES, input_files(spark, past, rates)),
        (schemas.INVENTORY, inventory(spark, past)),
        (schemas.ADDRESS_CHANGES, address_changes(every, past)),
        (schemas.CREDENTIALS, credentials(every, past, rates)),
        (schemas.SIGHTINGS, sightings(every, past, rates)),
    ):
        warehouse.append(table, _shaped(table, rows))
        print(f"{full_name(table)}: {warehouse.added(table):,} rows", flush=True)


def instances(spark: SparkSession, past: Past) -> DataFrame:
    """All instances of a past, one a row of the schema above."""
    offices = past.fleet.offices
    rows = [_row(instance, offices) for instance in past.all]
    table = pa.Table.from_pylist(rows, schema=_INSTANCE)
    return spark.createDataFrame(table).repartition(_PARTITIONS, "number")


def _row(instance: Instance, offices: dict[str, str]) -> dict[str, Any]:
    box = instance.box
    first, last = box.sources[0], box.sources[-1]
    return {
        "number": instance.number,
        "born": box.born,
        "ended": box.ended,
        "issued": box.issued,
        "hours": instance.hours,
        "instance_id": box.machine.id,
        "account_id": box.machine.role.account,
        "role_id": box.machine.role.id,
        "role_arn": box.machine.role.arn,
        "region": box.machine.region,
        "family": _FAMILIES["cni" if box.way == "eks" else CLIENTS[box.issued % len(CLIENTS)]],
        "vpc_id": box.network.vpc,
        "private": private_ipv4(box.network.number, box.place),
        "elastic": first.address if box.way == "public" and box.born >= 0 else None,
        "control_plane": box.network.control_plane,
        "office": offices[box.machine.role.account],
        "old_metadata": box.delivery == IMDS_V1,
        "is_eks": box.way == "eks",
        **{
            f"{what}_{n}": getattr(source, what) or None
            for n, source in ((1, first), (2, last))
            for what in ("address", "endpoint", "owner")
        },
    }


def sightings(every: DataFrame, past: Past, rates: Rates) -> DataFrame:
    """Rows of ``schemas.SIGHTINGS``: what each instance did in each hour in which it called."""
    second = F.col("second")
    issued = F.col("issued") + F.floor((second - F.col("issued")) / rates.key_seconds) * (
        rates.key_seconds
    )
    return (
        _calls(_first_hours(every).unionByName(_hours(every, past)))
        .withColumn("since", issued)
        .withColumn("until", second + (_drawn("until") * (HOUR - 1 - second % HOUR)).cast("long"))
        .select(
            "*",
            F.col("instance_id").alias("session_name"),
            F.col("region").alias("instance_region"),
            F.lit("in_scope_of").alias("proof"),
            F.when(F.col("call.endpoint").isNotNull(), F.col("region")).alias("endpoint_region"),
            F.col("account_id").alias("recipient_account_id"),
            _time(F.floor(second / _BUCKET) * _BUCKET, past).alias("bucket"),
            _time(second, past).alias("first_seen"),
            _time(F.col("until"), past).alias("last_seen"),
            (1 + F.floor(_drawn("calls") * 4)).alias("calls"),
            F.when(_drawn("errors") < 0.01, 1).otherwise(0).alias("errors"),  # noqa: PLR2004
            _time(F.col("since"), past).alias("issued_min"),
            _time(F.col("since"), past).alias("issued_max"),
            (F.col("until") - F.col("since")).alias("key_age_max"),
            F.when(F.col("old_metadata"), marks.DELIVERY_V1)
            .otherwise(marks.DELIVERY_V2)
            .alias("delivery"),
            F.when(F.col("call.recon"), _time(second, past)).alias("first_recon"),
            _file_bits().alias("file_bits"),
            _batch(second).alias("batch_id"),
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
    first = F.greatest("issued", F.lit(0)) + 60 + F.floor(F.lit(300) * _drawn("first", "number"))
    return every.select("*", first.alias("second"), F.lit(True).alias("is_first"))


def _hours(every: DataFrame, past: Past) -> DataFrame:
    """Hours in which instances call, by a second of each: spread over the day, never the same."""
    last = F.coalesce("ended", F.lit(past.seconds)) - 1
    first = F.greatest("born", F.lit(0))
    days = F.sequence(F.floor(first / DAY), F.floor(last / DAY))
    turns = F.sequence(F.lit(0).cast("long"), F.col("hours") - 1)
    of_turn = F.floor(
        (F.col("turn") + _drawn("hour", "number", "day", "turn")) * 24 / F.col("hours")
    )
    second = (
        F.col("day") * DAY
        + of_turn * HOUR
        + F.floor(_drawn("second", "number", "day", "turn") * F.lit(HOUR // 2))
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
    net = nets[F.floor(_drawn("net") * len(THIEVES)).cast("int")]
    thief = F.concat_ws(".", net, (1 + F.floor(_drawn("thief") * 254)).cast("string"))
    late = F.col("second") > F.greatest("born", F.lit(0)) + _QUIET
    calls = (
        F.when(is_first | (_drawn("own") < 1), _own(1, F.col("family"), plain | marks.DATA_EVENT)),
        F.when(
            (is_first & two) | (~is_first & (_drawn("two") < _SHARE_SECOND)),
            _own(2, F.lit(_SSM), plain),
        ),
        F.when(
            ~is_first & (_drawn("for it") < _SHARE_FOR_IT),
            _call(F.lit(_FOR_IT), "service", _FOR_IT, marks.TLS_NONE, invoked_by=_FOR_IT),
        ),
        F.when(
            ~is_first & F.col("is_eks") & (_drawn("sent on") < _SHARE_FORWARDED),
            _call(F.col("control_plane"), "public_ipv4", _HTTP, plain, forwarded=True),
        ),
        F.when(
            ~is_first & late & (_drawn("theft") < THEFT),
            _call(thief, "public_ipv4", _THIEF, plain | marks.DATA_EVENT, recon=True),
        ),
    )
    made = F.filter(F.array(*calls), lambda call: call.isNotNull())
    return hours.withColumn("call", F.explode(made))


def _file_bits() -> Column:
    """One group of files; of a thief's calls all, as evidence of them is looked for once."""
    group = F.floor(_drawn("file") * 64).cast("int")
    one = F.call_function("shiftleft", F.lit(1).cast("long"), group)
    return F.when(F.col("call.recon"), F.lit(-1).cast("long")).otherwise(one)


def _own(number: int, family: Column, bits: int) -> Column:
    """A call of an instance from its first or its last source."""
    address, endpoint, owner = (
        F.col(f"{what}_{number}") for what in ("address", "endpoint", "owner")
    )
    kind = (
        F.when(endpoint.isNotNull(), "endpoint")
        .when(address.contains(":"), "public_ipv6")
        .otherwise("public_ipv4")
    )
    return _struct(address, kind, family, F.lit(bits), endpoint=endpoint, owner=owner)


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
    drawn = F.md5(F.concat_ws(" ", F.lit("key"), "number", "count"))
    return (
        every.where(end >= begin)
        .withColumn("count", F.explode(counts))
        .select(
            "*",
            _uuid(drawn).alias("event_id"),
            # of the sixteen digits, those that no key has stand for letters that it may have
            F.concat(
                F.lit("ASIA"), F.translate(F.upper(F.substring(drawn, 1, 16)), "0189", "GHIJ")
            ).alias("access_key_id"),
            F.col("instance_id").alias("session_name"),
            F.lit("ec2").alias("issued_for"),
            F.lit("ec2.amazonaws.com").alias("issued_by"),
            F.lit("ec2.amazonaws.com").alias("issued_from"),
            _time(second, past).alias("issued_at"),
            _time(second + _LONGEST_KEY, past).alias("expires_at"),
            F.col("region").alias("aws_region"),
            _batch(second).alias("batch_id"),
        )
    )


def address_changes(every: DataFrame, past: Past) -> DataFrame:
    """Rows of ``schemas.ADDRESS_CHANGES``: launches, Elastic addresses, ends, NAT gateways."""
    launched = every.where("born >= 0")
    elastic = launched.where("elastic is not null")
    ended = every.where("ended is not null")
    interface, attachment, allocation, association = (
        F.concat(
            F.lit(f"{kind}-0"), F.substring(F.md5(F.concat_ws(" ", F.lit(kind), "number")), 1, 16)
        )
        for kind in ("eni", "eni-attach", "eipalloc", "eipassoc")
    )
    instance, private = F.col("instance_id"), F.col("private")
    own, given = F.col("born"), F.col("born") + _ELASTIC_AFTER
    by_scaling = _by_autoscaling()
    by_alice = _by_administrator()
    released = F.col("ended") + _RELEASED_AFTER
    parts = (
        _change(launched, past, own, "launch", by_scaling, instance_id=instance),
        _change(
            launched,
            past,
            own,
            "attach",
            by_scaling,
            instance_id=instance,
            network_interface_id=interface,
            association_id=attachment,
            event="launch",
        ),
        _change(
            launched,
            past,
            own,
            "hold",
            by_scaling,
            network_interface_id=interface,
            address=private,
            vpc_id=F.col("vpc_id"),
            event="launch",
        ),
        _change(
            launched,
            past,
            own,
            "hold",
            by_scaling,
            instance_id=instance,
            address=private,
            vpc_id=F.col("vpc_id"),
            event="launch",
        ),
        _change(
            elastic,
            past,
            given,
            "allocate",
            by_alice,
            allocation_id=allocation,
            address=F.col("elastic"),
        ),
        _change(
            elastic,
            past,
            given + 1,
            "associate",
            by_alice,
            instance_id=instance,
            allocation_id=allocation,
            association_id=association,
            address=F.col("elastic"),
        ),
        _change(ended, past, F.col("ended"), "terminate", by_scaling, instance_id=instance),
        _change(
            elastic.where(released < past.seconds),
            past,
            released,
            "release",
            by_alice,
            allocation_id=allocation,
        ),
        _gateways(every, past),
    )
    return reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), parts)


def _change(  # noqa: PLR0913 - what a change is
    rows: DataFrame,
    past: Past,
    second: Column,
    change: str,
    made: dict[str, Column],
    *,
    event: str = "",
    **told: Column,
) -> DataFrame:
    """One kind of change of some instances; those of one event have its id."""
    drawn = F.md5(F.concat_ws(" ", F.lit(event or change), "number"))
    facts = {**made, **told}
    return rows.select(
        _uuid(drawn).alias("event_id"),
        _time(second, past).alias("event_time"),
        F.lit(change).alias("change"),
        "account_id",
        F.col("region").alias("aws_region"),
        *[fact.alias(name) for name, fact in facts.items()],
        _batch(second).alias("batch_id"),
    )


def _by_autoscaling() -> dict[str, Column]:
    role = "assumed-role/AWSServiceRoleForAutoScaling/AutoScaling"
    key = F.translate(
        F.upper(F.substring(F.md5(F.concat_ws(" ", "account_id", "born")), 1, 16)), "0189", "GHIJ"
    )
    return {
        "made_by": F.concat(F.lit("arn:aws:sts::"), "account_id", F.lit(f":{role}")),
        "made_from": F.lit(_AUTOSCALING),
        "made_with_key": F.concat(F.lit("ASIA"), key),
    }


def _by_administrator() -> dict[str, Column]:
    key = F.translate(F.upper(F.substring(F.md5("account_id"), 1, 16)), "0189", "GHIJ")
    return {
        "made_by": F.concat(F.lit("arn:aws:iam::"), "account_id", F.lit(":user/alice")),
        "made_from": F.col("office"),
        "made_with_key": F.concat(F.lit("AKIA"), key),
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
    allocation = F.concat(F.lit("eipalloc-0"), F.substring(F.md5("address_1"), 1, 16))
    second = F.col("number") % (DAY // 2)
    made = _by_administrator()
    told = _change(
        nats, past, second, "nat", made, allocation_id=allocation, address=F.col("address_1")
    )
    asked = _change(nats, past, second, "nat", made, allocation_id=allocation)
    return told.unionByName(asked, allowMissingColumns=True)


def inventory(spark: SparkSession, past: Past) -> DataFrame:
    """Rows of ``schemas.INVENTORY``: each hour names all accounts and all endpoints."""
    accounts = [("account", account, None) for account in past.fleet.plan.account_ids]
    networks = {box.network.endpoint: box.network.endpoint_owner for box in past.fleet.boxes}
    endpoints = [("endpoint", endpoint, owner) for endpoint, owner in networks.items()]
    shape = "what string, id string, owner_account_id string"
    named = spark.createDataFrame(_arrow([*accounts, *endpoints], shape))
    begin = F.col("hour") * HOUR
    return (
        _each_hour(spark, past)
        .crossJoin(F.broadcast(named))
        .select(
            "*",
            _time(begin, past).alias("first_seen"),
            _time(begin + HOUR - 1, past).alias("last_seen"),
            _batch(begin).alias("batch_id"),
        )
    )


def input_files(spark: SparkSession, past: Past, rates: Rates) -> DataFrame:
    """Rows of ``schemas.INPUT_FILES``: those of each hour, by account and region, all counted."""
    places = sorted({(b.machine.role.account, b.machine.region) for b in past.fleet.boxes})
    where = [(i, *places[i % len(places)]) for i in range(rates.files)]
    named = spark.createDataFrame(_arrow(where, "number long, account string, region string"))
    begin = F.col("hour") * HOUR
    at = _time(begin + HOUR + F.col("number") % 300, past)
    folder = F.concat_ws(
        "/",
        F.lit("/trail/AWSLogs"),
        "account",
        F.lit("CloudTrail"),
        "region",
        F.date_format(at, "yyyy/MM/dd"),
    )
    unique = F.substring(F.md5(F.concat_ws(" ", "number", "hour")), 1, 16)
    stamp = F.date_format(at, "yyyyMMdd'T'HHmm'Z'")
    name = F.concat_ws("_", "account", F.lit("CloudTrail"), "region", stamp, unique)
    return (
        _each_hour(spark, past)
        .crossJoin(F.broadcast(named))
        .select(
            F.concat(folder, F.lit("/"), name, F.lit(".json.gz")).alias("path"),
            (20_000 + F.floor(_drawn("bytes", "number", "hour") * 80_000)).alias("bytes"),
            at.alias("modified_at"),
            F.to_date(at).alias("delivery_day"),
            F.lit("cloudtrail-json").alias("format"),
            _batch(begin).alias("batch_id"),
            F.lit("counted").alias("state"),
            (F.col("hour") + 1).alias("token"),
            F.lit(SUMMARY_VERSION).alias("summary_version"),
            F.lit(400).alias("events"),
            F.lit(0).alias("rejected"),
            _time(begin, past).alias("min_event_time"),
            _time(begin + HOUR - 1, past).alias("max_event_time"),
        )
    )


def _each_hour(spark: SparkSession, past: Past) -> DataFrame:
    return spark.range(0, past.seconds // HOUR, 1, 4).withColumnRenamed("id", "hour")


def _shaped(table: schemas.Table, rows: DataFrame) -> DataFrame:
    """Rows in the columns of a table; what is not told is null."""
    there = set(rows.columns)
    return rows.select(
        *[
            (F.col(field.name) if field.name in there else F.lit(None))
            .cast(field.dataType)
            .alias(field.name)
            for field in table.schema
        ]
    )


def _arrow(rows: list[tuple[Any, ...]], shape: str) -> pa.Table:
    names = [part.split()[0] for part in shape.split(", ")]
    types = [{"long": pa.int64(), "string": pa.string()}[p.split()[1]] for p in shape.split(", ")]
    columns = zip(*rows, strict=True)
    arrays = [pa.array(values, kind) for values, kind in zip(columns, types, strict=True)]
    return pa.Table.from_arrays(arrays, names=names)


def _drawn(what: str, *of: str) -> Column:
    """A number from 0 to 1 that depends on the row alone."""
    columns = of or ("number", "second")
    return F.pmod(F.xxhash64(F.lit(what), *columns), F.lit(1 << 30)) / float(1 << 30)


def _time(second: Column, past: Past) -> Column:
    """The time at a second after the start."""
    return F.timestamp_seconds(second + int(past.start.timestamp()))


def _batch(second: Column) -> Column:
    """The batch of the hourly run that took an event in: the trail is told at once."""
    return F.floor(second / HOUR).cast("long") + 1


def _uuid(digits: Column) -> Column:
    """A UUID of version 5 of 32 digits."""
    parts = [F.substring(digits, begin, count) for begin, count in ((1, 8), (9, 4))]
    return F.concat_ws(
        "-",
        *parts,
        F.concat(F.lit("5"), F.substring(digits, 14, 3)),
        F.concat(F.lit("a"), F.substring(digits, 18, 3)),
        F.substring(digits, 21, 12),
    )


if __name__ == "__main__":
    main()
