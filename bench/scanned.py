"""How much of Parquet files is read: by Spark's own count, beside what the columns take."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from transforms.events import record

_SCAN = "FileScanRDD"


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


def by_spark(logs: Path) -> tuple[int, int]:
    """Return what the largest scan of files has read, and what all others have, in bytes.

    Args:
        logs: folder of Spark's event logs of one run.
    """
    scans, read = set(), Counter[int]()
    for path in logs.iterdir():
        for line in path.open(encoding="utf-8"):
            event = json.loads(line)
            if event["Event"] == "SparkListenerStageCompleted":
                stage = event["Stage Info"]
                if any(rdd["Name"] == _SCAN for rdd in stage["RDD Info"]):
                    scans.add(stage["Stage ID"])
            elif event["Event"] == "SparkListenerTaskEnd":
                metrics = event.get("Task Metrics") or {}
                read[event["Stage ID"]] += metrics.get("Input Metrics", {}).get("Bytes Read", 0)
    counts = sorted(read[stage] for stage in scans)
    return (counts[-1], sum(counts[:-1])) if counts else (0, 0)


def _counts(path: str) -> bool:
    """Tell whether a column is one of the fields that count, or text that holds one."""
    wanted = {known.lower() for known in record.PATHS.values()}
    return path in wanted or any(known.startswith(f"{path}.") for known in wanted)
