"""Results for tests, written by PyIceberg: a warehouse as ``detect`` leaves it, without Spark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

from transforms import schemas

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOME = "52.95.255.121"
THIEF = "67.178.52.232"

_TYPES = {
    "string": pa.string(),
    "bigint": pa.int64(),
    "int": pa.int32(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "array<string>": pa.list_(pa.string()),
    "array<bigint>": pa.list_(pa.int64()),
    "map<string,bigint>": pa.map_(pa.string(), pa.int64()),
    "map<string,double>": pa.map_(pa.string(), pa.float64()),
    "array<struct<agent_family:string,delivery:int,marks:int>>": pa.list_(
        pa.struct({"agent_family": pa.string(), "delivery": pa.int32(), "marks": pa.int32()})
    ),
}


def after(minutes: float) -> datetime:
    """Time so many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def finding(**said: Any) -> dict[str, Any]:
    """A finding: the classic theft, with what a test says otherwise."""
    row = {
        "finding_id": "f00dfeed0123456789abcdef",
        "case_id": "c0ffee0123456789",
        "session_id": "111122223333/AROAEXAMPLE/i-0123456789abcdef0",
        "account_id": "111122223333",
        "role_id": "AROAEXAMPLE",
        "role_arn": "arn:aws:iam::111122223333:role/AppRole",
        "session_name": "i-0123456789abcdef0",
        "session_kind": "ec2",
        "instance_id": "i-0123456789abcdef0",
        "source": THIEF,
        "source_kind": "public_ipv4",
        "source_address": THIEF,
        "home": [HOME],
        "home_since": after(-300),
        "verdict": "outside_aws",
        "severity": "high",
        "title": "Credentials of i-0123456789abcdef0 were used from outside AWS",
        "reason": f"3 calls came from {THIEF}, which is outside AWS address space. Home is {HOME}. "
        "The key was issued to the instance alone, so somebody took it and runs it elsewhere. "
        "Revoke the role's sessions, then find out how the key left the instance.",
        "signals": [],
        "likely_intruder": "source",
        "first_seen": NOON,
        "last_seen": after(5),
        "calls": 3,
        "denied_calls": 1,
        "access_key_ids": ["ASIAEXAMPLEEXAMPLE00"],
        "event_names": ["sts:GetCallerIdentity", "s3:ListBuckets", "iam:ListUsers"],
        "user_agents": ["aws-cli/1.15.0 Python/3.6.5 Linux botocore/1.10.0"],
        "status": "open",
        "detected_at": after(60),
        "updated_at": after(60),
        "run_id": "a-run",
    }
    return _row(schemas.FINDINGS, row, said)


def call(minute: float = 0, **said: Any) -> dict[str, Any]:
    """A call of that finding, so many minutes after noon."""
    row = {
        "finding_id": "f00dfeed0123456789abcdef",
        "event_key": f"key-{minute}",
        "event_id": f"event-{minute}",
        "event_time": after(minute),
        "event_source": "s3.amazonaws.com",
        "event_name": "ListBuckets",
        "aws_region": "us-west-2",
        "source": THIEF,
        "access_key_id": "ASIAEXAMPLEEXAMPLE00",
        "credential_issued_at": after(-10),
        "user_agent": "aws-cli/1.15.0 Python/3.6.5 Linux botocore/1.10.0",
        "read_only": True,
        "amends": False,
        "input_file": "file:/trail/a.json.gz",
    }
    return _row(schemas.FINDING_CALLS, row, said)


def review(**said: Any) -> dict[str, Any]:
    """A review of that finding's case."""
    row = {
        "case_id": "c0ffee0123456789",
        "state": "acknowledged",
        "by": "jane",
        "note": "looking into it",
        "at": after(90),
    }
    return _row(schemas.REVIEWS, row, said)


def run(**said: Any) -> dict[str, Any]:
    """A finished run."""
    row = {
        "run_id": "a-run",
        "finished_at": after(60),
        "outcome": "finished",
        "counts": {"sessions": 300},
        "coverage": {"sessions without a home": 0.01, "calls without an address": 0.125},
    }
    return _row(schemas.RUNS, row, said)


def warehouse(folder: Path, **rows: Iterable[Mapping[str, Any]]) -> Path:
    """Make a warehouse with all tables, and these rows by name of table."""
    folder.mkdir(parents=True, exist_ok=True)
    catalog = SqlCatalog(
        "credtrail", uri=f"sqlite:///{folder}/catalog.db", warehouse=str(folder.resolve())
    )
    catalog.create_namespace("credtrail")
    for table in schemas.TABLES:
        arrow = arrow_schema(table)
        made = catalog.create_table(
            f"credtrail.{table.name}", schema=arrow, properties={"format-version": "2"}
        )
        if table.name in rows:
            made.append(pa.Table.from_pylist([*rows[table.name]], schema=arrow))
    catalog.close()
    return folder


def arrow_schema(table: schemas.Table) -> pa.Schema:
    """The schema of a table, as Arrow has it."""
    return pa.schema(
        [(field.name, _TYPES[field.dataType.simpleString()]) for field in table.schema]
    )


def _row(table: schemas.Table, default: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    row = {**dict.fromkeys(table.columns), **default, **said}
    unknown = row.keys() - set(table.columns)
    if unknown:
        message = f"{table.name} has no columns {unknown}"
        raise AssertionError(message)
    return row
