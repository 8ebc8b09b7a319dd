"""Taking files in: claim, summarise, append, count. Counting is the commit point.

Rows of a batch exist for readers only once ``input_files`` says ``counted`` for its files. A run
that dies before leaves a claim and rows that never count; the next run takes the files into a
batch of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.errors import CredtrailError
from jobs.local_rows import local_rows
from jobs.readers import file_uri, read_records
from jobs.tables import full_name
from transforms import schemas
from transforms.summary import (
    CHANGE,
    CREDENTIAL,
    SIGHTING,
    SUMMARY_VERSION,
    address_changes,
    credentials,
    file_counts,
    inventory,
    rejects,
    sightings,
    summary,
)

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from jobs.inputs import InputFile
    from jobs.lease import Lease
    from jobs.settings import Settings
    from jobs.tables import Warehouse

UNREADABLE = "the file could not be read: it is cut off, damaged, or vanished while it was read"
TOO_LARGE = "the file is larger than inputs.max_file_bytes"


class FencedError(CredtrailError):
    """Another run took this run's claim: its rows are garbage and never count."""


def new_files(warehouse: Warehouse, files: Iterable[InputFile]) -> list[InputFile]:
    """Files that no counted or quarantined batch holds, by delivery day and path."""
    known = {
        row.path
        for row in warehouse.scan(schemas.INPUT_FILES)
        .where("state <> 'claimed'")
        .select("path")
        .toLocalIterator()
    }
    fresh = (file for file in files if file.path not in known)
    return sorted(fresh, key=lambda file: (file.delivery_day, file.path))


def batches(files: Iterable[InputFile], max_bytes: int) -> Iterator[list[InputFile]]:
    """Cut files into batches of bounded bytes; a larger file is a batch of its own."""
    batch: list[InputFile] = []
    size = 0
    for file in files:
        if batch and size + file.bytes > max_bytes:
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.bytes
    if batch:
        yield batch


def next_batch_id(warehouse: Warehouse) -> int:
    """Return the id of the next batch: ids rise, those of dead batches count, too."""
    row = warehouse.scan(schemas.INPUT_FILES).agg(F.max("batch_id").alias("last")).first()
    return (row.last if row and row.last is not None else 0) + 1


def take_in(
    warehouse: Warehouse,
    lease: Lease,
    files: list[InputFile],
    batch_id: int,
    settings: Settings,
) -> dict[str, int]:
    """Take one batch in, and return its counts: files, events, rejects, sightings and more."""
    claimed = _claim_rows(warehouse, files, batch_id, lease.token)
    warehouse.merge(
        schemas.INPUT_FILES, claimed.drop("input_file").withColumn("change", F.lit("claim"))
    )
    readable = [file for file in files if file.bytes <= settings.inputs.max_file_bytes]
    records = read_records(warehouse.spark, readable)
    summarised = summary(records, settings.method.bucket_hours, settings.workloads.judged).persist()
    try:
        counted = _with_counts(claimed, summarised, settings.inputs.max_file_bytes).persist()
        counts = _append(warehouse, summarised, counted, batch_id, settings)
        lease.keep()
        _count(warehouse, counted, batch_id, lease.token, len(files))
        counted.unpersist()
    finally:
        summarised.unpersist()
    return counts


def _with_counts(claimed: DataFrame, summarised: DataFrame, max_file_bytes: int) -> DataFrame:
    """Claimed files with what was found in them, and ``unread``: why nothing was."""
    found = file_counts(summarised).withColumn("read", F.lit(True))
    too_large = F.when(F.col("bytes") > max_file_bytes, F.lit(TOO_LARGE))
    why = F.coalesce(too_large, F.lit(UNREADABLE))
    empty = ["events", "rejected", "min_event_time", "max_event_time"]
    return (
        claimed.drop(*empty)
        .join(found, on="input_file", how="left")
        .withColumn("unread", F.when(F.col("read").isNull(), why))
        .withColumn("events", F.coalesce("events", F.lit(0)))
        .withColumn("rejected", F.coalesce("rejected", F.lit(1)))
    )


