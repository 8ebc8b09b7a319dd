"""How much of Parquet files is read: by Spark's own count, beside what the columns take."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from jobs.warehouse import Warehouse
from transforms.events import record

_SCAN = "FileScanRDD"


@dataclass(frozen=True, slots=True)
class Opened:
    """What was opened again for evidence: files, and how many hold the calls that were found."""

    opened: int
    holding: int
    calls: int


def of_evidence(warehouse: Path) -> Opened:
    """Return what runs on a warehouse opened again for evidence."""
    with Warehouse(str(warehouse)) as opened:
        runs = opened.scan("runs", ("counts",))
        calls = opened.scan("finding_calls", ("input_file",))
    files = sum(dict(run["counts"]).get("evidence files", 0) for run in runs)
    return Opened(files, len({call["input_file"] for call in calls}), len(calls))


def column_chunks(folder: Path) -> int:
    """Return the bytes that the fields that count take in all files of a folder."""
    total = 0
    for path in folder.rglob("*.parquet"):
        footer = pq.ParquetFile(path).metadata
        for number in range(footer.num_row_groups):
            group = footer.row_group(number)
            chunks = [group.column(i) for i in range(group.num_columns)]
            total += sum(c.total_compressed_size for c in chunks if _counts(c.path_in_schema))
    return total


@dataclass(frozen=True, slots=True)
class Work:
    """What Spark says of a run, in bytes; ``tasks`` are those of the largest scan of files.

    ``summary`` is what that scan has read, ``rest`` what all other scans of files have.
    """

    summary: int
    rest: int
    shuffled: int
    spilled: int
    tasks: int


def by_spark(logs: Path) -> Work:
    """Return what one run has read and shuffled.

    Args:
        logs: folder of Spark's event logs of the run.
    """
    scans: dict[int, int] = {}
    read, shuffled, spilled = Counter[int](), 0, 0
    for path in logs.iterdir():
        for line in path.open(encoding="utf-8"):
            event = json.loads(line)
            if event["Event"] == "SparkListenerStageCompleted":
                stage = event["Stage Info"]
                if any(rdd["Name"] == _SCAN for rdd in stage["RDD Info"]):
                    scans[stage["Stage ID"]] = stage["Number of Tasks"]
            elif event["Event"] == "SparkListenerTaskEnd":
                metrics = event.get("Task Metrics") or {}
                read[event["Stage ID"]] += metrics.get("Input Metrics", {}).get("Bytes Read", 0)
                written = metrics.get("Shuffle Write Metrics", {})
                shuffled += written.get("Shuffle Bytes Written", 0)
                spilled += metrics.get("Disk Bytes Spilled", 0)
    largest = max(scans, key=lambda stage: read[stage], default=-1)
    rest = sum(read[stage] for stage in scans) - read[largest]
    return Work(read[largest], rest, shuffled, spilled, scans.get(largest, 0))


def _counts(path: str) -> bool:
    """Tell whether a column is one of the fields that count, or text that holds one."""
    wanted = {known.lower() for known in record.PATHS.values()}
    return path in wanted or any(known.startswith(f"{path}.") for known in wanted)
