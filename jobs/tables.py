"""The only reads and writes of Iceberg tables.

Every write is either an append of rows that do not count yet, or a ``publish`` of the rows that
differ: where nothing differs nothing is written, as even an empty MERGE makes a snapshot.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from jobs.errors import InputError
from jobs.failures import all_said
from jobs.fence import STAGED, load_table, schema_json, staged, stamp
from jobs.local_rows import local_rows
from transforms import schemas

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from transforms.schemas import Table

NAMESPACE = "credtrail.credtrail"

KEEPING_METADATA = {
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
}
"""Each commit writes a metadata file: without these every one of them stays for ever."""

_PROPERTIES = {
    "format-version": "2",
    "write.format.default": "parquet",
    "write.parquet.compression-codec": "zstd",
    "write.delete.mode": "copy-on-write",
    "write.update.mode": "copy-on-write",
    "write.merge.mode": "copy-on-write",
    "write.distribution-mode": "hash",
    "commit.retry.num-retries": "10",
    **KEEPING_METADATA,
}

_UNFENCED = (schemas.WRITER, schemas.REVIEWS, schemas.NOTIFICATIONS)
"""Tables that are written directly: the lease itself, and what people and messages add."""

_TRIES, _PAUSE = 10, 0.5
_RACES = ("already exists", "database is locked", "SQLITE_BUSY", "CommitFailed")
"""What is said where two runs make a warehouse at the same moment."""

_SAME_ROWS = "replace"
"""Operation of a snapshot that compaction has made, of files or of manifests."""


class Warehouse:
    """The tables of one warehouse, by way of the catalog ``credtrail`` of a Spark session.

    Attributes:
        spark: the session.
        token: of the lease under which is written; without one, writes are direct.
    """

    def __init__(self, spark: SparkSession) -> None:
        """Open the warehouse that the session's catalog points to; nothing is created yet."""
        self.spark = spark
        self.token: int | None = None

    def create_missing(self) -> None:
        """Create the namespace and the tables that are not there yet.

        Another run may do so at the same moment: what it has made is taken as it is.

        Raises:
            InputError: a table that is there lacks columns: another version wrote it.
        """
        for left in reversed(range(_TRIES)):
            try:
                self._create_missing()
            except (PySparkException, Py4JJavaError) as error:
                if not left or not any(words in all_said(error) for words in _RACES):
                    raise
                time.sleep(_PAUSE)
            else:
                return

    def _create_missing(self) -> None:
        self.spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {NAMESPACE}")
        there = {row.tableName for row in self.spark.sql(f"SHOW TABLES IN {NAMESPACE}").collect()}
        for table in schemas.TABLES:
            if table.name not in there:
                self.spark.sql(create_statement(table))
            self._complete(table, is_new=table.name not in there)

    def _complete(self, table: Table, *, is_new: bool) -> None:
        """Check a table, and do what a run that died while it was made has left undone."""
        loaded = self.loaded(table)
        there = {column["name"] for column in json.loads(schema_json(self.spark, loaded))["fields"]}
        lacking = [name for name in table.columns if name not in there]
        if lacking:
            msg = (
                f"Table {full_name(table)} lacks {', '.join(lacking)}: another version of "
                "credtrail wrote this warehouse. Name a new one and read your input again; this "
                "one stays as it is."
            )
            raise InputError(msg)
        if table.sorted_by and loaded.sortOrder().isUnsorted():
            order = ", ".join(table.sorted_by)
            self.spark.sql(f"ALTER TABLE {full_name(table)} WRITE ORDERED BY {order}")
        if not is_new and table not in _UNFENCED and STAGED not in loaded.properties():
            self.spark.sql(f"ALTER TABLE {full_name(table)} SET TBLPROPERTIES ('{STAGED}'='true')")

    def fence(self) -> None:
        """Keep all who held the lease before from writing: put our token on every table."""
        names = [full_name(table) for table in schemas.TABLES if table not in _UNFENCED]
        stamp(self.spark, names, self.token or 0)

    def scan(self, table: Table) -> DataFrame:
        """All rows of a table, as it stands now."""
        return self.spark.table(full_name(table))

    def empty(self, table: Table) -> DataFrame:
        """No rows, in the shape of a table."""
        return local_rows(self.spark, [], table.schema)

    def append(self, table: Table, rows: DataFrame) -> None:
        """Append rows; the caller knows that there may be some."""
        with self.writing(table):
            rows.select(*table.columns).writeTo(full_name(table)).append()

    def added(self, table: Table) -> int:
        """How many rows the last write has added to a table."""
        return int(self.loaded(table).currentSnapshot().summary().get("added-records") or 0)

    def rows(self, table: Table) -> int:
        """How many rows a table has, by its current snapshot."""
        snapshot = self.loaded(table).currentSnapshot()
        return 0 if snapshot is None else int(snapshot.summary().get("total-records") or 0)

    def loaded(self, table: Table) -> Any:  # noqa: ANN401 - Java's own object
        """Iceberg's own table, as it stands now."""
        return load_table(self.spark, full_name(table))

    @contextmanager
    def writing(self, table: Table) -> Iterator[None]:
        """Write to a table once, inside, as the holder of the lease.

        Raises:
            FencedError: the lease is no longer ours: the write is not seen by anybody.
        """
        if self.token is None or table in _UNFENCED:
            yield
        else:
            with staged(self.spark, full_name(table), self.token):
                yield

    def publish(
        self,
        table: Table,
        rows: DataFrame,
        *,
        ignore: Sequence[str] = (),
        among: DataFrame | None = None,
    ) -> int:
        """Make a table hold just these rows, by writing only those that differ.

        Args:
            table: the table; its key must be unique in ``rows``.
            rows: what the table should hold.
            ignore: columns whose difference alone is no reason to write.
            among: the part of the table that is concerned; all of it, if not given.

        Returns:
            How many rows were inserted, updated or deleted; at 0 there is no new snapshot.
        """
        old = self.scan(table) if among is None else among
        changed = differences(rows.select(*table.columns), old, table, ignore).localCheckpoint()
        count = changed.count()
        if count:
            self.merge(table, changed, within(table, changed))
        return count

    def merge(self, table: Table, changed: DataFrame, within: str = "") -> None:
        """MERGE rows that carry ``change`` (insert, update or delete) by the table's key.

        Args:
            table: the table.
            changed: the rows.
            within: a condition on the rows of the table, ``t``, that they may match: files beyond
                it are neither read nor written.
        """
        changed.createOrReplaceTempView("credtrail_changes")
        on = " AND ".join([*[f"t.{k} <=> s.{k}" for k in table.key], *filter(None, [within])])
        values = ", ".join(f"{c} = s.{c}" for c in table.columns)
        columns, inserted = ", ".join(table.columns), ", ".join(f"s.{c}" for c in table.columns)
        statement = (
            f"MERGE INTO {full_name(table)} t USING credtrail_changes s ON {on} "  # noqa: S608
            "WHEN MATCHED AND s.change = 'delete' THEN DELETE "
            f"WHEN MATCHED THEN UPDATE SET {values} "
            f"WHEN NOT MATCHED AND s.change <> 'delete' THEN INSERT ({columns}) VALUES ({inserted})"
        )
        with self.writing(table):
            self.spark.sql(statement)
        self.spark.catalog.dropTempView("credtrail_changes")

    def delete(self, table: Table, on: str, source: DataFrame | None = None) -> int:
        """Delete the rows that a condition holds for; where there are none, nothing is written.

        A MERGE, as a DELETE may drop whole files by their statistics, and does not stage that.

        Args:
            table: the table, which is ``t``.
            on: the condition, in SQL.
            source: rows that it may compare with, as ``s``: at most one for each row of the table.

        Returns:
            How many rows are gone.
        """
        with_rows = self.spark.range(1).select("id") if source is None else source
        matching = (
            self.scan(table)
            .alias("t")
            .join(F.broadcast(with_rows.alias("s")), on=F.expr(on), how="left_semi")
        )
        count = matching.count()
        if count:
            with_rows.createOrReplaceTempView("credtrail_deleted")
            with self.writing(table):
                self.spark.sql(
                    f"MERGE INTO {full_name(table)} t USING credtrail_deleted s ON {on} "
                    "WHEN MATCHED THEN DELETE"
                )
            self.spark.catalog.dropTempView("credtrail_deleted")
        return count

    def head(self, table: Table) -> int | None:
        """Id of the current snapshot of a table; none while it is empty."""
        snapshot = self.loaded(table).currentSnapshot()
        return None if snapshot is None else int(snapshot.snapshotId())

    def heads(self, tables: Iterable[Table]) -> str:
        """Current snapshot of each table, as JSON text."""
        return json.dumps({table.name: self.head(table) for table in tables}, sort_keys=True)

    def hold_rows_of(self, heads: str, tables: Sequence[Table]) -> bool:
        """Tell whether tables have the rows they had at these heads, whatever files hold them.

        Args:
            heads: what :meth:`heads` returned then.
            tables: the same tables.
        """
        then = json.loads(heads)
        return then.keys() == {table.name for table in tables} and all(
            self._holds_rows_of(then[table.name], table) for table in tables
        )

    def _holds_rows_of(self, head: int | None, table: Table) -> bool:
        """Walk back over snapshots that moved rows to other files and left them as they were."""
        loaded = self.loaded(table)
        snapshot = loaded.currentSnapshot()
        while snapshot is not None and snapshot.snapshotId() != head:
            if snapshot.operation() != _SAME_ROWS:
                return False
            before = snapshot.parentId()
            if before == head:  # it may have expired, its id is known all the same
                return True
            snapshot = None if before is None else loaded.snapshot(before)
        return head == (None if snapshot is None else snapshot.snapshotId())