def _append(
    warehouse: Warehouse,
    summarised: DataFrame,
    counted: DataFrame,
    batch_id: int,
    settings: Settings,
) -> dict[str, int]:
    """Append the parts of a summary that have rows; return how many each has."""
    whole_files = counted.where("unread is not null").select(
        "input_file",
        F.lit(None).cast("string").alias("position"),
        F.col("unread").alias("reason"),
        F.lit(None).cast("string").alias("record"),
    )
    rejected = (
        rejects(summarised, settings.inputs.max_record_chars)
        .union(whole_files)
        .join(counted.select("input_file", "path", "delivery_day"), on="input_file", how="inner")
        .withColumn("rejected_on", F.col("delivery_day"))
        .withColumn("batch_id", F.lit(batch_id).cast("bigint"))
    )
    totals = _sums(
        counted,
        files=F.count("path"),
        events=F.sum("events"),
        rejects=F.sum("rejected"),
    )
    parts = {
        schemas.SIGHTINGS: sightings(summarised, batch_id),
        schemas.CREDENTIALS: credentials(summarised, batch_id, settings.workloads.judged),
        schemas.ADDRESS_CHANGES: address_changes(summarised, batch_id),
        schemas.INVENTORY: inventory(summarised, batch_id),
        schemas.REJECTS: rejected,
    }
    there = _sums(
        summarised,
        sightings=F.count("session_name"),
        credentials=F.count_if(F.col("kind") == CREDENTIAL),
        address_changes=F.count_if(F.col("kind") == CHANGE),
        inventory=F.count_if(F.col("kind") == SIGHTING),
    )
    there["rejects"] = totals["rejects"]
    added = {
        table.name: warehouse.append(table, rows) if there[table.name] else 0
        for table, rows in parts.items()
    }
    del added["inventory"], added["rejects"]
    return totals | added


def _sums(rows: DataFrame, **aggregates: Column) -> dict[str, int]:
    row = rows.agg(*[column.alias(name) for name, column in aggregates.items()]).collect()[0]
    return {name: int(row[name] or 0) for name in aggregates}


def _count(warehouse: Warehouse, counted: DataFrame, batch_id: int, token: int, files: int) -> None:
    """The commit point: the batch's files become ``counted``, all of them or none."""
    counted.createOrReplaceTempView("credtrail_counted")
    values = ("events", "rejected", "min_event_time", "max_event_time")
    warehouse.spark.sql(
        f"MERGE INTO {full_name(schemas.INPUT_FILES)} t USING credtrail_counted s "
        f"ON t.path = s.path AND t.batch_id = {batch_id} AND t.state = 'claimed' "
        f"AND t.token = {token} WHEN MATCHED THEN UPDATE SET state = 'counted', "
        + ", ".join(f"{name} = s.{name}" for name in values)
    )
    warehouse.spark.catalog.dropTempView("credtrail_counted")
    done = (
        warehouse.scan(schemas.INPUT_FILES)
        .where(f"batch_id = {batch_id} and state = 'counted'")
        .count()
    )
    if done != files:
        msg = (
            f"Another run took over batch {batch_id}: {done} of its {files} files are counted. "
            "What this run read does not count; run detect again."
        )
        raise FencedError(msg)


def _claim_rows(
    warehouse: Warehouse, files: list[InputFile], batch_id: int, token: int
) -> DataFrame:
    rows = [
        (f.path, f.bytes, f.modified_at, f.delivery_day, f.format, file_uri(f.path)) for f in files
    ]
    shape = (
        "path string, bytes bigint, modified_at timestamp, delivery_day date, format string, "
        "input_file string"
    )
    return local_rows(warehouse.spark, rows, shape).select(
        "*",
        F.lit(batch_id).cast("bigint").alias("batch_id"),
        F.lit("claimed").alias("state"),
        F.lit(token).cast("bigint").alias("token"),
        F.lit(SUMMARY_VERSION).alias("summary_version"),
        *[
            F.lit(None).cast(kind).alias(name)
            for name, kind in (
                ("events", "bigint"),
                ("rejected", "bigint"),
                ("min_event_time", "timestamp"),
                ("max_event_time", "timestamp"),
            )
        ],
    )
