"""The keys of a story's TOML file: what may stand where. ``stories/README.md`` explains them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from simulator import toml_checks as check
from simulator.identity import IMDS_V1, IMDS_V2, Style
from simulator.lifecycle import BY_INSTANCE, BY_INTERFACE, PRIMARY
from simulator.story import ACCOUNT, REGION, Actor, Assumed, Instance, Thief, User, Workload
from simulator.toml_tables import Key
from simulator.verdicts import SEVERITIES, VERDICTS
from simulator.workloads import OTHERS

if TYPE_CHECKING:
    from collections.abc import Mapping

DELIVERIES = {"v1": IMDS_V1, "v2": IMDS_V2}

STORY = {
    "title": Key(check.text, is_needed=True),
    "about": Key(check.text, default=""),
    "style": Key(check.one_of(*Style)),
    "start": Key(check.moment),
    "account": Key(check.account, default=ACCOUNT),
    "region": Key(check.region, default=REGION),
    "quiet": Key(check.flag, default=False),
    "undetectable": Key(check.text, default=""),
    "trail_from": Key(check.offset, default=timedelta()),
    "endpoint": Key(check.table, default={}),
    "instance": Key(check.table, default={}),
    "workload": Key(check.table, default={}),
    "thief": Key(check.table, default={}),
    "user": Key(check.table, default={}),
    "role": Key(check.table, default={}),
    "step": Key(check.tables, default=()),
    "expect": Key(check.tables, default=()),
}
_CALLER = {
    "from": Key(check.place, is_needed=True),
    "region": Key(check.region),
    "agent": Key(check.text, default=""),
}
_ACTOR = {**_CALLER, "account": Key(check.account)}
_KEYHOLDER = {
    **_ACTOR,
    "born": Key(check.offset, default=check.offset("0s")),
    "rotate": Key(check.rotation, default=check.offset("1h")),
    "lifetime": Key(check.span),
}
ACTORS: Mapping[str, tuple[type[Actor], Mapping[str, Key]]] = {
    "instance": (
        Instance,
        {
            **_KEYHOLDER,
            "role": Key(check.role, is_needed=True),
            "off": Key(check.spans, default=()),
        },
    ),
    "workload": (
        Workload,
        {
            **_KEYHOLDER,
            "kind": Key(check.one_of(*OTHERS), is_needed=True),
            "role": Key(check.role, default=""),
            "on": Key(check.text, default=""),
        },
    ),
    "thief": (
        Thief,
        {
            **_CALLER,
            "steals": Key(check.text, is_needed=True),
            "delivery": Key(check.one_of(*DELIVERIES), default="v2"),
            "stolen": Key(check.offset),
        },
    ),
    "user": (User, _ACTOR),
    "role": (
        Assumed,
        {
            **_ACTOR,
            "role": Key(check.role, is_needed=True),
            "session": Key(check.text, default=""),
            "assumed_by": Key(check.text, is_needed=True),
        },
    ),
}
STEP = {
    "at": Key(check.offset, is_needed=True),
    "who": Key(check.text, is_needed=True),
    "call": Key(check.calls, is_needed=True),
    "from": Key(check.place),
    "every": Key(check.span),
    "times": Key(check.times),
    "error_code": Key(check.text, default=""),
    "agent": Key(check.text, default=""),
    "region": Key(check.region, default=""),
    "invoked_by": Key(check.service, default=""),
    "target": Key(check.text, default=""),
    "address": Key(check.addresses, default=()),
    "endpoint": Key(check.endpoint, default=""),
    "interface": Key(check.interface, default=PRIMARY),
    "form": Key(check.one_of(BY_INSTANCE, BY_INTERFACE), default=BY_INSTANCE),
    "address_told": Key(check.flag),
    "skew": Key(check.skew, default=timedelta()),
    "parameters": Key(check.table),
    "response": Key(check.table),
    "set": Key(check.table, default={}),
}
EXPECT = {
    "session": Key(check.text, is_needed=True),
    "source": Key(check.place, is_needed=True),
    "verdict": Key(check.one_of(*VERDICTS), is_needed=True),
    "severity": Key(check.one_of(*SEVERITIES), default=""),
    "excused": Key(check.flag, default=False),
    "style": Key(check.one_of(*Style), default=""),
}
