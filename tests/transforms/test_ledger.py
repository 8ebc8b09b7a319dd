"""What the ledger proves, claim by claim: each by what makes it true and by what makes it false.

Every case has instances and addresses of its own, and all are asked in one go. Times are hours
after the start of the story; an answer is written as text, such as ``52.95.1.1 1..3 elastic``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.sql import functions as F

from tests.factories import REGION, START, THIEF, Instance, at, table
from transforms import schemas
from transforms.ledger import (
    LedgerNumbers,
    associations,
    attachments,
    explained,
    forwarders,
    held_elsewhere,
    holdings,
    nat_addresses,
    not_running,
    outages,
    permits,
    sources,
    with_trust,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Row = dict[str, Any]

OURS, OTHERS = "444455556666", "999988887777"
MINUTE = 1 / 60
NUMBERS = LedgerNumbers(skew_minutes=5, permit_hours=24, grace_minutes=5)
STOP_GRACE = 30
_LONG = {"interface": "network_interface_id", "address": "address", "account": "account_id"}
_PRESENCE = (
    "session_id string, instance_id string, account_id string, source string, source_kind string, "
    "source_address string, network string, in_own_region boolean, is_birth_home boolean, "
    "owner_is_ours boolean, "
    "first_seen timestamp, last_seen timestamp"
)


@cache
def box(name: str) -> Instance:
    """The instance of that name."""
    return Instance(name, OURS)


def by(name: str, source: str | None = None) -> Row:
    """Made by a workload: from its home, or from elsewhere."""
    maker = box(name)
    return {
        "made_by_account_id": maker.account,
        "made_by_role_id": maker.role_id,
        "made_by_session_name": maker.id,
        "made_from": source or maker.home,
    }


THIEFS = by("a thief's", THIEF)
"""Made by a workload's session from where it does not live: not trusted."""


def change(what: str, hours: float, made: Row | None = None, **parts: str) -> Row:
    """A change by its short names: instance (by name), interface, allocation, association, …."""
    told = {_LONG.get(name, f"{name}_id"): part for name, part in parts.items()}
    if "instance" in parts:
        told["instance_id"] = box(parts["instance"]).id
    row = {"change": what, "event_time": at(hours), "account_id": OURS, "aws_region": REGION}
    row |= {"made_from": THIEF} | told | (made or {})
    return {**row, "event_id": str(sorted(row.items(), key=str))}


def stay(name: str, source: str, first: float, last: float | None = None, **changes: Any) -> Row:
    """A stay of a session at a public address in AWS space of its region, or as changed."""
    return {
        "session_id": box(name).session_id,
        "instance_id": box(name).id,
        "account_id": OURS,
        "source": source,
        "source_kind": "public_ipv4",
        "source_address": source.rsplit("/", 1)[-1],
        "network": changes.get("source_kind", "public_ipv4"),
        "in_own_region": True,
        "is_birth_home": False,
        "owner_is_ours": False,
        "first_seen": at(first),
        "last_seen": at(first if last is None else last),
        **changes,
    }


PRIVATE: Row = {"source_kind": "private", "in_own_region": False}
IPV6: Row = {"source_kind": "public_ipv6"}
BEHIND: Row = {"source_kind": "endpoint", "owner_is_ours": True}

# --- Trust: claim, change, who is said to have made it.

_KEY, _NAMESAKES_KEY, _FOREIGN_KEY = "ASIAOPENED", "ASIANAMESAKE", "ASIAUSERS"
_OPENED = {"made_with_key": _KEY, "made_by_session_name": None}
TRUST: dict[str, tuple[Row, str]] = {
    "a user, from anywhere": ({}, "trusted"),
    "a key that a user opened": ({"made_with_key": _FOREIGN_KEY}, "trusted"),
    "a workload at home": (by("maker"), "trusted by maker"),
    "a workload elsewhere": (by("maker", THIEF), "untrusted by maker"),
    "a workload at another's home": (by("maker", box("neighbour").home), "untrusted by maker"),
    "a workload that has no home": (by("homeless"), "untrusted by homeless"),
    "the same name in another role": (
        by("maker") | {"made_by_role_id": "AROAOTHER"},
        "untrusted by maker",
    ),
    "the same name in another account": (
        by("maker") | {"made_by_account_id": OTHERS},
        "untrusted by maker",
    ),
    "what a workload opened, at its home": (
        _OPENED | {"made_from": box("maker").home},
        "trusted by maker",
    ),
    "what a workload opened, elsewhere": (_OPENED | {"made_from": THIEF}, "untrusted by maker"),
    "what a namesake in another role opened, at the home of the workload": (
        {"made_with_key": _NAMESAKES_KEY, "made_from": box("maker").home},
        "untrusted by maker",
    ),
    "what a workload opened, at another's home": (
        _OPENED | {"made_from": box("neighbour").home},
        "untrusted by maker",
    ),
}

