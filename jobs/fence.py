"""Writes that a run can only make current while nobody has taken its lease over.

A pause may fall anywhere, so to look at the lease before a write is not enough. Every write is
staged first: Iceberg commits it as a snapshot that no reader sees. One compare-and-swap of the
table's metadata then makes it current, if the table stands as the write found it and carries no
higher token. Who takes a lease over that was not given back puts its own token on every table
first: from then on what the former holder still does, even in a JVM that outlives its process, is
never seen.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError

from jobs.errors import CredtrailError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

STAGED = "write.wap.enabled"
"""Iceberg's property of a table whose writes can be staged."""

_STAMP = "credtrail.fence"
_MARK = "spark.wap.id"
_CONFLICT = "org.apache.iceberg.exceptions.CommitFailedException"
_TRIES = 10


class FencedError(CredtrailError):
    """Another run took over: what this one wrote is not seen by anybody."""


def load_table(spark: SparkSession, name: str) -> Any:  # noqa: ANN401 - Java's own object
    """Iceberg's own table, as it stands now."""
    jvm: Any = spark.sparkContext._jvm  # noqa: SLF001 - nothing public tells of snapshots
    return jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(
        spark._jsparkSession,  # noqa: SLF001
        name,
    )


def schema_json(spark: SparkSession, table: Any) -> str:  # noqa: ANN401 - Java's own object
    """Schema of such a table as JSON text: asking for each column takes a call a column."""
    jvm: Any = spark.sparkContext._jvm  # noqa: SLF001
    text: str = jvm.org.apache.iceberg.SchemaParser.toJson(table.schema())
    return text


@contextmanager
def staged(spark: SparkSession, name: str, token: int) -> Iterator[None]:
    """Make the one write inside current at its end, all of it or nothing.

    Args:
        spark: the session that writes.
        name: full name of the table.
        token: of the lease under which it is written.

    Raises:
        FencedError: another run has taken the lease, or has written to the table meanwhile.
    """
    mark = uuid.uuid4().hex
    spark.conf.set(_MARK, mark)
    try:
        yield
    finally:
        spark.conf.unset(_MARK)
    operations = load_table(spark, name).operations()
    snapshot = _marked(operations.current(), mark)
    if snapshot is None:
        msg = f"{name} keeps no staged writes: its property {STAGED} was removed. Set it to true."
        raise CredtrailError(msg)

    def current(base: Any, builder: Any) -> Any:  # noqa: ANN401
        _refuse_older(base, name, token)
        if _id(base.currentSnapshot()) != snapshot.parentId():
            raise _overtaken(name)
        return builder.setBranchSnapshot(snapshot.snapshotId(), "main")

    _swap(spark, operations, current)


def stamp(spark: SparkSession, names: Iterable[str], token: int) -> None:
    """Put a token on tables: no write under a lower one becomes current any more.

    Raises:
        FencedError: a table has a higher one.
    """
    for name in names:

        def stamped(base: Any, builder: Any, name: str = name) -> Any:  # noqa: ANN401
            _refuse_older(base, name, token)
            return builder.setProperties({_STAMP: str(token)})

        _swap(spark, load_table(spark, name).operations(), stamped)


def set_property(spark: SparkSession, name: str, key: str, value: str) -> None:
    """Set a property of a table, without a job of Spark, which might have to wait for others."""
    _swap(
        spark,
        load_table(spark, name).operations(),
        lambda _, builder: builder.setProperties({key: value}),
    )


def _swap(spark: SparkSession, operations: Any, change: Callable[[Any, Any], Any]) -> None:  # noqa: ANN401
    """Replace the metadata of a table that nobody has replaced meanwhile; else look again."""
    jvm: Any = spark.sparkContext._jvm  # noqa: SLF001
    for left in reversed(range(_TRIES)):
        base = operations.refresh()
        changed = change(base, jvm.org.apache.iceberg.TableMetadata.buildFrom(base)).build()
        try:
            operations.commit(base, changed)
        except Py4JJavaError as error:
            if error.java_exception.getClass().getName() != _CONFLICT or not left:
                raise
        else:
            return


def _marked(base: Any, mark: str) -> Any:  # noqa: ANN401
    """The snapshot that was staged under a mark: as a rule the last of all."""
    snapshots = base.snapshots()
    for number in reversed(range(snapshots.size())):
        snapshot = snapshots.get(number)
        if snapshot.summary().get("wap.id") == mark:
            return snapshot
    return None


def _refuse_older(base: Any, name: str, token: int) -> None:  # noqa: ANN401
    if int(base.property(_STAMP, "0")) > token:
        raise _overtaken(name)


def _overtaken(name: str) -> FencedError:
    table = name.rpartition(".")[2]
    return FencedError(
        f"Another run took this warehouse over while this one was paused: table {table} is no "
        "longer this run's to write. Nothing more is written; run detect again."
    )


def _id(snapshot: Any) -> int | None:  # noqa: ANN401
    return None if snapshot is None else int(snapshot.snapshotId())
