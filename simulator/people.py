"""Who else is in an account: people, their tools, services, and what lives and dies by them.

None of it is a session of an instance, or it is one that must not be judged: roles that AWS gives
instances beside their own, and sessions that applications name after their instance.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from simulator.addresses import private_ipv4
from simulator.agents import agent
from simulator.calls import Call, Json, usual
from simulator.fleet import HOUR, Box, Fleet
from simulator.identity import (
    Key,
    Machine,
    Role,
    Style,
    in_scope_of,
    of_session,
    of_user,
    on_behalf,
)
from simulator.ids import access_key_id, number, unique_id
from simulator.lifecycle import Target, run_instances, terminate_instances
from simulator.record import Record, Setting, assume_role, template
from simulator.source import INTERNAL, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from random import Random

Event = tuple[int, Record, Json, Json]
"""Second of the trail, template, who, and fields of the record's own."""

USERS = ("alice", "bogdan", "chiara")
READS = ("ec2:DescribeInstances", "iam:ListRoles", "s3:ListBuckets", "ec2:DescribeVolumes")
_AUTOSCALING = "autoscaling.amazonaws.com"
_BOXES_A_CALL = 12
_NAMES_ITSELF = 20
_SHARE_NAMED = 0.3
_ROOM = 120
_SESSION = timedelta(hours=1)


class People:
    """The events of one account that no instance makes for itself."""

    def __init__(self, fleet: Fleet, account: str, boxes: Sequence[Box], random: Random) -> None:
        self._plan, self._is_empty = fleet.plan, not fleet.boxes
        self._account, self._boxes, self._random = account, boxes, random
        self._region = boxes[0].machine.region if boxes else "us-east-1"
        self._office = Source(fleet.offices[account])
        self._naming = [box for box in boxes if _names_sessions(box)]

    def hour(self, begin: int, who: Callable[[Box, int], Json]) -> Iterator[Event]:
        """Return the events of an hour.

        Args:
            begin: first second of the hour, from the start of the trail.
            who: the identity of an instance at a second.
        """
        if self._is_empty:
            return
        for _ in range(1 + len(self._boxes) // _BOXES_A_CALL):
            yield self._read(self._second(begin))
        yield from self._deployment(self._second(begin))
        if self._boxes:
            box = self._boxes[int(self._random.random() * len(self._boxes))]
            if box.born <= begin and (box.ended is None or box.ended >= begin + HOUR):
                yield self._disk_of(box.machine, self._second(begin))
        for box in self._boxes:
            if box.born // HOUR == begin // HOUR:
                yield self.by_autoscaling(box, run_instances(target_of(box)), box.born)
            if box.ended is not None and box.ended // HOUR == begin // HOUR:
                yield self.by_autoscaling(box, terminate_instances(target_of(box)), box.ended)
        for box in self._naming:
            second = self._second(begin)
            yield from self._named_after(box, second, who(box, second))

    def _second(self, begin: int) -> int:
        """Return a second of an hour that leaves room for calls that follow."""
        return begin + int(self._random.random() * (HOUR - _ROOM))

    def _read(self, second: int) -> Event:
        """Return a look around by somebody in the office."""
        name = USERS[int(self._random.random() * len(USERS))]
        event = READS[int(self._random.random() * len(READS))]
        call = usual(event, "", self._region, self._account)
        return second, template(call, self._office, self._setting("admin")), self.user(name), {}

    def _deployment(self, second: int) -> Iterator[Event]:
        """Return a deployment; its session's name only begins like an instance's."""
        role = self._role("Deployment")
        session = f"i-deploy-{int(self._random.random() * 100)}"
        key = self._key(role.id, second)
        setting = self._setting("terraform")
        call = assume_role(role, session, key, self._plan.style)
        yield second, template(call, self._office, setting), self.user("deployment-bot"), {}
        for i, event in enumerate(("ec2:DescribeInstances", "iam:GetRole"), start=1):
            call = usual(event, "", self._region, self._account)
            who = of_session(role, session, key)
            yield second + i, template(call, self._office, setting), who, {}

    def _disk_of(self, machine: Machine, second: int) -> Event:
        """Return a use of the role by which EC2 opens an instance's encrypted disks."""
        role = Role(
            self._account, "aws:ec2-infrastructure", f"{self._account}:aws:ec2-infrastructure"
        )
        who = on_behalf(of_session(role, machine.id, self._key(machine.id, second)), INTERNAL)
        if self._plan.style is Style.MODERN:
            who["inScopeOf"] = in_scope_of(machine)
        call = usual("kms:Decrypt", "", machine.region, self._account)
        setting = Setting(self._account, machine.region, INTERNAL, self._plan.style)
        return second, template(call, Source(INTERNAL), setting, INTERNAL), who, {}

    def by_autoscaling(self, box: Box, call: Call, second: int) -> Event:
        """Return a call about an instance that Auto Scaling makes."""
        role = self._role("AWSServiceRoleForAutoScaling", f"/aws-service-role/{_AUTOSCALING}/")
        who = of_session(role, "AutoScaling", self._key(role.id, second))
        setting = Setting(self._account, box.machine.region, _AUTOSCALING, self._plan.style)
        made = template(call, Source(_AUTOSCALING), setting, _AUTOSCALING)
        return second, made, on_behalf(who, _AUTOSCALING), {}

    def _named_after(self, box: Box, second: int, box_itself: Json) -> Iterator[Event]:
        """Return what an application does that names its sessions after its instance."""
        is_over = box.ended is not None and second >= box.ended - _ROOM
        if is_over or second < box.issued + _ROOM or self._random.random() > _SHARE_NAMED:
            return
        role, name = self._role("DataReader"), box.machine.id
        key = self._key(name, second)
        setting = Setting(
            self._account, box.machine.region, agent("app", self._plan.style), self._plan.style
        )
        call = assume_role(role, name, key, self._plan.style)
        yield second, template(call, box.sources[0], setting), box_itself, {}
        call = usual("s3:GetObject", "", box.machine.region, self._account)
        made = template(call, box.sources[0], setting)
        yield second + 2, made, of_session(role, name, key), {}

    def _setting(self, client: str) -> Setting:
        style = self._plan.style
        return Setting(self._account, self._region, agent(client, style), style)

    def user(self, name: str) -> Json:
        """Return the identity of a user of the account."""
        words = ("user", self._plan.seed, self._account, name)
        return of_user(
            self._account, name, unique_id("AIDA", *words), access_key_id("AKIA", *words)
        )

    def _role(self, name: str, path: str = "/") -> Role:
        role_id = unique_id("AROA", "people", self._plan.seed, self._account, name)
        return Role(self._account, name, role_id, path)

    def _key(self, owner: str, second: int) -> Key:
        issued = self._plan.start + timedelta(seconds=second)
        key_id = access_key_id("ASIA", "people", self._plan.seed, owner, second)
        return Key(key_id, issued, issued + _SESSION)


def target_of(box: Box) -> Target:
    """Return an instance as what a change is about."""
    network = box.network
    return Target(box.machine, network.vpc, (private_ipv4(network.number, box.place),))


def _names_sessions(box: Box) -> bool:
    return box.way == "public" and number(_NAMES_ITSELF, "names", box.machine.id) == 0
