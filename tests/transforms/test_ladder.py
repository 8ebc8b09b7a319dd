"""Each rule of the ladder by what it must catch and what it must leave alone.

All cases live in accounts of their own and are judged in one go; a case's expectation is the
verdict and severity of each (session, source) that is not quiet.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date

import pytest
from pyspark.sql import functions as F

from tests.factories import REGION, THIEF, Instance, by_admin, elastic, told
from tests.judged import Allowed, judged, verdicts, world
from transforms.rules import LADDER

OTHER_AWS = "54.240.230.177"
OURS, HUB, FOREIGN = "444455556666", "222233334444", "999988887777"
PARTNER = "555566667777"
EP, HUB_EP, FOREIGN_EP, NO_OWNER_EP = "vpce-0aaa", "vpce-0bbb", "vpce-0eee", "vpce-0ddd"
NAT, NAT2 = "52.95.7.7", "52.95.7.8"
CONSOLE = {"event_name": "GetSigninToken", "event_source": "signin.amazonaws.com"}
CURL = "curl/8.5.0"


class Case:
    """Records of a case and what must come of them: {(instance, source): verdict/severity}."""

    def __init__(self, claim: str, rows: list, expected: dict) -> None:
        """Take the case down."""
        self.claim, self.rows = claim, rows
        self.expected = {
            (i if isinstance(i, str) else i.session_id, source): say
            for (i, source), say in expected.items()
        }


def _fleet(name: str, source: str | None, count: int, account: str | None = None, **changes):
    """Healthy instances of one account that are first seen at one source, or each at its own."""
    account = account or Instance(name).account
    return [
        Instance(f"{name}-{i}", account).call(0.1 + i / 100, source, **changes)
        for i in range(count)
    ]


def _step(instance: Instance, hours: float, event: str):
    """A user starts, stops or terminates an instance."""
    items = {"items": [{"instanceId": instance.id}]}
    return by_admin(
        instance.account, hours, event, {"instancesSet": items}, {"instancesSet": items}
    )


def _assumed_by_user(instance: Instance, hours: float, key: str):
    """A user assumes the role of an instance under the instance's id, and is issued a key."""
    return instance.assumed(
        hours,
        identity_type="IAMUser",
        invoked_by=None,
        arn=f"arn:aws:iam::{instance.account}:user/eve",
        source_ip_address=THIEF,
        response_elements=json.dumps({"credentials": {"accessKeyId": key}}),
    )


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


def _acts(case: Callable[[str, str, list, dict], None]) -> None:
    """What a session does, or cannot do, wherever it is."""
    i = Instance
    a, b, c = i("console"), i("console-away"), i("console-hidden")
    case(
        "console",
        "A console is a finding: at home, critical elsewhere, and where CloudTrail hides it.",
        [
            *[a.call(0), a.call(1, **CONSOLE)],
            *[b.call(0), b.call(1, THIEF, **CONSOLE)],
            *[c.call(0), c.call(1, "AWS Internal", **CONSOLE)],
        ],
        {
            (a, a.home): "console_session/high",
            (b, THIEF): "console_session/critical",
            (c, "AWS Internal"): "console_session/critical",
        },
    )

    a = i("console-after-restart")
    case(
        "console-after-restart",
        "A console at the address that a restart brings is one at home: nothing speaks of a thief.",
        [a.call(0), a.call(10, OTHER_AWS, **CONSOLE)],
        {(a, OTHER_AWS): "console_session/high"},
    )

    a, b = i("stopped"), i("just-stopped")
    case(
        "stopped",
        "A call from home after a stop is a finding; within half an hour it is nothing.",
        [
            *[a.call(0), _step(a, 1, "StopInstances"), a.call(12)],
            *[b.call(0), _step(b, 1, "StopInstances"), b.call(1.4)],
        ],
        {(a, a.home): "not_running/high"},
    )

    a = i("started-again")
    case(
        "started-again",
        "After a start it runs again.",
        [
            *[a.call(0), _step(a, 1, "StopInstances"), _step(a, 3, "StartInstances")],
            a.call(4),
        ],
        {},
    )

    a, b = i("chain"), i("chain-home")
    role = {"event_name": "AssumeRole", "event_source": "sts.amazonaws.com"}
    case(
        "chain",
        "A thief who assumes another role from there goes on: one step worse. At home it is work.",
        [a.call(0), a.call(1, THIEF, **role), b.call(0), b.call(1, **role)],
        {(a, THIEF): "outside_aws/critical"},
    )


def _names(case: Callable[[str, str, list, dict], None]) -> None:
    """Sessions under an instance's name."""
    untold = {"ec2_role_delivery": None, "in_scope_issuer_type": None, "in_scope_issued_to": None}
    a = Instance("borrowed-name")
    case(
        "borrowed-name",
        "A user who takes an instance's name is told apart from it, wherever he calls from and "
        "whatever he does.",
        [
            *[a.call(0), _assumed_by_user(a, 1, "ASIAEVE")],
            a.call(1.1, THIEF, access_key_id="ASIAEVE", **untold),
            a.call(1.2, "81.2.69.161", access_key_id="ASIAEVE", **CONSOLE, **untold),
            a.through(1.3, EP, "10.0.3.3", OURS, access_key_id="ASIAEVE", **untold),
            a.call(1.4, "appstream.amazonaws.com", access_key_id="ASIAEVE", **untold),
        ],
        {
            (f"{a.session_id}@impersonated", THIEF): "impersonated_session/medium",
            (f"{a.session_id}@impersonated", "81.2.69.161"): "impersonated_session/medium",
            (f"{a.session_id}@impersonated", f"{EP}/10.0.3.3"): "impersonated_session/medium",
            (f"{a.session_id}@impersonated", "appstream.amazonaws.com"): (
                "hidden_service_source/medium"
            ),
        },
    )

    a = Instance("own-name")
    issued = _assumed_by_user(a, 1, "ASIAOWN")
    asked = ("event_name", "event_source", "request_parameters", "response_elements")
    case(
        "own-name",
        "An application that assumes a role under its instance's name, from home, is no stranger.",
        [
            *[a.call(0), a.call(1, **{name: issued[name] for name in asked})],
            a.call(1.1, access_key_id="ASIAOWN", **untold),
        ],
        {},
    )


