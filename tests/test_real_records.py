"""Real records, made by others: all of them go through, and healthy fleets stay quiet."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from jobs.inputs import list_input
from tests.runs import rows, run

DATA = Path(os.environ.get("CREDTRAIL_REAL_RECORDS", Path(__file__).parents[2] / "shared" / "data"))

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"real records are not at {DATA} (CREDTRAIL_REAL_RECORDS names them)"
)


def _records(path: str) -> int:
    """How many records a file holds, counted without any of our code; a broken document is one."""
    raw = Path(path).read_bytes()
    text = (gzip.decompress(raw) if path.endswith(".gz") else raw).decode("utf-8", "replace")
    try:
        return _in_document(json.loads(text))
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            return sum(_in_document(json.loads(line)) for line in lines)
        except ValueError:
            return 1


def _in_document(document: object) -> int:
    if isinstance(document, list):
        return len(document)
    if isinstance(document, dict) and isinstance(document.get("Records"), list):
        return len(document["Records"])
    return 1


@pytest.fixture(scope="module")
def everything(spark, tmp_path_factory):
    """All folders in one run: its warehouse and what it counted."""
    warehouse = tmp_path_factory.mktemp("everything")
    return warehouse, run(DATA, warehouse)


def test_the_books_balance_file_by_file(everything):
    """Accepted events and rejects are all the records there are, in each file."""
    warehouse, _ = everything
    taken = {f["path"]: f["events"] + f["rejected"] for f in rows(warehouse, "input_files", set())}

    held = {file.path: _records(file.path) for file in list_input(str(DATA)).files}

    assert {path: n for path, n in taken.items() if held[path] != n} == {}
    assert taken.keys() == held.keys()
    assert sum(held.values()) == 2967


def test_every_reject_says_where_and_why(everything):
    """A reject names its file and a reason in words, and its place unless it is the whole file."""
    for reject in rows(everything[0], "rejects", set()):
        assert Path(reject["path"]).is_file()
        assert len(reject["reason"].split()) >= 3
        assert reject["position"] or reject["reason"]


def test_healthy_sessions_stay_quiet(everything):
    """133 sessions of a busy EKS organisation: no finding, and the forwarded calls are excused."""
    warehouse, _ = everything
    account = "123456789012"
    sessions = {s["session_id"] for s in rows(warehouse, "stays") if s["account_id"] == account}
    said = [m for m in rows(warehouse, "mismatches") if m["account_id"] == account]

    assert len(sessions) == 133
    assert {m["verdict"] for m in said} == {"forwarded"}
    assert len({m["session_id"] for m in said}) >= 96


def test_every_finding_can_be_defended(everything):
    """One finding in all: every call of that session came from one address outside AWS.

    In truth it is the thief's own machine (a replay of the Capital One theft): the instance itself
    never called, so no baseline exists, and ``outside_home`` is all that can be said.
    """
    findings = rows(everything[0], "findings")

    assert [(f["instance_id"], f["source"], f["verdict"], f["calls"]) for f in findings] == [
        ("i-0317f6c6b66ae9c40", "1.2.3.4", "outside_home", 11)
    ]
