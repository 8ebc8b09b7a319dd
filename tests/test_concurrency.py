"""Two runs on one warehouse: nothing doubled, nothing lost, and the one that is late is told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from jobs import lease
from jobs.fence import FencedError
from jobs.session import spark_session
from jobs.simulate import simulate
from jobs.tables import Warehouse
from tests.runs import SMALL, results, rows, run, snapshots

pytestmark = pytest.mark.usefixtures("judged_once")

ROOT = Path(__file__).parents[1]
PAUSES = (
    "input_files 1",
    "sightings 1",
    "input_files 2",
    "finding_calls 1",
    "findings 1",
    "runs 1",
)
"""Writes before whose end a run is paused: claim, append, count, evidence, findings, own row."""


@pytest.fixture(scope="module")
def trail(tmp_path_factory):
    """A trail with a theft that has evidence, and rejects."""
    folder = tmp_path_factory.mktemp("two") / "trail"
    simulate(folder, stories="T01", accounts=1, instances=0, days=1)
    (folder / "AWSLogs" / "cut.json").write_text('{"Records": [{"eventVersion"')
    return folder


@pytest.fixture(scope="module")
def undisturbed(spark, trail, tmp_path_factory):
    """What a run leaves that is alone."""
    warehouse = tmp_path_factory.mktemp("undisturbed")
    run(trail, warehouse)
    return whole(warehouse)


def whole(warehouse):
    """All that a reader sees: results, and the rows of counted batches."""
    files = rows(warehouse, "input_files", set())
    counted = {row["batch_id"] for row in files if row["state"] == "counted"}
    memories = {
        table: sum(row["batch_id"] in counted for row in rows(warehouse, table, set()))
        for table in ("sightings", "credentials", "address_changes", "inventory", "rejects")
    }
    states = sorted((row["path"], row["state"], row["events"]) for row in files)
    return {**results(warehouse), **memories, "input_files": states}


def opened(folder):
    """A warehouse of a session of its own, with its tables."""
    warehouse = Warehouse(spark_session(SMALL, str(folder)))
    warehouse.create_missing()
    return warehouse


@contextmanager
def paused(patch, at, meanwhile):
    """Do something else between the staging of a write and its end."""
    writing, seen = Warehouse.writing, {}

    @contextmanager
    def pausing(self, table):
        seen[table.name] = seen.get(table.name, 0) + 1
        number = f"{table.name} {seen[table.name]}"
        with writing(self, table):
            yield
            if number == at:
                patch.setattr(Warehouse, "writing", writing)
                meanwhile()

    patch.setattr(Warehouse, "writing", pausing)
    yield


@pytest.mark.parametrize("at", PAUSES)
@pytest.mark.usefixtures("spark")
def test_a_paused_run_is_fenced(at, trail, undisturbed, tmp_path, monkeypatch):
    """What a run still writes after another one took over is seen by nobody."""
    monkeypatch.setattr(lease, "_alive", lambda _: False)  # as if its lease were over
    after = {}

    def another_run():
        run(trail, tmp_path)
        after.update(snapshots(tmp_path))

    with (
        paused(monkeypatch, at, another_run),
        pytest.raises(FencedError, match="took this warehouse over while this one was paused"),
    ):
        run(trail, tmp_path)

    assert after
    assert snapshots(tmp_path) == after
    assert whole(tmp_path) == undisturbed
    assert [row["outcome"] for row in rows(tmp_path, "runs")] == ["finished"]


def test_a_write_that_another_one_overtook(spark, trail, tmp_path):
    """Without a token, too: a write is current only if the table stands as the write found it."""
    one, other = opened(tmp_path), opened(tmp_path)
    one.token = other.token = 1
    table = next(t for t in lease.schemas.TABLES if t.name == "evidence_done")
    first = one.spark.sql("SELECT 'a' AS finding_id, 1L AS batch_id")
    second = other.spark.sql("SELECT 'b' AS finding_id, 1L AS batch_id")

    def overtaken():
        with one.writing(table):
            first.writeTo("credtrail.credtrail.evidence_done").append()
            other.append(table, second)

    with pytest.raises(FencedError):
        overtaken()

    assert [row["finding_id"] for row in rows(tmp_path, "evidence_done")] == ["b"]


SCRIPT = """
    import os, signal, sys, time
    from pathlib import Path
    import pytest

    from jobs import cli, detect, lease
    from jobs.tables import Warehouse
    from tests.runs import judging_once
    from tests.test_concurrency import paused

    detect.is_small = lambda *_: True  # in S3, too: there is little, and it takes half the time
    trail, warehouse, how, together, verdicts = sys.argv[1:6]
    judging_once(pytest.MonkeyPatch(), Path(verdicts))
    acquire, free, writing = lease.acquire, lease._when_free, Warehouse.writing

    def short(warehouse, minutes, wait_minutes):
        return acquire(warehouse, 0.05, wait_minutes)

    def both_saw_it_free(*args):
        row = free(*args)
        Path(together, f"ready-{os.getpid()}").touch()
        while len(list(Path(together).glob("ready-*"))) < 2:
            time.sleep(0.05)
        return row

    def stopping(self, table):
        manager = writing(self, table)
        if table.name == "findings":
            os.killpg(0, signal.SIGSTOP)
        return manager

    if how == "stopped":
        lease.acquire, Warehouse.writing = short, stopping
    if how == "at once":
        lease._when_free = both_saw_it_free
    detect_here = lambda: cli.main(["detect", "--input", trail, "--warehouse", warehouse])
    if how == "paused":
        patch = pytest.MonkeyPatch()
        patch.setattr(lease, "_alive", lambda _: False)
        with paused(patch, "findings 1", detect_here):
            sys.exit(detect_here())
    sys.exit(detect_here())
