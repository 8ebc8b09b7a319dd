"""Old sightings that came in several batches, as one row each where nobody can tell the difference.

Verdicts read stays, whose facts merge idempotently: any sightings that a stay would merge anyway
may be merged before. Evidence is another matter. It is looked for in the files of a sighting's
batch, and a late home can make any direct call owe it, however old. So only calls that no setting
and no later event can make suspicious are rolled up: those that a service made, or that another
party sent.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms import schemas
from transforms.stays import merged
from transforms.summary import SIGHTING_FACTS, merged_facts

LEAST_TTL_HOURS = 1
"""The shortest silence that any setting lets end a stay: sightings closer than that are one."""

_MERGED = {**SIGHTING_FACTS, "batch_id": F.max}
"""What merging makes of each fact; all other columns must be equal."""

_KEY = tuple(name for name in schemas.SIGHTINGS.columns if name not in _MERGED)


def owes_nothing() -> Column:
    """A sighting that can never belong to a finding, whatever AWS space or settings become.

    That is what :func:`transforms.stays.call_kind` takes for calls on behalf of a session, or
    forwarded, without asking where an address lies.
    """
    is_internal = F.col("source_kind") == "internal"
    by_service = F.col("invoked_by").isNotNull() & (
        (F.col("source") == F.col("invoked_by")) | is_internal
    )
    return F.coalesce(by_service | (F.col("forwarded") & ~is_internal), F.lit(False))


def rolled_up(sightings: DataFrame) -> DataFrame:
    """``schemas.SIGHTINGS``: equal but for times, sums and bits, and less than an hour apart: one.

    Days stay apart, so that partitions are rewritten on their own.

    Args:
        sightings: rows that owe nothing, of batches that are judged.
    """
    facts = {n: merge for n, merge in _MERGED.items() if n not in ("first_seen", "last_seen")}
    by_day = sightings.withColumn("day", F.to_date("first_seen"))
    return merged(by_day, (*_KEY, "day"), LEAST_TTL_HOURS, merged_facts(facts)).select(
        *schemas.SIGHTINGS.columns
    )
