"""The cases of ``docs/published-method.md`` as records, and who says what of them.

Each case lives in an account of its own and begins with EC2's AssumeRole, unless its row says
otherwise. What the code of 2018 flags was measured with these very records.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.factories import THIEF, Instance, at, record
from transforms.events.record import PATHS

FOREIGN, FOREIGN_EP = "999988887777", "vpce-0eee"
ALLOWED, ALSO_ALLOWED = "81.2.3.4", "81.2.3.9"
P, Q, S = "10.0.0.5", "10.0.0.6", "10.0.0.7"
AUTO_SCALING, CHINA = "autoscaling.amazonaws.com", "foo.amazonaws.com.cn"
HIDDEN = "AWS Internal"
LATER_FILE, LAST_FILE = "file:/trail/2.json", "file:/trail/3.json"

Pair = tuple[Any, str]
"""An instance, or the id of a session; and a source."""
Row = dict[str, Any]


class Case:
    """Records of a case, and what is said of each pair of session and source.

    Attributes:
        rows: the records.
        published: what the code of 2018 flags.
        seed: what policy ``seed`` flags: the same, unless told otherwise.
        default: verdict and severity of credtrail's own method, of all that is not quiet.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        published: Iterable[Pair],
        default: Mapping[Pair, str],
        seed: Iterable[Pair] | None,
    ) -> None:
        """Take the case down."""
        self.rows = list(rows)
        self.published = {_pair(pair) for pair in published}
        self.seed = self.published if seed is None else {_pair(pair) for pair in seed}
        self.default = {_pair(pair): said for pair, said in default.items()}

    @property
    def accounts(self) -> set[str]:
        """The accounts that its sessions are of."""
        return {row["recipient_account_id"] for row in self.rows} - {None}

    def files(self, name: object) -> dict[str, str]:
        """Text of its trail files, by name."""
        trail: dict[str, list[Row]] = {}
        for row in self.rows:
            trail.setdefault(f"{row['input_file']}.{name}", []).append(as_cloudtrail(row))
        return {file: json.dumps({"Records": records}) for file, records in trail.items()}


Add = Callable[..., None]


def as_cloudtrail(row: Row) -> dict[str, Any]:
    """A row as CloudTrail writes it."""
    event: dict[str, Any] = {}
    for column, path in PATHS.items():
        has_tls = row["tls_present"] or not path.startswith("tlsDetails")
        if row[column] is not None and has_tls and column != "tls_present":
            *objects, name = path.split(".")
            place = event
            for inner in objects:
                place = place.setdefault(inner, {})
            place[name] = _as_written(column, row[column])
    return event