"""


@pytest.fixture
def start(judged_once, trail, tmp_path):
    """Start a run as a process of its own, in which the same batches are judged once, too."""

    def run_of(warehouse, how):
        return _start(tmp_path, trail, warehouse, how, judged_once)

    return run_of


def _start(folder, *args):
    script = folder / "run.py"
    script.write_text(textwrap.dedent(SCRIPT))
    return subprocess.Popen(
        [sys.executable, script, *args[:-1], folder, args[-1]],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def two_at_once(start, warehouse):
    """Two processes that both see a free lease: what each said, by its exit code."""
    pair = [start(warehouse, "at once") for _ in range(2)]
    said = {}
    for process in pair:
        text = process.communicate(timeout=300)[1]
        said[process.returncode] = text
    assert sorted(said) == [0, 1], said
    return said


def test_two_first_runs_at_once(start, undisturbed, tmp_path):
    """Two processes make a warehouse and see a free lease: one works, the other ends."""
    warehouse = tmp_path / "warehouse"

    said = two_at_once(start, warehouse)

    assert "Another run took the lease of this warehouse at the same moment." in said[1]
    assert "Traceback" not in said[1]
    assert whole(warehouse) == undisturbed
    assert len(rows(warehouse, "writer")) == len(rows(warehouse, "runs")) == 1


def wait_until_stopped(process):
    """Wait until a process has stopped itself, and its lease of three seconds is over."""
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    time.sleep(4)


def gone_on(process):
    """Let a process go on; it must fail. Return what it said."""
    os.killpg(process.pid, signal.SIGCONT)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 1, said
    return said


def end(process):
    """End a process and its JVM, whatever happened."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_stopped_process_is_fenced(spark, start, trail, undisturbed, tmp_path):
    """Stopped by SIGSTOP past its lease, a process that goes on publishes nothing more."""
    warehouse = tmp_path / "warehouse"
    stopped = start(warehouse, "stopped")
    try:
        wait_until_stopped(stopped)
        run(trail, warehouse)
        after = snapshots(warehouse)
        said = gone_on(stopped)
    finally:
        end(stopped)

    assert "took this warehouse over while this one was paused" in said
    assert "Traceback" not in said
    assert snapshots(warehouse) == after
    assert whole(warehouse) == undisturbed


def test_the_second_run_ends_at_once(spark, trail, tmp_path):
    """A run that finds another at work says who works, and does nothing."""
    held = lease.acquire(opened(tmp_path), 30)
    before = snapshots(tmp_path)

    with pytest.raises(lease.LeaseError, match=rf"process {os.getpid()} on .* in 30 minutes"):
        run(trail, tmp_path)

    assert snapshots(tmp_path) == before
    held.keep()


def test_the_second_run_waits(spark, tmp_path, monkeypatch):
    """With lease.wait_minutes a run goes on as soon as the other has ended."""
    held = lease.acquire(opened(tmp_path), 30)
    waited = []

    def over(seconds):
        waited.append(seconds)
        held.release()

    monkeypatch.setattr(lease, "_sleep", over)
    second = lease.acquire(opened(tmp_path), 30, wait_minutes=1)

    assert waited == [5.0]
    assert second.token == held.token + 1
    with pytest.raises(lease.LeaseError, match="lost its lease"):
        held.keep()


