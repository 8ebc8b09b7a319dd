"""Each signal by what makes it and by what is nothing; groups count once, home is no signal.

Every case is a role of its own, and all are judged in one go.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tests.factories import THIEF, Instance, at, table
from transforms import schemas
from transforms.marks import (
    CONSOLE,
    DELIVERY_UNTOLD,
    DELIVERY_V1,
    DELIVERY_V2,
    ROLE_CHAINING,
    TAMPERING,
    TLS_1_2,
    TLS_1_3,
    TLS_NONE,
    TLS_OLD,
)
from transforms.places import clients
from transforms.signal_names import GROUPS, MEANING
from transforms.signals import signals

ELSEWHERE = "54.240.230.177"
V6, OTHER_V6, ENDPOINT = "2600:1f14:5::5", "2600:1f14:5::6", "vpce-0aaa/10.0.1.5"
FURTHER = {V6: "public_ipv6", OTHER_V6: "public_ipv6", ENDPOINT: "vpce-0aaa"}
"""Birth homes of a further network, and which."""
AWAY = {THIEF, ELSEWHERE, *FURTHER}
BOTH = DELIVERY_V1 | DELIVERY_V2
MAX_KEY_HOURS = 7
SDK, CLI = "boto3", "aws-cli"

Row = dict[str, Any]


class Case(NamedTuple):
    """Stays of one role's sessions, and the signs of each source of a session in few words."""

    stays: list[Row]
    expected: dict[tuple[str, str], str]


def stay(
    name: str = "a", source: str = THIEF, first: float = 10, last: float | None = None, **facts: Any
) -> Row:
    """A stay that is no signal: the SDK, IMDSv2 and TLS 1.3, with a young key."""
    quiet = {
        "agent_family": SDK,
        "delivery": DELIVERY_V2,
        "marks": TLS_1_3,
        "issued_min": at(first - 1),
        "issued_max": at(first),
        "key_age_max": 3600,
        "first_seen": at(first),
        "last_seen": at(first + 1 if last is None else last),
    }
    return {"name": name, "source": source, **quiet, **facts}


def home(name: str = "a", **facts: Any) -> Row:
    """A stay at the birth home of the session of that name."""
    return stay(name, "home", 0, **facts)


def _one(away: Row, signs: str, *others: Row) -> Case:
    """A home, other stays, and one stay at the thief's that shows these signs."""
    return Case([home(), *others, away], {("a", THIEF): signs})


def _credential() -> dict[str, Case]:
    v1: Row = {"delivery": DELIVERY_V1}
    old: Row = {"issued_min": at(12), "issued_max": at(12)}
    later: Row = {"first": 30, **old}
    newer: Row = {"issued_max": at(13)}
    return {
        "What is as at home is no signal.": _one(stay(), ""),
        "Another delivery than that agent's at home.": _one(stay(**v1), "other_delivery"),
        "Another delivery beside the usual one.": _one(stay(delivery=BOTH), "other_delivery"),
        "Another agent's delivery is not this agent's.": _one(
            stay(**v1), "other_delivery", home(agent_family=CLI, **v1)
        ),
        "A delivery of that agent at another's home is usual, too.": _one(
            stay(**v1), "", home("peer", **v1)
        ),
        "One seen elsewhere only is not.": Case(
            [home(), stay(**v1), home("b"), stay("b", ELSEWHERE, delivery=BOTH)],
            {("a", THIEF): "other_delivery", ("b", ELSEWHERE): "other_delivery"},
        ),
        "An agent that home never shows has no usual delivery.": _one(
            stay(agent_family=CLI, **v1), "new_agent"
        ),
        "An untold delivery is none.": _one(stay(delivery=DELIVERY_UNTOLD), ""),
        "Where home's delivery is untold, nothing is usual.": Case(
            [home(delivery=DELIVERY_UNTOLD), stay(**v1)], {("a", THIEF): ""}
        ),
        "A key past the longest life.": _one(
            stay(key_age_max=MAX_KEY_HOURS * 3600 + 1), "expired_key"
        ),
        "A key at the end of it.": _one(stay(key_age_max=MAX_KEY_HOURS * 3600), ""),
        "An older key after a newer one.": _one(stay(**later), "stale_key", stay(**newer)),
        "The same key again.": _one(stay(**later), "", stay(issued_max=at(12))),
        "An older key after a newer one of another agent.": _one(
            stay(**later), "", stay(agent_family=CLI, **newer), home(agent_family=CLI)
        ),
        "An older key after a newer one at another source.": Case(
            [home(), stay(**later), stay(source=ELSEWHERE, **newer)],
            {("a", THIEF): "", ("a", ELSEWHERE): ""},
        ),
        "An older key after a newer one of another session.": Case(
            [home(), home("b"), stay(**later), stay("b", **newer)],
            {("a", THIEF): "", ("b", THIEF): ""},
        ),
        "A newer key after an older one.": _one(stay(first=30, **newer), "", stay(**old)),
        "A key newer than the last, yet older than one before.": _one(
            stay(first=50, **old), "stale_key", stay(**newer), stay(first=30, issued_max=at(11))
        ),
    }


