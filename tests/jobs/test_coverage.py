"""What a run says that the method could not see."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from jobs.judging import see
from jobs.runs import coverage
from jobs.settings import load
from tests.factories import THIEF, Instance, records
from tests.judged import memories, world

DATA, HIDDEN, HOMELESS, LEDGER = (
    Instance(name) for name in ("data", "hidden", "homeless", "ledger")
)
ROWS = [
    *[DATA.call(h, event_category="Data") for h in (0, 1)],
    *[HIDDEN.call(h, "AWS Internal") for h in (0, 1)],
    HIDDEN.call(2),
    HOMELESS.call(0, "AWS Internal"),
    LEDGER.call(0),
    *[LEDGER.call(8 * n, THIEF) for n in range(1, 4)],
    LEDGER.call(
        0.5,
        event_name="AllocateAddress",
        response_elements='{"publicIp":"52.95.1.1","allocationId":"eipalloc-0a1b2c3d"}',
    ),
]


@pytest.fixture(scope="module")
def whole(spark):
    """What the four sessions show, and what the ledger learns from their calls.

    Each is at home where it was born: nothing of that is judged.
    """
    told = memories([records(spark, ROWS)])
    seen = see(told, world(spark), load(None).method)
    return SimpleNamespace(placed=seen.placed, stays=seen.stays, homes=seen.born), told.changes


@pytest.fixture(scope="module")
def told(whole):
    """Shares of the four sessions."""
    verdicts, changes = whole
    return coverage(verdicts, verdicts.placed, changes, fold_stays=2)


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("sessions without a home", 1 / 4),
        ("calls without an address", 3 / len(ROWS)),
        ("sessions without data events", 3 / 4),
        ("sessions without address changes", 3 / 4),
        ("sessions seen at too many places", 1 / 4),
    ],
)
def test_shares(told, name, share):
    """One session of four lacks a home, one has data events, one a ledger, one too many stays."""
    assert told[name] == pytest.approx(share)


def test_nothing_judged_is_nothing_missed(whole):
    """Without sessions there is nothing that was not seen."""
    verdicts, changes = whole
    nothing = SimpleNamespace(**{n: part.where("false") for n, part in vars(verdicts).items()})

    shares = coverage(nothing, nothing.placed, changes.where("false"), fold_stays=2)

    assert set(shares.values()) == {0.0}