def _changes(case: Callable[[str, str, list, dict], None]) -> None:
    """Addresses that change."""
    i = Instance
    a = i("elastic")
    case(
        "elastic",
        "An Elastic address that a user gave is the instance's; one that it never got is not.",
        [a.call(0), elastic(a, 1, "54.240.8.1"), a.call(2, "54.240.8.1"), a.call(3, "54.240.8.2")],
        {
            (a, "54.240.8.1"): "assigned_address/excused",
            (a, "54.240.8.2"): "inside_aws/high",
        },
    )

    a = i("elastic-unnamed")
    case(
        "elastic-unnamed",
        "An Elastic address that no record names permits one new address, not two.",
        [
            *[a.call(0), elastic(a, 1, None)],
            *[a.call(2, "54.240.8.3"), a.call(3, "54.240.8.4")],
        ],
        {(a, "54.240.8.3"): "moved/excused", (a, "54.240.8.4"): "inside_aws/high"},
    )

    a, b = i("self-made"), i("self-made-curl")
    own = [
        box.call(
            1,
            event_name="AssociateAddress",
            **told({"instanceId": box.id, "publicIp": address}),
        )
        for box, address in ((a, "54.240.8.5"), (b, "54.240.8.6"))
    ]
    case(
        "self-made",
        "An address that the session itself took, from home, is low; with a strange client high.",
        [
            *[a.call(0), b.call(0), *own, a.call(2, "54.240.8.5")],
            b.call(2, "54.240.8.6", user_agent=CURL),
        ],
        {
            (a, "54.240.8.5"): "self_made_address/low",
            (b, "54.240.8.6"): "self_made_address/high",
        },
    )

    a = i("stolen-early")
    b = i("given-by-a-thief", a.account)
    through = {"vpc_endpoint_id": FOREIGN_EP, "vpc_endpoint_account_id": FOREIGN}
    case(
        "self-whitelist-from-a-further-network",
        "A further network's first source may be a thief's: a change from there gives nothing.",
        [
            *[a.call(0), b.call(0), a.call(1, "10.0.9.7", **through)],
            a.call(
                1.1,
                "10.0.9.7",
                event_name="AssociateAddress",
                **told({"instanceId": b.id, "publicIp": "54.240.8.77"}),
                **through,
            ),
            b.call(2, "54.240.8.77"),
        ],
        {
            (a, f"{FOREIGN_EP}/10.0.9.7"): "foreign_endpoint/critical",
            (b, "54.240.8.77"): "inside_aws/high",
        },
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
        "An entry of the allow-list excuses up to its last day.",
        [a.call(0), a.call(1, "66.1.1.1")],
        {(a, "66.1.1.1"): "allow_listed/excused"},
    )

    a = i("expired")
    case(
        "expired",
        "And not after.",
        [a.call(0), a.call(2, "66.2.2.2")],
        {(a, "66.2.2.2"): "outside_aws/high"},
    )

    a, b, c, d, e = (
        i(f"listed-{what}")
        for what in ("console", "console-named", "down", "down-named", "console-by-one-of-two")
    )
    case(
        "listed-by-name",
        "A console or a machine that is down is excused only by an entry that names the rule.",
        [
            *[a.call(0), a.call(1, "66.1.1.2", **CONSOLE)],
            *[b.call(0), b.call(1, "66.3.3.3", **CONSOLE)],
            *[c.call(0), _step(c, 1, "StopInstances"), c.call(3, "66.1.1.3")],
            *[d.call(0), _step(d, 1, "StopInstances"), d.call(3, "66.3.3.4")],
            *[e.call(0), e.call(1, "66.1.1.5", **CONSOLE)],
        ],
        {
            (a, "66.1.1.2"): "console_session/critical",
            (b, "66.3.3.3"): "allow_listed/excused",
            (c, "66.1.1.3"): "not_running/high",
            (d, "66.3.3.4"): "allow_listed/excused",
            (e, "66.1.1.5"): "allow_listed/excused",
        },
    )

    a, b, c = (i(f"beside-listed-{what}") for what in ("own", "late", "signs"))
    case(
        "beside-listed",
        "Beside a listed home outside AWS the first address in AWS is home as that of a further "
        "network would be: within hours of birth, and with no two groups of signals.",
        [
            *[x.call(0, f"66.1.1.3{n}") for n, x in enumerate((a, b, c))],
            *[a.call(1), a.call(1.5, OTHER_AWS), b.call(6, "66.1.1.31"), b.call(7)],
            c.call(1, user_agent=CURL, event_name="ListBuckets"),
        ],
        {
            (a, OTHER_AWS): "inside_aws/high",
            (b, b.home): "inside_aws/high",
            (c, c.home): "inside_aws/high",
        },
    )

    a = i("listed-account")
    b, c = i("listed-role", a.account, "OtherRole"), i("listed-stranger")
    case(
        "listed-for",
        "An entry for a role of an account excuses nobody else.",
        [row for x in (a, b, c) for row in (x.call(0), x.call(1, "66.5.5.5"))],
        {
            (a, "66.5.5.5"): "allow_listed/excused",
            (b, "66.5.5.5"): "outside_aws/high",
            (c, "66.5.5.5"): "outside_aws/high",
        },
    )

    a = i("listed-endpoints")
    case(
        "listed-endpoints",
        "An endpoint is listed by its id or its owner, not by the address behind it.",
        [
            *[a.call(0), a.through(1, "vpce-0f0a", "10.71.1.1", FOREIGN)],
            *[a.through(1, "vpce-0f0b", "10.71.1.2", PARTNER), a.call(2, "10.70.1.1")],
            a.through(2, FOREIGN_EP, "10.70.1.2", FOREIGN),
        ],
        {
            (a, "vpce-0f0a/10.71.1.1"): "allow_listed/excused",
            (a, "vpce-0f0b/10.71.1.2"): "allow_listed/excused",
            (a, "10.70.1.1"): "allow_listed/excused",
            (a, f"{FOREIGN_EP}/10.70.1.2"): "foreign_endpoint/critical",
        },
    )


