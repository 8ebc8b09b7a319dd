"""Rows for tests: a default for every column, so that a test says only what it is about."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from transforms import schemas

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

START = datetime(2026, 3, 2, tzinfo=UTC)
THIEF = "67.178.52.232"
REGION = "us-west-2"


def at(hours: float) -> datetime:
    """Time so many hours after the start of the story."""
    return START + timedelta(hours=hours)


def number(text: str, digits: int) -> str:
    """A stable number for a name: account ids, parts of instance ids."""
    return str(zlib.crc32(text.encode()) % 10**digits).zfill(digits)


class Instance:
    """An instance of a case: an account, a role and an instance id of its own."""

    def __init__(self, name: str, account: str | None = None, role: str = "AppRole") -> None:
        """Make one; equal names are the same instance."""
        self.account = account or "4" + number(name, 11)
        self.id = f"i-0{zlib.crc32(name.encode()):016x}"
        self.role = role
        self.role_id = f"AROA{number(self.account + role, 10)}"
        self.key = f"ASIA{number(name, 10)}"
        low = zlib.crc32(name.encode()) % 60_000
        self.home = f"52.95.{low // 250}.{low % 250 + 1}"

    @property
    def session_id(self) -> str:
        """Id of its session."""
        return f"{self.account}/{self.role_id}/{self.id}"

    def call(self, hours: float, source: str | None = None, **changes: Any) -> dict[str, Any]:
        """A call signed with the instance's credentials, from its home or from elsewhere."""
        values = {
            "event_time": at(hours),
            "source_ip_address": source or self.home,
            "identity_type": "AssumedRole",
            "principal_id": f"{self.role_id}:{self.id}",
            "arn": f"arn:aws:sts::{self.account}:assumed-role/{self.role}/{self.id}",
            "account_id": self.account,
            "access_key_id": self.key,
            "issuer_arn": f"arn:aws:iam::{self.account}:role/{self.role}",
            "issuer_principal_id": self.role_id,
            "issuer_account_id": self.account,
            "credential_issued_at": at(hours) - timedelta(minutes=10),
            "ec2_role_delivery": "2.0",
            "recipient_account_id": self.account,
            "in_scope_issuer_type": "AWS::EC2::Instance",
            "in_scope_issued_to": f"arn:aws:ec2:{REGION}:{self.account}:instance/{self.id}",
        }
        return record(**{**values, **changes})

    def through(
        self, hours: float, endpoint: str, address: str, owner: str | None, **changes: Any
    ) -> dict[str, Any]:
        """A call through a VPC endpoint."""
        ends = {"vpc_endpoint_id": endpoint, "vpc_endpoint_account_id": owner}
        return self.call(hours, address, **ends, **changes)

    def assumed(self, hours: float, **changes: Any) -> dict[str, Any]:
        """EC2 hands the instance a key."""
        arn = f"arn:aws:iam::{self.account}:role/{self.role}"
        values = {
            "event_time": at(hours),
            "event_name": "AssumeRole",
            "event_source": "sts.amazonaws.com",
            "source_ip_address": "ec2.amazonaws.com",
            "user_agent": "ec2.amazonaws.com",
            "identity_type": "AWSService",
            "invoked_by": "ec2.amazonaws.com",
            "recipient_account_id": self.account,
            "tls_present": False,
            "tls_version": None,
            "request_parameters": f'{{"roleArn":"{arn}","roleSessionName":"{self.id}"}}',
            "response_elements": f'{{"credentials":{{"accessKeyId":"{self.key}"}}}}',
        }
        return record(**{**values, **changes})


def explained(rows: DataFrame, max_chars: int = 1000) -> DataFrame:
    """Rows of ``schemas.RECORDS`` with the reason and the text of what is rejected."""
    from pyspark.sql import functions as F

    from transforms.events.record import reject_reason, reject_record

    reject = F.col("reject")
    told = {
        "reject_reason": reject_reason(reject),
        "reject_record": reject_record(reject, max_chars),
    }
    return rows.withColumns(told).drop("reject")