def full_name(table: Table) -> str:
    """Name of a table with its catalog."""
    return f"{NAMESPACE}.{table.name}"


def sql_time(time: datetime) -> str:
    """A time as SQL writes it, to the second."""
    return f"TIMESTAMP '{time:%Y-%m-%d %H:%M:%S}Z'"


def create_statement(table: Table) -> str:
    """DDL of a table, with a comment on every column."""
    columns = ",\n  ".join(
        f"{field.name} {field.dataType.simpleString()} COMMENT {_quoted(field.metadata['comment'])}"
        for field in table.schema
    )
    parts = ", ".join(table.partitioned_by)
    partitions = f"PARTITIONED BY ({parts})" if parts else ""
    staged_writes = {} if table in _UNFENCED else {STAGED: "true"}
    properties = ", ".join(f"'{k}' = '{v}'" for k, v in (_PROPERTIES | staged_writes).items())
    return (
        f"CREATE TABLE IF NOT EXISTS {full_name(table)} (\n  {columns}\n) "
        f"USING iceberg {partitions} COMMENT {_quoted(table.row)} TBLPROPERTIES ({properties})"
    )


def differences(new: DataFrame, old: DataFrame, table: Table, ignore: Sequence[str]) -> DataFrame:
    """Rows to write so that ``old`` becomes ``new``, with ``change``: insert, update or delete."""
    compared = [c for c in table.columns if c not in (*table.key, *ignore)]
    before = old.select(
        *[F.col(k).alias(f"old_{k}") for k in table.key],
        F.struct(*(compared or table.key)).alias("before"),
    )
    same_key = F.lit(True)
    for key in table.key:
        same_key = same_key & F.col(key).eqNullSafe(F.col(f"old_{key}"))
    after = new.withColumn("after", F.struct(*(compared or table.key)))
    change = (
        F.when(F.col("after").isNull(), F.lit("delete"))
        .when(F.col("before").isNull(), F.lit("insert"))
        .when(~F.col("before").eqNullSafe(F.col("after")), F.lit("update"))
    )
    return (
        after.join(before, on=same_key, how="full_outer")
        .withColumn("change", change)
        .where(F.col("change").isNotNull())
        .withColumns({key: _either(key) for key in table.key})
        .withColumns(_times(table))
        .select(*table.columns, "change", *_times(table))
    )


