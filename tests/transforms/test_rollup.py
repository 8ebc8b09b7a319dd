"""Rolling sightings up: no stay of any TTL can tell, and what may be evidence is left alone."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import functions as F

from tests.factories import sighting_on_behalf
from transforms import schemas
from transforms.findings import suspicious_calls
from transforms.rollup import owes_nothing, rolled_up
from transforms.stays import placed, stays

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
OF_SESSION = {
    "session_id": "s",
    "session_kind": "ec2",
    "recorded_role_id": None,
}


def sighting(minute: float = 0, until: float | None = None, **said):
    """A sighting of KMS that S3 calls for an instance, from minute to minute after midnight."""
    start, end = (
        MIDNIGHT + timedelta(minutes=m) for m in (minute, minute if until is None else until)
    )
    return sighting_on_behalf(start, end, **said)


@pytest.fixture
def sightings(spark):
    """Make a table of sightings."""
    return lambda rows: spark.createDataFrame(list(rows), schemas.SIGHTINGS.schema)


def test_hourly_rows_become_one(sightings):
    """Six hourly runs leave six rows of a bucket; as one it has their times, sums, bits and all."""
    hours = [
        sighting(
            60 * hour,
            60 * hour + 50,
            calls=hour + 1,
            errors=hour % 2,
            marks=1 << hour,
            file_bits=1 << hour,
            key_age_max=100 + hour,
            issued_min=MIDNIGHT - timedelta(hours=hour),
            issued_max=MIDNIGHT + timedelta(hours=hour),
            first_recon=MIDNIGHT + timedelta(hours=hour) if hour > 2 else None,
            delivery=4 >> (hour == 5),
            batch_id=10 + hour,
        )
        for hour in range(6)
    ]

    rows = rolled_up(sightings(hours)).collect()

    assert len(rows) == 1
    row = {
        k: v.astimezone(UTC) if isinstance(v, datetime) else v for k, v in rows[0].asDict().items()
    }
    assert (row["first_seen"], row["last_seen"]) == (MIDNIGHT, MIDNIGHT + timedelta(minutes=350))
    assert (row["calls"], row["errors"], row["marks"], row["file_bits"]) == (21, 3, 63, 63)
    assert (row["key_age_max"], row["delivery"], row["batch_id"]) == (105, 6, 15)
    assert row["issued_min"] == MIDNIGHT - timedelta(hours=5)
    assert row["issued_max"] == MIDNIGHT + timedelta(hours=5)
    assert row["first_recon"] == MIDNIGHT + timedelta(hours=3)


@pytest.mark.parametrize(
    "other",
    [
        {"minute": 61},
        {"account_id": "444455556666"},
        {"proof": "delivery"},
        {"invoked_by": "athena.amazonaws.com"},
        {"agent_family": "Boto3"},
        {"recipient_account_id": "444455556666"},
        {"bucket": MIDNIGHT - timedelta(hours=3)},
        {"minute": -1, "bucket": MIDNIGHT},
    ],
    ids=" ".join,
)
def test_what_differs_stays_apart(sightings, other):
    """More than an hour between, another day, or anything that is told otherwise: two rows."""
    assert rolled_up(sightings([sighting(), sighting(**other)])).count() == 2


def test_an_hour_apart_is_together(sightings):
    """No setting ends a stay by an hour's silence, so that an hour apart is one."""
    assert rolled_up(sightings([sighting(), sighting(60)])).count() == 1


def test_no_stay_can_tell(spark, sightings):
    """Stays of sightings that came in many batches are the same after a roll-up, at any TTL."""
    chance = random.Random(5)
    rows = []
    for _ in range(400):
        minute = chance.randrange(24 * 60)
        rows.append(
            sighting(
                minute,
                min(minute + chance.choice([0, 10, 90]), 360 * (minute // 360) + 359),
                source=(source := chance.choice(["s3.amazonaws.com", "athena.amazonaws.com"])),
                invoked_by=source,
                marks=1 << chance.randrange(4),
                key_age_max=chance.randrange(9),
                batch_id=chance.randrange(1, 9),
            )
        )
    nowhere = spark.createDataFrame([], "address string, aws boolean")
    before = sightings(rows)
    after = rolled_up(before).localCheckpoint()

    def told(rows_, ttl):
        with_session = rows_.withColumns(
            {name: F.lit(value).cast("string") for name, value in OF_SESSION.items()}
        )
        return sorted(map(str, stays(placed(with_session, nowhere), ttl).collect()))

    assert after.count() < before.count() / 2
    for ttl in (1, 2, 7):
        assert told(before, ttl) == told(after, ttl)
    sums = [F.sum("calls"), F.sum("errors")]
    assert before.agg(*sums).collect() == after.agg(*sums).collect()


def test_what_may_be_rolled_up_can_never_be_a_finding(spark, sightings):
    """No kind of call, proof of its sender or word on AWS space makes evidence of such a row."""
    kinds = {
        "public_ipv4": "52.95.1.1",
        "public_ipv6": "2600:1f14::1",
        "endpoint": "vpce-1/10.0.0.1",
        "private": "10.0.0.1",
        "service": "s3.amazonaws.com",
        "internal": "AWS Internal",
        "unreadable": "?",
    }
    invokers = (None, "s3.amazonaws.com", "athena.amazonaws.com")
    rows = [
        sighting(
            source_kind=kind, source=source, source_address=source, invoked_by=by, forwarded=sent
        )
        for (kind, source), by, sent in itertools.product(kinds.items(), invokers, (True, False))
    ]
    rolling = sightings(rows).where(owes_nothing())
    for is_aws in (True, False, None):
        space = spark.createDataFrame(
            [(s, is_aws) for s in kinds.values()], "address string, aws boolean"
        )
        assert suspicious_calls(placed(rolling, space)).count() == 0

    assert rolling.count() > len(kinds)
    direct = sightings([sighting(source="52.95.1.1", source_kind="public_ipv4", invoked_by=None)])
    assert direct.where(owes_nothing()).count() == 0
