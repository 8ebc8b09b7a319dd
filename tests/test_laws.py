"""Law 1: verdicts are a function of the set of events, whatever their order, copies and batches.

Nor does it matter whether a run judges all there is, or what its new data can touch: judging in
full is the oracle.
"""

from __future__ import annotations

import json
import os
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from jobs.judging import judge
from jobs.news import Past, judge_news
from jobs.settings import load
from tests.factories import THIEF, Instance, elastic, records, told
from tests.judged import DEAR, MEMORIES, memories, world
from tests.transforms.test_ladder import ALLOWED, CASES, EP, FOREIGN, HUB, OURS
from transforms import schemas

PUBLISHED = {
    "mismatches": set(schemas.MISMATCHES.columns),
    "suspicious": set(schemas.FINDINGS.columns),
    "homes": set(schemas.HOMES.columns),
    "places": set(schemas.PLACES.columns),
    "stays": set(schemas.STAYS.columns),
}
RESULTS = tuple(PUBLISHED)
EXAMPLES = int(os.environ.get("CREDTRAIL_EXAMPLES", "1"))
"""How many orders and cuts are tried; each is three judgings."""
METHOD = load(None).method
ROWS = [row for case in CASES.values() for row in case.rows]


def _boxes(name, count):
    """Instances of one account and role."""
    first = Instance(f"news-{name}-0")
    return [first, *[Instance(f"news-{name}-{n}", first.account) for n in range(1, count)]]


def _lent_name():
    """Two sessions assume a role under the name of one, both from home: that one is no stranger."""
    own, lender = Instance("news-own-name"), Instance("news-lender")
    untold = {"ec2_role_delivery": None, "in_scope_issuer_type": None, "in_scope_issued_to": None}
    role_arn = f"arn:aws:iam::{own.account}:role/{own.role}"

    def assumes(who: Instance, key: str):
        asked = {"roleArn": role_arn, "roleSessionName": own.id}
        return who.call(
            1,
            event_name="AssumeRole",
            event_source="sts.amazonaws.com",
            request_parameters=json.dumps(asked),
            response_elements=json.dumps({"credentials": {"accessKeyId": key}}),
        )

    calls = [own.call(0), lender.call(0)]
    earlier = [*calls, assumes(own, "ASIANEWSOWN"), assumes(lender, "ASIALENT")]
    return earlier, [own.call(3, access_key_id="ASIANEWSOWN", **untold)]


def _given_by(maker, source, hours, target, address):
    """An instance associates an address with another one."""
    told_ = told({"instanceId": target.id, "publicIp": address})
    return maker.call(hours, source, event_name="AssociateAddress", **told_)


def _made_from_an_explained_home():
    """An instance gives another its address, from a source that is its home by the ledger alone."""
    maker, target = _boxes("maker", 2)
    earlier = [
        maker.through(0, EP, "10.0.9.9", OURS),
        elastic(maker, 0.1, "81.30.1.1"),
        maker.call(0.5, "81.30.1.1"),
        _given_by(maker, "81.30.1.1", 1, target, "54.240.9.77"),
        target.call(0),
    ]
    return earlier, [target.call(2, "54.240.9.77")]


def _explained_later():
    """Who gave an address turns out to have done so from a home of his own."""
    maker, target = _boxes("late-maker", 2)
    earlier = [
        *[maker.call(0), maker.call(0.5, "54.240.9.80"), target.call(0)],
        _given_by(maker, "54.240.9.80", 1, target, "54.240.9.81"),
        target.call(2, "54.240.9.81"),
    ]
    return earlier, [elastic(maker, 0.1, "54.240.9.80")]


def _given_later():
    """The record that an address was given comes after the call from there."""
    (box,) = _boxes("late-elastic", 1)
    return [box.call(0), box.call(2, "54.240.9.90")], [elastic(box, 1, "54.240.9.90")]


def _client_of_another():
    """A client that only a thief had is found at the home of another instance of the role."""
    box, *peers, other = _boxes("client", 7)
    curl = {"user_agent": "curl/7.88.1"}
    earlier = [*[peer.call(0) for peer in peers], box.call(0), box.call(1, THIEF, **curl)]
    return earlier, [other.call(5, **curl)]


def _fleet():
    """The one of a fleet that makes it large enough moves last."""
    boxes, former, new = _boxes("fleet", 4), "52.95.250.201", "54.240.9.100"
    earlier = [x.call(0.1 + n / 100, former) for n, x in enumerate(boxes)]
    moves = [x.call(1 + n / 100, new) for n, x in enumerate(boxes)]
    return earlier + moves[:3], moves[3:]


def _one_of_a_fleet():
    """One of a fleet that has moved is seen again: the others show that it has."""
    boxes, former, new = _boxes("moved", 4), "52.95.250.202", "54.240.9.101"
    earlier = [x.call(0.1 + n / 100, former) for n, x in enumerate(boxes)]
    moves = [x.call(1 + n / 100, new) for n, x in enumerate(boxes)]
    return earlier + moves, [boxes[0].call(3, new)]


def _private():
    """A fourth instance of an account shows a private address that it does not live at."""
    boxes = _boxes("private", 4)
    calls = [x.call(1, f"10.77.0.{n + 1}") for n, x in enumerate(boxes)]
    return [x.call(0) for x in boxes] + calls[:3], calls[3:]