def _times(table: Table) -> dict[str, Column]:
    """Time by which a row's partition is found, ``old_time``: as it stands in the table."""
    if table.time is None:
        return {}
    before = f"old_{table.time}" if table.time in table.key else f"before.{table.time}"
    return {"old_time": F.col(before)}


def within(table: Table, changed: DataFrame) -> str:
    """Condition on ``t`` that all rows hold which changes may match: some spans of time.

    Rows that change lie in a few days, and some began long ago: what lies between is left alone.
    Where none may match, a moment that no row has: Iceberg cannot plan a MERGE on what is always
    false.
    """
    if table.time is None:
        return ""
    day = F.floor(F.unix_seconds("old_time") / 86_400).alias("day")
    ends = [F.min("old_time").cast("string"), F.max("old_time").cast("string")]
    found = changed.where("old_time is not null").groupBy(day).agg(F.array(*ends).alias("ends"))
    spans: list[list[str]] = []
    last = None
    for row in found.orderBy("day").collect():
        if last is not None and (row.day <= last + 1 or len(spans) == _SPANS):
            spans[-1][1] = row.ends[1]
        else:
            spans.append(row.ends)
        last = row.day
    column = f"t.{table.time}"
    told = [
        f"{column} BETWEEN TIMESTAMP '{first}Z' AND TIMESTAMP '{last_}Z'"
        for first, last_ in spans or [[_NEVER, _NEVER]]
    ]
    return f"({' OR '.join(told)})"


_NEVER = "0001-01-01 00:00:00"
_SPANS = 40
"""Spans of time that a MERGE names at most; the last is as long as it must be."""


def _either(key: str) -> Column:
    return F.when(F.col("after").isNull(), F.col(f"old_{key}")).otherwise(F.col(key))


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
