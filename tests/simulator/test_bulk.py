"""A trail of any size: the same in both shapes, repeatable, and as healthy as a fleet must be."""

from __future__ import annotations

import gzip
import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulator.bulk.files import write
from simulator.bulk.volume import SKEWS, Volume
from simulator.writers import athena
from tests.runs import rows, run

SMALL = Volume(events=12_000, rate=3, days=3, accounts=2)


def table(folder):
    """All Parquet files of a folder, in order of event ids."""
    files = sorted(folder.rglob("*.parquet"))
    return pa.concat_tables(pq.read_table(f, partitioning=None) for f in files).sort_by("eventid")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small trail in both shapes, and the thefts in it."""
    folder = tmp_path_factory.mktemp("bulk")
    _, thefts = write(SMALL, folder / "parquet", folder / "json")
    return folder, thefts


def test_both_shapes_hold_the_same_records(made):
    """A record is the same as a row and as JSON, and no two events share an id."""
    folder, _ = made
    texts = [gzip.decompress(f.read_bytes()) for f in (folder / "json").rglob("*.json.gz")]
    records = [record for text in texts for record in json.loads(text)["Records"]]
    records.sort(key=lambda record: record["eventID"])

    actual = table(folder / "parquet")

    assert actual.equals(athena.table(records))
    assert len(set(actual["eventid"].to_pylist())) == len(records)
    assert len(records) == pytest.approx(SMALL.events, rel=0.05)


def test_the_same_volume_gives_the_same_bytes(made, tmp_path):
    """A trail depends on its volume alone."""
    folder, thefts = made

    _, again = write(SMALL, tmp_path)

    names = [f.relative_to(tmp_path) for f in sorted(tmp_path.rglob("*.parquet"))]
    assert again == thefts
    assert len(names) == SMALL.days
    assert all((tmp_path / n).read_bytes() == (folder / "parquet" / n).read_bytes() for n in names)


def test_thefts_are_found_and_nothing_else(spark, made, tmp_path):
    """The healthy part of a trail never alerts; every theft does."""
    folder, thefts = made

    run(folder / "parquet", tmp_path)

    found = [(f["session_name"], f["source"]) for f in rows(tmp_path, "findings")]
    assert thefts
    assert sorted(found) == sorted((theft.instance, theft.source) for theft in thefts)
    assert rows(tmp_path, "rejects") == []


@pytest.mark.parametrize("skew", SKEWS)
def test_skew(skew, tmp_path):
    """What is asked to stand out does."""
    write(Volume(events=12_000, rate=10, days=3, accounts=3, skew=skew), tmp_path)
    rows = table(tmp_path)
    values = {
        "session": [who["principalid"] for who in rows["useridentity"].to_pylist()],
        "account": rows["recipientaccountid"].to_pylist(),
        "hour": [time[:13] for time in rows["eventtime"].to_pylist()],
    }[skew]

    (_, most), *_ = Counter(values).most_common(1)

    assert most / len(rows) == pytest.approx({"account": 0.9}.get(skew, 0.5), rel=0.1)