def _client() -> dict[str, Case]:
    cli: Row = {"agent_family": CLI}
    return {
        "An agent that no home of the role shows.": _one(stay(**cli), "new_agent"),
        "An agent that another's home shows.": _one(stay(**cli), "", home("peer", **cli)),
        "An agent that is only seen away from homes.": Case(
            [home(), home("b"), stay(**cli), stay("b", ELSEWHERE, **cli)],
            {("a", THIEF): "new_agent", ("b", ELSEWHERE): "new_agent"},
        ),
        "An agent that is usual in another role.": _one(
            stay(**cli), "new_agent", home("other role", role="Other", **cli)
        ),
        "A role without a home has nothing unusual.": Case(
            [stay(marks=TLS_1_2, **cli)], {("a", THIEF): ""}
        ),
        "A TLS version that no home shows.": _one(stay(marks=TLS_1_2), "new_tls"),
        "An old TLS version beside the usual one.": _one(stay(marks=TLS_1_3 | TLS_OLD), "new_tls"),
        "A TLS version of another agent at another's home.": _one(
            stay(marks=TLS_1_2), "", home("peer", marks=TLS_1_2, **cli)
        ),
        "A call without TLS details.": _one(stay(marks=TLS_NONE), ""),
        "Homes without TLS details have no usual version.": Case(
            [home(marks=TLS_NONE), stay(marks=TLS_1_2)], {("a", THIEF): ""}
        ),
    }


def _behaviour() -> dict[str, Case]:
    def marked(bits: int) -> Row:
        return stay(marks=TLS_1_3 | bits)

    usual = home(marks=TLS_1_3 | CONSOLE | ROLE_CHAINING | TAMPERING, first_recon=at(0))
    return {
        "Looking around in the first hour.": _one(stay(first_recon=at(11)), "reconnaissance"),
        "Looking around later.": _one(stay(first_recon=at(11.01)), ""),
        "A console.": _one(marked(CONSOLE), "console_pivot"),
        "Another role.": _one(marked(ROLE_CHAINING), "role_chaining"),
        "Blinding a detector.": _one(marked(TAMPERING), "tampering"),
        "What home does is a signal elsewhere all the same.": _one(
            marked(ROLE_CHAINING), "role_chaining", usual
        ),
    }


def _together() -> dict[str, Case]:
    loud: Row = {
        "agent_family": SDK,
        "delivery": BOTH,
        "marks": CONSOLE | TAMPERING | ROLE_CHAINING | TLS_OLD | TLS_1_2 | TLS_1_3,
        "key_age_max": 100_000,
        "issued_min": at(-10),
        "first_recon": at(0),
    }
    return {
        "Signals of one group.": _one(
            stay(delivery=DELIVERY_V1, key_age_max=100_000), "other_delivery expired_key"
        ),
        "Two groups.": _one(
            stay(agent_family=CLI, marks=TLS_1_2 | CONSOLE), "new_agent new_tls console_pivot"
        ),
        "Three groups, of several stays and agents.": _one(
            stay(first=30, marks=TLS_1_3 | TAMPERING | ROLE_CHAINING),
            "expired_key new_agent role_chaining tampering",
            stay(agent_family=CLI),
            stay(first=20, key_age_max=100_000),
        ),
        "Own stays at the own home are none.": Case(
            [home(), home("peer", **loud), stay("peer", "home", 20, **loud)], {}
        ),
        "Another's home is not the own one.": Case(
            [home(), home("peer"), stay(source="peer's home", marks=CONSOLE)],
            {("a", "peer's home"): "console_pivot"},
        ),
    }


