"""Following a theft: the keys that the thief had issued, and what he did with them."""

from __future__ import annotations

from jobs.follow import follow
from jobs.settings import load
from jobs.simulate import simulate
from jobs.warehouse import Warehouse
from tests.runs import SMALL, run


def test_the_chain_of_a_stolen_session(spark, tmp_path):
    """Story t17: AssumeRole by the thief issues a key, and its calls are found in the files."""
    trail, warehouse = tmp_path / "trail", tmp_path / "warehouse"
    simulate(trail, stories="t17,t01", accounts=1, instances=0, days=1)
    run(trail, warehouse)
    with Warehouse(str(warehouse)) as opened:
        findings = opened.scan("findings")
    chained = [f for f in findings if "role_chaining" in f["signals"]]
    others = [f for f in findings if "role_chaining" not in f["signals"]]
    settings = load(None, {"spark": SMALL})

    keys, calls = follow(str(warehouse), chained, settings)

    assert len(chained) == len(others) == 1
    assert chained[0]["severity"] == "critical"
    assert keys
    assert calls
    assert {call["access_key_id"] for call in calls} <= {key["access_key_id"] for key in keys}
    assert len({call["event_id"] for call in calls}) == len(calls)
    assert follow(str(warehouse), others, settings) == ([], [])
