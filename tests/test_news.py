"""Judging what new data can touch gives what judging in full gives: that is its oracle."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import functions as F

from jobs import judging, news
from jobs.judging import Verdicts, judge
from jobs.news import Past, judge_news
from jobs.settings import load
from jobs.simulate import simulate
from tests.factories import records
from tests.judged import DEAR, memories, world
from tests.runs import results, run
from tests.transforms.test_ladder import ALLOWED, CASES, HUB, OURS

RESULTS = ("stays", "places", "homes", "mismatches", "suspicious")
ROWS = [row for case in CASES.values() for row in case.rows]
METHOD = load(None).method


def _rows(result):
    columns = sorted(set(result.columns) - {"last_batch_id"})
    return [str(r.asDict(recursive=True)) for r in result.select(*columns).collect()]


def _upto(told, batch):
    upto = F.col("batch_id") <= batch
    parts = ("sightings", "credentials", "inventory", "changes")
    return replace(told, **{name: getattr(told, name).where(upto) for name in parts})


def _differences(before: Verdicts, in_full: Verdicts, told_apart: news.Judged) -> dict:
    """Results in which judging news differs from judging in full, with the rows of each."""
    found = {}
    for name in RESULTS:
        old, new = getattr(before, name), getattr(told_apart.verdicts, name)
        kept = old.join(told_apart.names, on="session_name", how="left_anti")
        actual, expected = _rows(kept.unionByName(new)), _rows(getattr(in_full, name))
        if sorted(actual) != sorted(expected):
            missing, extra = set(expected) - set(actual), set(actual) - set(expected)
            found[name] = {"missing": sorted(missing), "not in full": sorted(extra)}
    return found


def _settles_for_all(rows):
    """Positions of rows that tell of an account or an endpoint first: news of these is for all."""
    told = set()
    for place, row in enumerate(rows):
        facts = {
            ("account", row["recipient_account_id"]),
            ("endpoint", row["vpc_endpoint_id"], row["vpc_endpoint_account_id"]),
        }
        if facts - told or row["event_name"] == "CreateVpcEndpoint":
            yield place
        told |= facts


def _batches(rows, chance, share):
    """Rows in two batches: the second has some of what any session shares with no other."""
    first = set(_settles_for_all(rows))
    late = [place for place in range(len(rows)) if place not in first and chance.random() < share]
    second = set(late)
    return [
        [row for place, row in enumerate(rows) if (place in second) == is_late]
        for is_late in (False, True)
    ]


def _told(spark, batches):
    told = memories(records(spark, batch) for batch in batches)
    plain = told.sightings.where("role_id is not null and instance_id = session_name")
    return replace(told, sightings=plain)


def _compared(spark, batches):
    told = _told(spark, batches)
    around = world(spark, ALLOWED, ours=[OURS, HUB])
    before = judge(_upto(told, 1), around, METHOD)
    in_full = judge(told, around, METHOD)
    told_apart = judge_news(told, Past(before.stays, before.places), [2], around, METHOD)
    return _differences(before, in_full, told_apart), told_apart, in_full


@given(chance=st.randoms(use_true_random=False), share=st.sampled_from((0.2, 0.05)))
@DEAR
def test_judging_news_is_judging_in_full(spark, chance, share):
    """Whatever part of all events comes later, and in whatever order."""
    rows = list(ROWS)
    chance.shuffle(rows)

    different, *_ = _compared(spark, _batches(rows, chance, share))

    assert different == {}


def test_runs_that_judge_news_leave_the_same_tables(spark, tmp_path, monkeypatch):
    """A run on top of another judges in full only once, and every table is the same in the end."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    simulate(whole, stories="T01", accounts=1, instances=4, days=1)
    files = sorted(whole.rglob("*.json.gz"), key=lambda file: file.name)
    ends = [len(files) * 6 // 10, len(files) * 8 // 10, len(files)]
    run(whole, tmp_path / "in full")
    monkeypatch.setattr(news, "WORTH_IT", 0)
    judged = []
    monkeypatch.setattr(judging, "judge", lambda *a: judged.append(1) or judge(*a))

    for end in ends:
        for file in files[:end]:
            target = parts / file.relative_to(whole)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
        run(parts, tmp_path / "news")

    assert len(judged) == 1
    assert results(tmp_path / "in full") == results(tmp_path / "news")