# --- Cases: claim -> changes, and what is held, permitted, … by the instances of the case.

Case = tuple[list[Row], dict[str, set[str]]]


def _interface(name: str, attached: float = 1, **made: Any) -> Row:
    """An interface ``eni-name`` is attached to the instance of that name."""
    return change(
        "attach",
        attached,
        instance=name,
        interface=f"eni-{name}",
        association=f"attach-{name}",
        **made,
    )


HELD: dict[str, Case] = {
    "An association lasts until its address is taken away.": (
        [
            change("associate", 1, instance="by-address", address="52.95.1.1"),
            change("disassociate", 3, address="52.95.1.1"),
            change("disassociate", 4, address="52.95.1.1"),
        ],
        {"by-address": {"52.95.1.1 1..3 elastic"}},
    ),
    "An association lasts until it is ended by its id, and AllocateAddress tells its address.": (
        [
            change("associate", 1, instance="by-id", allocation="eip-2", association="ass-2"),
            change("allocate", 0, allocation="eip-2", address="52.95.1.2"),
            change("disassociate", 3, association="ass-2"),
        ],
        {"by-id": {"52.95.1.2 1..3 elastic"}},
    ),
    "Another association takes the address along; a release ends that.": (
        [
            change("associate", 1, instance="loser", address="52.95.1.3"),
            change("associate", 2, instance="taker", address="52.95.1.3"),
            change("release", 5, address="52.95.1.3"),
        ],
        {"loser": {"52.95.1.3 1..2 elastic"}, "taker": {"52.95.1.3 2..5 elastic"}},
    ),
    "What ended before ends nothing that comes later, nor does the end of something else.": (
        [
            change("disassociate", 0.5, address="52.95.1.4"),
            change("associate", 1, instance="goes-on", address="52.95.1.4", association="ass-4"),
            change("disassociate", 2, address="52.95.1.99"),
            change("disassociate", 3, association="ass-99"),
            change("terminate", 4, instance="somebody"),
            change("stop", 5, instance="goes-on"),
        ],
        {"goes-on": {"52.95.1.4 1.. elastic"}},
    ),
    "An association whose address nothing tells holds nothing.": (
        [change("associate", 1, instance="untold", allocation="eip-untold")],
        {"untold": set()},
    ),
    "An address of an interface is its instance's from attaching to detaching.": (
        [
            change("hold", 0, interface="eni-attached", address="10.1.0.1", vpc="vpc-1"),
            _interface("attached"),
            change("detach", 3, association="attach-attached"),
        ],
        {"attached": {"10.1.0.1 1..3 vpc-1"}},
    ),
    "Of an interface's addresses each lasts until it is taken away.": (
        [
            _interface("thinned"),
            change("hold", 2, interface="eni-thinned", address="10.1.0.2"),
            change("hold", 2, interface="eni-thinned", address="10.1.0.3"),
            change("unhold", 4, interface="eni-thinned", address="10.1.0.3"),
            change("unhold", 4, interface="eni-other", address="10.1.0.2"),
        ],
        {"thinned": {"10.1.0.2 2..", "10.1.0.3 2..4"}},
    ),
    "An interface that is attached elsewhere takes its addresses along.": (
        [
            change("hold", 0, interface="eni-moves", address="10.1.0.4"),
            change("attach", 1, instance="gives", interface="eni-moves"),
            change("attach", 2, instance="gets", interface="eni-moves"),
        ],
        {"gives": {"10.1.0.4 1..2"}, "gets": {"10.1.0.4 2.."}},
    ),
    "What an interface got after it was detached, nobody holds; nor what was never attached.": (
        [
            _interface("late"),
            change("detach", 2, association="attach-late"),
            change("hold", 3, interface="eni-late", address="10.1.0.5"),
            change("hold", 3, interface="eni-loose", address="10.1.0.6"),
        ],
        {"late": set()},
    ),
    "An Elastic address of an interface is the instance's that has the interface.": (
        [
            _interface("by-interface"),
            change("associate", 2, interface="eni-by-interface", address="52.95.1.5"),
        ],
        {"by-interface": {"52.95.1.5 2.. elastic"}},
    ),
    "With the instance all ends that it holds.": (
        [
            change("hold", 0, instance="ends", address="10.1.0.7"),
            _interface("ends"),
            change("hold", 1, interface="eni-ends", address="10.1.0.8"),
            change("associate", 2, instance="ends", address="52.95.1.6"),
            change("terminate", 6, instance="ends"),
        ],
        {"ends": {"10.1.0.7 0..6", "10.1.0.8 1..6", "52.95.1.6 2..6 elastic"}},
    ),
    "A holding is trusted if each change that makes it is; it tells who made it.": (
        [
            change("hold", 0, THIEFS, interface="eni-a", address="10.1.0.9"),
            change("attach", 1, instance="given-by-thief", interface="eni-a"),
            change("hold", 0, interface="eni-b", address="10.1.0.10"),
            change("attach", 1, THIEFS, instance="attached-by-thief", interface="eni-b"),
            change("hold", 1, by("maker"), instance="given-by-maker", address="10.1.0.11"),
        ],
        {
            "given-by-thief": {"10.1.0.9 1.. untrusted by a thief's"},
            "attached-by-thief": {"10.1.0.10 1.. untrusted"},
            "given-by-maker": {"10.1.0.11 1.. by maker"},
        },
    ),
}

