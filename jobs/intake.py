"""Taking files in: claim, summarise, append, count. Counting is the commit point.

Rows of a batch exist for readers only once ``input_files`` says ``counted`` for its files. A run
that dies before leaves a claim and rows that never count; the next run takes the files into a
batch of its own. So does a file that changed while it was read: its batch does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.fence import FencedError
from jobs.input_files import FILE_COLUMNS, FileList, known_file
from jobs.inputs import Fate, became_of
from jobs.keeping import kept
from jobs.local_rows import arrow_rows
from jobs.parquet_files import footers, row_counts
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

    from jobs.input_files import InputFile
    from jobs.lease import Lease
    from jobs.settings import Settings
    from jobs.tables import Warehouse

UNREADABLE = "the file could not be read: it is cut off, damaged, or vanished while it was read"
TOO_LARGE = "the file is larger than inputs.max_file_bytes"
MOST_FILES = 100_000
"""Files of a batch at most: those of one batch are objects of this process."""
_FEW = 100_000
"""Files up to which a list is sent to all tasks, so that files known of old need not be sorted."""
_VOID = "state = 'counted' and events = 0"
DAMAGED = "damaged: %s of the %s rows that its footer tells of could be read"


class ChangedError(Exception):
    """Files changed while they were read: nothing of their batch counts.

    Attributes:
        files: those that changed.
    """

    def __init__(self, files: list[InputFile]) -> None:
        super().__init__(f"{len(files)} files changed while they were read")
        self.files = files


@dataclass(frozen=True)
class Fresh:
    """What is to be read.

    Attributes:
        new: how many files are.
        files: these, by delivery day and path.
        rewritten: how many files hold something else than what was counted of them.
        such_as: one of those.
    """

    new: int
    files: Iterator[InputFile]
    rewritten: int
    such_as: str


def new_files(warehouse: Warehouse, listed: FileList) -> Fresh:
    """Files that no counted or quarantined batch holds.

    A file of which nothing was counted is new again once it has changed: it was cut off, or empty.
    Events of one that had some are never counted twice, whatever became of it: it is only told.
    Spark compares, as neither what is listed nor what is known fits this process in rows.
    """
    void_since = F.when(F.expr(_VOID), F.col("modified_at"))
    known = (
        warehouse.scan(schemas.INPUT_FILES)
        .where("state <> 'claimed'")
        .select("path", F.struct("bytes", void_since.alias("void_since")).alias("known"))
    )
    rows = arrow_rows(warehouse.spark, listed.columns)
    if len(listed) <= _FEW:
        known = known.join(F.broadcast(rows.select("path")), on="path", how="left_semi")
    has_changed = (F.col("known.bytes") != F.col("bytes")) | (
        F.col("known.void_since") != F.col("modified_at")
    )
    is_new = F.col("known").isNull() | (F.col("known.void_since").isNotNull() & has_changed)
    found = kept(
        rows.join(known, on="path", how="left")
        .withColumn("is_new", is_new)
        .where(F.col("is_new") | (F.col("known.bytes") != F.col("bytes")))
        .select(*FILE_COLUMNS, "is_new")
        .orderBy("delivery_day", "path")
    )
    count = found.agg(
        F.count_if("is_new").alias("new"),
        F.count_if(~F.col("is_new")).alias("rewritten"),
        F.min(F.when(~F.col("is_new"), F.col("path"))).alias("such_as"),
    ).collect()[0]
    files = map(known_file, found.where("is_new").toLocalIterator())
    return Fresh(count.new, files, count.rewritten, count.such_as or "")


def batches(files: Iterable[InputFile], max_bytes: int) -> Iterator[list[InputFile]]:
    """Cut files into batches of bounded bytes and number; a larger file is a batch of its own."""
    batch: list[InputFile] = []
    size = 0
    for file in files:
        if batch and (size + file.bytes > max_bytes or len(batch) == MOST_FILES):
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
    """Take one batch in, and return its counts: files, events, rejects, sightings and more.

    Raises:
        ChangedError: files changed while they were read; nothing counts.
        FencedError: another run took over; nothing counts.
    """
    claimed = _claim_rows(warehouse, files, batch_id, lease.token)
    warehouse.merge(
        schemas.INPUT_FILES, claimed.drop("input_file").withColumn("change", F.lit("claim"))
    )
    readable = [file for file in files if file.bytes <= settings.inputs.max_file_bytes]
    stored = footers(warehouse.spark, readable)
    records = read_records(warehouse.spark, readable, stored)
    summarised = summary(records, settings.method.bucket_hours, settings.workloads.judged).persist()
    try:
        counted = _with_counts(
            claimed, summarised, row_counts(warehouse.spark, stored), settings.inputs.max_file_bytes
        ).persist()
        counts = _append(warehouse, summarised, counted, batch_id, settings)
        changed = [file for file in readable if became_of(file) is Fate.CHANGED]
        if changed:
            raise ChangedError(changed)
        lease.keep()
        _count(warehouse, counted, batch_id, lease.token, len(files))
        counted.unpersist()
    finally:
        summarised.unpersist()
    return counts


def _with_counts(
    claimed: DataFrame, summarised: DataFrame, in_footers: DataFrame, max_file_bytes: int
) -> DataFrame:
    """Claimed files with what was found in them, and ``unread``: why not all of it was."""
    found = file_counts(summarised).withColumn("read", F.lit(True))
    rows = F.coalesce(F.col("events"), F.lit(0)) + F.coalesce(F.col("rejected"), F.lit(0))
    why = (
        F.when(F.col("bytes") > max_file_bytes, F.lit(TOO_LARGE))
        .when(rows < F.col("rows"), F.format_string(DAMAGED, rows, "rows"))
        .when(F.col("read").isNull(), F.lit(UNREADABLE))
    )
    empty = ["events", "rejected", "min_event_time", "max_event_time"]
    return (
        claimed.drop(*empty)
        .join(found, on="input_file", how="left")
        .join(F.broadcast(in_footers), on="input_file", how="left")
        .withColumn("unread", why)
        .withColumn("events", F.coalesce("events", F.lit(0)))
        .withColumn(
            "rejected",
            F.coalesce("rejected", F.lit(0)) + F.col("unread").isNotNull().cast("bigint"),
        )
    )


def _append(
    warehouse: Warehouse,
    summarised: DataFrame,
    counted: DataFrame,
    batch_id: int,
    settings: Settings,
) -> dict[str, int]:
    """Append the parts of a summary that may have rows; return how many each has."""
    others = settings.workloads.judged
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
        schemas.SIGHTINGS: sightings(summarised, batch_id, others),
        schemas.CREDENTIALS: credentials(summarised, batch_id, others),
        schemas.ADDRESS_CHANGES: address_changes(summarised, batch_id, others),
        schemas.INVENTORY: inventory(summarised, batch_id),
        schemas.REJECTS: rejected,
    }
    there = _sums(
        summarised,
        sightings=F.count(F.coalesce("arn", "principal_id")),
        credentials=F.count_if(F.col("kind") == CREDENTIAL),
        address_changes=F.count_if(F.col("kind") == CHANGE),
        inventory=F.count_if(F.col("kind") == SIGHTING),
    )
    there["rejects"] = totals["rejects"]
    for table, rows in parts.items():
        if there[table.name]:
            warehouse.append(table, rows)
    told = (schemas.SIGHTINGS, schemas.CREDENTIALS, schemas.ADDRESS_CHANGES)
    return totals | {
        table.name: warehouse.added(table) if there[table.name] else 0 for table in told
    }


def _sums(rows: DataFrame, **aggregates: Column) -> dict[str, int]:
    row = rows.agg(*[column.alias(name) for name, column in aggregates.items()]).collect()[0]
    return {name: int(row[name] or 0) for name in aggregates}


def _count(warehouse: Warehouse, counted: DataFrame, batch_id: int, token: int, files: int) -> None:
    """The commit point: the batch's files become ``counted``, all of them or none."""
    counted.createOrReplaceTempView("credtrail_counted")
    values = ("events", "rejected", "min_event_time", "max_event_time")
    statement = (
        f"MERGE INTO {full_name(schemas.INPUT_FILES)} t USING credtrail_counted s "
        f"ON t.path = s.path AND t.batch_id = {batch_id} AND t.state = 'claimed' "
        f"AND t.token = {token} WHEN MATCHED THEN UPDATE SET state = 'counted', "
        + ", ".join(f"{name} = s.{name}" for name in values)
    )
    with warehouse.writing(schemas.INPUT_FILES):
        warehouse.spark.sql(statement)
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
    uris = [[file_uri(file.path) for file in files]]
    rows = FileList.of(files).columns.append_column("input_file", uris)
    return arrow_rows(warehouse.spark, rows).select(
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
