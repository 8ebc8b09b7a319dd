"""Follow a theft: keys that a session issued from a finding's source, and what they did.

The keys stand in the table ``credentials``. Their calls are no workload's, so no memory keeps them:
the files are read again, those alone whose events lie within the life of the keys.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pyspark.sql import Window
from pyspark.sql import functions as F

from jobs.input_files import FILE_COLUMNS, InputFile, known_file
from jobs.judging import counted
from jobs.local_rows import local_rows
from jobs.readers import read_records
from jobs.session import spark_session
from jobs.tables import Warehouse
from transforms import schemas
from transforms.findings import event_key, issued_key
from transforms.source import canonical_source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql import Row as SparkRow

    from jobs.settings import Settings

Row = dict[str, Any]

KEY_COLUMNS = ("access_key_id", "role_arn", "session_name", "issued_at", "expires_at")

_MOST_CALLS = 10_000


def follow(
    warehouse_uri: str, findings: Sequence[Mapping[str, Any]], settings: Settings
) -> tuple[list[Row], list[Row]]:
    """Return the keys that were issued from the sources of findings, and the calls made with them.

    Args:
        warehouse_uri: where the tables are.
        findings: rows of ``schemas.FINDINGS``.
        settings: loaded settings.
    """
    spark = spark_session(settings.spark, warehouse_uri)
    warehouse = Warehouse(spark)
    keys = [_in_utc(row) for row in _issued(warehouse, findings).collect()]
    if not keys:
        return [], []
    files = _files(warehouse, keys)
    if not files:
        return keys, []
    return keys, _calls(spark, files, keys)


def _issued(warehouse: Warehouse, findings: Sequence[Mapping[str, Any]]) -> DataFrame:
    """Keys issued by a finding's session from its source, each once, in order of time."""
    places = local_rows(
        warehouse.spark,
        [(f["account_id"], f["session_name"], f["source"]) for f in findings],
        "issued_by_account_id string, issued_by_session_name string, issued_from string",
    ).distinct()
    return (
        counted(warehouse, schemas.CREDENTIALS)
        .where("access_key_id is not null")
        .join(F.broadcast(places), on=places.columns, how="left_semi")
        .select(*KEY_COLUMNS)
        .distinct()
        .orderBy("issued_at", "access_key_id")
    )


def _files(warehouse: Warehouse, keys: Sequence[Row]) -> list[InputFile]:
    first = min(key["issued_at"] for key in keys)
    rows = (
        warehouse.scan(schemas.INPUT_FILES)
        .where("state = 'counted' and events > 0")
        .where(F.col("max_event_time") >= F.lit(first))
        .select(*FILE_COLUMNS)
        .orderBy("path")
    )
    ends = [key["expires_at"] for key in keys]
    if all(ends):
        rows = rows.where(F.col("min_event_time") <= F.lit(max(ends)))
    return [known_file(row) for row in rows.toLocalIterator()]


def _calls(spark: SparkSession, files: list[InputFile], keys: Sequence[Row]) -> list[Row]:
    """Calls signed with the keys, each event once, in order of time."""
    copy = Window.partitionBy("event_key").orderBy("event_time", "event_id", "input_file")
    found = (
        read_records(spark, files)
        .where(F.col("access_key_id").isin(*[key["access_key_id"] for key in keys]))
        .withColumn("event_key", event_key())
        .withColumn("issued_access_key_id", issued_key())
        .withColumn(
            "source", canonical_source(F.col("source_ip_address"), F.col("vpc_endpoint_id"))
        )
        .withColumn("copy", F.row_number().over(copy))
        .where("copy = 1")
        .orderBy("event_time", "event_key")
        .limit(_MOST_CALLS)
    )
    kept = [c for c in schemas.FINDING_CALLS.columns if c not in ("finding_id", "amends")]
    return [_in_utc(row) for row in found.select(*kept).collect()]


def _in_utc(spark_row: SparkRow) -> Row:
    """A row as a dict; Spark hands times over in the zone of the machine, without saying so."""
    return {
        name: value.astimezone(UTC) if isinstance(value, datetime) else value
        for name, value in spark_row.asDict().items()
    }