PERMITS: dict[str, Case] = {
    "An association of unknown address permits one; a known one needs no permit.": (
        [
            change("associate", 1, instance="p-unknown", allocation="eip-p1"),
            change("associate", 1, instance="p-known", address="52.95.2.1"),
            change("associate", 1, instance="p-allocated", allocation="eip-p2"),
            change("allocate", 0, allocation="eip-p2", address="52.95.2.2"),
        ],
        {"p-unknown": {"1"}, "p-known": set(), "p-allocated": set()},
    ),
    "An association of an interface permits to who has the interface then, or gets it later.": (
        [
            change("attach", 1, instance="p-before", interface="eni-p"),
            change("attach", 3, instance="p-then", interface="eni-p"),
            change("associate", 4, interface="eni-p", allocation="eip-p3"),
            change("attach", 5, instance="p-after", interface="eni-p"),
            change("associate", 4, interface="eni-nobodys", allocation="eip-p4"),
        ],
        {"p-before": set(), "p-then": {"4"}, "p-after": {"5"}},
    ),
    "The end of an association permits, be it by id or by address.": (
        [
            change("associate", 1, instance="p-id", address="52.95.2.3", association="ass-p1"),
            change("disassociate", 2, association="ass-p1"),
            change("associate", 1, instance="p-address", address="52.95.2.4"),
            change("disassociate", 2, address="52.95.2.4"),
            change("disassociate", 2, address="52.95.2.5"),
            change("disassociate", 2, association="ass-nobodys"),
            change("associate", 1, instance="p-goes-on", address="52.95.2.6"),
        ],
        {"p-id": {"2"}, "p-address": {"2"}, "p-goes-on": set()},
    ),
    "A start permits; launches, stops, interfaces and private addresses do not.": (
        [
            change("start", 1, instance="p-start"),
            change("launch", 1, instance="p-rest"),
            change("stop", 2, instance="p-rest"),
            change("terminate", 3, instance="p-rest"),
            change("hold", 1, instance="p-rest", address="10.2.0.1"),
            _interface("p-rest"),
        ],
        {"p-start": {"1 start"}, "p-rest": set()},
    ),
    "A permit tells whether it is trusted, and who made it.": (
        [
            change("start", 1, THIEFS, instance="p-thiefs"),
            change("start", 1, by("maker"), instance="p-makers"),
        ],
        {"p-thiefs": {"1 start untrusted by a thief's"}, "p-makers": {"1 start by maker"}},
    ),
}

# --- Explained: claim -> changes, stays, and what is explained.

Explained = tuple[list[Row], list[Row], dict[str, set[str]]]


