"""Law 1 on stories: any of them, with or without others, say the same in any order and cut.

Hypothesis makes the timelines: it draws which stories are told, cuts their events into batches in
an order of its own, and has some of them delivered twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import functions as F

from jobs.inputs import list_input
from jobs.judging import judge
from jobs.readers import read_records
from jobs.settings import load
from jobs.simulate import simulate
from jobs.world import know, world
from simulator.shelf import shipped
from tests.judged import DEAR, memories
from transforms.workloads import OTHERS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SETTINGS = load(None)


@pytest.fixture(scope="module")
def library(spark, tmp_path_factory):
    """Records of every story by itself, with ``story``, and the labels of each."""
    folder = tmp_path_factory.mktemp("timelines")
    labels = {
        path.stem: simulate(
            folder / path.stem, stories=path.stem, accounts=1, instances=0, format="cloudtrail-json"
        )
        for path in shipped()
    }
    files = list(list_input(str(folder)).files)
    story = F.regexp_extract("input_file", "/([^/]+)/AWSLogs/", 1)
    records = read_records(spark, files).withColumn("story", story)
    records.write.parquet(str(folder / "_records"))
    return spark.read.parquet(str(folder / "_records")), labels


def told(records: DataFrame, salt: int, batches: int) -> dict:
    """What is said of records that come in so many batches, in another order, some twice."""
    spark = records.sparkSession
    lot = F.pmod(F.xxhash64("input_file", "position", F.lit(salt)), F.lit(1000))
    drawn = records.drop("story").withColumn("lot", lot)
    again = drawn.where("lot % 4 = 0").withColumn("input_file", F.lit("file:/trail/late.json.gz"))
    events = drawn.union(again.withColumn("lot", F.pmod(F.col("lot") * 7, F.lit(1000))))
    parts = [
        events.where(F.col("lot") % batches == n).orderBy("lot", "position").drop("lot")
        for n in range(batches)
    ]
    facts = world(spark, know(SETTINGS), SETTINGS)
    rows = judge(memories(parts, OTHERS), facts, SETTINGS.method, OTHERS).pairs.collect()
    return {
        (row.account_id, row.role_id, row.session_name, row.source): (
            row.verdict,
            row.severity or "",
        )
        for row in rows
    }


def expected(labels: list) -> dict:
    """What the stories of labels want said, but for what is excused."""
    return {
        (e.session.account_id, e.session.role_id, e.session.session_name, e.source): (
            e.verdict,
            e.severity,
        )
        for label in labels
        for e in label.expected
    }


@given(chance=st.randoms(use_true_random=False))
@DEAR
def test_any_stories_cut_anyhow_say_what_they_must(library, chance):
    """Stories drawn at random, their events cut and copied at random, give their verdicts."""
    records, labels = library
    drawn = chance.sample(sorted(labels), len(labels) // 3)

    said = told(
        records.where(F.col("story").isin(drawn)), chance.randrange(1 << 30), chance.randint(1, 3)
    )

    want = expected([labels[name] for name in drawn])
    assert {pair: said.get(pair) for pair in want} == want
    loud = {pair: verdict for pair, verdict in said.items() if verdict[1]}
    assert loud == {pair: verdict for pair, verdict in want.items() if verdict[1]}


def test_every_story_has_records(library):
    """The library holds all stories: none is drawn in vain."""
    records, labels = library
    assert {row.story for row in records.select("story").distinct().collect()} == set(labels)