def _further() -> dict[str, Case]:
    cli, java = {"agent_family": CLI}, {"agent_family": "aws-sdk-java"}
    loud: Row = {"marks": TLS_1_2 | TAMPERING, "key_age_max": 100_000, **cli}

    def beside(name: str = "a", source: str = V6, **facts: Any) -> Row:
        return stay(name, source, 1, **facts)

    return {
        "A further network where all is as at home.": Case([home(), beside()], {("a", V6): ""}),
        "Its first source shows what any other would.": Case(
            [home(), beside(**loud)], {("a", V6): "expired_key new_agent new_tls tampering"}
        ),
        "It does not vouch for another such source either.": Case(
            [home(), beside(**cli), home("b"), beside("b", OTHER_V6, **cli)],
            {("a", V6): "new_agent", ("b", OTHER_V6): "new_agent"},
        ),
        "What a peer's first home shows is usual there, too.": Case(
            [home(), home("peer", **cli), beside(**cli)], {("a", V6): ""}
        ),
        "So is what the session shows behind an endpoint.": Case(
            [home(), beside(source=ENDPOINT, **java), beside(**java)],
            {("a", ENDPOINT): "", ("a", V6): ""},
        ),
        "To sources that are no birth home all of them are home.": Case(
            [home(), beside(**cli), stay(**cli)], {("a", V6): "new_agent", ("a", THIEF): ""}
        ),
    }


CASES = {**_credential(), **_client(), **_behaviour(), **_together(), **_further()}


def _instance(claim: str, row: Row) -> Instance:
    return Instance(f"{claim} {row['name']}", "4" * 12, row.get("role", claim))


def _source(claim: str, row: Row) -> str:
    peers = {"home": row["name"], "peer's home": "peer"}
    source = row["source"]
    return Instance(f"{claim} {peers[source]}").home if source in peers else source


def _stays():
    for claim, case in CASES.items():
        for row in case.stays:
            instance = _instance(claim, row)
            yield row | {
                "session_id": instance.session_id,
                "account_id": instance.account,
                "role_id": instance.role_id,
                "source": _source(claim, row),
                "network": "public_ipv4" if row["source"] == "home" else FURTHER.get(row["source"]),
            }


@pytest.fixture(scope="module")
def told(spark):
    """Signals of all cases: {(session, source): row}."""
    stays = list(_stays())
    born: dict[tuple[str, ...], Any] = {}
    for row in sorted(stays, key=lambda row: row["first_seen"]):
        if row["network"]:
            key = row["session_id"], row["source"], row["network"]
            born.setdefault(key, row["first_seen"])
    homes = [(*key, first_seen, True) for key, first_seen in born.items()]
    # A home that is told twice is one home.
    births = spark.createDataFrame(
        [*homes, *homes],
        "session_id string, source string, network string, born_at timestamp, aws boolean",
    )
    seen = table(spark, schemas.STAYS.schema, stays)
    role = seen.select("session_id", "account_id", "role_id").distinct()
    at_births = clients(seen, births).join(role, on="session_id", how="inner")
    rows = signals(seen, births, at_births, MAX_KEY_HOURS).collect()
    said = {(row.session_id, row.source): row for row in rows}
    assert len(said) == len(rows)
    return said


def _of(told, claim):
    """Rows of a case: {(name, source): row}; a home of another is "peer's home"."""
    names = {_instance(claim, row).session_id: row["name"] for row in CASES[claim].stays}
    return {
        (names[session], source if source in AWAY else "peer's home"): row
        for (session, source), row in told.items()
        if session in names
    }


@pytest.mark.parametrize("claim", CASES)
def test_signs_of_a_source(claim, told):
    """Each source that is no birth home shows just the signs that it must, in their order."""
    rows = _of(told, claim)

    assert CASES[claim].expected == {key: " ".join(row.signs) for key, row in rows.items()}


@pytest.mark.parametrize("claim", CASES)
def test_a_group_counts_once(claim, told):
    """However many signs of a group a source shows, they count as one."""
    for key, row in _of(told, claim).items():
        signs = set(CASES[claim].expected[key].split())
        assert sum(bool(signs & set(group)) for group in GROUPS.values()) == row.signal_groups


def test_every_signal_has_a_case_and_a_meaning():
    """Each signal is present above in some case, absent in another, and says what it means."""
    signs = [name for group in GROUPS.values() for name in group]
    seen = [set(said.split()) for case in CASES.values() for said in case.expected.values()]

    assert set(signs) == set.union(*seen)
    assert set(signs) <= set(MEANING)
    assert len(signs) == len(set(signs))
    assert {0, 1, 2, 3} == {
        sum(bool(said & set(group)) for group in GROUPS.values()) for said in seen
    }