def test_a_living_run_renews_its_lease(spark, tmp_path):
    """A stage may take longer than the lease: it is renewed meanwhile, until it is given back."""
    one, other = opened(tmp_path), opened(tmp_path)
    held = lease.acquire(one, 0.05)
    time.sleep(4)

    with pytest.raises(lease.LeaseError, match="Another run works on this warehouse"):
        lease.acquire(other, 0.05)
    held.over.set()
    time.sleep(4)
    lease.acquire(other, 0.05).release()
    with pytest.raises(lease.LeaseError, match="lost its lease"):
        held.keep()


def test_one_of_two_takers_gets_the_lease(spark, tmp_path, monkeypatch):
    """Two runs that saw the same row: the second commit fails, whichever way it comes too late."""
    one, other = opened(tmp_path), opened(tmp_path)
    lease.acquire(one, 30).release()
    seen = lease._row(other)

    lease.acquire(one, 30).release()
    monkeypatch.setattr(lease, "_when_free", lambda *_: seen)

    with pytest.raises(lease.LeaseError, match="at the same moment"):
        lease.acquire(other, 30)
    assert other.token is None


def test_a_lease_given_back_fences_nobody(spark, tmp_path):
    """Tables are stamped only where a holder may still write: a usual run costs nothing more."""
    warehouse = opened(tmp_path)
    lease.acquire(warehouse, 30).release()
    lease.acquire(warehouse, 30)
    properties = "SHOW TBLPROPERTIES credtrail.credtrail.findings"
    usual = {row.key for row in warehouse.spark.sql(properties).collect()}

    lease._update(warehouse, 2, lease.Holding(2, "elsewhere:1:1:x", 0.0))
    lease.acquire(warehouse, 30)
    taken_over = {row.key: row.value for row in warehouse.spark.sql(properties).collect()}

    assert "credtrail.fence" not in usual
    assert taken_over["credtrail.fence"] == "3"


@pytest.fixture
def glue(tmp_path, monkeypatch):
    """A bucket and a Glue catalog that refuses stale versions; the environment leads there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path / "moto.log").open("w")
    server = subprocess.Popen(
        [sys.executable, ROOT / "tests" / "glue.py", str(port)], stdout=log, stderr=log
    )
    url = f"http://127.0.0.1:{port}"
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        for _ in range(100):
            with suppress(OSError), urllib.request.urlopen(url, timeout=1):
                break
            time.sleep(0.1)
        yield _bucket()
    finally:
        server.terminate()
        server.wait()
        log.close()


def _bucket():
    import boto3

    boto3.client("s3").create_bucket(Bucket="warehouse")
    return "s3://warehouse/credtrail"


def test_the_stand_in_refuses_a_stale_version(glue):
    """What the tests below rest on: Glue refuses an update of a version that is no longer."""
    import boto3

    client = boto3.client("glue")
    client.create_database(DatabaseInput={"Name": "d"})
    client.create_table(DatabaseName="d", TableInput={"Name": "t"})
    version = client.get_table(DatabaseName="d", Name="t")["Table"]["VersionId"]
    update = {"DatabaseName": "d", "TableInput": {"Name": "t"}, "VersionId": version}

    client.update_table(**update)

    with pytest.raises(client.exceptions.ConcurrentModificationException):
        client.update_table(**update)


def test_two_first_runs_at_once_on_glue(start, undisturbed, glue):
    """The same code on S3 and Glue: one of two processes works, the other ends."""
    said = two_at_once(start, glue)

    assert "Another run took the lease of this warehouse at the same moment." in said[1]
    assert "Traceback" not in said[1]
    assert whole(glue) == undisturbed
    assert len(rows(glue, "writer")) == len(rows(glue, "runs")) == 1


def test_a_paused_run_is_fenced_on_glue(start, undisturbed, glue):
    """On Glue, too, what a run publishes after another took over is seen by nobody."""
    process = start(glue, "paused")
    said = process.communicate(timeout=300)[1]

    assert process.returncode == 1, said
    assert said.count("took this warehouse over while this one was paused") == 1
    assert whole(glue) == undisturbed
    assert [row["outcome"] for row in rows(glue, "runs")] == ["finished"]