def _exact() -> dict[str, Explained]:
    def held(name: str, address: str, made: Row | None = None) -> list[Row]:
        return [
            change("associate", 10, made, instance=name, address=address),
            change("disassociate", 20, address=address),
        ]

    return {
        "A held address is exact: at the first call and at the last, give or take the clocks.": (
            [
                change
                for n, name in enumerate(("e-in", "e-edge", "e-early", "e-late", "e-span"))
                for change in held(name, f"52.95.3.{n}")
            ],
            [
                stay("e-in", "52.95.3.0", 11, 19),
                stay("e-in", "52.95.3.1", 11, 19),
                stay("e-edge", "52.95.3.1", 10 - 4 * MINUTE, 20 + 4 * MINUTE),
                stay("e-early", "52.95.3.2", 10 - 6 * MINUTE, 19),
                stay("e-late", "52.95.3.3", 11, 20 + 6 * MINUTE),
                stay("e-span", "52.95.3.4", 1, 30),
            ],
            {
                "e-in": {"52.95.3.0@11 exact"},
                "e-edge": {"52.95.3.1@9.933 exact"},
                "e-early": set(),
                "e-late": set(),
                "e-span": set(),
            },
        ),
        "What a thief changed explains nothing.": (
            held("e-thiefs", "52.95.3.10", THIEFS),
            [stay("e-thiefs", "52.95.3.10", 11)],
            {"e-thiefs": set()},
        ),
        "A prefix holds each address in it, of either family.": (
            [
                change("hold", 1, instance="e-prefix", address="10.3.0.16/28"),
                change("hold", 1, instance="e-prefix", address="2600:1f14:0:1::/80"),
            ],
            [
                stay("e-prefix", "vpce-1/10.3.0.31", 2, **BEHIND),
                stay("e-prefix", "vpce-1/10.3.0.32", 2, **BEHIND),
                stay("e-prefix", "2600:1f14:0:1::9", 2, **IPV6),
                stay("e-prefix", "2600:1f14:0:2::9", 2, **IPV6),
            ],
            {"e-prefix": {"vpce-1/10.3.0.31@2 exact", "2600:1f14:0:1::9@2 exact"}},
        ),
        "Behind an endpoint of others, or of nobody known, a private address proves nothing.": (
            [change("hold", 1, instance="e-behind", address="10.3.0.2")],
            [
                stay("e-behind", "vpce-1/10.3.0.2", 2, **BEHIND),
                stay("e-behind", "vpce-2/10.3.0.2", 2, **BEHIND | {"owner_is_ours": False}),
                stay("e-behind", "vpce-3/10.3.0.2", 2, **BEHIND | {"owner_is_ours": None}),
            ],
            {"e-behind": {"vpce-1/10.3.0.2@2 exact"}},
        ),
        "What an instance gives itself is exact, but for public IPv4: that is self-made.": (
            [
                change("hold", 1, by("e-self"), instance="e-self", address="10.3.0.1"),
                change("associate", 1, by("e-self"), instance="e-self", address="52.95.3.11"),
                change("associate", 1, by("maker"), instance="e-given", address="52.95.3.12"),
                change("associate", 1, by("e-twice"), instance="e-twice", address="52.95.3.13"),
                change("associate", 2, instance="e-twice", address="52.95.3.13"),
            ],
            [
                stay("e-self", "10.3.0.1", 2, **PRIVATE),
                stay("e-self", "52.95.3.11", 2),
                stay("e-given", "52.95.3.12", 2),
                stay("e-twice", "52.95.3.13", 2),
            ],
            {
                "e-self": {"10.3.0.1@2 exact", "52.95.3.11@2 self_made"},
                "e-given": {"52.95.3.12@2 exact"},
                "e-twice": {"52.95.3.13@2 exact"},
            },
        ),
    }


def _home(name: str, last: float, first: float = 0) -> Row:
    return stay(name, box(name).home, first, last)