def _restarts(case: Callable[[str, str, list, dict], None]) -> None:
    """What a silence lets an instance bring, and what ends or bridges it."""
    i = Instance
    a, b = i("restart-outside"), i("restart-outside-far")
    case(
        "restart-outside",
        "Outside AWS a restart brings an address of the same /24, and no other.",
        [
            *[a.call(0, "81.40.1.5"), a.call(10, "81.40.1.77")],
            *[b.call(0, "81.40.2.5"), b.call(10, "81.40.3.5")],
        ],
        {
            (a, "81.40.1.5"): "outside_home/medium",
            (a, "81.40.1.77"): "restarted/excused",
            (b, "81.40.2.5"): "outside_home/medium",
            (b, "81.40.3.5"): "outside_aws/high",
        },
    )

    a = i("restart-into-aws")
    case(
        "restart-into-aws",
        "After a listed home outside AWS, an address inside is none like it.",
        [a.call(0, "66.1.1.20"), a.call(10, OTHER_AWS)],
        {(a, OTHER_AWS): "inside_aws/medium"},
    )

    a = i("restart-far")
    case(
        "restart-far",
        "A restart brings no address of another region.",
        [a.call(0), a.call(10, "54.72.8.8")],
        {(a, "54.72.8.8"): "inside_aws/medium"},
    )

    a, b = i("restart-signs"), i("restart-sign")
    case(
        "restart-signs",
        "Two groups of signals speak against a restart, one does not.",
        [
            *[a.call(0), a.call(10, OTHER_AWS, user_agent=CURL, event_name="ListBuckets")],
            *[b.call(0), b.call(10, OTHER_AWS, user_agent=CURL)],
        ],
        {(a, OTHER_AWS): "inside_aws/high", (b, OTHER_AWS): "restarted/excused"},
    )

    a = i("restart-behind-nat")
    case(
        "restart-behind-nat",
        "Whose home is an egress gets no new address by a restart.",
        [
            *_fleet("restart-nat", "52.95.250.1", 4, a.account),
            *[a.call(0.2, "52.95.250.1"), a.call(10, OTHER_AWS)],
        ],
        {(a, OTHER_AWS): "inside_aws/medium"},
    )

    a, b = i("restart-elastic"), i("restart-elastic-gone")
    case(
        "restart-elastic",
        "Nor does he who keeps an Elastic address; once that is taken away, he does.",
        [
            *[elastic(a, -1, a.home), a.call(0), a.call(10, OTHER_AWS)],
            *[elastic(b, -1, b.home), b.call(0), b.call(30, OTHER_AWS)],
            by_admin(b.account, 1, "DisassociateAddress", {"publicIp": b.home}),
        ],
        {(a, OTHER_AWS): "inside_aws/medium", (b, OTHER_AWS): "restarted/excused"},
    )

    a, b = i("restart-grace"), i("restart-again")
    case(
        "restart-grace",
        "The former address may be seen for five minutes more, and it is the last one that counts.",
        [
            *[a.call(0), a.call(10, OTHER_AWS), a.call(10.05)],
            *[
                b.call(0),
                b.call(10, "54.240.8.14"),
                b.call(20, OTHER_AWS),
                b.call(21, "54.240.8.14"),
            ],
        ],
        {
            (a, OTHER_AWS): "restarted/excused",
            (b, "54.240.8.14"): "restarted/excused",
            (b, OTHER_AWS): "inside_aws/medium",
        },
    )

    a, b, c = i("seven-hours"), i("long-stay"), i("long-stay-beside")
    case(
        "seven-hours",
        "A silence is longer than seven hours, since the last call at any home.",
        [
            *[a.call(0), a.call(7, OTHER_AWS)],
            *[b.call(h) for h in range(10)],
            b.call(12, OTHER_AWS),
            *[c.call(h) for h in range(13)],
            *[c.call(1, "2600:1f14:77::1"), c.call(14, OTHER_AWS)],
        ],
        {(x, OTHER_AWS): "inside_aws/high" for x in (a, b, c)},
    )

    a, b = i("thief-in-silence"), i("thief-after-keys")
    case(
        "thief-in-silence",
        "A thief neither ends the silence nor uses up the new address.",
        [
            *[a.call(0), a.call(5, THIEF), a.call(10, OTHER_AWS)],
            *[b.call(0), b.assumed(9), b.call(9.5, THIEF), b.call(10, OTHER_AWS)],
        ],
        {
            **{(x, THIEF): "outside_aws/high" for x in (a, b)},
            **{(x, OTHER_AWS): "restarted/excused" for x in (a, b)},
        },
    )

    a, b, c = i("alive-moved"), i("alive-restarted"), i("came-back")
    case(
        "alive-elsewhere",
        "A new home is a sign of life, and coming back to the old one uses up the silence.",
        [
            *[a.call(0), elastic(a, 1, None), a.call(2, "54.240.8.11"), a.call(6, "54.240.8.11")],
            *[b.call(0), b.call(10, "54.240.8.13"), b.call(16, OTHER_AWS)],
            *[c.call(0), c.call(10), c.call(11, OTHER_AWS)],
            a.call(12, OTHER_AWS),
        ],
        {
            (a, "54.240.8.11"): "moved/excused",
            (b, "54.240.8.13"): "restarted/excused",
            **{(x, OTHER_AWS): "inside_aws/high" for x in (a, b, c)},
        },
    )

    a = i("elastic-earlier")
    case(
        "elastic-earlier",
        "An earlier home stays one, until the ledger gives the address to somebody else.",
        [
            *[a.call(0), elastic(a, 1, "54.240.8.12"), a.call(2, "54.240.8.12")],
            by_admin(a.account, 3, "DisassociateAddress", {"publicIp": "54.240.8.12"}),
            *[a.call(20, "54.240.8.12"), a.call(21)],
        ],
        {(a, "54.240.8.12"): "assigned_address/excused"},
    )

    a, nat = i("egress-after-silence"), "52.95.250.2"
    case(
        "egress-after-silence",
        "An egress that was excused before may be home after a silence; it permits no further one.",
        [
            *_fleet("egress-nat", nat, 3, a.account),
            *[a.call(0), a.call(1, nat), a.call(12, nat), a.call(22, OTHER_AWS)],
        ],
        {(a, nat): "restarted/excused", (a, OTHER_AWS): "inside_aws/medium"},
    )

    a, b, c = i("tie"), i("before-the-endpoint"), i("before-a-private")
    case(
        "what-is-better",
        "In one second AWS is first; an endpoint of ours is better than a source outside, a "
        "private address is not.",
        [
            *[a.call(0, "23.22.1.1"), a.call(0), a.call(1)],
            *[b.call(0, THIEF), b.through(0.1, EP, "10.0.1.50", OURS)],
            *[c.call(0, "81.40.9.9"), c.call(1, "10.7.7.7")],
        ],
        {
            (a, "23.22.1.1"): "allow_listed/excused",
            (b, THIEF): "outside_aws/high",
            (c, "10.7.7.7"): "unknown_private/medium",
        },
    )

    a, b = i("own-range"), i("listed-home")
    case(
        "own-range",
        "A home outside AWS is none to tell of if the ledger or the allow-list names it.",
        [elastic(a, -1, "81.44.4.4"), a.call(0, "81.44.4.4"), b.call(0, "66.1.1.9")],
        {},
    )


