"""CloudTrail records and files made for tests of reading, and what is read of them."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from tests.factories import explained
from transforms.events.json_files import json_records

if TYPE_CHECKING:
    from pyspark.sql import Row, SparkSession

MISSING = object()
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

_EVENT: dict[str, Any] = {
    "eventVersion": "1.11",
    "userIdentity": {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLE0001:i-0a1b2c3d4e5f60718",
        "arn": "arn:aws:sts::012345678901:assumed-role/Web/i-0a1b2c3d4e5f60718",
        "accountId": "012345678901",
        "accessKeyId": "ASIAEXAMPLE0001",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": "AROAEXAMPLE0001",
                "arn": "arn:aws:iam::012345678901:role/service/Web",
                "accountId": "012345678901",
                "userName": "Web",
            },
            "attributes": {"creationDate": "2026-03-02T11:15:00Z", "mfaAuthenticated": "false"},
            "ec2RoleDelivery": "2.0",
        },
        "inScopeOf": {
            "issuerType": "AWS::EC2::Instance",
            "credentialsIssuedTo": (
                "arn:aws:ec2:us-west-2:012345678901:instance/i-0a1b2c3d4e5f60718"
            ),
        },
    },
    "eventTime": "2026-03-02T12:00:00Z",
    "eventSource": "sqs.amazonaws.com",
    "eventName": "ListQueues",
    "awsRegion": "us-west-2",
    "sourceIPAddress": "52.95.255.121",
    "userAgent": "aws-cli/2.15.0",
    "requestParameters": {"queueNamePrefix": "a"},
    "responseElements": None,
    "requestID": "11111111-1111-1111-1111-111111111111",
    "eventID": "22222222-2222-2222-2222-222222222222",
    "readOnly": True,
    "eventType": "AwsApiCall",
    "managementEvent": True,
    "recipientAccountId": "012345678901",
    "eventCategory": "Management",
    "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256"},
}


def event(**changes: Any) -> dict[str, Any]:
    """A CloudTrail record; a field is changed, or left out where its change is ``MISSING``."""
    changed = {**copy.deepcopy(_EVENT), **changes}
    return {name: value for name, value in changed.items() if value is not MISSING}


def identity(**changes: Any) -> dict[str, Any]:
    """The ``userIdentity`` of ``event()``, changed as there."""
    changed = {**copy.deepcopy(_EVENT["userIdentity"]), **changes}
    return {name: value for name, value in changed.items() if value is not MISSING}


class Files:
    """Texts of files by name, gathered so that one Spark job reads them all."""

    def __init__(self) -> None:
        """Start with none."""
        self.contents: dict[str, bytes] = {}

    def add(self, *parts: Any, between: str = "\n") -> str:
        """Add a file of texts, bytes and objects, which become JSON; return its name."""
        texts = [
            part
            if isinstance(part, bytes)
            else (part if isinstance(part, str) else json.dumps(part)).encode()
            for part in parts
        ]
        name = f"file:/made/{len(self.contents)}.json"
        self.contents[name] = between.encode().join(texts)
        return name

    def read(self, spark: SparkSession, max_record_chars: int = 1000) -> dict[str, list[Row]]:
        """Rows of each file."""
        rows = [(name, bytearray(content)) for name, content in self.contents.items()]
        files = spark.createDataFrame(rows, "input_file string, value binary").select(
            "input_file", F.col("value").cast("string").alias("value")
        )
        found: dict[str, list[Row]] = {name: [] for name in self.contents}
        for row in explained(json_records(files), max_record_chars).collect():
            found[row.input_file].append(row)
        return found


def names(rows: list[Row]) -> list[str]:
    """Names of the events among rows; rows that are none must be looked for by ``rejects``."""
    assert all(row.event_time for row in rows), rejects(rows)
    return [row.event_name for row in rows]


def rejects(rows: list[Row]) -> list[tuple[str | None, str]]:
    """Position and reason of each reject among rows."""
    return [(row.position, row.reject_reason) for row in rows if row.reject_reason]


def is_marker(rows: list[Row]) -> bool:
    """Whether the rows say: read, and nothing in it."""
    return len(rows) == 1 and not any(rows[0][1:])


def lower(value: Any) -> Any:
    """Names in lower case, all the way down, as Athena and Glue have them."""
    if isinstance(value, dict):
        return {name.lower(): lower(inner) for name, inner in value.items()}
    return [lower(one) for one in value] if isinstance(value, list) else value