def record(**changes: Any) -> dict[str, Any]:
    """One accepted record, as a reader makes it."""
    values: dict[str, Any] = dict.fromkeys(schemas.RECORDS.fieldNames())
    values |= {
        "input_file": "file:/trail/1.json.gz",
        "position": "Records[0]",
        "event_time": START,
        "event_source": "ec2.amazonaws.com",
        "event_name": "DescribeVolumes",
        "aws_region": REGION,
        "source_ip_address": "52.95.255.121",
        "user_agent": "Boto3/1.34.0 md/Botocore#1.34.0 ua/2.0 os/linux",
        "read_only": True,
        "event_category": "Management",
        "tls_version": "TLSv1.3",
        "tls_present": True,
    }
    values |= changes
    if values["event_id"] is None:
        values["event_id"] = f"{zlib.crc32(repr(sorted(values.items(), key=str)).encode()):08x}"
    return values


def told(request: dict[str, Any], response: dict[str, Any] | None = None) -> dict[str, str]:
    """What a call asks for and gets, as CloudTrail has it."""
    return {
        "request_parameters": json.dumps(request),
        "response_elements": json.dumps(response or {"_return": True}),
    }


def by_admin(
    account: str,
    hours: float,
    event: str,
    request: dict[str, Any],
    response: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A user of an account changes something about its instances or network."""
    return record(
        event_time=at(hours),
        event_name=event,
        source_ip_address="81.2.69.160",
        identity_type="IAMUser",
        arn=f"arn:aws:iam::{account}:user/ops",
        account_id=account,
        recipient_account_id=account,
        read_only=False,
        **told(request, response),
    )


def elastic(instance: Instance, hours: float, address: str | None) -> dict[str, Any]:
    """A user gives an instance an Elastic address, which the record names, or does not."""
    named = {"publicIp": address} if address else {"allocationId": f"eipalloc-{instance.id[2:]}"}
    return by_admin(
        instance.account,
        hours,
        "AssociateAddress",
        {"instanceId": instance.id, **named},
        {"associationId": f"eipassoc-{instance.id[2:]}"},
    )


def sighting_on_behalf(first: datetime, last: datetime, **said: Any) -> tuple[Any, ...]:
    """A row of ``schemas.SIGHTINGS``: S3 calls on behalf of an instance, which owes no evidence."""
    row = {
        **dict.fromkeys(schemas.SIGHTINGS.columns),
        "account_id": "111122223333",
        "session_name": "i-0123456789abcdef0",
        "source": "s3.amazonaws.com",
        "source_kind": "service",
        "invoked_by": "s3.amazonaws.com",
        "forwarded": False,
        "agent_family": "-",
        "bucket": first.replace(hour=first.hour // 6 * 6, minute=0, second=0, microsecond=0),
        "first_seen": first,
        "last_seen": last,
        "calls": 1,
        "errors": 0,
        "delivery": 4,
        "marks": 0,
        "file_bits": 1,
        "batch_id": 1,
        **said,
    }
    assert row.keys() == set(schemas.SIGHTINGS.columns)
    return tuple(row[name] for name in schemas.SIGHTINGS.columns)


def table(
    spark: SparkSession, schema: Any, rows: Iterable[dict[str, Any]], **defaults: Any
) -> DataFrame:
    """A DataFrame of dicts; columns that a row does not name are null, or the default."""
    names = schema.fieldNames()
    return spark.createDataFrame(
        [tuple(({**defaults, **row}).get(name) for name in names) for row in rows], schema
    )


def records(spark: SparkSession, rows: Iterable[dict[str, Any]]) -> DataFrame:
    """Rows of ``schemas.RECORDS``."""
    return table(spark, schemas.RECORDS, rows)
