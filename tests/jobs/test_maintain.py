"""Maintain: tables get small, nothing that is found changes, and it may die anywhere."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from jobs import cli, garbage, intake, lease, maintain, retention, rollup, runs, upkeep
from jobs.fence import FencedError, load_table
from jobs.lease import LeaseError
from jobs.local_rows import local_rows
from jobs.progress import Progress
from jobs.session import spark_session
from jobs.settings import load
from jobs.simulate import simulate
from jobs.tables import Warehouse, full_name
from tests.factories import sighting_on_behalf
from tests.judged import DEAR
from tests.runs import SMALL, Death, Quiet, dying, results, rows, run, snapshots
from transforms import schemas

pytestmark = pytest.mark.usefixtures("same_judged_once")

EAGER = {
    "small_files": 2,
    "small_manifests": 2,
    "roll_up_days": 1,
    "snapshot_days": 0,
    "keep_snapshots": 1,
}
"""Settings that leave nothing to be done."""

RUN_ONLY = {"runs", "writer"}
EXAMPLES = int(os.environ.get("CREDTRAIL_EXAMPLES", "1"))
"""How many sequences the law is tested with; each is some runs of detect."""

PARTS = 2 if EXAMPLES == 1 else 3
"""In how many runs the trail is taken in."""

MOST_AT_ONCE = 1 if EXAMPLES == 1 else 3
"""Runs of maintain between two of detect, at most."""

MOST_WRITES = 60


class Past:
    """A warehouse after each of its runs; it can be brought back to where it was.

    Tables hold absolute paths: a former state is copied to the place where it was.
    """

    def __init__(self, folder: Path) -> None:
        self.trail, self.warehouse = folder / "trail", folder / "warehouse"
        self._copies, self._parts = folder / "copies", folder / "parts"
        self.results: list[dict] = []
        whole = folder / "whole"
        simulate(whole, stories="T11,B12", accounts=1, instances=0, days=1)
        (whole / "cut.json").write_text('{"Records": [{"eventVersion"')
        for number, file in enumerate(sorted(path for path in whole.rglob("*.json*"))):
            target = self._parts / str(number % PARTS) / file.relative_to(whole)
            target.parent.mkdir(parents=True, exist_ok=True)
            file.rename(target)

    def arrive(self, part: int) -> None:
        """Let the files of a part lie in the trail."""
        shutil.copytree(self._parts / str(part), self.trail, dirs_exist_ok=True)

    def keep(self) -> None:
        """Keep the present state."""
        shutil.copytree(self.warehouse, self._copies / str(len(self.results)))
        self.results.append(results(self.warehouse))

    def back_to(self, part: int) -> Path:
        """Bring back how all was after the run that took a part in."""
        shutil.rmtree(self.warehouse)
        shutil.rmtree(self.trail)
        shutil.copytree(self._copies / str(part), self.warehouse)
        for arrived in range(part + 1):
            self.arrive(arrived)
        return self.warehouse


@pytest.fixture(scope="module")
def past(spark, same_judged_once, tmp_path_factory):
    """A trail with a theft, calls of services, and a reject, taken in by runs of their own."""
    history = Past(tmp_path_factory.mktemp("maintain"))
    for part in range(PARTS):
        history.arrive(part)
        run(history.trail, history.warehouse)
        history.keep()
    return history


@pytest.fixture
def worked(past):
    """The warehouse as all runs have left it."""
    return past.back_to(PARTS - 1)


SOME = (schemas.SIGHTINGS, schemas.INPUT_FILES, schemas.FINDING_CALLS, schemas.RUNS)


@pytest.fixture
def few_tables(monkeypatch):
    """Work on few tables, and list no files, for speed: each step has a table that it works on."""
    _only(monkeypatch, SOME)


def _only(patch: pytest.MonkeyPatch, chosen: tuple[schemas.Table, ...]) -> None:
    patch.setattr(maintain, "REWRITTEN", chosen)
    patch.setattr(maintain, "ALL", chosen)
    patch.setattr(upkeep, "remove_orphans", lambda *_: 0)


def upkeep_of(warehouse: Path, **settings) -> maintain.Upkeep:
    """One run of maintain in the session of the tests."""
    this = maintain.Upkeep(load(None, {"maintain": settings}), Progress(Quiet()))
    maintain.maintain(spark_session(SMALL, str(warehouse)), this)
    return this


def tables(warehouse: Path) -> Warehouse:
    """Tables of a warehouse by Spark."""
    return Warehouse(spark_session(SMALL, str(warehouse)))


def changed(before: dict, after: dict) -> set[str]:
    """Names of tables that have another snapshot."""
    return {name for name in after if after[name] != before[name]}


def test_tables_get_small_and_nothing_else_changes(past, worked, capsys):
    """Files become few, former states go, results stay; and all of that is told.

    Then neither detect nor maintain finds anything to do: files of results are others, their rows
    are what they were.
    """
    of_runs = rows(worked, "runs", set())
    before = snapshots(worked)

    this = upkeep_of(worked, **EAGER)

    small = snapshots(worked)
    assert past.results[-1] == results(worked)
    for table in ("sightings", "input_files", "runs"):
        assert this.after[table].files < this.before[table].files
    assert this.gone["snapshots"].keys() >= {"sightings", "findings", "writer"}
    assert changed(before, small) & {table.name for table in runs.RESULTS}
    (row,) = (r for r in rows(worked, "runs", set()) if r["outcome"] == "maintained")
    last = max(of_runs, key=lambda r: r["token"])
    assert (row["run_id"], row["settings_digest"]) == (this.run_id, last["settings_digest"])
    assert dict(row["counts"]) == this.counts
    assert this.counts["files before"] > this.counts["files after"] > 0
    assert dict(row["seconds"]).keys() >= {"compact", "prune", "expire snapshots"}
    assert cli.main(["findings", "--warehouse", str(worked)]) == 0
    assert f"Last run: {last['finished_at']:%Y-%m-%d %H:%M}" in capsys.readouterr().err

    detected = run(past.trail, worked)

    assert "sessions" not in detected.counts
    assert changed(small, snapshots(worked)) == RUN_ONLY

    again = upkeep_of(worked, **{**EAGER, "small_files": 5})

    assert again.gone.keys() == this.gone.keys()
    assert not any(gone for what, gone in again.gone.items() if what != "snapshots")
    assert again.gone["snapshots"].keys() >= RUN_ONLY
    assert changed(small, snapshots(worked)) == RUN_ONLY
    assert past.results[-1] == results(worked)


def test_what_was_half_published_is_still_seen(past, worked, few_tables):
    """Results that no run finished are not taken for whole because maintain came in between."""
    gone = tables(worked).delete(schemas.HOMES, "network = 'public_ipv4'")

    upkeep_of(worked, **EAGER)
    this = run(past.trail, worked)

    assert gone > 0
    assert this.counts["homes changed"] == gone
    assert past.results[-1] == results(worked)


def test_another_holder_keeps_it_out(worked, monkeypatch):
    """While detect runs, maintain ends with the message that names the holder."""
    monkeypatch.setattr(lease, "_this_process", lambda: "elsewhere:1:1:1")
    lease.acquire(tables(worked), 30)
    before = snapshots(worked)

    with pytest.raises(
        LeaseError, match=r"^Another run works on this warehouse: process 1 on elsewhere"
    ):
        upkeep_of(worked)

    assert changed(before, snapshots(worked)) == set()
    assert LeaseError.exit_code == 1


def test_there_must_be_a_warehouse(tmp_path, capsys):
    """Where there is none, none is made, and no Spark is started to find that out."""
    assert cli.main(["maintain", "--warehouse", str(tmp_path / "nowhere")]) == 1
    assert "There is no warehouse in" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


_count, _record = intake._count, runs.record


def _reading_dies(past: Past, patch: pytest.MonkeyPatch) -> int:
    """Let a run of detect die when it has read, just before that counts; return its batch."""

    def die(*_):
        raise Death

    patch.setattr(lease, "_alive", lambda _: False)
    patch.setattr(intake, "_count", die)
    patch.setattr(runs, "record", die)
    with pytest.raises(Death):
        run(past.trail, past.warehouse)
    patch.setattr(intake, "_count", _count)
    patch.setattr(runs, "record", _record)
    (batch,) = {
        row["batch_id"]
        for row in rows(past.warehouse, "input_files", set())
        if row["state"] == "claimed"
    }
    return batch


def _rows_of(warehouse: Path, batch: int) -> dict[str, int]:
    return {
        table.name: sum(row["batch_id"] == batch for row in rows(warehouse, table.name, set()))
        for table in garbage.OF_BATCHES
    }


def test_what_never_counted_is_removed(past, few_tables, monkeypatch):
    """Rows of a dead run go, its id is not given again, and a run that wakes cannot count them."""
    warehouse = past.back_to(0)
    past.arrive(1)
    dead = _reading_dies(past, monkeypatch)
    left = {name: number for name, number in _rows_of(warehouse, dead).items() if number}
    claims = tables(warehouse).scan(schemas.INPUT_FILES).where("state = 'claimed'")
    token = claims.select("token").distinct().collect()[0].token

    this = upkeep_of(warehouse)

    assert left["sightings"] > 0
    assert left == this.gone["uncounted"]
    assert not any(_rows_of(warehouse, dead).values())
    opened = tables(warehouse)
    assert intake.next_batch_id(opened) > dead
    files = opened.scan(schemas.INPUT_FILES).where("state = 'claimed'").localCheckpoint()
    opened.token = token
    with pytest.raises(FencedError):
        intake._count(opened, files, dead, token, files.count())
    assert {row["state"] for row in rows(warehouse, "input_files", set())} == {"claimed", "counted"}
    run(past.trail, warehouse)
    assert past.results[1] == results(warehouse)


def test_claims_of_older_batches_are_forgotten(worked):
    """A dead claim goes if a newer batch keeps its id from being given again; quarantine stays."""
    opened = tables(worked)
    newest = intake.next_batch_id(opened) - 1
    file = opened.scan(schemas.INPUT_FILES).where("events > 0").limit(1)
    left = {
        "vanished": ("claimed", newest + 1),
        "stopped": ("quarantined", newest + 2),
        "unfinished": ("claimed", newest + 3),
    }
    for path, (state, batch) in left.items():
        said = {"path": path, "state": state, "batch_id": batch, "token": 1}
        claim = file.withColumns({name: F.lit(value) for name, value in said.items()})
        opened.append(schemas.INPUT_FILES, claim)
        sighting = opened.scan(schemas.SIGHTINGS).limit(1).withColumn("batch_id", F.lit(batch))
        opened.append(schemas.SIGHTINGS, sighting)

    gone = garbage.remove_uncounted(opened, lease.acquire(opened, 30))

    paths = {row["path"] for row in rows(worked, "input_files", set())}
    batches = {row["batch_id"] for row in rows(worked, "sightings", set())}
    assert gone == {"sightings": 2, "input_files": 1}
    assert left.keys() & paths == {"stopped", "unfinished"}
    assert {batch for batch in batches if batch > newest} == {newest + 2}
    assert intake.next_batch_id(opened) == newest + 4


def _age(warehouse: Path, table: schemas.Table, said: str) -> None:
    """Make rows of a table as old as said."""
    tables(warehouse).spark.sql(f"UPDATE {full_name(table)} SET {said}")  # noqa: S608 - a test's own


def _pruned(warehouse: Path, **settings: int) -> dict[str, int]:
    opened = tables(warehouse)
    loaded = load(None, {"maintain": settings}).maintain
    return retention.prune(opened, lease.acquire(opened, 30), loaded, datetime.now(UTC))


def test_what_has_been_kept_long_enough(past, worked, monkeypatch):
    """Rejects and runs go by their age; runs that judged something, and the last one, stay."""
    monkeypatch.setattr(lease, "_alive", lambda _: False)
    for _ in range(2):
        run(past.trail, worked)
    _age(worked, schemas.RUNS, "finished_at = TIMESTAMP '2020-01-01 00:00:00Z'")
    _age(worked, schemas.REJECTS, "rejected_on = DATE '2020-01-01'")
    before = {row["run_id"]: row for row in rows(worked, "runs", set())}
    last = max(before.values(), key=lambda row: row["token"])

    kept = _pruned(worked, rejects_days=0, runs_days=0)
    pruned = _pruned(worked, rejects_days=100, runs_days=100)

    gone = before.keys() - {row["run_id"] for row in rows(worked, "runs", set())}
    assert kept == {}
    assert pruned == {"rejects": 1, "runs": 1}
    assert [len(before[run_id]["judged_batches"]) for run_id in gone] == [0]
    assert last["run_id"] not in gone
    assert rows(worked, "rejects") == []
    assert "sessions" not in run(past.trail, worked).counts


def test_calls_of_closed_findings(past, worked, monkeypatch):
    """They go when they have been kept; if the finding opens again they are read again."""
    monkeypatch.setattr(lease, "_alive", lambda _: False)
    (thief,) = past.results[-1]["findings"]
    done = len(rows(worked, "evidence_done", set()))

    still_open = _pruned(worked, closed_calls_days=100)
    _age(
        worked,
        schemas.FINDINGS,
        "status = 'closed', updated_at = TIMESTAMP '2020-01-01 00:00:00Z'",
    )
    pruned = _pruned(worked, closed_calls_days=100)
    left = rows(worked, "finding_calls")
    run(past.trail, worked)

    assert still_open == {}
    assert pruned == {"finding_calls": thief["calls"], "evidence_done": done}
    assert left == []
    assert past.results[-1] == results(worked)


def test_files_that_no_table_knows(worked):
    """What a killed run left goes when it is old enough; what may be of a run under way stays."""
    folder = worked / "credtrail" / "sightings" / "data"
    old, young = folder / "old.parquet", folder / "young.parquet"
    for file in (old, young):
        file.write_bytes(b"rows that nobody committed")
    aged = time.time() - timedelta(days=4).total_seconds()
    os.utime(old, (aged, aged))

    removed = upkeep.remove_orphans(
        tables(worked), schemas.SIGHTINGS, datetime.now(UTC) - timedelta(days=3)
    )

    assert removed == 1
    assert not old.exists()
    assert young.exists()


def test_tables_of_older_versions_drop_former_metadata(worked):
    """A table that kept a metadata file for each commit keeps the last ones from now on."""
    opened = tables(worked)
    name = full_name(schemas.WRITER)
    opened.spark.sql(f"ALTER TABLE {name} UNSET TBLPROPERTIES ('{_AFTER_COMMIT}')")

    upkeep.bound_metadata(opened, schemas.WRITER)

    assert load_table(opened.spark, name).properties()[_AFTER_COMMIT] == "true"


_AFTER_COMMIT = "write.metadata.delete-after-commit.enabled"


def _sighting(day: int, hour: int, batch: int, **said):
    start = datetime(2026, 3, day, hour, tzinfo=UTC)
    return sighting_on_behalf(start, start, batch_id=batch, **said)


def test_old_sightings_are_rolled_up(worked):
    """Of days that are old, in batches that are judged, and of calls that owe no evidence."""
    opened = tables(worked)
    thief = {"invoked_by": None, "source": "67.178.52.232", "source_kind": "public_ipv4"}
    added = [
        *[_sighting(7, hour, 1 + hour % 2) for hour in range(6)],
        *[_sighting(7, hour, 1, **thief) for hour in range(6)],
        *[_sighting(8, hour, 999) for hour in range(6)],
        *[_sighting(9, hour, 1) for hour in range(6)],
    ]
    opened.append(schemas.SIGHTINGS, local_rows(opened.spark, added, schemas.SIGHTINGS.schema))
    held = lease.acquire(opened, 30)
    early = opened.scan(schemas.SIGHTINGS).where("first_seen < DATE '2026-03-07'").count()

    fewer = rollup.roll_up(opened, held, date(2026, 3, 9))

    found = opened.scan(schemas.SIGHTINGS)
    days = {
        day: sorted(
            (row.calls, row.batch_id) for row in found.where(f"day(first_seen) = {day}").collect()
        )
        for day in (7, 8, 9)
    }
    assert days[7] == sorted([(6, 2), *[(1, 1)] * 6])
    assert days[8] == [(1, 999)] * 6
    assert days[9] == [(1, 1)] * 6
    assert fewer == 5 + early - found.where("first_seen < DATE '2026-03-07'").count()
    assert rollup.roll_up(opened, held, date(2026, 3, 9)) == 0


def _dying(patch: pytest.MonkeyPatch, after: int) -> None:
    """Make the process die after so many writes; it does not even give its lease back."""
    dying(
        patch,
        after,
        (Warehouse, "append"),
        (Warehouse, "merge"),
        (Warehouse, "delete"),
        (rollup, "_replace"),
        (upkeep, "_call"),
        (lease, "_update"),
        (Warehouse, "fence"),
    )
    patch.setattr(lease.Lease, "give_up", lambda held, *_: held.over.set())


def test_dying_between_any_two_steps(past, few_tables, monkeypatch):
    """Maintain that dies one write later each time leaves a warehouse that detect goes on with."""
    warehouse = past.back_to(PARTS - 2)
    past.arrive(PARTS - 1)
    _reading_dies(past, monkeypatch)
    deaths = 0
    for after in range(MOST_WRITES):
        with pytest.MonkeyPatch.context() as patch:
            _dying(patch, after)
            try:
                upkeep_of(warehouse, **EAGER, rejects_days=0, runs_days=0, closed_calls_days=0)
            except Death:
                deaths += 1
            else:
                break

    assert deaths >= 10
    assert past.results[PARTS - 2] == results(warehouse)
    run(past.trail, warehouse)
    assert past.results[PARTS - 1] == results(warehouse)


KILLED = """
    import os, signal, sys
    from jobs import cli, runs, upkeep

    def killing(call):
        def wrapper(warehouse, table, procedure):
            found = call(warehouse, table, procedure)
            if table in runs.RESULTS and procedure.startswith("rewrite"):
                os.kill(os.getpid(), signal.SIGKILL)
            return found
        return wrapper

    upkeep._call = killing(upkeep._call)
    cli.main(["maintain", "--warehouse", sys.argv[1], "--settings", sys.argv[2]])
