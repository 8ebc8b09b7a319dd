"""Law 4: a file is read once for summary, and again only if it holds evidence of a finding."""

from __future__ import annotations

import gzip
import re

import pytest

from jobs import evidence, judging, news
from jobs.inputs import list_input
from jobs.judging import judge
from jobs.readers import read_records
from jobs.simulate import simulate
from tests.runs import RESULTS, results, rows, run
from transforms.summary import address_changes, credentials, sightings, summary

RUINED = b"this file is not read again"


def test_files_taken_in_are_not_read_again(spark, tmp_path, monkeypatch):
    """Old files may be ruined behind a run's back: new ones are read, and results stay.

    What they can touch is judged; judging in full afterwards finds nothing to change.
    """
    in_full = []
    monkeypatch.setattr(judging, "judge", lambda *a: in_full.append(a) or judge(*a))
    monkeypatch.setattr(news, "WORTH_IT", 0)
    trail, later, warehouse = tmp_path / "trail", tmp_path / "later", tmp_path / "warehouse"
    simulate(trail, stories="T01", accounts=1, instances=2, days=1)
    simulate(later, stories="T19", accounts=1, instances=0, days=1)
    first = run(trail, warehouse)
    before = results(warehouse)
    for file in trail.rglob("*.json.gz"):
        file.write_bytes(gzip.compress(RUINED))
    for file in later.rglob("*.json.gz"):
        file.rename(trail / f"later-{file.name}")

    second = run(trail, warehouse)

    after = results(warehouse)
    files = rows(warehouse, "input_files", set())
    assert second.counts["files listed"] == len(files) > second.counts["files"] > 0
    assert second.counts["files"] + first.counts["files"] == len(files)
    assert second.counts["rejects"] == 0
    for table in before:
        assert [row for row in before[table] if row not in after[table]] == [], table
    assert len(after["findings"]) == len(before["findings"]) + 1
    assert len(in_full) == 1

    again = run(trail, warehouse, findings={"top_values": 49})

    changed = {name: count for name, count in again.counts.items() if name.endswith(" changed")}
    assert len(in_full) == 2
    assert set(changed.values()) == {0}
    assert len(changed) == len(RESULTS) - 1


@pytest.fixture(scope="module")
def trail(tmp_path_factory):
    """Many files, few of which hold calls of a thief."""
    folder = tmp_path_factory.mktemp("evidence")
    simulate(folder, stories="T01", accounts=3, instances=30, days=2)
    return folder


@pytest.mark.usefixtures("same_judged_once")
def test_evidence_is_read_from_the_files_that_hold_it(spark, trail, tmp_path):
    """Of many files, only those of the groups and times of a finding are opened again."""
    this = run(trail, tmp_path / "warehouse")

    assert 0 < this.counts["evidence files"] < this.counts["files"] / 10


@pytest.mark.usefixtures("same_judged_once")
def test_evidence_that_no_file_holds_is_looked_for_once(spark, trail, tmp_path, monkeypatch):
    """That nothing is there is known as well, and not found out by each run anew."""
    monkeypatch.setattr(evidence, "_files", lambda *_: [])

    run(trail, tmp_path / "warehouse")

    open_ = {row["finding_id"] for row in rows(tmp_path / "warehouse", "findings")}
    done = {row["finding_id"] for row in rows(tmp_path / "warehouse", "evidence_done")}
    assert open_ == done != set()


def test_java_compiles_the_pass_over_events(spark, tmp_path):
    """No method that Spark generates passes 8,000 bytes, for it and for what follows from it.

    Java would interpret a larger one.
    """
    simulate(tmp_path, stories="T01", accounts=1, instances=1, days=1, format="cloudtrail-parquet")
    records = read_records(spark, list(list_input(str(tmp_path)).files))
    generated = {
        "spark.sql.codegen.wholeStage": "true",
        "spark.sql.codegen.factoryMode": "FALLBACK",
        "spark.sql.adaptive.enabled": "false",
    }
    before = {name: spark.conf.get(name) for name in generated}
    for name, value in generated.items():
        spark.conf.set(name, value)
    try:
        summarised = summary(records, 6)
        rows = summarised.localCheckpoint()
        parts = (sightings(rows, 1), credentials(rows, 1), address_changes(rows, 1))
        debug = getattr(spark._jvm.org.apache.spark.sql.execution.debug, "package$")
        code = "".join(
            getattr(debug, "MODULE$").codegenString(part._jdf.queryExecution().executedPlan())
            for part in (summarised, *parts)
        )
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)

    sizes = [int(size) for size in re.findall(r"maxMethodCodeSize:(\d+)", code)]
    assert len(sizes) > len(parts)
    assert max(sizes) < 8000
