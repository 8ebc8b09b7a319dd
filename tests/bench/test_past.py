"""The past of a fleet: so many are replaced, and an address is one instance's at a time."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pytest

from bench.memories.past import REPLACED, Past
from simulator.fleet import DAY

WEEKS = 8


@pytest.fixture(scope="module")
def past():
    """Two months of a small fleet."""
    return Past(instances=600, days=7 * WEEKS)


def test_the_same_past_comes_out_again(past):
    """Chance is drawn from the seed alone."""
    again = Past(instances=600, days=7 * WEEKS)

    assert [i.box for i in again.all] == [i.box for i in past.all]
    assert [i.box for i in Past(600, 7 * WEEKS, seed=2).all] != [i.box for i in past.all]


def test_a_quarter_of_the_fleet_is_new_each_week(past):
    """Launches a week are so many, and each place has an instance at the end."""
    launches = sum(instance.is_new for instance in past.all)

    assert launches / WEEKS / 600 == pytest.approx(REPLACED, rel=0.1)
    assert len(past.living().boxes) == 600


def test_ids_are_unique(past):
    """Who follows is somebody else."""
    ids = [instance.box.machine.id for instance in past.all]

    assert len(set(ids)) == len(ids)


def test_an_address_is_one_instances_at_a_time(past):
    """A public address that was given back rests for two days before another one has it."""
    holders = defaultdict(list)
    for instance in past.all:
        box = instance.box
        if box.way == "public":
            end = past.seconds if box.ended is None else box.ended
            holders[box.sources[0].address].append((box.born, end))
    shared = [sorted(held) for held in holders.values() if len(held) > 1]

    assert shared
    assert all(end + 2 * DAY < born for held in shared for (_, end), (born, _) in pairwise(held))


def test_the_living_are_those_that_have_not_ended(past):
    """The fleet of the day after has the same ids, and nobody is born in it."""
    fleet = past.living()

    assert {box.machine.id for box in fleet.boxes} == {
        i.box.machine.id for i in past.all if i.box.ended is None
    }
    assert all(box.born < 0 and box.ended is None for box in fleet.boxes)
