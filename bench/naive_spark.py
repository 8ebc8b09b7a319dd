"""The job that one writes first: a window over all events, a join, and what differs is written.

``python -m bench.naive_spark --input FOLDER [FOLDER …] --output FOLDER``, with the Spark settings
that credtrail has. It knows sessions and sources, and no more: no ledger, no rules, no memory.
"""

from __future__ import annotations

import argparse

from pyspark.sql import Window
from pyspark.sql import functions as F

from jobs.session import spark_session


def main() -> None:
    """Write each call that comes from elsewhere than the first call of its session."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True, nargs="+")
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    spark = spark_session(None, f"{args.output}-catalog", "naive")
    identity = F.col("useridentity")
    source = F.concat_ws("/", "vpcendpointid", "sourceipaddress")
    events = (
        spark.read.parquet(*args.input)
        .where("useridentity.type = 'AssumedRole' and useridentity.principalid like '%:i-%'")
        .select(
            F.concat_ws("/", identity["accountid"], identity["principalid"]).alias("session"),
            source.alias("source"),
            F.to_timestamp("eventtime").alias("event_time"),
            "eventid",
            "eventname",
            "useragent",
            identity["accesskeyid"].alias("access_key_id"),
        )
    )
    in_order = Window.partitionBy("session").orderBy("event_time", "source")
    first = (
        events.withColumn("number", F.row_number().over(in_order))
        .where("number = 1")
        .select("session", F.col("source").alias("home"))
    )
    moved = events.join(first, on="session", how="inner").where("source <> home")
    moved.write.parquet(args.output)
    spark.stop()


if __name__ == "__main__":
    main()
