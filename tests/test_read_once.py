"""Law 4: a file is read once for summary, and again only if it holds evidence of a finding."""

from __future__ import annotations

import gzip

from jobs.simulate import simulate
from tests.runs import results, rows, run

RUINED = b"this file is not read again"


def test_files_taken_in_are_not_read_again(spark, tmp_path):
    """Old files may be ruined behind a run's back: new ones are read, and results stay."""
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


def test_evidence_is_read_from_the_files_that_hold_it(spark, tmp_path):
    """Of many files, only those of the groups and times of a finding are opened again."""
    trail = tmp_path / "trail"
    simulate(trail, stories="T01", accounts=3, instances=30, days=2)

    this = run(trail, tmp_path / "warehouse")

    assert 0 < this.counts["evidence files"] < this.counts["files"] / 10
