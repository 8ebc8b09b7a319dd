"""Each rule of the ladder by what it must catch and what it must leave alone.

All cases live in accounts of their own and are judged in one go; a case's expectation is the
verdict and severity of each (session, source) that is not quiet.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from tests.factories import THIEF, Instance
from tests.judged import Allowed, judged, verdicts, world

OTHER_AWS = "54.240.230.177"
OURS, HUB, FOREIGN = "444455556666", "222233334444", "999988887777"
EP, HUB_EP, FOREIGN_EP, NO_OWNER_EP = "vpce-0aaa", "vpce-0bbb", "vpce-0eee", "vpce-0ddd"
NAT, NAT2 = "52.95.7.7", "52.95.7.8"


class Case:
    """Records of a case and what must come of them: {(instance, source): verdict/severity}."""

    def __init__(self, claim: str, rows: list, expected: dict) -> None:
        """Take the case down."""
        self.claim, self.rows = claim, rows
        self.expected = {(i.session_id, source): say for (i, source), say in expected.items()}


def _fleet(name: str, source: str, count: int, account: str | None = None, **changes):
    """Healthy instances of one account that are first seen at one source."""
    account = account or Instance(name).account
    return [
        Instance(f"{name}-{i}", account).call(0.1 + i / 100, source, **changes)
        for i in range(count)
    ]


def _addresses(case: Callable[[str, str, list, dict], None]) -> None:
    """Public addresses beside a home."""
    i = Instance
    a = i("outside")
    case(
        "outside",
        "A later call from outside AWS is a theft.",
        [a.call(0), a.call(1, THIEF)],
        {(a, THIEF): "outside_aws/high"},
    )

    a = i("quiet")
    case(
        "quiet",
        "One home and rotating keys are nothing.",
        [a.call(h, access_key_id=f"ASIA{h}") for h in range(12)],
        {},
    )

    a = i("inside")
    case(
        "inside",
        "A later call from another address in AWS is a theft.",
        [a.call(0), a.call(1, OTHER_AWS)],
        {(a, OTHER_AWS): "inside_aws/high"},
    )

    a = i("first-v6-late")
    case(
        "first-v6-late",
        "The first IPv6 in AWS after the birth window is no home; medium.",
        [a.call(0), a.call(8), a.call(9, "2600:1f14:9::9")],
        {(a, "2600:1f14:9::9"): "inside_aws/medium"},
    )

    a = i("dual")
    case(
        "dual",
        "The first IPv6 of the own region within the birth window is home.",
        [a.call(0), a.call(1, "2600:1f14::1"), a.call(20, "2600:1f14::1"), a.call(20.1)],
        {},
    )

    a, *others = [i(f"odd-client-{n}", i("odd-client").account, "OddRole") for n in range(5)]
    case(
        "odd-client",
        "A client that looks around from home is nothing unless weak signals are wanted.",
        [
            *[b.call(h) for b in (a, *others) for h in (0, 2)],
            a.call(3, user_agent="curl/8.5.0", event_name="ListBuckets"),
        ],
        {},
    )

    a = i("v6-thief")
    case(
        "v6-thief",
        "An IPv6 source outside AWS is a theft although it is the first of its kind.",
        [a.call(0), a.call(1, "2a01:4f8::1")],
        {(a, "2a01:4f8::1"): "outside_aws/high"},
    )


def _services(case: Callable[[str, str, list, dict], None]) -> None:
    """Calls that services make, hide or forward."""
    i = Instance
    svc = "cloudformation.amazonaws.com"
    a = i("on-behalf")
    case(
        "on-behalf",
        "A service that calls on the session's behalf is excused.",
        [a.call(0), a.call(1, svc, invoked_by=svc, tls_present=False)],
        {(a, svc): "on_behalf/excused"},
    )

    a = i("on-behalf-address")
    case(
        "on-behalf-address",
        "A service seen by an AWS address is excused, too.",
        [a.call(0), a.call(1, OTHER_AWS, invoked_by=svc, tls_present=False)],
        {(a, OTHER_AWS): "on_behalf/excused"},
    )

    a = i("not-on-behalf")
    case(
        "not-on-behalf",
        "A client's TLS details beside invokedBy: nobody called on behalf.",
        [a.call(0), a.call(1, THIEF, invoked_by=svc, tls_present=True)],
        {(a, THIEF): "outside_aws/high"},
    )

    a = i("hidden")
    app = "appstream.amazonaws.com"
    case(
        "hidden",
        "A service name as source without a service that calls is a finding.",
        [a.call(0), a.call(1, app)],
        {(a, app): "hidden_service_source/medium"},
    )

    a = i("internal")
    case(
        "internal",
        "AWS Internal first is excused and never home.",
        [a.call(0, "AWS Internal"), a.call(1)],
        {(a, "AWS Internal"): "internal/excused"},
    )

    a = i("forwarded")
    who = {"event_name": "GetCallerIdentity", "event_source": "sts.amazonaws.com"}
    case(
        "forwarded",
        "GetCallerIdentity sent on by a web client is excused, even when first.",
        [a.call(0, "44.1.2.3", user_agent="Go-http-client/1.1", **who), a.call(1)],
        {(a, "44.1.2.3"): "forwarded/excused"},
    )

    a = i("not-forwarded")
    case(
        "not-forwarded",
        "GetCallerIdentity by an SDK is what thieves do first.",
        [a.call(0), a.call(1, THIEF, user_agent="aws-cli/2.15.0 Python/3.11", **who)],
        {(a, THIEF): "outside_aws/high"},
    )

    a = i("pre-signed")
    link = {
        "event_source": "s3.amazonaws.com",
        "event_name": "GetObject",
        "authentication_method": "QueryString",
        "user_agent": "Mozilla/5.0",
    }
    case(
        "pre-signed",
        "A pre-signed S3 link is excused; signed in the header it is not.",
        [
            a.call(0),
            a.call(1, "81.2.3.4", **link),
            a.call(2, THIEF, **{**link, "authentication_method": "AuthHeader"}),
        ],
        {(a, "81.2.3.4"): "forwarded/excused", (a, THIEF): "outside_aws/high"},
    )


def _endpoints(case: Callable[[str, str, list, dict], None]) -> None:
    """VPC endpoints."""
    i = Instance
    a = i("foreign")
    case(
        "foreign",
        "A foreign account's endpoint is critical, even with the victim's address.",
        [a.through(0, EP, "10.0.7.7", OURS), a.through(1, FOREIGN_EP, "10.0.7.7", FOREIGN)],
        {(a, f"{FOREIGN_EP}/10.0.7.7"): "foreign_endpoint/critical"},
    )

    a = i("unknown-ep")
    case(
        "unknown-ep",
        "An endpoint without a known owner that nobody was born behind is high.",
        [a.call(0), a.through(1, NO_OWNER_EP, "10.0.9.9", None)],
        {(a, f"{NO_OWNER_EP}/10.0.9.9"): "unknown_endpoint/high"},
    )

    a = i("own-ep")
    case(
        "own-ep",
        "Endpoints of our accounts are home, and further addresses there excused.",
        [a.call(0), a.through(30, EP, "10.0.1.20", OURS), a.through(31, EP, "10.0.2.30", OURS)],
        {(a, f"{EP}/10.0.2.30"): "known_endpoint/excused"},
    )

    a, b = i("lateral"), i("lateral-box")
    case(
        "lateral",
        "Another instance's address behind our endpoint is not excused.",
        [
            a.through(0, EP, "10.0.5.1", OURS),
            b.through(0, EP, "10.0.5.2", OURS),
            a.through(1, EP, "10.0.5.2", OURS),
        ],
        {(a, f"{EP}/10.0.5.2"): "another_workload/high"},
    )


def _fleets(case: Callable[[str, str, list, dict], None]) -> None:
    """What many instances share."""
    i = Instance
    a = i("nat")
    case(
        "nat",
        "A NAT where N others of the region were first seen is shared egress.",
        [*_fleet("nat-fleet", NAT, 3), a.call(0), a.call(1, NAT)],
        {(a, NAT): "shared_egress/excused"},
    )

    a = i("small-nat")
    case(
        "small-nat",
        "Two others are too few to make an egress.",
        [*_fleet("small-nat-fleet", NAT2, 2), a.call(0), a.call(1, NAT2)],
        {(a, NAT2): "another_workload/high"},
    )

    a = i("office", account := i("office-fleet").account)
    case(
        "office",
        "Outside AWS the /24 counts, for N others and a fifth of the account.",
        [*_fleet("office-fleet", "81.10.20.5", 4, account), a.call(0), a.call(1, "81.10.20.9")],
        {(a, "81.10.20.9"): "shared_egress/excused"},
    )

    a = i("poisoned", account := i("big-fleet").account)
    case(
        "poisoned",
        "Three of many instances born outside do not make that an egress.",
        [
            *_fleet("big-fleet", "52.95.9.9", 20, account),
            *_fleet("poison", "81.99.9.5", 3, account),
            a.call(0),
            a.call(1, "81.99.9.6"),
        ],
        {
            (a, "81.99.9.6"): "outside_aws/high",
            **{(i(f"poison-{k}", account), "81.99.9.5"): "outside_home/medium" for k in range(3)},
        },
    )

    a = i("on-prem")
    case(
        "on-prem",
        "A session that was only ever seen outside AWS is a finding of its own.",
        [a.call(0, "81.5.5.5"), a.call(1, "81.5.5.5")],
        {(a, "81.5.5.5"): "outside_home/medium"},
    )


def _time(case: Callable[[str, str, list, dict], None]) -> None:
    """What comes first, and what comes after a silence."""
    i = Instance
    a = i("attacker-first")
    case(
        "attacker-first",
        "An outside source that came first gives way to the AWS one.",
        [a.call(0, THIEF), a.call(0.1), a.call(1)],
        {(a, THIEF): "outside_aws/high"},
    )

    a = i("restart")
    case(
        "restart",
        "One new AWS address after a long silence is a restart.",
        [a.call(0), a.call(10, OTHER_AWS), a.call(11, OTHER_AWS)],
        {(a, OTHER_AWS): "restarted/excused"},
    )

    a = i("no-move")
    case(
        "no-move",
        "The former address is still used: nothing moved.",
        [a.call(0), a.call(10, OTHER_AWS), a.call(11)],
        {(a, OTHER_AWS): "inside_aws/medium"},
    )

    a = i("patient")
    case(
        "patient",
        "Waiting for the silence does not help a thief outside AWS.",
        [a.call(0), a.call(10, THIEF)],
        {(a, THIEF): "outside_aws/high"},
    )

    a = i("bridged")
    case(
        "bridged",
        "EC2's AssumeRole is a sign of life: there was no silence.",
        [a.call(0), a.assumed(5), a.call(10, OTHER_AWS)],
        {(a, OTHER_AWS): "inside_aws/high"},
    )

    a = i("second-new")
    case(
        "second-new",
        "A restart brings one new address, not two.",
        [a.call(0), a.call(10, OTHER_AWS), a.call(11, "54.240.1.1")],
        {(a, OTHER_AWS): "restarted/excused", (a, "54.240.1.1"): "inside_aws/high"},
    )

    a = i("second-new-v6")
    case(
        "second-new-v6",
        "A restart brings one new IPv6 address, not two, and an old one does not use it up.",
        [
            *[a.call(h, "2600:1f14:1::1") for h in (0, 19.8)],
            a.call(20, "2600:1f14:2::2"),
            a.call(21, "2600:1f14:3::3"),
        ],
        {
            (a, "2600:1f14:2::2"): "restarted/excused",
            (a, "2600:1f14:3::3"): "inside_aws/high",
        },
    )

    a = i("never-home")
    case(
        "never-home",
        "Once suspicious, never home: not after a silence either.",
        [a.call(0), a.call(1, OTHER_AWS), a.call(12, OTHER_AWS)],
        {(a, OTHER_AWS): "inside_aws/high"},
    )


def _rest(case: Callable[[str, str, list, dict], None]) -> None:
    """Private addresses, junk, and the allow-list."""
    i = Instance
    a = i("private")
    case(
        "private",
        "A private address without endpoint that no home has is a finding.",
        [a.call(0), a.call(1, "10.1.2.3")],
        {(a, "10.1.2.3"): "unknown_private/medium"},
    )

    a = i("own-private")
    case(
        "own-private",
        "The private address of the home's endpoint is no stranger.",
        [a.through(0, EP, "10.8.1.20", OURS), a.call(1, "10.8.1.20")],
        {},
    )

    a = i("own-private-late")
    case(
        "own-private-late",
        "It is none either if it was seen before its endpoint, or beside another private home.",
        [
            a.call(0, "10.8.9.9"),
            a.call(1, "10.8.1.21"),
            a.through(2, EP, "10.8.1.21", OURS),
            a.call(3, "10.8.1.21"),
        ],
        {},
    )

    a = i("office")
    b = i("office-thief", a.account)
    case(
        "thief-before-egress",
        "A thief who came before the instance, which is at home behind a shared egress.",
        [
            *_fleet("office", "81.33.4.9", 4, a.account),
            b.call(5, THIEF),
            b.call(5.5, "81.33.4.9"),
        ],
        {(b, THIEF): "outside_aws/high"},
    )

    a = i("junk")
    case(
        "junk",
        "A source that is no address is informational, and the ladder ends.",
        [a.call(0), a.call(1, "256.44.44.11")],
        {(a, "256.44.44.11"): "unclassified/informational"},
    )

    a = i("allowed")
    case(
        "allowed",
        "An entry of the allow-list excuses up to its last day, and not after.",
        [a.call(0), a.call(1, "66.1.1.1"), a.call(2, "66.2.2.2")],
        {(a, "66.1.1.1"): "allow_listed/excused", (a, "66.2.2.2"): "outside_aws/high"},
    )


def _cases() -> dict[str, Case]:
    cases: dict[str, Case] = {}

    def case(name: str, claim: str, rows: list, expected: dict) -> None:
        cases[name] = Case(claim, rows, expected)

    for add in (_addresses, _services, _endpoints, _fleets, _time, _rest):
        add(case)
    return cases


CASES = _cases()
ALLOWED = (
    Allowed("66.1.1.0/24", expires=date(2026, 3, 2)),
    Allowed("66.2.2.0/24", expires=date(2026, 3, 1)),
)


@pytest.fixture(scope="module")
def outcome(spark):
    """All cases judged at once: {(session, source): verdict/severity}."""
    rows = [row for case in CASES.values() for row in case.rows]
    result = judged(spark, rows, world(spark, ALLOWED, ours=[OURS, HUB]))
    return {
        key: f"{row.verdict}/{'excused' if row.excused else row.severity}"
        for key, row in verdicts(result).items()
    }


@pytest.mark.parametrize("name", CASES)
def test_case(name, outcome):
    """A case gives just the verdicts that it expects; see its claim."""
    case = CASES[name]
    sessions = {
        "/".join((row["account_id"], row["issuer_principal_id"], row["arn"].rsplit("/", 1)[1]))
        for row in case.rows
        if row["arn"]
    }

    actual = {key: said for key, said in outcome.items() if key[0] in sessions}

    assert case.expected == actual, case.claim
