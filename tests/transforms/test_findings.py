"""Which calls a finding keeps, what it shows of them, and how it lives."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from pyspark.sql import functions as F

from tests.factories import START, table
from transforms import schemas
from transforms.findings import bounded, event_key, life_cycle, of_gathered, suspicious


def _call(number, **changes):
    values = {
        "finding_id": "f",
        "event_key": f"e{number:03}",
        "event_id": f"e{number:03}",
        "event_time": START + timedelta(seconds=number),
        "event_source": "s3.amazonaws.com",
        "event_name": f"Name{number % 3}",
        "amends": False,
    }
    return {**values, **changes}


def _kept(spark, rows, most):
    kept = bounded(table(spark, schemas.FINDING_CALLS.schema, rows), most)
    return sorted((row.event_key, row.event_id) for row in kept.collect())


def test_copies_are_one_call(spark):
    """Copies share an identity: one stays, the same one in any order; an addendum replaces."""
    copies = [_call(1), _call(1, event_id="copy"), _call(1, event_id="late", amends=True)]

    for _ in range(3):
        random.Random(len(copies)).shuffle(copies)
        assert [("e001", "late")] == _kept(spark, copies, 10)


def test_first_last_and_first_of_each_name_are_kept(spark):
    """Of too many calls the first, the last, and the first of each name stay."""
    rows = [_call(n, event_name="Rare" if n == 50 else "Usual") for n in range(100)]

    kept = [key for key, _ in _kept(spark, rows, 6)]

    assert kept == ["e000", "e001", "e002", "e050", "e097", "e098", "e099"]


def test_bounding_is_associative(spark):
    """What is kept of two parts, bounded again, is what is kept of the whole."""
    rows = [_call(n) for n in range(60)]
    random.Random(5).shuffle(rows)

    first = bounded(table(spark, schemas.FINDING_CALLS.schema, rows[:31]), 8)
    both = bounded(first.union(table(spark, schemas.FINDING_CALLS.schema, rows[31:])), 8)

    assert sorted(row.event_key for row in both.collect()) == [k for k, _ in _kept(spark, rows, 8)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"event_id": "a"}, "a"),
        ({"event_id": "b", "shared_event_id": "s"}, "shared:s"),
        ({"event_id": "c", "original_event_id": "a"}, "a"),
    ],
)
def test_identity_of_an_event(spark, changes, expected):
    """Cross-account copies share an identity, and an addendum has that of its original."""
    (row,) = table(spark, schemas.RECORDS, [changes]).select(event_key().alias("key")).collect()

    assert expected == row.key


def test_records_without_ids_are_told_apart_by_content(spark):
    """Records of the first years have no eventID: equal content is one event."""
    rows = [{"event_name": "A", "arn": "x"}, {"event_name": "A", "arn": "x"}, {"event_name": "B"}]

    keys = {
        row.key
        for row in table(spark, schemas.RECORDS, rows).select(event_key().alias("key")).collect()
    }

    assert len(keys) == 2
    assert all(len(key) == 32 for key in keys)


def test_a_finding_that_is_excused_later_is_closed_with_the_reason(spark):
    """Nothing is deleted: a finding that is none any more says why, and keeps its first day."""
    old = [{"finding_id": "gone", "session_id": "s", "source": "1.2.3.4", "status": "open",
            "detected_at": START, "run_id": "before"}]  # fmt: skip
    published = table(spark, schemas.FINDINGS.schema, old)
    found = table(spark, schemas.FINDINGS.schema, []).drop(
        "status", "closed_reason", "detected_at", "updated_at", "run_id"
    )
    pairs = table(spark, schemas.MISMATCHES.schema, [])
    now = START + timedelta(days=1)

    (row,) = life_cycle(found, published, pairs, run_at=F.lit(now), run_id="now").collect()

    assert (row.status, row.closed_reason) == ("closed", "The source is a home of the session.")
    assert (row.detected_at.day, row.updated_at.day, row.run_id) == (START.day, now.day, "now")


def test_calls_of_a_finding_that_was_worse_once_are_no_evidence(spark):
    """A finding is told from calls only where all of them are gathered: by its severity now."""
    schema = "finding_id string, severity string"
    suspicious = spark.createDataFrame([("bad", "high"), ("mild", "low")], schema)
    calls = table(spark, schemas.FINDING_CALLS.schema, [_call(1), _call(2)])
    of_both = calls.withColumn(
        "finding_id", F.when(F.col("event_key") == "e001", "bad").otherwise("mild")
    )

    kept = of_gathered(of_both, suspicious, "medium").collect()

    assert [row.finding_id for row in kept] == ["bad"]


@pytest.mark.parametrize(("source", "expected"), [("home", []), ("elsewhere", ["tie"])])
def test_home_is_no_tie_with_itself(spark, source, expected):
    """Two sources of one second are a tie; calls from home began when home did."""
    pair = spark.createDataFrame(
        [("s", source, ["home"], "not_running", START, START, False, False, False, [], [], None)],
        "session_id string, source string, home array<string>, verdict string, "
        "first_seen timestamp, home_since timestamp, excused boolean, gives_way boolean, "
        "after_silence boolean, signs array<string>, weak_signs array<string>, "
        "endpoint_owner string",
    )

    assert [row.signals for row in suspicious(pair).collect()] == [expected]
