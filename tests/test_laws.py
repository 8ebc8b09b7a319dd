"""Law 1: verdicts are a function of the set of events, whatever their order, copies and batches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.judging import judge
from jobs.settings import load
from tests.factories import records
from tests.judged import DEAR, memories, world
from tests.transforms.test_ladder import ALLOWED, CASES, HUB, OURS

ROWS = [row for case in CASES.values() for row in case.rows]
RESULTS = ("mismatches", "homes", "stays")


def _results(spark, batches):
    """All results as sets of rows; batch ids are not theirs."""
    verdicts = judge(
        memories(records(spark, batch) for batch in batches),
        world(spark, ALLOWED, ours=[OURS, HUB]),
        load(None).method,
    )
    return {
        name: sorted(
            str(row.asDict(recursive=True))
            for row in getattr(verdicts, name).drop("last_batch_id").collect()
        )
        for name in RESULTS
    }


@pytest.fixture(scope="module")
def in_one_go(spark):
    """Results of all events in one batch, in order."""
    return _results(spark, [ROWS])


@given(chance=st.randoms(use_true_random=False))
@DEAR
def test_order_copies_and_batches_change_nothing(spark, in_one_go, chance):
    """Events in any order, some twice, split anyhow into batches, give the same results."""
    copies = chance.sample(ROWS, len(ROWS) // 4)
    moved = [{**row, "input_file": "file:/trail/late.json.gz"} for row in copies]
    events = ROWS + moved
    chance.shuffle(events)
    cut = chance.randrange(1, len(events))

    results = _results(spark, [events[:cut], events[cut:]])

    assert in_one_go == results
