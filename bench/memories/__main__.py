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
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bench.memories.calls import credentials, sightings
from bench.memories.changes import address_changes
from bench.memories.columns import batch, drawn, time_at
from bench.memories.instances import instances
from bench.memories.past import Past, Rates
from bench.memories.present import write_hour
from jobs.local_rows import local_rows
from jobs.session import spark_session
from jobs.tables import Warehouse, full_name
from simulator.fleet import HOUR
from transforms import schemas
from transforms.summary import SUMMARY_VERSION

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_PARTITIONS = 48


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
    every = instances(spark, past).repartition(_PARTITIONS, "number")
    for table, rows in (
        (schemas.INPUT_FILES, input_files(spark, past, rates)),
        (schemas.INVENTORY, inventory(spark, past)),
        (schemas.ADDRESS_CHANGES, address_changes(every, past)),
        (schemas.CREDENTIALS, credentials(every, past, rates)),
        (schemas.SIGHTINGS, sightings(every, past, rates)),
    ):
        warehouse.append(table, _shaped(table, rows))
        print(f"{full_name(table)}: {warehouse.added(table):,} rows", flush=True)


def inventory(spark: SparkSession, past: Past) -> DataFrame:
    """Rows of ``schemas.INVENTORY``: each hour names all accounts and all endpoints."""
    accounts = [("account", account, None) for account in past.fleet.plan.account_ids]
    networks = {box.network.endpoint: box.network.endpoint_owner for box in past.fleet.boxes}
    endpoints = [("endpoint", endpoint, owner) for endpoint, owner in networks.items()]
    shape = "what string, id string, owner_account_id string"
    named = local_rows(spark, [*accounts, *endpoints], shape)
    begin = F.col("hour") * HOUR
    return (
        _each_hour(spark, past)
        .crossJoin(F.broadcast(named))
        .select(
            "*",
            time_at(begin, past).alias("first_seen"),
            time_at(begin + HOUR - 1, past).alias("last_seen"),
            batch(begin).alias("batch_id"),
        )
    )


def input_files(spark: SparkSession, past: Past, rates: Rates) -> DataFrame:
    """Rows of ``schemas.INPUT_FILES``: those of each hour, by account and region, all counted."""
    places = sorted({(b.machine.role.account, b.machine.region) for b in past.fleet.boxes})
    where = [(i, *places[i % len(places)]) for i in range(rates.files)]
    named = local_rows(spark, where, "number long, account string, region string")
    begin = F.col("hour") * HOUR
    at = time_at(begin + HOUR + F.col("number") % 300, past)
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
            (20_000 + F.floor(drawn("bytes", "number", "hour") * 80_000)).alias("bytes"),
            at.alias("modified_at"),
            F.to_date(at).alias("delivery_day"),
            F.lit("cloudtrail-json").alias("format"),
            batch(begin).alias("batch_id"),
            F.lit("counted").alias("state"),
            (F.col("hour") + 1).alias("token"),
            F.lit(SUMMARY_VERSION).alias("summary_version"),
            F.lit(400).alias("events"),
            F.lit(0).alias("rejected"),
            time_at(begin, past).alias("min_event_time"),
            time_at(begin + HOUR - 1, past).alias("max_event_time"),
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


if __name__ == "__main__":
    main()