def _networks(case: Callable[[str, str, list, dict], None]) -> None:
    """The first source of a further network."""
    i = Instance
    signs, seen = {"user_agent": CURL, "event_name": "ListBuckets"}, "2600:1f14:aa::1"
    a, b = i("v6-signs"), i("v6-sign")
    case(
        "v6-signs",
        "The first IPv6 inside AWS is no home if two groups of signals speak against it; one may.",
        [
            *[row for x in (a, b) for row in (x.call(0), x.call(0.5, "2a01:4f8::7"))],
            *[a.call(1, seen, **signs), b.call(1, "2600:1f14:ab::1", user_agent=CURL)],
        ],
        {
            (a, seen): "inside_aws/high",
            **{(x, "2a01:4f8::7"): "outside_aws/high" for x in (a, b)},
        },
    )

    a, b = i("v6-born-signs"), i("v6-born-sign")
    case(
        "v6-born-signs",
        "So it is within hours of birth, where no other source came before it.",
        [
            *[a.call(0), a.call(1, "2600:1f14:ac::1", **signs)],
            *[b.call(0), b.call(1, "2600:1f14:ad::1", user_agent=CURL)],
        ],
        {(a, "2600:1f14:ac::1"): "inside_aws/high"},
    )

    a, b, c = i("v6-peers"), i("v6-few"), i("v6-other-role")
    case(
        "v6-peers",
        "Where three others of the role are there to tell, and have none, the first IPv6 is no "
        "home; two, or three of another role, cannot tell.",
        [
            *[*_fleet("v6-peer", None, 3, a.account), a.call(0), a.call(1, "2600:1f14:b1::1")],
            *[*_fleet("v6-few", None, 2, b.account), b.call(0), b.call(1, "2600:1f14:b2::1")],
            *[i(f"v6-role-{n}", c.account, "BatchRole").call(0) for n in range(3)],
            *[c.call(0), c.call(1, "2600:1f14:b3::1")],
        ],
        {(a, "2600:1f14:b1::1"): "inside_aws/medium"},
    )

    a = i("v6-neighbour")
    b, *others = [i(f"v6-neighbour-{n}", a.account) for n in range(3)]
    case(
        "v6-neighbour",
        "If one of them is in the same /56, it is.",
        [
            *[x.call(0) for x in (a, b, *others)],
            *[a.call(1, "2600:1f14:99:1::1"), b.call(8, "2600:1f14:99:2::5")],
            i("v6-pioneer", a.account, "BatchRole").call(0, "2600:1f14:99:3::7"),
        ],
        {},
    )

    ends = "vpce-0c0a"
    a, b, c, d = (i(f"public-{name}") for name in ("like-peers", "two", "shared", "far"))
    e = i("public-other-role")
    private = [
        x.through(0, ends, f"10.20.{at}.{n}", OURS)
        for at, (one, kin) in enumerate(((b, 2), (e, 3)))
        for n, x in enumerate([one, *[i(f"{one.id}-{k}", one.account) for k in range(kin)]], 1)
    ]
    case(
        "first-public",
        "Beside an endpoint, the first public address is home where three others of the role have "
        "one of their own; where they have none or share one, or in another region, it is not.",
        [
            *[*_fleet("public-peer", None, 3, a.account), a.through(0, ends, "10.20.7.1", OURS)],
            *[*private, *_fleet("public-two", None, 2, b.account)],
            *[
                *_fleet("public-shared", "52.95.250.3", 3, c.account),
                c.through(0, ends, "10.20.8.1", OURS),
            ],
            d.through(0, ends, "10.20.9.1", OURS),
            *[i(f"public-role-{n}", e.account, "WebRole").call(0) for n in range(3)],
            *[a.call(1), b.call(1), c.call(1), d.call(1, "54.72.9.9"), e.call(1)],
        ],
        {
            (b, b.home): "inside_aws/medium",
            (c, c.home): "inside_aws/medium",
            (d, "54.72.9.9"): "inside_aws/medium",
            (e, e.home): "inside_aws/medium",
        },
    )

    a, b = i("first-elastic"), i("first-egress")
    case(
        "first-elastic",
        "The first public address is home at any time if the ledger names it, or many share it.",
        [
            *[x.through(h, EP, f"10.20.3.{n}", OURS) for n, x in enumerate((a, b)) for h in (0, 6)],
            *[elastic(a, 7, "54.240.8.33"), a.call(8, "54.240.8.33")],
            *[*_fleet("first-nat", "52.95.250.5", 3), b.call(8, "52.95.250.5")],
        ],
        {},
    )

    a, b, c = i("copied-address"), i("unknown-ep-first"), i("foreign-first")
    case(
        "endpoints-first",
        "An endpoint of unknown owner is home if it comes first, not by the address alone, and "
        "a silence brings no other address behind it; a foreign one is never.",
        [
            *[a.through(0, EP, "10.20.2.2", OURS), a.through(1, "vpce-0d02", "10.20.2.2", None)],
            *[b.through(0, "vpce-0d01", "10.0.9.8", None), b.call(1)],
            b.through(10, "vpce-0d01", "10.0.9.9", None),
            *[c.through(0, "vpce-0e02", "10.0.9.7", FOREIGN), c.call(1)],
        ],
        {
            (a, "vpce-0d02/10.20.2.2"): "unknown_endpoint/high",
            (b, "vpce-0d01/10.0.9.9"): "unknown_endpoint/high",
            (c, "vpce-0e02/10.0.9.7"): "foreign_endpoint/critical",
        },
    )