def _as_written(column: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ").replace(".000000", "")
    return json.loads(value) if column in {"request_parameters", "response_elements"} else value


def _pair(pair: Pair) -> tuple[str, str]:
    who, source = pair
    return getattr(who, "session_id", who), source


def _other(box: Instance, which: int = 1) -> str:
    """Another AWS address of the region, that no other instance has."""
    low = zlib.crc32(f"{box.id} {which}".encode()) % 60_000
    return f"54.240.{low // 250}.{low % 250 + 1}"


def _asks(event_name: str = "AssociateAddress", **request: str) -> Row:
    """A request for another address or interface, and its answer."""
    number = zlib.crc32(repr(request).encode())
    return {
        "event_name": event_name,
        "request_parameters": json.dumps(request),
        "response_elements": json.dumps(
            {"associationId": f"eipassoc-{number:08x}", "attachmentId": f"eni-attach-{number:08x}"}
        ),
    }


def _denied(**changes: Any) -> Row:
    return {"error_code": "AccessDenied", "response_elements": None, **changes}


def _admin(box: Instance, hours: float, **changes: Any) -> Row:
    """A call of a person's role in the account of an instance."""
    values = {
        "event_time": at(hours),
        "source_ip_address": "81.20.30.40",
        "identity_type": "AssumedRole",
        "principal_id": "AROAADMIN:alice",
        "arn": f"arn:aws:sts::{box.account}:assumed-role/Admin/alice",
        "access_key_id": "ASIAADMIN",
        "account_id": box.account,
        "recipient_account_id": box.account,
    }
    return record(**{**values, **changes})


def _user(box: Instance, hours: float, **changes: Any) -> Row:
    """A call of an IAM user in the account of an instance."""
    arn = f"arn:aws:iam::{box.account}:user/eve"
    who = {"identity_type": "IAMUser", "principal_id": "AIDAEVE", "arn": arn}
    return _admin(box, hours, **{**who, "access_key_id": "AKIAEVE", **changes})


def _borrows(box: Instance, hours: float, role: Instance) -> list[Row]:
    """A user assumes a role under the name of an instance, and calls with the key he gets."""
    key, arn = f"ASIAEVE{box.id[-4:]}", f"arn:aws:iam::{box.account}:role/{role.role}"
    assumes = {
        "event_name": "AssumeRole",
        "event_source": "sts.amazonaws.com",
        "source_ip_address": THIEF,
        "request_parameters": json.dumps({"roleArn": arn, "roleSessionName": box.id}),
        "response_elements": json.dumps({"credentials": {"accessKeyId": key}}),
    }
    untold = dict.fromkeys(("in_scope_issuer_type", "in_scope_issued_to", "ec2_role_delivery"))
    return [
        _user(box, hours, **assumes),
        role.call(hours + 0.01, THIEF, access_key_id=key, **untold),
    ]


def _first_addresses(add: Add) -> None:
    b = Instance("published 1")
    add(1, [b.assumed(0), b.call(0.1), b.call(0.2, THIEF)], [(b, THIEF)], {
        (b, THIEF): "outside_aws/high",
    })  # fmt: skip

    b = Instance("published 2")
    add(2, [b.call(0.1), b.call(0.2, THIEF)], [], {(b, THIEF): "outside_aws/high"})

    b = Instance("published 3")
    rows = [b.assumed(0), b.call(0.1, THIEF), b.call(0.2), b.call(0.3)]
    add(3, rows, [(b, b.home)], {(b, THIEF): "outside_aws/high"})

    b = Instance("published 4")
    rows = [b.assumed(0), b.call(0.1), *[b.call(0.2 + n / 10, THIEF) for n in range(4)]]
    add(4, rows, [(b, THIEF)], {(b, THIEF): "outside_aws/high"})

    b = Instance("published 31")
    rows = [b.assumed(0), b.call(0.1), b.assumed(1, event_id="again"), b.call(1.1, THIEF)]
    add(31, rows, [(b, THIEF)], {(b, THIEF): "outside_aws/high"})

    b = Instance("published 32")
    rows = [b.call(-0.1, THIEF), b.assumed(0), b.call(0)]
    add(32, rows, [], {(b, THIEF): "outside_aws/high"})

    b = Instance("published 48")
    rows = [b.assumed(0), b.call(0.1), b.call(0.2, user_agent="aws-cli/2.31.18 Python/3.11")]
    add(48, rows, [], {})

    b = Instance("published 51")
    new = _other(b)
    rows = [b.assumed(0), b.call(0.1), b.assumed(20), b.call(20.1, new)]
    add(51, rows, [(b, new)], {(b, new): "restarted/excused"})


def _private_addresses(add: Add) -> None:
    b, behind = Instance("published 5"), _beside("published 5")
    own = _own_endpoint(behind)
    rows = [
        *[b.assumed(0), b.call(0.1), b.call(0.2, P), b.call(0.3, P)],
        *[behind.assumed(0), behind.call(0.1)],
        *[behind.through(h, own, P, behind.account) for h in (0.2, 0.3)],
    ]
    add(5, rows, [], {(b, P): "unknown_private/medium"})

    b = Instance("published 6")
    rows = [b.assumed(0), b.call(0.1, P), b.call(0.2), b.call(0.3)]
    add(6, rows, [(b, b.home)], {})

    b, behind = Instance("published 7"), _beside("published 7")
    own = _own_endpoint(behind)
    rows = [
        *[b.assumed(0), b.call(0.1), b.call(0.2, P), b.call(0.3, Q), b.call(0.4, Q)],
        *[behind.assumed(0), behind.call(0.1), behind.through(0.2, own, P, behind.account)],
        *[behind.through(h, own, Q, behind.account) for h in (0.3, 0.4)],
    ]
    add(7, rows, [(b, Q), (behind, f"{own}/{Q}")], {
        (b, P): "unknown_private/medium",
        (b, Q): "unknown_private/medium",
        (behind, f"{own}/{Q}"): "known_endpoint/excused",
    })  # fmt: skip

    b, behind = Instance("published 8"), _beside("published 8")
    own = _own_endpoint(behind)
    three = enumerate((P, Q, S), start=1)
    rows = [b.assumed(0), behind.assumed(0)]
    for n, source in three:
        rows += [b.call(n / 10, source), behind.through(n / 10, own, source, behind.account)]
    further = [(b, Q), (b, S), (behind, f"{own}/{Q}"), (behind, f"{own}/{S}")]
    verdicts = ["unknown_private/medium"] * 2 + ["known_endpoint/excused"] * 2
    add(8, rows, further, dict(zip(further, verdicts, strict=True)))

    b = Instance("published 40")
    private = ("127.0.0.1", "169.254.1.1", "fd00::1")
    new = [(b, source) for source in (*private, "172.32.0.1")]
    calls = [b.call(n / 10, source) for n, (_, source) in enumerate(new, start=2)]
    add(40, [b.assumed(0), b.call(0.1), *calls], new, {
        **{(b, source): "unknown_private/medium" for source in private},
        (b, "172.32.0.1"): "outside_aws/high",
    })  # fmt: skip

    b = Instance("published 41")
    rows = [b.assumed(0), b.call(0.1, "100.64.0.9"), b.call(0.2, "100.127.255.255")]
    add(41, rows, [(b, "100.127.255.255")], {(b, "100.127.255.255"): "unknown_private/medium"})

    b = Instance("published 49")
    rows = [b.assumed(0), b.call(0.1), b.through(0.2, FOREIGN_EP, "172.31.7.7", FOREIGN)]
    add(49, rows, [], {(b, f"{FOREIGN_EP}/172.31.7.7"): "foreign_endpoint/critical"})

    b, c = Instance("published 50"), _beside("published 50")
    theirs = f"{FOREIGN_EP}/172.31.7.7"
    rows = [
        *[b.assumed(0), b.call(0.1, P)],
        *[b.through(h, FOREIGN_EP, "172.31.7.7", FOREIGN) for h in (0.2, 0.3)],
        *[c.assumed(0), c.call(0.1, Q), c.call(0.2, "172.31.7.8"), c.call(0.3, "172.31.7.8")],
    ]
    add(50, rows, [(b, theirs), (c, "172.31.7.8")], {
        (b, theirs): "foreign_endpoint/critical",
        (c, "172.31.7.8"): "unknown_private/medium",
    })  # fmt: skip


def _sources_without_address(add: Add) -> None:
    for number, service in ((9, AUTO_SCALING), (46, CHINA)):
        b, hidden = Instance(f"published {number}"), _beside(f"published {number}")
        by_service = {"invoked_by": service, "tls_present": False}
        rows = [
            *[b.assumed(0), b.call(0.1), b.call(0.2, service, **by_service)],
            *[hidden.assumed(0), hidden.call(0.1), hidden.call(0.2, service)],
        ]
        add(number, rows, [], {
            (b, service): "on_behalf/excused",
            (hidden, service): "hidden_service_source/medium",
        })  # fmt: skip

    for number in (10, 12):
        b = Instance(f"published {number}")
        rows = [b.assumed(0), b.call(0.1), b.call(0.2, HIDDEN)]
        add(number, rows, [], {(b, HIDDEN): "internal/excused"})

    b = Instance("published 11")
    rows = [b.assumed(0), b.call(0.1, HIDDEN), b.call(0.2)]
    add(11, rows, [(b, b.home)], {(b, HIDDEN): "internal/excused"}, seed=[])


def _other_families_and_lists(add: Add) -> None:
    b, late = Instance("published 13"), _beside("published 13")
    v6, late_v6 = "2600:1f14:13:100::1", "2600:1f14:13:200::1"
    rows = [
        *[b.assumed(0), b.call(0.1), b.call(0.2, v6)],
        *[late.assumed(0), late.call(0.1), late.call(8), late.call(9, late_v6)],
    ]
    add(13, rows, [(b, v6), (late, late_v6)], {(late, late_v6): "inside_aws/medium"})

    b = Instance("published 14")
    calls = [b.call(0.1, ALLOWED), b.call(0.2), b.call(0.3, ALSO_ALLOWED), b.call(0.4, THIEF)]
    add(14, [b.assumed(0), *calls], [(b, THIEF)], {
        (b, ALSO_ALLOWED): "allow_listed/excused",
        (b, THIEF): "outside_aws/high",
    })  # fmt: skip

    b, outside = Instance("published 17"), _beside("published 17")
    rows = [
        *[b.assumed(0), b.call(0.1, "2600:1f14:17::1"), b.call(0.2, "2600:1f14:17::2")],
        *[outside.assumed(0), outside.call(0.1, "2600:1f14:17:100::1")],
        outside.call(0.2, "2a01:4f8::1"),
    ]
    add(17, rows, [(b, "2600:1f14:17::2"), (outside, "2a01:4f8::1")], {
        (b, "2600:1f14:17::2"): "inside_aws/high",
        (outside, "2a01:4f8::1"): "outside_aws/high",
    })  # fmt: skip

    add(15, [], [], {})
    add(16, [], [], {})


def _own_changes(add: Add) -> None:
    b = Instance("published 18")
    new, newer = _other(b, 1), _other(b, 2)
    asks = b.call(0.2, **_asks(instanceId=b.id, allocationId="eipalloc-18"))
    calls = [b.call(0.3, new), b.call(0.4, new), b.call(0.5, newer)]
    add(18, [b.assumed(0), b.call(0.1), asks, *calls], [(b, newer)], {
        (b, new): "self_made_address/low",
        (b, newer): "inside_aws/high",
    })  # fmt: skip

    b = Instance("published 22")
    new, eni = _other(b), {"networkInterfaceId": "eni-22"}
    allocated = {"allocationId": "eipalloc-22", "publicIp": new}
    rows = [
        b.assumed(0),
        _admin(b, 0.01, **_asks("AttachNetworkInterface", instanceId=b.id, **eni)),
        _admin(b, 0.02, event_name="AllocateAddress", response_elements=json.dumps(allocated)),
        b.call(0.1, **_asks(allocationId="eipalloc-22", **eni)),
        *[b.call(0.2, new), b.call(0.3)],
    ]
    add(22, rows, [(b, b.home)], {(b, new): "self_made_address/low"}, seed=[(b, new)])

    b = Instance("published 23")
    asks = b.call(0.2, THIEF, **_asks(instanceId=b.id, allocationId="eipalloc-23"))
    calls = [b.call(0.3 + n / 10, THIEF) for n in range(3)]
    add(23, [b.assumed(0), b.call(0.1), asks, *calls], [], {(b, THIEF): "outside_aws/critical"})

    for number, message in ((24, None), (25, "Not authorised.")):
        b = Instance(f"published {number}")
        asked = _asks(instanceId=b.id, allocationId=f"eipalloc-{number}")
        asks = b.call(0.2, **{**asked, **_denied(error_message=message)})
        add(
            number,
            [b.assumed(0), b.call(0.1), asks, b.call(0.3, THIEF)],
            [(b, THIEF)] if message else [],
            {(b, THIEF): "outside_aws/high"},
            seed=[(b, THIEF)],
        )

    b = Instance("published 42")
    own = _own_endpoint(b)
    attaches = _asks("AttachNetworkInterface", instanceId=b.id, networkInterfaceId="eni-42")
    rows = [
        *[b.assumed(0), b.through(0.1, own, P, b.account)],
        b.through(0.2, own, P, b.account, **attaches),
        *[b.through(0.3, own, Q, b.account), b.call(0.4, THIEF)],
    ]
    add(42, rows, [(b, f"{own}/{Q}")], {
        (b, f"{own}/{Q}"): "known_endpoint/excused",
        (b, THIEF): "outside_aws/high",
    })  # fmt: skip

    b, c = Instance("published 43"), _beside("published 43")
    new, unnamed = _other(b), _other(c)
    rows = [
        *[b.assumed(0), b.call(0.1, **_asks(instanceId=b.id, publicIp=new))],
        *[b.call(0.2), b.call(0.3, new)],
        *[c.assumed(0), c.call(0.1, **_asks(instanceId=c.id, publicIp=_other(c, 2)))],
        *[c.call(0.2), c.call(0.3, unnamed)],
    ]
    add(43, rows, [], {
        (b, new): "self_made_address/low",
        (c, unnamed): "inside_aws/high",
    })  # fmt: skip

    b, c = Instance("published 44"), _beside("published 44")
    rows = []
    named = [{"publicIp": _other(b, n)} for n in (1, 2)]
    unnamed = [{"allocationId": f"eipalloc-44{n}"} for n in (1, 2)]
    for box, both in ((b, named), (c, unnamed)):
        asks = [box.call(0.2, **_asks(instanceId=box.id, **what)) for what in both]
        calls = [box.call(0.3 + n / 10, _other(box, n)) for n in (1, 2, 3)]
        rows += [box.assumed(0), box.call(0.1), *asks, *calls]
    add(44, rows, [(b, _other(b, 3)), (c, _other(c, 3))], {
        (b, _other(b, 1)): "self_made_address/low",
        (b, _other(b, 2)): "self_made_address/low",
        (b, _other(b, 3)): "inside_aws/high",
        (c, _other(c, 1)): "self_made_address/low",
        (c, _other(c, 2)): "inside_aws/high",
        (c, _other(c, 3)): "inside_aws/high",
    })  # fmt: skip


def _changes_by_others(add: Add) -> None:
    for number in (19, 20, 21):
        b, c = Instance(f"published {number}"), _beside(f"published {number}")
        maker = Instance(f"published {number} maker", b.account, "MakerRole")
        ask = {19: _admin, 20: _by(maker), 21: _user}[number]
        rows = [maker.assumed(0), maker.call(0.1)]
        rows += [
            *[b.assumed(0), b.call(0.1), c.assumed(0), c.call(0.1)],
            ask(b, 0.2, **_asks(instanceId=b.id, publicIp=_other(b))),
            ask(c, 0.2, **_asks(instanceId=c.id, allocationId="eipalloc-1")),
            *[b.call(0.3, _other(b)), c.call(0.3, _other(c))],
        ]
        add(number, rows, [(b, _other(b)), (c, _other(c))], {
            (b, _other(b)): "assigned_address/excused",
            (c, _other(c)): "moved/excused",
        })  # fmt: skip


def _names_and_files(add: Add) -> None:
    b, c = Instance("published 26"), _beside("published 26")
    rows = [b.assumed(0), c.assumed(0), b.call(0.1), c.call(0.1), b.call(0.2, THIEF)]
    add(26, rows, [(b, THIEF)], {(b, THIEF): "outside_aws/high"})

    b = Instance("published 27")
    arn = f"arn:aws:iam::{b.account}:role/team/app/{b.role}"
    asked = json.dumps({"roleArn": arn, "roleSessionName": b.id})
    calls = [b.call(0.1, issuer_arn=arn), b.call(0.2, THIEF, issuer_arn=arn)]
    rows = [b.assumed(0, request_parameters=asked), *calls]
    add(27, rows, [(b, THIEF)], {(b, THIEF): "outside_aws/high"})

    b = Instance("published 28")
    namesake = Instance("published 28", "511122223333", "OtherRole")
    elsewhere = _other(b)
    rows = [b.assumed(0), b.call(0.1), namesake.assumed(0.1), namesake.call(0.2, elsewhere)]
    add(28, rows, [(namesake, elsewhere)], {}, seed=[])

    b = Instance("published 29")
    rows = [
        *[b.assumed(0, input_file=LATER_FILE), b.call(0.9, THIEF, input_file=LATER_FILE)],
        b.call(0.1, input_file=LAST_FILE),
    ]
    add(29, rows, [(b, b.home)], {(b, THIEF): "outside_aws/high"}, seed=[(b, THIEF)])

    b = Instance("published 30")
    calls = [b.call(0.1, input_file=LATER_FILE), b.call(0.2, THIEF, input_file=LATER_FILE)]
    rows = [*calls, b.assumed(0, input_file=LAST_FILE)]
    add(30, rows, [], {(b, THIEF): "outside_aws/high"}, seed=[(b, THIEF)])

    b = Instance("published 34")
    rows = [*_borrows(b, 0, b), b.call(0.1)]
    borrowed = f"{b.session_id}@impersonated"
    add(34, rows, [], {(borrowed, THIEF): "impersonated_session/medium"})

    b = Instance("published 45")
    of_user = Instance("published 45", b.account, "UserRole")
    rows = [b.assumed(0), *_borrows(b, 0.1, of_user), b.call(0.2)]
    borrowed = f"{of_user.session_id}@impersonated"
    said = {(borrowed, THIEF): "impersonated_session/medium"}
    add(45, rows, [(b, b.home)], said, seed=[])

    task, function = _beside("published 47"), Instance("published 47")
    function.id, task.id = "reports", "0123456789abcdef0123456789abcdef"
    ecs = {"source_ip_address": "ecs-tasks.amazonaws.com", "invoked_by": "ecs-tasks.amazonaws.com"}
    of_function = {
        "ec2_role_delivery": None,
        "in_scope_issuer_type": "AWS::Lambda::Function",
        "in_scope_issued_to": f"arn:aws:lambda:us-west-2:{function.account}:function:reports",
    }
    of_task = dict.fromkeys(of_function)
    rows = [
        *[function.call(0.1, **of_function), function.call(0.2, THIEF, **of_function)],
        *[task.assumed(0, **ecs), task.call(0.1, **of_task), task.call(0.2, THIEF, **of_task)],
    ]
    add(47, rows, [], {})


def _odd_records(add: Add) -> None:
    b = Instance("published 33")
    failed = b.assumed(0.1, **_denied(request_parameters=None))
    add(33, [b.assumed(0), failed, b.call(0.2)], [], {})

    for number, odd in ((35, {"event_source": "other.amazonaws.com"}), (36, _denied())):
        b = Instance(f"published {number}")
        rows = [b.assumed(0, **odd), b.call(0.1), b.call(0.2, THIEF)]
        add(number, rows, [(b, THIEF)], {(b, THIEF): "outside_aws/high"}, seed=[])

    b = Instance("published 37")
    nobody = record(event_time=at(0.2), recipient_account_id=b.account)
    add(37, [b.assumed(0), b.call(0.1), nobody], [], {})

    for number, time in ((38, None), (39, at(0.1) + timedelta(milliseconds=500))):
        b = Instance(f"published {number}")
        rows = [b.assumed(0), b.call(0.1), b.call(0.1, event_time=time), b.call(0.2, THIEF)]
        add(number, rows, [], {(b, THIEF): "outside_aws/high"}, seed=[(b, THIEF)])


def _not_on_the_page(add: Add) -> None:
    b = Instance("published copied address")
    own = _own_endpoint(b)
    there = b.through(0.2, FOREIGN_EP, P, FOREIGN)
    add("the address of a home, through another endpoint", [
        *[b.assumed(0), b.through(0.1, own, P, b.account), there],
    ], [], {(b, f"{FOREIGN_EP}/{P}"): "foreign_endpoint/critical"})  # fmt: skip

    b = Instance("published service address")
    by_service = b.call(0.2, _other(b), invoked_by=AUTO_SCALING, tls_present=False)
    add("a service that calls from an address", [
        *[b.assumed(0), b.call(0.1), by_service],
    ], [(b, _other(b))], {(b, _other(b)): "on_behalf/excused"})  # fmt: skip

    b = Instance("published no address")
    junk = "256.44.44.11"
    rows = [b.assumed(0), b.call(0.1), b.call(0.2, junk)]
    add("no address", rows, [], {(b, junk): "unclassified/informational"})

    b = Instance("published too early")
    asks = b.call(-0.2, **_asks(instanceId=b.id, publicIp=_other(b)))
    rows = [asks, b.assumed(0), b.call(0.1), b.call(0.2, _other(b))]
    said = {(b, _other(b)): "self_made_address/low"}
    add("an association before EC2's AssumeRole", rows, [(b, _other(b))], said)


def _beside(name: str) -> Instance:
    """Another instance in the account of a case."""
    return Instance(f"{name} too", Instance(name).account)


def _own_endpoint(box: Instance) -> str:
    return f"vpce-0aaa{box.account[-4:]}"


def _by(maker: Instance) -> Callable[..., Row]:
    """Calls that another instance makes, from its home."""
    return lambda _, hours, **changes: maker.call(hours, **changes)


def _cases(*groups: Callable[[Add], None]) -> dict[Any, Case]:
    cases: dict[Any, Case] = {}

    def add(
        name: Any,
        rows: Iterable[Row],
        published: Iterable[Pair],
        default: Mapping[Pair, str],
        seed: Iterable[Pair] | None = None,
    ) -> None:
        cases[name] = Case(rows, published, default, seed)

    for group in groups:
        group(add)
    return dict(sorted(cases.items()))


ON_THE_PAGE: dict[int, Case] = _cases(
    _first_addresses,
    _private_addresses,
    _sources_without_address,
    _other_families_and_lists,
    _own_changes,
    _changes_by_others,
    _names_and_files,
    _odd_records,
)
"""The cases of the page, by its numbers."""
CASES: dict[Any, Case] = ON_THE_PAGE | _cases(_not_on_the_page)
"""They, and a few more, by name."""