def _permitted() -> dict[str, Explained]:
    def started(*names: str, made: Row | None = None) -> list[Row]:
        return [change("start", 10, made, instance=name) for name in names]

    late, early = 34 + MINUTE, 10 - 6 * MINUTE
    return {
        "A permit explains a new public IPv4 of the own region within a day.": (
            started("m-new", "m-abroad", "m-v6", "m-private", "m-late", "m-early", "m-clock"),
            [
                _home("m-new", 9),
                stay("m-new", "52.95.4.1", 11, 60),
                stay("m-new", "52.95.4.1", 80),
                *(
                    _home(name, 9)
                    for name in ("m-abroad", "m-v6", "m-private", "m-late", "m-early")
                ),
                _home("m-clock", 9),
                stay("m-abroad", "54.72.0.1", 11, in_own_region=False),
                stay("m-v6", "2600:1f14::9", 11, **IPV6),
                stay("m-private", "10.4.0.1", 11, **PRIVATE),
                stay("m-late", "52.95.4.2", late),
                stay("m-early", "52.95.4.3", early),
                stay("m-clock", "52.95.4.4", 10 - 4 * MINUTE),
            ],
            {
                "m-new": {"52.95.4.1@11 permitted", "52.95.4.1@80 permitted"},
                **{name: set() for name in ("m-abroad", "m-v6", "m-private", "m-late", "m-early")},
                "m-clock": {"52.95.4.4@9.933 permitted"},
            },
        ),
        "A permit explains the first new address alone; the next needs another permit.": (
            [*started("m-one", "m-two"), change("start", 20, instance="m-two")],
            [
                _home("m-one", 9),
                _home("m-two", 9),
                stay("m-one", "52.95.4.11", 11),
                stay("m-one", "52.95.4.12", 12),
                stay("m-two", "52.95.4.13", 11),
                stay("m-two", "52.95.4.14", 21),
            ],
            {
                "m-one": {"52.95.4.11@11 permitted"},
                "m-two": {"52.95.4.13@11 permitted", "52.95.4.14@21 permitted"},
            },
        ),
        "A thief's permit is none, nor is another instance's; what is self-made is said so.": (
            [
                *started("m-thiefs", made=THIEFS),
                *started("m-self", made=by("m-self")),
                *started("m-makers", made=by("maker")),
            ],
            [
                *(_home(name, 9) for name in ("m-thiefs", "m-self", "m-makers", "m-nobodys")),
                stay("m-thiefs", "52.95.4.21", 11),
                stay("m-self", "52.95.4.22", 11),
                stay("m-makers", "52.95.4.23", 11),
                stay("m-nobodys", "52.95.4.24", 11),
            ],
            {
                "m-thiefs": set(),
                "m-self": {"52.95.4.22@11 self_made"},
                "m-makers": {"52.95.4.23@11 permitted"},
                "m-nobodys": set(),
            },
        ),
        "Only a move is permitted: five minutes later the former home is silent.": (
            started("m-moved", "m-stayed"),
            [
                _home("m-moved", 11 + 4 * MINUTE),
                stay("m-moved", "52.95.4.31", 11),
                _home("m-stayed", 11 + 6 * MINUTE),
                stay("m-stayed", "52.95.4.32", 11),
            ],
            {
                "m-moved": {"52.95.4.31@11 permitted"},
                "m-stayed": set(),
            },
        ),
        "A start moves nothing where no public home was before; an association does.": (
            [
                *started("m-homeless", "m-later-home"),
                change("associate", 10, instance="m-first", allocation="eip-first"),
            ],
            [
                stay("m-homeless", "52.95.4.33", 11),
                stay("m-homeless", "10.4.0.2", 1, **PRIVATE),
                stay("m-later-home", "52.95.4.34", 11),
                _home("m-later-home", 14, first=12),
                stay("m-first", "52.95.4.35", 11),
                _home("m-first", 14, first=12),
            ],
            {
                "m-homeless": set(),
                "m-later-home": set(),
                "m-first": {"52.95.4.35@11 permitted"},
            },
        ),
        "A former home that goes on is no matter where a trusted change gave it back.": (
            [
                *started("m-back", "m-held-back", "m-thief-back", "m-back-late"),
                *started("m-start-back", "m-held-another"),
                change("associate", 20, instance="m-back", allocation="eip-back"),
                change("start", 20, instance="m-start-back"),
                change("associate", 20, instance="m-held-another", address="52.95.4.49"),
                change("associate", 20, instance="m-held-back", address=box("m-held-back").home),
                change(
                    "associate",
                    20,
                    THIEFS,
                    instance="m-thief-back",
                    address=box("m-thief-back").home,
                ),
                change("associate", 31, instance="m-back-late", allocation="eip-back-late"),
            ],
            [
                row
                for n, name in enumerate(
                    (
                        "m-back",
                        "m-held-back",
                        "m-thief-back",
                        "m-back-late",
                        "m-start-back",
                        "m-held-another",
                    )
                )
                for row in (_home(name, 30), stay(name, f"52.95.4.4{n}", 11))
            ],
            {
                "m-back": {"52.95.4.40@11 permitted"},
                "m-held-back": {
                    "52.95.4.41@11 permitted",
                },
                "m-thief-back": set(),
                "m-start-back": set(),
                "m-held-another": set(),
                "m-back-late": set(),
            },
        ),
        "A start moves nothing while the former home is an Elastic address of the instance.": (
            [
                *started("m-kept", "m-dropped"),
                change("associate", -1, instance="m-kept", address=box("m-kept").home),
                change("associate", -1, instance="m-dropped", address=box("m-dropped").home),
                change("disassociate", 9, address=box("m-dropped").home),
                change("associate", -1, instance="m-another", address=box("m-another").home),
                change("associate", 10, instance="m-another", allocation="eip-another"),
            ],
            [
                row
                for n, name in enumerate(("m-kept", "m-dropped", "m-another"))
                for row in (_home(name, 8), stay(name, f"52.95.4.5{n}", 11))
            ],
            {
                "m-kept": {f"{box('m-kept').home}@0 exact"},
                "m-dropped": {f"{box('m-dropped').home}@0 exact", "52.95.4.51@11 permitted"},
                "m-another": {f"{box('m-another').home}@0 exact", "52.95.4.52@11 permitted"},
            },
        ),
    }


EXPLAINED = {**_exact(), **_permitted()}


