"""Rolling old sightings up, day by day of event time: see ``transforms/rollup.py`` for which."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.runs import judged_batches
from jobs.tables import full_name
from transforms import schemas
from transforms.rollup import owes_nothing, rolled_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame

    from jobs.lease import Lease
    from jobs.tables import Warehouse

WORTH_IT = 0.1
"""Share of a day's rows that must go: less is not worth writing all the others anew."""

_DAYS_AT_ONCE = 31


def roll_up(warehouse: Warehouse, lease: Lease, before: date) -> int:
    """Roll up the sightings of days before one; return how many rows are fewer.

    Rows of batches that no finished run has judged stay as they are. A day is replaced by one
    commit: whoever reads meanwhile, or after a death, has all rows once.
    """
    old = warehouse.scan(schemas.SIGHTINGS).where(F.col("first_seen") < F.lit(before))
    days = _worth_it(_marked(warehouse, old))
    for start in range(0, len(days), _DAYS_AT_ONCE):
        lease.keep()
        _replace(warehouse, [day for day, _ in days[start : start + _DAYS_AT_ONCE]])
    return sum(fewer for _, fewer in days)


def _marked(warehouse: Warehouse, sightings: DataFrame) -> DataFrame:
    """Sightings with ``rolls``: may it be rolled up."""
    judged = judged_batches(warehouse).distinct().withColumn("is_judged", F.lit(True))
    return sightings.join(F.broadcast(judged), on="batch_id", how="left").withColumn(
        "rolls", F.coalesce("is_judged", F.lit(False)) & owes_nothing()
    )


def _worth_it(marked: DataFrame) -> list[tuple[date, int]]:
    """Days whose roll-up pays, and how many rows it saves."""
    day = F.to_date("first_seen").alias("day")
    rows = marked.groupBy(day).agg(F.count("calls").alias("rows"))
    rolling = marked.where("rolls")
    after = rolled_up(rolling).groupBy(day).agg(F.count("calls").alias("after"))
    saved = (
        rolling.groupBy(day)
        .agg(F.count("calls").alias("before"))
        .join(after, on="day", how="inner")
        .join(rows, on="day", how="inner")
        .withColumn("fewer", F.col("before") - F.col("after"))
        .where(F.col("fewer") > F.col("rows") * WORTH_IT)
    )
    return [(row.day, row.fewer) for row in saved.orderBy("day").collect()]


def _replace(warehouse: Warehouse, days: Sequence[date]) -> None:
    """Replace the partitions of some days by their rows, rolled up."""
    marked = _marked(
        warehouse,
        warehouse.scan(schemas.SIGHTINGS)
        .where(F.col("first_seen") >= F.lit(days[0]))
        .where(F.col("first_seen") < F.lit(days[-1] + timedelta(days=1)))
        .where(F.to_date("first_seen").isin(*days)),
    )
    columns = schemas.SIGHTINGS.columns
    rows = (
        rolled_up(marked.where("rolls"))
        .union(marked.where("not rolls").select(*columns))
        .select(*columns)
    )
    with warehouse.writing(schemas.SIGHTINGS):
        rows.writeTo(full_name(schemas.SIGHTINGS)).overwritePartitions()