def _owners(case: Callable[[str, str, list, dict], None]) -> None:
    """Endpoints that births or the ledger make ours."""
    i, unlisted = Instance, "777788889999"

    def behind(name: str, endpoint: str, owner: str | None, count: int, account: str | None = None):
        account = account or i(name).account
        boxes = [i(f"{name}-{n}", account) for n in range(count)]
        calls = [
            box.through(0.1 + n / 100, endpoint, f"10.30.0.{n + 1}", owner)
            for n, box in enumerate(boxes)
        ]
        return boxes, calls

    ep = "vpce-0c01"
    boxes, calls = behind("assumed", ep, unlisted, 4)
    case(
        "assumed-endpoint",
        "An endpoint behind which three others were born is taken for ours, and told once.",
        [*calls, boxes[0].through(2, ep, "10.30.0.9", unlisted)],
        {
            (boxes[0], f"{ep}/10.30.0.1"): "foreign_endpoint/low",
            (boxes[0], f"{ep}/10.30.0.9"): "known_endpoint/excused",
        },
    )

    ep, a = "vpce-0c07", i("before-the-assumed")
    boxes, calls = behind("assumed-later", ep, unlisted, 4)
    case(
        "assumed-endpoint-after-a-stranger",
        "It is told also where an instance of another account was behind it before.",
        [*calls, a.call(0), a.through(0.05, ep, "10.30.0.20", unlisted)],
        {
            (a, f"{ep}/10.30.0.20"): "foreign_endpoint/critical",
            (boxes[0], f"{ep}/10.30.0.1"): "foreign_endpoint/low",
        },
    )

    few, many = "vpce-0c02", "vpce-0c03"
    boxes, calls = behind("too-few", few, unlisted, 3)
    crowd, more = behind("too-small-a-share", many, unlisted, 4)
    case(
        "not-assumed-endpoint",
        "Two others are too few, and so are three of an account that has sixteen instances.",
        [*calls, *more, *_fleet("crowd", None, 12, crowd[0].account)],
        {
            **{
                (x, f"{few}/10.30.0.{n + 1}"): "foreign_endpoint/critical"
                for n, x in enumerate(boxes)
            },
            **{
                (x, f"{many}/10.30.0.{n + 1}"): "foreign_endpoint/critical"
                for n, x in enumerate(crowd)
            },
        },
    )

    ep, few = "vpce-0c04", "vpce-0c05"
    boxes, calls = behind("nameless", ep, None, 4)
    pair, two = behind("nameless-few", few, None, 3)
    stranger = i("nameless-stranger")
    case(
        "nameless-endpoint",
        "So it is where no record names the owner: behind it another address is excused, to those "
        "of the account.",
        [
            *[*calls, boxes[0].through(2, ep, "10.30.0.9", None)],
            *[*two, pair[0].through(2, few, "10.30.0.9", None)],
            *[stranger.call(0), stranger.through(1, ep, "10.30.0.10", None)],
        ],
        {
            (boxes[0], f"{ep}/10.30.0.9"): "known_endpoint/excused",
            (pair[0], f"{few}/10.30.0.9"): "unknown_endpoint/high",
            (stranger, f"{ep}/10.30.0.10"): "unknown_endpoint/high",
        },
    )

    a, ep = i("endpoint-made"), "vpce-0c06"
    made = {"CreateVpcEndpointResponse": {"vpcEndpoint": {"vpcEndpointId": ep}}}
    case(
        "endpoint-made",
        "An endpoint that was made in the trail is ours.",
        [
            by_admin(a.account, -1, "CreateVpcEndpoint", {}, made),
            *[a.through(0, ep, "10.31.0.1", None), a.through(1, ep, "10.31.0.2", None)],
        ],
        {(a, f"{ep}/10.31.0.2"): "known_endpoint/excused"},
    )


def _neighbours(case: Callable[[str, str, list, dict], None]) -> None:
    """Whose address it is."""
    i = Instance
    a, b = i("at-a-holders"), i("holder")
    case(
        "holder",
        "An address that the ledger gives to another instance is that one's, seen there or not.",
        [elastic(b, -1, "54.240.8.21"), a.call(0), a.call(1, "54.240.8.21")],
        {(a, "54.240.8.21"): "another_workload/high"},
    )

    a, gone, b, alive = i("at-a-dead-ones"), i("dead-one"), i("at-a-live-ones"), i("live-one")
    case(
        "alive",
        "Who was born there must be alive in the same or the next six hours.",
        [
            *[gone.call(5), a.call(0), a.call(7), a.call(13, gone.home)],
            *[alive.call(5), b.call(0), b.call(7, alive.home)],
        ],
        {
            (a, gone.home): "inside_aws/high",
            (b, alive.home): "another_workload/high",
        },
    )

    a, b = i("at-a-long-ones"), i("long-one")
    case(
        "long-one",
        "One who is there all along is alive in between.",
        [
            *[b.call(h) for h in range(0, 31, 6)],
            *[a.call(h) for h in (0, 6, 12)],
            a.call(14, b.home),
        ],
        {(a, b.home): "another_workload/high"},
    )

    a, b, c = i("private-one"), i("private-visitor", i("private-one").account), i("private-far")
    case(
        "private-neighbour",
        "A private address is another's in the same account alone.",
        [
            *[a.call(h, "10.40.1.1") for h in (0, 7)],
            *[x.call(h) for x in (b, c) for h in (0, 5)],
            *[x.call(8, "10.40.1.1") for x in (b, c)],
        ],
        {
            (b, "10.40.1.1"): "another_workload/high",
            (c, "10.40.1.1"): "unknown_private/medium",
        },
    )

    a, b = i("same-private"), i("same-private-box")
    case(
        "same-private-address",
        "In another VPC of ours the private address of one's home is somebody else's.",
        [
            *[a.through(h, EP, "10.0.5.9", OURS) for h in (0, 7)],
            *[b.through(h, HUB_EP, "10.0.5.9", HUB) for h in (0, 7)],
            a.through(8, HUB_EP, "10.0.5.9", HUB),
        ],
        {(a, f"{HUB_EP}/10.0.5.9"): "another_workload/high"},
    )

    a, b = i("one-of-two"), i("other-of-two")
    case(
        "two-behind-one",
        "Two that were born at one address are no strangers there.",
        [x.call(h, "52.95.250.4") for x in (a, b) for h in (0, 2)],
        {},
    )

    a, b = i("first-of-two-keys"), i("second-of-two-keys")
    case(
        "thief-of-two-keys",
        "A thief may be all that is seen of one key: a source outside AWS proves no owner.",
        [b.call(0, "67.178.52.9"), a.call(0), a.call(1, "67.178.52.9")],
        {(b, "67.178.52.9"): "outside_home/medium", (a, "67.178.52.9"): "outside_aws/high"},
    )

    home = i("four-private").account
    boxes = [i(f"four-private-{n}", home) for n in range(4)]
    three = [i(f"three-private-{n}", i("three-private").account) for n in range(3)]
    case(
        "private-like-others",
        "An unknown private address is low where three others of the account show the like.",
        [
            *[x.call(0) for x in (*boxes, *three)],
            *[x.call(1, f"10.60.0.{n}") for n, x in enumerate((*boxes, *three))],
        ],
        {
            **{(x, f"10.60.0.{n}"): "unknown_private/low" for n, x in enumerate(boxes)},
            **{(x, f"10.60.0.{n + 4}"): "unknown_private/medium" for n, x in enumerate(three)},
        },
    )