def _speaker():
    """Somebody was first behind an endpoint that is assumed ours, as is told later."""
    *boxes, first = _boxes("speaker", 6)
    behind = [x.through(1 + n, "vpce-0a5", f"10.66.0.{n}", FOREIGN) for n, x in enumerate(boxes)]
    return behind, [first.through(0, "vpce-0a5", "10.66.0.99", FOREIGN)]


def _neighbour():
    """One visits where another was born, who is told to be alive there then, later."""
    resident, visitor = _boxes("resident", 2)
    visits = [visitor.call(0), visitor.call(20, resident.home)]
    return [resident.call(0), *visits], [resident.call(20.2)]


def _visitor():
    """One is told to visit where another was born and is alive."""
    resident, visitor = _boxes("visited", 2)
    return [resident.call(0), resident.call(20.2), visitor.call(0)], [
        visitor.call(20, resident.home)
    ]


def _fuller_name():
    """A later record knows the path of the role, which earlier ones do not tell."""
    (box,) = _boxes("path", 1)
    arn = f"arn:aws:iam::{box.account}:role/service/{box.role}"
    return [box.call(0), box.call(2, THIEF)], [box.call(3, issuer_arn=arn)]


ORDERED = [
    _lent_name(),
    _made_from_an_explained_home(),
    _explained_later(),
    _given_later(),
    _client_of_another(),
    _fleet(),
    _one_of_a_fleet(),
    _private(),
    _speaker(),
    _neighbour(),
    _visitor(),
    _fuller_name(),
]
"""Rows that come earlier, and rows that come later and touch sessions that they do not name."""
EARLIER = [row for earlier, _ in ORDERED for row in earlier]
LATER = [row for _, later in ORDERED for row in later]


def _memories(spark, *batches):
    """Memories without what has all judged in full: hidden roles, and names of no instance."""
    kept = memories(records(spark, batch) for batch in batches)
    plain = kept.sightings.where("role_id is not null and instance_id = session_name")
    return replace(kept, sightings=plain)


def _as_rows(verdicts, name):
    """A result as rows, as far as it is published; batch ids are not its own."""
    result = getattr(verdicts, name)
    columns = sorted(PUBLISHED[name].intersection(result.columns) - {"last_batch_id"})
    return [str(row.asDict(recursive=True)) for row in result.select(*columns).collect()]


def _differing(verdicts, oracle):
    """Rows that only one of two results has, by result."""
    found = {name: set(_as_rows(verdicts, name)) ^ set(oracle[name]) for name in RESULTS}
    assert all(len(_as_rows(verdicts, n)) == len(oracle[n]) for n in RESULTS if not found[n])
    return {name: rows for name, rows in found.items() if rows}


def _with_old(told_apart, before):
    """Results of judging news, beside those of before for all that it does not judge."""

    def both(name):
        old = getattr(before, name).join(told_apart.names, on="session_name", how="left_anti")
        return old.unionByName(getattr(told_apart.verdicts, name))

    return replace(told_apart.verdicts, **{name: both(name) for name in RESULTS})


@pytest.fixture(scope="module", autouse=True)
def _in_partitions(spark):
    """Compute in several partitions, whose order is anybody's guess, as large runs do."""
    setting = "spark.sql.shuffle.partitions"
    usual = spark.conf.get(setting)
    spark.conf.set(setting, "3")
    yield
    spark.conf.set(setting, usual)


@pytest.fixture(scope="module")
def in_one_go(spark, _in_partitions):
    """Results of all events in one batch, in order."""
    around = world(spark, ALLOWED, ours=[OURS, HUB])
    verdicts = judge(_memories(spark, ROWS + EARLIER + LATER), around, METHOD)
    return {name: _as_rows(verdicts, name) for name in RESULTS}


def _is_for_all(rows):
    """Whether each row is the first to tell of an account or an endpoint: that touches all."""
    known: set[tuple[str | None, ...]] = set()
    for row in rows:
        facts = {
            ("account", row["recipient_account_id"]),
            ("endpoint", row["vpc_endpoint_id"], row["vpc_endpoint_account_id"]),
        }
        yield bool(facts - known) or row["event_name"] == "CreateVpcEndpoint"
        known |= facts


@given(seed=st.integers(0, 2**32), share=st.sampled_from((0.2, 0.05)))
@settings(DEAR, max_examples=EXAMPLES)
def test_order_copies_and_batches_change_nothing(spark, in_one_go, seed, share):
    """Events in any order, some twice, some of them later: the same, in full or by what is new."""
    # Hypothesis draws the seed alone: so many draws of its own are more than an example may hold.
    chance = random.Random(seed)
    copies = chance.sample(ROWS, len(ROWS) // 8)
    events = ROWS + [{**row, "input_file": "file:/trail/late.json.gz"} for row in copies]
    chance.shuffle(events)
    late = [not first and chance.random() < share for first in _is_for_all(events)]
    first = EARLIER + [row for row, is_late in zip(events, late, strict=True) if not is_late]
    second = LATER + [row for row, is_late in zip(events, late, strict=True) if is_late]
    around = world(spark, ALLOWED, ours=[OURS, HUB])
    all_ = _memories(spark, first, second)
    upto = {n: getattr(all_, n).where(F.col("batch_id") == 1) for n in MEMORIES}

    before = judge(replace(all_, **upto), around, METHOD)
    in_full = judge(all_, around, METHOD)
    told_apart = judge_news(all_, Past(before.stays, before.places), [2], around, METHOD)

    assert _differing(in_full, in_one_go) == {}
    assert _differing(_with_old(told_apart, before), in_one_go) == {}
    assert told_apart.names.count() < before.stays.select("session_name").distinct().count()
