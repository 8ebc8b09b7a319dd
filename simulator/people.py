"""Who else is in an account: people, their tools, services, and what lives and dies by them.

None of it is a session of an instance, or it is one that must not be judged: roles that AWS gives
instances beside their own, and sessions that applications name after their instance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from random import Random

from simulator.agents import agent
from simulator.calls import Call, Json, usual
from simulator.fleet import HOUR, Box, Fleet
from simulator.identity import (
    IMDS_V2,
    Key,
    Machine,
    Role,
    of_instance,
    of_service,
    of_session,
    of_user,
    on_behalf,
)
from simulator.ids import access_key_id, number, unique_id
from simulator.lifecycle import Target, run_instances, terminate_instances
from simulator.record import Record, Setting, assume_role, template
from simulator.source import INTERNAL, Source

Event = tuple[int, Record, Json, Json]
"""Second of the trail, template, who, and fields of the record's own."""

_USERS = ("alice", "bogdan", "chiara")
_READS = ("ec2:DescribeInstances", "iam:ListRoles", "s3:ListBuckets", "ec2:DescribeVolumes")
_AUTOSCALING = "autoscaling.amazonaws.com"
_BOXES_A_CALL = 12
_NAMES_ITSELF = 20
_SESSION = timedelta(hours=1)


class People:
    """The events of one account that no instance makes for itself."""

    def __init__(self, fleet: Fleet, account: str, boxes: Sequence[Box], random: Random) -> None:
        self._fleet, self._account, self._boxes, self._random = fleet, account, boxes, random
        self._region = boxes[0].machine.region if boxes else "us-east-1"
        self._office = Source(fleet.offices[account])
        self._naming = [
            box
            for box in boxes
            if box.way == "public" and number(_NAMES_ITSELF, "names", box.machine.id) == 0
        ]

    def hour(self, begin: int) -> Iterator[Event]:
        """Return the events of the hour that begins at a second of the trail."""
        if not self._boxes and not self._fleet.boxes:
            return
        for _ in range(1 + len(self._boxes) // _BOXES_A_CALL):
            yield self._read(self._second(begin))
        yield from self._deployment(self._second(begin, spare=60))
        if self._boxes:
            box = self._boxes[int(self._random.random() * len(self._boxes))]
            yield self._disk_of(box.machine, self._second(begin))
        for box in self._boxes:
            yield from self._life_of(box, begin)
        for box in self._naming:
            yield from self._named_after(box, self._second(begin, spare=60))
'''
