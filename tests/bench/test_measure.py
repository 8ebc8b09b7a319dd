"""What a run tells of its stages is read from what it says."""

from __future__ import annotations

import io

from bench.measure import Cost, Costs, _Stages
from jobs.progress import Progress


def test_stages_are_read_from_the_log(tmp_path):
    """Each line of a stage counts once, those of one name together; other lines do not."""
    log, stream = tmp_path / "log", io.StringIO()
    ticks = iter([0.0, 1.5, 2.0, 4.0, 4.0, 6.0])
    progress = Progress(stream, clock=lambda: next(ticks))
    for name in ("start Spark", "judge", "judge"):
        with progress.stage(name) as stage:
            stage.say("1,234 sessions")
    log.write_text(
        "Warning: something 3.0 s\n" + stream.getvalue() + "judge    9.0 s half a", "utf-8"
    )
    stages = _Stages(log)

    stages.look()
    stages.look()

    assert {name: wall for name, (wall, _) in stages.told.items()} == {
        "start Spark": 1.5,
        "judge": 4.0,
    }


def test_costs_of_some_stages():
    """Stages that a run has not had cost nothing."""
    cost = Cost(10, 12, 100, {"judge": (3, 4), "publish": (1, 2)})

    assert cost.of("judge", "publish", "gather evidence") == Cost(4, 6, 100)
    assert Costs((cost,)).turns == 1