def _gateways(case: Callable[[str, str, list, dict], None]) -> None:
    """Egress by the ledger, and how many births make one."""
    i = Instance

    def nat(account: str, address: str, region: str = REGION):
        named = {"allocationId": f"eipalloc-0{address.replace('.', '')}", "publicIp": address}
        gateway = {"natGateway": {"natGatewayAddressSet": {"item": named}}}
        made = by_admin(account, -1, "CreateNatGateway", {}, {"CreateNatGatewayResponse": gateway})
        return {**made, "aws_region": region}

    def forwards(instance: Instance):
        request = {"instanceId": instance.id, "sourceDestCheck": {"value": False}}
        return by_admin(instance.account, -1, "ModifyInstanceAttribute", request)

    a = i("nat-by-ledger")
    case(
        "nat-by-ledger",
        "The address of a NAT gateway is an egress, in its region.",
        [
            *[nat(a.account, "52.95.250.11"), nat(a.account, "52.95.250.12", "eu-west-1")],
            *[a.call(0), a.call(1, "52.95.250.11"), a.call(2, "52.95.250.12")],
        ],
        {
            (a, "52.95.250.11"): "shared_egress/excused",
            (a, "52.95.250.12"): "inside_aws/high",
        },
    )

    a = i("behind-a-forwarder")
    box, like, outside = (
        i(f"forwarder-{n}", a.account, role)
        for n, role in enumerate(("NatRole", "NatRole", "EdgeRole"))
    )
    thiefs = a.call(
        1.5,
        THIEF,
        event_name="AssociateAddress",
        **told({"instanceId": box.id, "publicIp": "52.95.250.14"}),
    )
    case(
        "forwarder",
        "So are the home and the Elastic addresses of an instance that forwards: not those that a "
        "thief gave it, nor one outside AWS, nor another of its role.",
        [
            *[forwards(box), forwards(outside), elastic(box, -1, "52.95.250.13"), thiefs],
            *[box.call(0), like.call(0), outside.call(0, "81.50.1.1"), a.call(0)],
            *[a.call(1, box.home), a.call(1, "52.95.250.13"), a.call(2, "52.95.250.14")],
            *[a.call(1, like.home), a.call(1, "81.50.1.1")],
        ],
        {
            (a, box.home): "shared_egress/excused",
            (a, "52.95.250.13"): "shared_egress/excused",
            (a, "52.95.250.14"): "another_workload/high",
            (a, like.home): "another_workload/high",
            (a, "81.50.1.1"): "outside_aws/high",
            (a, THIEF): "outside_aws/critical",
            (outside, "81.50.1.1"): "outside_home/medium",
        },
    )

    a = i("behind-forwarders")
    one, two, third = (i(f"of-nat-role-{n}", a.account, "NatRole") for n in range(3))
    other = i("of-no-nat-role", a.account, "WebRole")
    case(
        "forwarders",
        "Where two of a role forward, all of the role do; those of other roles do not.",
        [
            *[forwards(one), forwards(two)],
            *[x.call(0) for x in (one, two, third, other, a)],
            *[a.call(1, third.home), a.call(1, other.home)],
        ],
        {
            (a, third.home): "shared_egress/excused",
            (a, other.home): "another_workload/high",
        },
    )

    a = i("at-a-forwarders-private")
    box = i("launched-forwarder", a.account)
    launched = {
        "instancesSet": {
            "items": [{"instanceId": box.id, "vpcId": "vpc-0a", "privateIpAddress": "10.50.1.1"}]
        }
    }
    case(
        "forwarder-private",
        "The private address of one that forwards is no egress.",
        [
            *[by_admin(a.account, -1, "RunInstances", {}, launched), forwards(box), box.call(0)],
            *[a.call(0), a.call(5), a.call(8, "10.50.1.1")],
        ],
        {(a, "10.50.1.1"): "another_workload/high"},
    )

    a, nat_eu = i("at-an-eu-nat"), "52.95.250.15"
    b, crowded = i("at-a-crowded-eu-nat"), "52.95.250.16"
    abroad = [i(f"abroad-{n}", a.account) for n in range(3)]
    crowd = [i(f"crowd-abroad-{n}", b.account) for n in range(4)]
    case(
        "nat-of-another-region",
        "Instances of another region make no egress for those of this one, and where it is one to "
        "themselves, none of them holds it.",
        [
            *[
                x.call(
                    0,
                    gateway,
                    in_scope_issued_to=f"arn:aws:ec2:eu-west-1:{x.account}:instance/{x.id}",
                )
                for boxes, gateway in ((abroad, nat_eu), (crowd, crowded))
                for x in boxes
            ],
            *[a.call(0), a.call(1, nat_eu), b.call(0), b.call(1, crowded)],
        ],
        {(a, nat_eu): "another_workload/high", (b, crowded): "inside_aws/high"},
    )

    two, three, far = i("office-two"), i("office-three"), i("office-far")
    case(
        "small-offices",
        "Outside AWS it takes three others of the account, as it does inside.",
        [
            *[*_fleet("two", "81.10.22.5", 2, two.account), two.call(0), two.call(1, "81.10.22.9")],
            *_fleet("three", "81.10.23.5", 3, three.account),
            *[three.call(0), three.call(1, "81.10.23.9")],
            *[*_fleet("elsewhere", "81.10.24.5", 4), far.call(0), far.call(1, "81.10.24.9")],
        ],
        {
            (two, "81.10.22.9"): "outside_aws/high",
            (three, "81.10.23.9"): "shared_egress/excused",
            (far, "81.10.24.9"): "outside_aws/high",
            **{(i(f"two-{n}", two.account), "81.10.22.5"): "outside_home/medium" for n in range(2)},
            **{
                (i(f"three-{n}", three.account), "81.10.23.5"): "outside_home/medium"
                for n in range(3)
            },
        },
    )

    a = i("fifth")
    case(
        "a-fifth",
        "Three are no fifth of sixteen, at the very same address.",
        [
            *_fleet("fifth-out", "81.10.25.5", 3, a.account),
            *_fleet("fifth-in", None, 12, a.account),
            *[a.call(0), a.call(1, "81.10.25.5")],
        ],
        {
            (a, "81.10.25.5"): "outside_aws/high",
            **{
                (i(f"fifth-out-{n}", a.account), "81.10.25.5"): "outside_home/medium"
                for n in range(3)
            },
        },
    )


