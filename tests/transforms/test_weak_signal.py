"""A client that speaks for a thief behind the same source: low, and only if it is asked for."""

from __future__ import annotations

import pytest

from jobs.settings import load
from tests.factories import Instance, elastic, told
from tests.judged import judged, verdicts

BOTO, CURL = "Boto3/1.34.0 md/Botocore#1.34.0", "curl/8.5.0"


def _fleet(name, count):
    account = Instance(name).account
    return [Instance(f"{name}-{n}", account, role=f"{name}Role") for n in range(count)]


def _calls(fleet):
    return [i.call(h, user_agent=BOTO) for i in fleet for h in (0, 2, 4)]


def _look_around(instance, agent, hours, **changes):
    return instance.call(hours, user_agent=agent, event_name="ListBuckets", **changes)


STRANGE, USUAL, SHARED, QUIET, OLD_KEY, SMALL, ELASTIC, MOVED, SELF_MADE, BEHIND = (
    _fleet(name, count)
    for name, count in (
        ("strange", 5),
        ("usual", 5),
        ("shared", 5),
        ("quiet", 5),
        ("old-key", 5),
        ("small", 3),
        ("elastic", 5),
        ("moved", 5),
        ("self-made", 5),
        ("behind", 5),
    )
)
NEW, NAT, ENDPOINT = "54.240.9.1", "52.95.250.1", "vpce-0a1"
EGRESS = _fleet("egress", 5)
ROWS = [
    *[row for fleet in (STRANGE, USUAL, SHARED, QUIET, OLD_KEY, SMALL) for row in _calls(fleet)],
    *[row for fleet in (ELASTIC, MOVED, SELF_MADE) for row in _calls(fleet)],
    _look_around(STRANGE[0], CURL, 5),
    _look_around(USUAL[0], BOTO, 5),
    _look_around(SHARED[0], CURL, 5),
    _look_around(SHARED[1], CURL, 5),
    QUIET[0].call(5, user_agent=CURL),
    OLD_KEY[0].call(9, user_agent=CURL, credential_issued_at=OLD_KEY[0].call(1)["event_time"]),
    _look_around(SMALL[0], CURL, 5),
    elastic(ELASTIC[0], -1, ELASTIC[0].home),
    _look_around(ELASTIC[0], CURL, 5),
    elastic(MOVED[0], 5, None),
    MOVED[0].call(6, NEW, user_agent=BOTO),
    _look_around(MOVED[0], CURL, 20, source=NEW),
    SELF_MADE[0].call(
        -0.1,
        user_agent=BOTO,
        event_name="AssociateAddress",
        **told({"instanceId": SELF_MADE[0].id, "publicIp": SELF_MADE[0].home}),
    ),
    _look_around(SELF_MADE[0], CURL, 5),
    *[i.call(h, NAT, user_agent=BOTO) for i in EGRESS for h in (0, 2)],
    _look_around(EGRESS[0], CURL, 5, source=NAT),
    *[i.through(0, ENDPOINT, f"10.0.0.{n}", i.account) for n, i in enumerate(BEHIND, start=1)],
    BEHIND[0].through(
        5, ENDPOINT, "10.0.0.1", BEHIND[0].account, user_agent=CURL, event_name="ListBuckets"
    ),
]


@pytest.fixture(scope="module")
def said(spark):
    """Verdicts with weak signals wanted."""
    return verdicts(judged(spark, ROWS, weak_signals=True))


@pytest.mark.parametrize(
    ("instance", "signs"),
    [
        (STRANGE[0], ["new_agent", "reconnaissance"]),
        (OLD_KEY[0], ["expired_key", "new_agent"]),
    ],
)
def test_a_new_client_that_does_more_than_call(said, instance, signs):
    """A client that no other instance of the role has looks around, or has a key past its life."""
    row = said[instance.session_id, instance.home]
    assert (row.verdict, row.severity, row.weak_signs) == ("weak_signal", "low", signs)


@pytest.mark.parametrize(
    ("instance", "home"),
    [
        (ELASTIC[0], ELASTIC[0].home),
        (MOVED[0], NEW),
        (SELF_MADE[0], SELF_MADE[0].home),
        (EGRESS[0], NAT),
        (BEHIND[0], f"{ENDPOINT}/10.0.0.1"),
    ],
    ids=["assigned_address", "moved", "self_made_address", "shared_egress", "known_endpoint"],
)
def test_what_the_ledger_says_of_a_home_excuses_no_client(said, instance, home):
    """The address of a home is undisputed: rules that speak of it are silent about its clients."""
    row = said[instance.session_id, home]
    assert (row.verdict, row.severity) == ("weak_signal", "low")


@pytest.mark.parametrize(
    ("fleet", "why"),
    [
        (USUAL, "the usual client looks around"),
        (SHARED, "the client is at another instance of the role, too"),
        (QUIET, "a new client that only calls is one signal"),
        (SMALL, "too few others to say what is usual"),
    ],
)
def test_nothing_is_said_of_what_is_usual(said, fleet, why):
    """One signal alone, or one that others of the role show, says nothing."""
    said = [row.verdict for (session, _), row in said.items() if session == fleet[0].session_id]
    assert said == [], why


def test_it_is_off_by_default():
    """Nobody hears of it who did not ask: ``test_ladder`` has such a client in its quiet cases."""
    assert load(None).method.weak_signals is False