def _elsewhere() -> dict[str, Explained]:
    """Cases of :func:`held_elsewhere`: changes, stays, and who is said to hold what."""
    holder = "holder"
    changes = [
        change("associate", 10, instance=holder, address="52.95.5.1"),
        change("disassociate", 20, address="52.95.5.1"),
        change("associate", 10, instance="v-own", address="52.95.5.2"),
        change("hold", 1, instance=holder, address="10.5.0.1", vpc="vpc-a"),
        change("hold", 1, instance=holder, address="10.5.0.2"),
        change("hold", 1, instance=holder, address="10.5.0.3", account=OTHERS),
        *(
            change("hold", 1, instance=name, address=f"10.5.1.{n}", vpc=vpc)
            for n, (name, vpc) in enumerate((("v-same", "vpc-a"), ("v-other", "vpc-b")))
        ),
    ]
    there = f"held by {holder}"
    private = {"v-same": True, "v-other": False, "v-unknown": True}
    return {
        "An address is another's while the ledger gives it to another, beyond doubt of clocks.": (
            changes,
            [
                stay("v-in", "52.95.5.1", 11, 12),
                stay("v-first", "52.95.5.1", 19, 30),
                stay("v-last", "52.95.5.1", 1, 11),
                stay("v-start", "52.95.5.1", 9, 10 + 4 * MINUTE),
                stay("v-end", "52.95.5.1", 20 - 4 * MINUTE, 30),
                stay("v-edge", "52.95.5.1", 10 + 6 * MINUTE, 30),
                stay("v-own", "52.95.5.2", 11),
                stay("v-free", "52.95.5.3", 11),
                stay("v-born", "52.95.5.1", 11, is_birth_home=True),
            ],
            {
                "v-in": {f"52.95.5.1@11 {there}"},
                "v-first": {f"52.95.5.1@19 {there}"},
                "v-last": {f"52.95.5.1@1 {there}"},
                "v-start": set(),
                "v-end": set(),
                "v-edge": {f"52.95.5.1@10.1 {there}"},
                "v-own": set(),
                "v-free": set(),
                "v-born": {f"52.95.5.1@11 {there}"},
            },
        ),
        "A private address is the same one in the same VPC, as far as VPCs are known.": (
            [],
            [stay(name, "10.5.0.1", 11, **PRIVATE) for name in private],
            {name: {f"10.5.0.1@11 {there}"} if same else set() for name, same in private.items()},
        ),
        "A private address of a holder of unknown VPC is the same in the account alone.": (
            [],
            [
                stay("v-vpc", "10.5.0.2", 11, **PRIVATE),
                stay("v-behind", "vpce-1/10.5.0.2", 11, source_kind="endpoint"),
                stay("v-account", "10.5.0.3", 11, **PRIVATE),
                stay("v-private-born", "10.5.0.2", 11, is_birth_home=True, **PRIVATE),
            ],
            {
                "v-vpc": {f"10.5.0.2@11 {there}"},
                "v-behind": {f"vpce-1/10.5.0.2@11 {there}"},
                "v-account": set(),
                "v-private-born": set(),
            },
        ),
    }


ELSEWHERE = _elsewhere()

# --- Egress by the ledger.

NAT: list[tuple[str, list[Row], set[str]]] = [
    (
        "A NAT gateway's address is told, or its allocation's is.",
        [
            change("nat", 1, address="52.95.6.1"),
            change("nat", 1, allocation="eip-n1"),
            change("allocate", 2, allocation="eip-n1", address="52.95.6.2"),
            change("nat", 1, allocation="eip-n2"),
            change("nat", 1, address="54.72.6.3") | {"aws_region": "eu-west-1"},
        ],
        {f"52.95.6.1 {REGION}", f"52.95.6.2 {REGION}", "54.72.6.3 eu-west-1"},
    ),
    (
        "Other accounts', thieves' and what is no gateway's are none.",
        [
            change("nat", 1, address="52.95.6.4", account=OTHERS),
            change("nat", 1, THIEFS, address="52.95.6.5"),
            change("associate", 1, instance="n-elastic", address="52.95.6.6"),
        ],
        set(),
    ),
]

FORWARDS: list[Row] = [
    change("route", 1, instance="f-instance"),
    _interface("f-interface"),
    change("route", 2, interface="eni-f-interface"),
    change("route", 2, interface="eni-f-nobodys"),
    change("route", 1, THIEFS, instance="f-thiefs"),
    change("attach", 1, instance="f-plain", interface="eni-f-plain"),
]

# --- Outages: claim -> changes, keys that EC2 issued, and when the instance was down.

OUTAGES: dict[str, tuple[list[Row], dict[str, list[float]], dict[str, set[str]]]] = {
    "From a stop to the next start.": (
        [
            change("start", 1, instance="o-stop"),
            change("stop", 2, instance="o-stop"),
            change("start", 4, instance="o-stop"),
            change("start", 5, instance="o-stop"),
            change("stop", 7, instance="o-stop"),
            change("start", 3, instance="o-another"),
        ],
        {},
        {"o-stop": {"2..4", "7.."}, "o-another": set()},
    ),
    "A key that EC2 issues is a start; one that it issued before is none.": (
        [change("stop", 2, instance="o-key"), change("stop", 2, instance="o-old-key")],
        {"o-key": [1, 5, 6], "o-old-key": [1]},
        {"o-key": {"2..5"}, "o-old-key": {"2.."}},
    ),
    "Termination after a stop is one outage; a thief's stop has happened, too.": (
        [
            change("stop", 2, instance="o-end"),
            change("terminate", 3, instance="o-end"),
            change("terminate", 3, THIEFS, instance="o-thiefs"),
            change("launch", 5, instance="o-end"),
        ],
        {},
        {"o-end": {"2.."}, "o-thiefs": {"3.."}},
    ),
}