def _moves(case: Callable[[str, str, list, dict], None]) -> None:
    """Fleets that move from one gateway to another."""
    i = Instance

    def fleet(name: str, count: int) -> list[Instance]:
        return [i(f"{name}-{n}", i(name).account) for n in range(count)]

    def move(boxes: list[Instance], former: str, new: str, left: float = 0.1, came: float = 1):
        return [
            row
            for n, x in enumerate(boxes)
            for row in (x.call(left + n / 100, former), x.call(came + n / 100, new))
        ]

    f, g = "52.95.254.1", "54.240.15.1"
    boxes, going_on = fleet("draining", 4), i("draining-goes-on", i("draining-0").account)
    slow, f2, g2 = fleet("draining-slowly", 4), "52.95.254.2", "54.240.15.2"
    case(
        "fleet-drained",
        "So are four that call from both gateways for minutes; not one that goes on at the old "
        "one, nor those that go one by one.",
        [
            *[x.call(0.1, f) for x in boxes],
            *[x.call(1 + n / 50, g) for n, x in enumerate(boxes)],
            *[x.call(1.01 + n / 50, f) for n, x in enumerate(boxes)],
            *[going_on.call(0.1, f), going_on.call(1.01, g), going_on.call(1.5, f)],
            *[x.call(0.1, f2) for x in slow],
            *[x.call(1 + n / 20, g2) for n, x in enumerate(slow)],
            *[x.call(1.04 + n / 20, f2) for n, x in enumerate(slow)],
        ],
        {
            **{(x, g): "shared_egress/excused" for x in boxes},
            (going_on, g): "inside_aws/high",
            **{(x, g2): "inside_aws/high" for x in slow},
        },
    )

    f, g = "52.95.251.1", "54.240.12.1"
    boxes = fleet("moving", 4)
    early, late = (i(name, boxes[0].account) for name in ("moved-early", "moved-late"))
    case(
        "fleet-moved",
        "Four that move at once are excused, also one that is seen at the old gateway for minutes "
        "more; those who moved before or after them are not.",
        [
            *move(boxes, f, g, 0.3),
            boxes[0].call(1.04, f),
            *move([early], f, g, 0, 0.05),
            *move([late], f, g, 8, 10),
        ],
        {
            **{(x, g): "shared_egress/excused" for x in boxes},
            **{(x, g): "inside_aws/high" for x in (early, late)},
        },
    )

    said: dict = {}
    rows: list = []
    for number, (name, size, moving, say) in enumerate(
        (
            ("three-moving", 3, 3, "inside_aws/high"),
            ("half-moving", 8, 4, "shared_egress/excused"),
            ("less-than-half", 9, 4, "inside_aws/high"),
        )
    ):
        f, g = f"52.95.252.{number + 1}", f"54.240.13.{number + 1}"
        boxes = fleet(name, size)
        rows += move(boxes[:moving], f, g)
        rows += [x.call(0.2, f) for x in boxes[moving:]]
        said |= {(x, g): say for x in boxes[:moving]}
    case(
        "fleets-by-size", "It takes more than three, and half of those who were there.", rows, said
    )

    stay, abroad, day = fleet("staying", 4), fleet("moving-abroad", 4), fleet("moving-later", 4)
    at_once, kept = fleet("staying-at-once", 4), "52.95.253.5"
    v6, v6_new = fleet("moving-v6", 4), "2600:1f14:e2::1"
    mixed = [i(f"mixed-{n}", i(f"mixed-account-{n % 2}").account) for n in range(4)]
    last, old = "52.95.253.4", [i(f"long-gone-{n}", day[0].account) for n in range(5)]
    case(
        "no-fleet-moved",
        "Nobody moved who goes on at the old gateway, into another region, with instances of "
        "another account, or by IPv6, which has no NAT gateways; who left the old one a day before "
        "does not count.",
        [
            *[*move(stay, "52.95.253.1", "54.240.14.1"), *[x.call(2, "52.95.253.1") for x in stay]],
            *[x.call(h, kept) for x in at_once for h in (0.1, 2)],
            *[x.call(1, "54.240.14.5") for x in at_once],
            *[*move(abroad, "52.95.253.2", "54.72.14.2"), *move(v6, "2600:1f14:e1::1", v6_new)],
            *move(mixed, "52.95.253.3", "54.240.14.3"),
            *[x.call(0, last) for x in old],
            *[x.call(h, last) for x in day for h in range(0, 37, 6)],
            *[x.call(40, "54.240.14.4") for x in day],
        ],
        {
            **{(x, "54.240.14.1"): "inside_aws/high" for x in stay},
            **{(x, "54.240.14.5"): "inside_aws/high" for x in at_once},
            **{(x, v6_new): "inside_aws/high" for x in v6},
            **{(x, "54.72.14.2"): "inside_aws/high" for x in abroad},
            **{(x, "54.240.14.3"): "inside_aws/high" for x in mixed},
            **{(x, "54.240.14.4"): "shared_egress/excused" for x in day},
        },
    )


def _order(case: Callable[[str, str, list, dict], None]) -> None:
    """Where two rules hold, and what one stay does to the next."""
    i = Instance
    a, b = i("console-when-down"), i("console-moved")
    case(
        "console-first",
        "A console comes before a machine that is down; at a later home it is high, too.",
        [
            *[a.call(0), _step(a, 1, "StopInstances"), a.call(3, **CONSOLE)],
            *[b.call(0), elastic(b, 1, None), b.call(2, "54.240.8.31")],
            b.call(20, "54.240.8.31", **CONSOLE),
        ],
        {(a, a.home): "console_session/high", (b, "54.240.8.31"): "console_session/high"},
    )

    a, b = i("permitted-to-anothers"), i("permitted-owner")
    c, d = i("handed-over-to"), i("handed-over-from")
    case(
        "permit-or-ledger",
        "A permit does not excuse another's address, but the ledger does once it names it.",
        [
            *[b.call(0), b.call(2), a.call(0), elastic(a, 1, None), a.call(2, b.home)],
            *[d.call(0), c.call(0), elastic(c, 5, d.home), c.call(5.5, d.home)],
            by_admin(c.account, 6, "DisassociateAddress", {"publicIp": d.home}),
            *[c.call(20, d.home), c.call(21)],
        ],
        {(a, b.home): "another_workload/high", (c, d.home): "assigned_address/excused"},
    )

    a, b = i("given-away"), i("given-to")
    case(
        "given-away",
        "A home is none any more once the ledger gives its address to somebody else.",
        [a.call(0), elastic(b, 5, a.home), a.call(12)],
        {(a, a.home): "another_workload/high"},
    )

    a, b = i("suspicious-still"), i("private-alive")
    case(
        "suspicious-still",
        "A suspicious source is no sign of life in a later epoch either; the private address of a "
        "home is one.",
        [
            *[a.call(0), a.call(1, OTHER_AWS), a.call(12, OTHER_AWS), a.call(14, "54.240.8.32")],
            *[b.call(0), b.through(0, EP, "10.8.3.1", OURS), b.call(6, "10.8.3.1")],
            b.call(12, OTHER_AWS),
        ],
        {
            (a, OTHER_AWS): "inside_aws/high",
            (a, "54.240.8.32"): "restarted/excused",
            (b, OTHER_AWS): "inside_aws/high",
        },
    )

    a, b = i("one-sign-in-silence"), i("private-chain")
    role = {"event_name": "AssumeRole", "event_source": "sts.amazonaws.com"}
    case(
        "one-sign",
        "After a silence one signal makes it high; going on from there is one step worse, not two.",
        [
            *[a.call(0), a.call(10, OTHER_AWS, user_agent=CURL), a.call(11)],
            *[b.call(0), b.call(5), b.call(8, "10.1.2.4", **role)],
        ],
        {(a, OTHER_AWS): "inside_aws/high", (b, "10.1.2.4"): "unknown_private/high"},
    )

    a = i("private-among-homes")
    case(
        "private-homes",
        "Others that live at a private address do not show the like of one that is unknown.",
        [
            *[i(f"private-home-{n}", a.account).call(0, f"10.61.0.{n + 1}") for n in range(3)],
            *[a.call(0), a.call(5), a.call(8, "10.61.0.9")],
        ],
        {(a, "10.61.0.9"): "unknown_private/medium"},
    )

    a, b = i("console-at-new-home"), i("goes-on-at-new-home")
    case(
        "console-at-new-home",
        "An address that the ledger gives is home from its first stay on.",
        [
            *[x.call(0) for x in (a, b)],
            *[elastic(a, 1, "54.240.8.41"), a.call(2, "54.240.8.41", **CONSOLE)],
            *[elastic(b, 1, "54.240.8.42"), b.call(2, "54.240.8.42", **role)],
        ],
        {
            (a, "54.240.8.41"): "console_session/high",
            (b, "54.240.8.42"): "assigned_address/excused",
        },
    )

    a, b, c, d = (i(f"gave-away-{n}") for n in range(4))
    gave_back = [
        by_admin(x.account, 13, "DisassociateAddress", {"publicIp": x.home}) for x in (a, c)
    ]
    case(
        "given-away-for-a-time",
        "Used while it was another's, a home is none later either, nor a sign of life; not used, "
        "it stays one.",
        [
            *[a.call(0), elastic(b, 5, a.home), a.call(12), a.call(22, **CONSOLE)],
            *[c.call(0), elastic(d, 5, c.home), c.call(22, **CONSOLE)],
            *[*gave_back, a.call(25, OTHER_AWS), c.call(25, OTHER_AWS)],
        ],
        {
            (a, a.home): "console_session/critical",
            (a, OTHER_AWS): "restarted/excused",
            (c, c.home): "console_session/high",
            (c, OTHER_AWS): "inside_aws/high",
        },
    )

    a = i("forwards-from-home")
    case(
        "forwarded-at-home",
        "What another party sends from home is nothing to tell of.",
        [
            *[a.call(0), a.call(2)],
            a.call(
                1,
                event_name="GetCallerIdentity",
                event_source="sts.amazonaws.com",
                user_agent="Go-http-client/1.1",
            ),
        ],
        {},
    )


