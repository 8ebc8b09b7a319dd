"""Evidence: the calls of each finding, read again from just the files that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.input_files import FILE_COLUMNS, InputFile, known_file
from jobs.local_rows import local_rows
from jobs.readers import file_uri, read_records
from transforms import schemas
from transforms.findings import at_least, bounded, calls, owed
from transforms.identity import may_name
from transforms.summary import file_bit

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.judging import Verdicts
    from jobs.lease import Lease
    from jobs.settings import Settings
    from jobs.tables import Warehouse


def gather(
    warehouse: Warehouse, lease: Lease, verdicts: Verdicts, settings: Settings
) -> dict[str, int]:
    """Read, keep and publish the calls that are owed; return counts of files and calls.

    ``evidence_done`` is written after the calls, and both before the findings: a run that dies
    in between gathers the same calls again, which changes nothing.
    """
    worth_it = verdicts.suspicious.where(at_least(settings.evidence.min_severity))
    wanted = owed(
        worth_it, verdicts.placed, warehouse.scan(schemas.EVIDENCE_DONE)
    ).localCheckpoint()
    files = _files(warehouse, wanted)
    changed = _publish_calls(warehouse, wanted, files, settings) if files else 0
    lease.keep()
    done = wanted.select("finding_id", "batch_id").distinct()
    if not done.isEmpty():
        warehouse.append(schemas.EVIDENCE_DONE, done)
    return {"evidence files": len(files), "evidence calls": changed}


def _publish_calls(
    warehouse: Warehouse, wanted: DataFrame, files: list[InputFile], settings: Settings
) -> int:
    """Publish the calls that files hold beside those that were gathered before."""
    max_calls = settings.evidence.max_calls
    records = read_records(warehouse.spark, files)
    names = [row.session_name for row in wanted.select("session_name").distinct().collect()]
    # Kept, for what is asked of these few would else be asked of all in one method that is too
    # large for Java to compile.
    named = records.where(may_name(names)).localCheckpoint()
    found = calls(named, wanted, max_calls, settings.workloads.judged)
    kept = warehouse.scan(schemas.FINDING_CALLS).join(
        F.broadcast(wanted.select("finding_id").distinct()), on="finding_id", how="left_semi"
    )
    both = bounded(found.unionByName(kept), max_calls)
    return warehouse.publish(schemas.FINDING_CALLS, both, among=kept)


def _files(warehouse: Warehouse, wanted: DataFrame) -> list[InputFile]:
    """Files of the batches owed that may hold the calls: by group of files and by time.

    A file is read only if one and the same sighting may be in it by both.
    """
    needs = wanted.select(
        "batch_id",
        F.col("file_bits").alias("wanted_bits"),
        F.col("first_seen").alias("from_time"),
        F.col("last_seen").alias("to_time"),
    )
    rows = (
        warehouse.scan(schemas.INPUT_FILES)
        .where("state = 'counted' and events > 0")
        .join(F.broadcast(needs), on="batch_id", how="inner")
        .where("max_event_time >= from_time and min_event_time <= to_time")
        .groupBy(*FILE_COLUMNS)
        .agg(F.bit_or("wanted_bits").alias("wanted_bits"))
        .orderBy("path")
        .toLocalIterator()
    )
    files = [(known_file(r), r) for r in rows]
    if not files:
        return []
    uris = local_rows(
        warehouse.spark,
        [(f.path, file_uri(f.path), r.wanted_bits) for f, r in files],
        "path string, uri string, wanted_bits bigint",
    )
    hit = {
        row.path
        for row in uris.where(
            file_bit(F.col("uri")).bitwiseAND(F.col("wanted_bits")) != 0
        ).collect()
    }
    return [f for f, _ in files if f.path in hit]