"""


def test_a_killed_process(past, worked, tmp_path):
    """A process that is really killed after it has compacted results keeps nobody from going on.

    The next run takes the lease at once, sees that rows are what they were, and judges nothing.
    """
    script, eager = tmp_path / "killed.py", tmp_path / "eager.toml"
    script.write_text(textwrap.dedent(KILLED))
    eager.write_text("[maintain]\n" + "".join(f"{k} = {v}\n" for k, v in EAGER.items()))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    head = snapshots(worked)

    died = subprocess.run(
        [sys.executable, script, worked, eager],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    before = snapshots(worked)
    this = run(past.trail, worked)

    assert died.returncode == -signal.SIGKILL, died.stderr
    assert changed(head, before) & {table.name for table in runs.RESULTS}
    assert "sessions" not in this.counts
    assert changed(before, snapshots(worked)) == RUN_ONLY
    assert past.results[-1] == results(worked)


_SETTINGS = st.fixed_dictionaries(
    {
        "small_files": st.integers(2, 4),
        "small_manifests": st.integers(2, 4),
        "roll_up_days": st.sampled_from([1, 0]),  # the first is that of a single example
        "snapshot_days": st.integers(0, 1),
        "keep_snapshots": st.integers(1, 3),
    }
)


@given(
    between=st.lists(
        st.lists(_SETTINGS, min_size=1, max_size=MOST_AT_ONCE), min_size=PARTS, max_size=PARTS
    ),
    dies=st.sampled_from(range(1, PARTS)),
)
@hypothesis_settings(DEAR, max_examples=EXAMPLES)
def test_maintain_between_any_runs_is_no_maintain(past, between, dies):
    """Whenever it runs, with whatever settings, each run of detect finds the same as without it.

    Also after a run that read new files and died.
    """
    warehouse = past.back_to(0)
    with pytest.MonkeyPatch.context() as patch:
        _only(patch, (*SOME, schemas.STAYS, schemas.FINDINGS))
        patch.setattr(rollup, "WORTH_IT", 0)
        for part in range(1, PARTS):
            past.arrive(part)
            if dies == part:
                _reading_dies(past, patch)
            for settings in between[part]:
                upkeep_of(warehouse, **settings)
            run(past.trail, warehouse)
            assert past.results[part] == results(warehouse)
        for settings in between[0]:
            upkeep_of(warehouse, **settings)
        assert past.results[-1] == results(warehouse)
