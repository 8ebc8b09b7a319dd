"""The one pass over all records: what it keeps of them, and what its plan is."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F

from tests.factories import THIEF, Instance, record, records, table
from transforms import schemas
from transforms.summary import (
    credentials,
    file_bit,
    file_counts,
    inventory,
    rejects,
    sightings,
    summary,
)

WEB = Instance("web")


def _reject(position, reason):
    none = dict.fromkeys(schemas.RECORDS.fieldNames())
    return {**none, "input_file": "file:/trail/2.json", "position": position,
            "reject": (reason, "{}", None, False, None, None)}  # fmt: skip


@pytest.fixture(scope="module")
def summarised(spark):
    """A summary of a small trail: calls, keys, rejects, and a file without records."""
    rows = [
        WEB.assumed(0),
        *(WEB.call(h) for h in (0.1, 0.2, 5.9, 6.1)),
        WEB.call(1, THIEF, error_code="AccessDenied", event_name="ListBuckets"),
        record(recipient_account_id="222233334444", vpc_endpoint_id="vpce-0abc",
               vpc_endpoint_account_id="222233334444"),
        _reject("Records[7]", "has no eventTime"),
        _reject("Records[8]", "has no eventTime"),
        {**dict.fromkeys(schemas.RECORDS.fieldNames()), "input_file": "file:/trail/empty.json"},
    ]  # fmt: skip
    return summary(records(spark, rows), bucket_hours=6).localCheckpoint()


def test_sightings_are_per_source_and_bucket(summarised):
    """Calls of a session at a source are one sighting per 6 hours, with times and counts."""
    seen = [
        (row.source, row.calls, row.errors, (row.last_seen - row.first_seen).seconds)
        for row in sightings(summarised, 1).orderBy("first_seen").collect()
    ]

    assert seen == [(WEB.home, 3, 0, 20880), (THIEF, 1, 1, 0), (WEB.home, 1, 0, 0)]


def test_a_call_without_an_agent_has_a_family(spark):
    """Two calls, one without a user agent, one with brackets alone: of the family ``(none)``."""
    rows = [WEB.call(1, user_agent=None), WEB.call(2, user_agent="[")]

    families = sightings(summary(records(spark, rows), 6), 1).select("agent_family").collect()

    assert {row.agent_family for row in families} == {"(none)"}


def test_only_columns_of_the_table(summarised):
    """Each part of a summary has just the columns of its table, of their types."""
    for rows, schema in (
        (sightings(summarised, 1), schemas.SIGHTINGS),
        (credentials(summarised, 1), schemas.CREDENTIALS),
        (inventory(summarised, 1), schemas.INVENTORY),
    ):
        kinds = {field.name: field.dataType for field in rows.schema}
        assert kinds == {field.name: field.dataType for field in schema.schema}


def test_issued_keys_are_kept(summarised):
    """EC2's AssumeRole stands in the credentials, with its key and expiry unknown or not."""
    (key,) = credentials(summarised, 1).collect()

    assert (key.issued_for, key.session_name, key.access_key_id) == ("ec2", WEB.id, WEB.key)


def test_accounts_and_endpoints_are_named_by_any_event(summarised):
    """An event of nobody that is judged still tells whose trail it is, and who owns an endpoint."""
    named = {(row.what, row.id, row.owner_account_id) for row in inventory(summarised, 1).collect()}

    assert named == {
        ("account", WEB.account, None),
        ("account", "222233334444", None),
        ("endpoint", "vpce-0abc", "222233334444"),
    }


def test_nothing_is_lost(summarised):
    """Events and rejects are counted by file; a file without records is there with zeros."""
    counts = {
        row.input_file: (row.events, row.rejected) for row in file_counts(summarised).collect()
    }

    assert counts == {
        "file:/trail/1.json.gz": (7, 0),
        "file:/trail/2.json": (0, 2),
        "file:/trail/empty.json": (0, 0),
    }
    assert sorted(row.position for row in rejects(summarised, 100).collect()) == [
        "Records[7]",
        "Records[8]",
    ]


def test_a_file_is_one_of_64_bits(spark):
    """Every file has one bit, and files spread over all 64."""
    uris = spark.range(2000).select(F.concat(F.lit("file:/trail/"), "id").alias("uri"))

    bits = {row[0] for row in uris.select(file_bit(F.col("uri"))).distinct().collect()}

    assert bits == {1 << n for n in range(63)} | {-(1 << 63)}


def test_the_plan_is_one_pass(spark):
    """One scan, one exchange, hash aggregation on both sides of it; no sort, no Python."""
    rows = table(spark, schemas.RECORDS, [record()])

    plan = summary(rows, 6)._jdf.queryExecution().executedPlan().toString()

    assert plan.count("Scan ") == 1
    assert plan.count("Exchange ") == 1
    assert plan.count("HashAggregate") == 2
    assert "SortAggregate" not in plan
    assert "ObjectHashAggregate" not in plan
    assert "Python" not in plan
