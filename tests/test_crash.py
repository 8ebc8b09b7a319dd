"""Law 3: a run that dies between any two writes loses nothing and doubles nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from jobs import intake, lease, runs
from jobs.simulate import simulate
from jobs.tables import Warehouse
from tests.runs import Death, dying, results, rows, run

pytestmark = pytest.mark.usefixtures("judged_once")

MOST_WRITES = 40


@pytest.fixture(scope="module")
def trail(tmp_path_factory):
    """A trail with a theft that has evidence, and rejects."""
    folder = tmp_path_factory.mktemp("crash") / "trail"
    simulate(folder, stories="T01,T19", accounts=1, instances=2, days=1)
    (folder / "AWSLogs" / "cut.json").write_text('{"Records": [{"eventVersion"')
    return folder


@pytest.fixture(scope="module")
def undisturbed(spark, trail, tmp_path_factory):
    """Results of a run that nothing happened to."""
    warehouse = tmp_path_factory.mktemp("undisturbed")
    run(trail, warehouse)
    return {**results(warehouse), "rejects": rows(warehouse, "rejects")}


def _dying(patch: pytest.MonkeyPatch, after: int) -> None:
    """Make the process die after so many writes; it does not even tell that it failed."""
    writes = ((Warehouse, "append"), (Warehouse, "merge"), (intake, "_count"), (lease, "_update"))
    dying(patch, after, *writes)
    patch.setattr(runs, "record", lambda *args: None if args[-1] else _record(*args))


_record = runs.record


def test_dying_between_any_two_writes(spark, trail, undisturbed, tmp_path):
    """A warehouse whose runs die one write later each time ends as one that was left alone."""
    warehouse = tmp_path / "warehouse"
    deaths = 0
    for after in range(MOST_WRITES):
        with pytest.MonkeyPatch.context() as patch:
            _dying(patch, after)
            try:
                run(trail, warehouse)
            except Death:
                deaths += 1
            else:
                break

    counted = {row["batch_id"] for row in rows(warehouse, "input_files", set())}
    rejects = [r for r in rows(warehouse, "rejects", set()) if r["batch_id"] in counted]
    assert deaths >= 8
    assert {table: undisturbed[table] for table in results(warehouse)} == results(warehouse)
    assert [r["reason"] for r in rejects] == [r["reason"] for r in undisturbed["rejects"]]


KILLED = """
    import os, signal, sys
    from pathlib import Path

    import pytest

    from jobs import cli
    from jobs.tables import Warehouse
    from tests.runs import judging_once

    judging_once(pytest.MonkeyPatch(), Path(sys.argv[3]))

    def killing(write):
        def wrapper(self, table, *rest):
            written = write(self, table, *rest)
            if table.name == "finding_calls":
                os.kill(os.getpid(), signal.SIGKILL)
            return written
        return wrapper

    Warehouse.append, Warehouse.merge = killing(Warehouse.append), killing(Warehouse.merge)
    cli.main(["detect", "--input", sys.argv[1], "--warehouse", sys.argv[2]])
"""


def test_a_killed_process(trail, undisturbed, judged_once, tmp_path):
    """A process that is really killed after a write is taken over at once by the next run."""
    script = tmp_path / "killed.py"
    script.write_text(textwrap.dedent(KILLED))
    warehouse = tmp_path / "warehouse"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}

    died = subprocess.run(
        [sys.executable, script, trail, warehouse, judged_once],
        env=environment,
        check=False,
        capture_output=True,
    )
    run(trail, warehouse)

    assert died.returncode == -signal.SIGKILL
    assert {t: undisturbed[t] for t in results(warehouse)} == results(warehouse)
