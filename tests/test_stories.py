"""Every story gives its expected verdicts: as JSON and Parquet, in one run and in many."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import pytest

from jobs.simulate import simulate
from tests.runs import results, rows, run, snapshots
from transforms.workloads import OTHERS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("same_judged_once")

RUN_ONLY = {"runs", "writer"}
ALL_ON = dict.fromkeys(OTHERS, True)
"""Every workload is judged: stories play in all of them."""


@pytest.fixture(scope="module")
def trails(tmp_path_factory):
    """The same organisation with all stories in it, in both shapes."""
    folder = tmp_path_factory.mktemp("trails")
    made = {
        shape: simulate(folder / shape, format=shape, accounts=2, instances=16, days=1)
        for shape in ("cloudtrail-json", "cloudtrail-parquet")
    }
    return folder, made["cloudtrail-json"]


@pytest.fixture(scope="module")
def judged(spark, same_judged_once, trails, tmp_path_factory):
    """A warehouse per shape, each filled in one run, and what the run counted."""
    warehouses = {}
    for shape in ("cloudtrail-json", "cloudtrail-parquet"):
        warehouse = tmp_path_factory.mktemp(f"in-one-{shape}")
        counts = run(trails[0] / shape, warehouse, workloads=ALL_ON).counts
        warehouses[shape] = (warehouse, counts)
    return warehouses


def _said(warehouse: Path) -> dict[tuple[str, ...], tuple[str, str | None]]:
    return {
        (row["account_id"], row["role_id"], row["session_name"], row["source"]): (
            row["verdict"],
            None if row["excused"] else row["severity"],
        )
        for row in rows(warehouse, "mismatches")
    }


@pytest.mark.parametrize("shape", ["cloudtrail-json", "cloudtrail-parquet"])
def test_every_story_gets_its_verdicts(shape, trails, judged):
    """What a story expects is said of its sessions; nobody else gets a finding."""
    labels = trails[1]
    expected = {
        (e.session.account_id, e.session.role_id, e.session.session_name, e.source): (
            e.verdict,
            None if e.excused else e.severity,
        )
        for e in labels.expected
    }

    said = _said(judged[shape][0])

    assert {key: said.get(key) for key in expected} == expected
    assert {k: v for k, v in said.items() if v[1]} == {k: v for k, v in expected.items() if v[1]}
    assert len([v for v in expected.values() if v[1]]) >= 9


def test_both_shapes_give_the_same_results(judged):
    """Shape changes no result: findings, calls, mismatches, homes and stays are equal."""
    json, parquet = (results(warehouse) for warehouse, _ in judged.values())

    for table in json:
        assert json[table] == parquet[table], table


@pytest.mark.parametrize("shape", ["cloudtrail-json", "cloudtrail-parquet"])
def test_the_books_balance(shape, trails, judged):
    """Every event that was made was taken in, and none was rejected."""
    counts = judged[shape][1]

    assert trails[1].events == counts["events"]
    assert counts["rejects"] == 0


def test_calls_of_a_finding_are_its_events(judged):
    """A finding has its calls, each once: as many as it counts."""
    warehouse = judged["cloudtrail-json"][0]
    calls = rows(warehouse, "finding_calls")

    for finding in rows(warehouse, "findings"):
        if finding["severity"] in ("low", "informational"):
            continue  # evidence.min_severity: their files are not read again
        own = [c for c in calls if c["finding_id"] == finding["finding_id"]]
        assert len(own) == finding["calls"] == len({c["event_id"] for c in own})
        assert sum(c["error_code"] is not None for c in own) == finding["denied_calls"]
        assert {c["access_key_id"] for c in own} == set(finding["access_key_ids"])


def test_the_talks_example_is_one_finding(judged):
    """Slides: home 52.95.255.121, alien 67.178.52.232, one call."""
    found = [
        row
        for row in rows(judged["cloudtrail-json"][0], "findings")
        if row["first_seen"].year == 2018
    ]

    assert [(f["home"], f["source"], f["calls"]) for f in found] == [
        (["52.95.255.121"], "67.178.52.232", 1)
    ]


def test_a_run_without_new_files_writes_runs_and_lease_alone(spark, trails, judged):
    """Law 2: running again changes nothing."""
    warehouse = judged["cloudtrail-parquet"][0]
    before = snapshots(warehouse)

    run(trails[0] / "cloudtrail-parquet", warehouse, workloads=ALL_ON)

    after = snapshots(warehouse)
    assert {name for name in after if after[name] != before[name]} == RUN_ONLY


def test_other_settings_judge_everything_anew(spark, trails, judged):
    """Law 6: with an allow-list, a finding is closed with the reason, never deleted."""
    warehouse = judged["cloudtrail-parquet"][0]
    allowed = warehouse.parent / "allowed.csv"
    allowed.write_text(
        "what,value,account,role,rules,owner,reason,expires\n"
        "cidr,54.240.230.177/32,,,,batch team,partner's cluster,2030-01-01\n"
    )
    source = "54.240.230.177"

    excused = run(
        trails[0] / "cloudtrail-parquet",
        warehouse,
        allow_list={"file": str(allowed)},
        workloads=ALL_ON,
    )
    closed = [f for f in rows(warehouse, "findings") if f["source"] == source]
    run(trails[0] / "cloudtrail-parquet", warehouse, workloads=ALL_ON)
    opened = [f for f in rows(warehouse, "findings") if f["source"] == source]

    assert excused.counts["findings changed"] == 1
    assert "events" not in excused.counts
    assert [f["status"] for f in closed] == ["closed"]
    assert "partner's cluster" in closed[0]["closed_reason"]
    assert [(f["status"], f["closed_reason"]) for f in opened] == [("open", None)]


def test_many_runs_are_one(spark, trails, judged, tmp_path):
    """Law 1: files that arrive in two portions, in any order, give what one run gives."""
    trail = trails[0] / "cloudtrail-json"
    files = sorted(path for path in trail.rglob("*.json.gz"))
    random.Random(7).shuffle(files)
    arriving, warehouse = tmp_path / "trail", tmp_path / "warehouse"
    half = len(files) // 2 + 1

    for start in range(0, len(files), half):
        for file in files[start : start + half]:
            target = arriving / file.relative_to(trail)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)
        run(arriving, warehouse, inputs={"batch_bytes": "1 MiB"}, workloads=ALL_ON)

    once, many = results(judged["cloudtrail-json"][0]), results(warehouse)
    still_open = [f for f in many["findings"] if f["status"] == "open"]
    assert once["findings"] == still_open
    for table in ("mismatches", "homes", "stays"):
        assert once[table] == many[table], table
    with_calls = {row["finding_id"] for row in once["finding_calls"]}
    assert once["finding_calls"] == [
        c for c in many["finding_calls"] if c["finding_id"] in with_calls
    ]