def _cases() -> dict[str, Case]:
    cases: dict[str, Case] = {}

    def case(name: str, claim: str, rows: list, expected: dict) -> None:
        cases[name] = Case(claim, rows, expected)

    for add in (
        *(_addresses, _services, _endpoints, _fleets, _time, _acts, _names, _changes, _rest),
        *(_restarts, _networks, _owners, _neighbours, _gateways, _moves, _order),
    ):
        add(case)
    return cases


CASES = _cases()
ALLOWED = (
    Allowed("66.1.1.0/24", expires=date(2026, 3, 2)),
    Allowed("66.1.1.5/32", expires=date(2026, 3, 2), rules=("console_session",), owner="admin"),
    Allowed("66.1.1.5/32", owner="office"),
    Allowed("66.2.2.0/24", expires=date(2026, 3, 1)),
    Allowed("23.22.1.0/24"),
    Allowed("66.3.3.0/24", rules=("console_session", "not_running")),
    Allowed("66.5.5.0/24", account=Instance("listed-account").account, role="AppRole"),
    Allowed("vpce-0f0a", what="endpoint"),
    Allowed(PARTNER, what="account"),
    Allowed("10.70.0.0/16"),
)


BESIDE = {
    "allow_listed": "expired",
    "console_session": "chain",
    "not_running": "started-again",
    "on_behalf": "not-on-behalf",
    "internal": "hidden",
    "forwarded": "not-forwarded",
    "assigned_address": "elastic-unnamed",
    "another_workload": "two-behind-one",
    "moved": "elastic",
    "restarted": "no-move",
    "shared_egress": "small-nat",
    "known_endpoint": "lateral",
    "self_made_address": "elastic",
    "foreign_endpoint": "own-ep",
    "unknown_endpoint": "endpoint-made",
    "hidden_service_source": "on-behalf",
    "impersonated_session": "own-name",
    "outside_home": "own-range",
    "inside_aws": "dual",
    "outside_aws": "office",
    "unknown_private": "own-private",
    "unclassified": "own-private-late",
}
"""For each rule a case that comes near it and must be left alone by it."""


def test_every_rule_has_a_case_and_one_beside_it():
    """Each rule is expected by name; ``weak_signal``, off here, has ``test_weak_signal``."""
    said = {name: {s.split("/")[0] for s in c.expected.values()} for name, c in CASES.items()}
    rules = {rule.name for rule in LADDER}

    assert rules - set().union(*said.values()) == {"weak_signal"}
    assert rules - set(BESIDE) == {"weak_signal"}
    assert [rule for rule, name in BESIDE.items() if rule in said[name]] == []


@pytest.fixture(scope="module")
def result(spark):
    """All cases judged at once."""
    rows = [row for case in CASES.values() for row in case.rows]
    return judged(spark, rows, world(spark, ALLOWED, ours=[OURS, HUB]))


@pytest.fixture(scope="module")
def found(result):
    """What was judged: {(session, source): row}."""
    return verdicts(result)


@pytest.fixture(scope="module")
def outcome(found):
    """What is said of all cases: {(session, source): verdict/severity}."""
    return {
        key: f"{row.verdict}/{'excused' if row.excused else row.severity}"
        for key, row in found.items()
    }


def test_the_entry_that_excuses_is_told(found):
    """Not another one that lasts longer, but does not name the rule."""
    session = Instance("listed-console-by-one-of-two").session_id

    assert "until 2026-03-02 (owner admin: office)" in found[session, "66.1.1.5"].reason


@pytest.mark.parametrize("name", CASES)
def test_case(name, outcome):
    """A case gives just the verdicts that it expects; see its claim."""
    case = CASES[name]
    sessions = {
        "/".join((row["account_id"], row["issuer_principal_id"], row["arn"].rsplit("/", 1)[1]))
        for row in case.rows
        if row["issuer_principal_id"]
    }

    actual = {key: said for key, said in outcome.items() if key[0].split("@")[0] in sessions}

    assert case.expected == actual, case.claim


def test_an_epoch_begins_with_a_home(result):
    """Who comes back begins an epoch; a suspicious source that breaks the silence begins none."""
    a = Instance("suspicious-still")

    homes = result.homes.where(F.col("session_id") == a.session_id).collect()

    assert {(row.source, row.epoch) for row in homes} == {(a.home, 1), ("54.240.8.32", 2)}