DOWN: dict[str, tuple[Row, str | None]] = {
    claim: (stay(name, f"52.95.7.{n}", first, last), since)
    for n, (claim, name, first, last, since) in enumerate(
        (
            ("within the grace", "o-stop", 2.1, 2 + 29 * MINUTE, None),
            ("after the grace", "o-stop", 2 + 31 * MINUTE, 3, "2"),
            ("before the stop", "o-stop", 1, 1.5, None),
            ("the last call alone", "o-stop", 1, 3, "2"),
            ("the first call alone", "o-stop", 3, 5, "2"),
            ("after the start", "o-stop", 4.1, 5, None),
            ("around the outage", "o-stop", 1, 5, None),
            ("never started again", "o-stop", 100, 101, "7"),
            ("in two outages: the later one", "o-stop", 3, 100, "7"),
            ("another instance", "o-another", 3, 3, None),
        )
    )
}
"""Stays around the outages of the first case: claim -> a stay, and since when it was down."""


def _all_changes() -> list[Row]:
    trust = [
        {**change("release", 1, made), "event_id": claim} for claim, (made, _) in TRUST.items()
    ]
    cases = [rows for rows, _ in (*HELD.values(), *PERMITS.values())]
    cases += [rows for rows, _, _ in OUTAGES.values()]
    cases += [rows for rows, _, _ in (*EXPLAINED.values(), *ELSEWHERE.values())]
    cases += [rows for _, rows, _ in NAT]
    return [*trust, *FORWARDS, *(row for rows in cases for row in rows)]


def _all_stays() -> list[Row]:
    cases = [rows[1] for rows in (*EXPLAINED.values(), *ELSEWHERE.values())]
    return [*(row for rows in cases for row in rows), *(row for row, _ in DOWN.values())]


def _credentials() -> list[Row]:
    opener = box("maker")
    issuer = {
        "issued_by_account_id": opener.account,
        "issued_by_role_id": opener.role_id,
        "issued_by_session_name": opener.id,
    }
    return [
        {"access_key_id": _KEY, **issuer, "event_id": "1"},
        {"access_key_id": _KEY, **issuer, "event_id": "copy of 1"},
        {"access_key_id": _FOREIGN_KEY, "event_id": "2"},
        {"access_key_id": _NAMESAKES_KEY, **issuer, "issued_by_role_id": "AROAOTHER"},
        {"access_key_id": None, **issuer, "event_id": "3"},
    ]


def _names() -> dict[str, str]:
    """Names of instances and sessions by their ids."""
    told = [said for _, said in (*HELD.values(), *PERMITS.values())]
    told += [said for _, _, said in OUTAGES.values()]
    told += [said for _, _, said in (*EXPLAINED.values(), *ELSEWHERE.values())]
    names = {name for case in told for name in case}
    names |= {"maker", "neighbour", "homeless", "a thief's", "holder", "v-same", "v-other"}
    names |= {"f-instance", "f-interface", "f-thiefs", "f-plain", "n-elastic"}
    boxes = {name: box(name) for name in names}
    ids = {boxes[name].id: name for name in names}
    assert len(ids) == len({boxes[name].home for name in names}) == len(names)
    return ids | {boxes[name].session_id: name for name in names}


NAMES = _names()


def _hours(time: Any) -> str:
    if time is None:
        return ""
    return f"{round((time - START.replace(tzinfo=None)).total_seconds() / 3600, 3):g}"


def _span(row: Any, since: str, until: str) -> str:
    return f"{_hours(row[since])}..{_hours(row[until])}"


def _made(row: Any) -> str:
    trust = "" if row.trusted else " untrusted"
    return f"{trust} by {NAMES[row.maker_instance]}" if row.maker_instance else trust


def _by_name(rows: DataFrame, key: str, text: Any) -> dict[str, set[str]]:
    said: dict[str, set[str]] = {}
    for row in rows.collect():
        texts = said.setdefault(NAMES.get(row[key], row[key]), set())
        assert text(row) not in texts, "said twice"
        texts.add(text(row))
    return said


