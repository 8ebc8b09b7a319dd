"""Rows of this process as a DataFrame."""

from __future__ import annotations

from datetime import UTC, date, datetime

from jobs.local_rows import local_rows
from transforms import schemas

SHAPE = (
    "name string, count bigint, share double, seen timestamp, day date, network binary, "
    "names array<string>, shares map<string, double>"
)
ROW = (
    "web", 2**40, 0.5, datetime(2026, 3, 2, 12, 0, 1, 250_000, tzinfo=UTC), date(2026, 3, 2),
    b"\x0a\x00", ["a", "b"], {"x": 1.5},
)  # fmt: skip


def test_values_come_back(spark):
    """Each kind of value stands in the DataFrame as it was given, and null where there was none."""
    full, empty = local_rows(spark, [ROW, (None,) * len(ROW)], SHAPE).collect()

    assert tuple(full) == tuple(
        value.replace(tzinfo=None) if isinstance(value, datetime) else value for value in ROW
    )
    assert set(empty) == {None}


def test_no_rows(spark):
    """No rows are a DataFrame of the schema, whatever its types."""
    nothing = local_rows(spark, [], schemas.RUNS.schema)

    assert nothing.schema == schemas.RUNS.schema
    assert nothing.isEmpty()


def test_the_jvm_reads_them_itself(spark):
    """The plan holds the rows: no RDD of pickled ones, which Python processes would turn."""
    plan = local_rows(spark, [ROW], SHAPE)._jdf.queryExecution().executedPlan().toString()

    assert plan.startswith("LocalTableScan")