def _said(spark: SparkSession, changes: list[Row], stays: list[Row], parts: int) -> dict[str, Any]:
    """All answers to the changes, as texts by the name of the instance."""
    makers = [box(name) for name in ("maker", "neighbour")]
    makers += [box(name) for name in NAMES.values() if name.startswith(("m-", "e-"))]
    homes = spark.createDataFrame(
        [(i.session_id, i.account, i.role_id, i.id, i.home) for i in [*makers, *makers]],
        "session_id string, account_id string, role_id string, session_name string, source string",
    )
    rows = table(spark, schemas.ADDRESS_CHANGES.schema, changes).repartition(parts)
    credentials = table(spark, schemas.CREDENTIALS.schema, _credentials())
    presences = spark.createDataFrame(
        [tuple(row[field.split()[0]] for field in _PRESENCE.split(", ")) for row in stays],
        _PRESENCE,
    ).repartition(parts)
    told = with_trust(rows, credentials, homes).localCheckpoint()
    parts = associations(told).localCheckpoint(), attachments(told).localCheckpoint()
    held = holdings(told, *parts).localCheckpoint()
    permitted = permits(told, *parts).localCheckpoint()
    keys = [
        (box(name).session_id, at(hours))
        for _, lives, _ in OUTAGES.values()
        for name, times in lives.items()
        for hours in times
    ]
    sessions = [(box(name).session_id, box(name).id) for name in set(NAMES.values())]
    down = outages(
        told,
        spark.createDataFrame(keys, "session_id string, alive_at timestamp"),
        spark.createDataFrame(sessions, "session_id string, instance_id string"),
    ).localCheckpoint()
    ours = spark.createDataFrame([(OURS,)], "account_id string")
    return {
        "trust": _by_name(
            told.where(F.col("change") == "release"),
            "event_id",
            lambda r: ("trusted" * r.trusted + _made(r)).strip(),
        ),
        "held": _by_name(
            held,
            "instance_id",
            lambda r: (
                f"{r.address} {_span(r, 'since', 'until')}"
                + (f" {r.vpc_id}" if r.vpc_id else "")
                + (" elastic" if r.elastic else "")
                + _made(r)
            ),
        ),
        "permits": _by_name(
            permitted,
            "instance_id",
            lambda r: _hours(r.permitted_at) + (" start" if r.by_start else "") + _made(r),
        ),
        "explained": _by_name(
            explained(presences, sources(presences), held, permitted, homes, NUMBERS),
            "session_id",
            lambda r: (
                f"{r.source}@{_hours(r.first_seen)}"
                + "".join(f" {n}" for n in ("exact", "permitted", "self_made") if r[n])
            ),
        ),
        "elsewhere": _by_name(
            held_elsewhere(presences, held, NUMBERS),
            "session_id",
            lambda r: f"{r.source}@{_hours(r.first_seen)} held by {NAMES[r.holder]}",
        ),
        "nat": {(r.source, r.nat_region) for r in nat_addresses(told, ours).collect()},
        "forwarders": {NAMES[r.instance_id] for r in forwarders(told, parts[1]).collect()},
        "outages": _by_name(down, "session_id", lambda r: _span(r, "down_since", "down_until")),
        "down": {
            r.source: _hours(r.down_since)
            for r in not_running(presences, down, STOP_GRACE).collect()
        },
    }


@pytest.fixture(scope="module")
def said(spark):
    """What the ledger says of all cases."""
    return _said(spark, _all_changes(), _all_stays(), 1)


def _asked(said, topic, names):
    return {name: said[topic].get(name, set()) for name in names}


@pytest.mark.parametrize("claim", TRUST)
def test_who_is_trusted(claim, said):
    """Trusted is who is no workload, and a workload at its own home, opened sessions included."""
    assert {TRUST[claim][1]} == said["trust"][claim]


def test_every_change_stays_one(said):
    """However often a home or a key is listed, a change stays one row."""
    assert set(TRUST) <= set(said["trust"])
    assert all(len(texts) == 1 for texts in said["trust"].values())


@pytest.mark.parametrize("claim", HELD)
def test_who_held_what_when(claim, said):
    """An instance holds just what the changes of the case prove; see the claim."""
    expected = HELD[claim][1]

    assert expected == _asked(said, "held", expected), claim


@pytest.mark.parametrize("claim", PERMITS)
def test_what_permits_an_address(claim, said):
    """The changes of the case permit just so much; see the claim."""
    expected = PERMITS[claim][1]

    assert expected == _asked(said, "permits", expected), claim


@pytest.mark.parametrize("claim", EXPLAINED)
def test_what_explains_a_stay(claim, said):
    """The changes of the case explain just these stays; see the claim."""
    expected = EXPLAINED[claim][2]

    assert expected == _asked(said, "explained", expected), claim


@pytest.mark.parametrize("claim", ELSEWHERE)
def test_whose_address_it_is(claim, said):
    """Just these stays were at another's address; see the claim."""
    expected = ELSEWHERE[claim][2]

    assert expected == _asked(said, "elsewhere", expected), claim


def test_addresses_of_nat_gateways(said):
    """Addresses of our accounts' gateways, told or allocated, by region; no others."""
    assert {tuple(text.split()) for _, _, texts in NAT for text in texts} == said["nat"]


def test_who_forwards_for_others(said):
    """An instance that a route names, itself or by its interface; no thief makes one."""
    assert {"f-instance", "f-interface"} == said["forwarders"]


@pytest.mark.parametrize("claim", OUTAGES)
def test_when_an_instance_was_down(claim, said):
    """The instance was down just then; see the claim."""
    expected = OUTAGES[claim][2]

    assert expected == _asked(said, "outages", expected), claim


@pytest.mark.parametrize("claim", DOWN)
def test_calls_of_an_instance_that_is_down(claim, said):
    """A stay counts if its first or last call was made while the instance was down."""
    presence, since = DOWN[claim]

    assert since == said["down"].get(presence["source"])


def test_order_of_arrival_does_not_matter(spark, said):
    """The same changes and stays the other way round, in other partitions: the same answers."""
    assert said == _said(spark, _all_changes()[::-1], _all_stays()[::-1], 3)
