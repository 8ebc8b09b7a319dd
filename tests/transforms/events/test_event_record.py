"""What a record can look like: each oddity of real CloudTrail, read from JSON and from Parquet."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.sql import types as T

from tests.factories import explained
from tests.transforms.events.made import MISSING, NOON, Files, event, identity, lower, names
from transforms import schemas
from transforms.events.cloudtrail_parquet import needed_columns, parquet_records

if TYPE_CHECKING:
    from pyspark.sql import Row, SparkSession

_OBJECTS = ("userIdentity", "tlsDetails", "addendum")
_FREE = ("requestParameters", "responseElements", "additionalEventData", "serviceEventDetails")

CASES: dict[str, dict[str, Any]] = {}


def case(name: str, **changes: Any) -> str:
    """Add a record that differs from an ordinary one; return its name."""
    CASES[name] = event(eventName=name) | changes
    CASES[name] = {key: value for key, value in CASES[name].items() if value is not MISSING}
    return name


def _from_trail(spark: SparkSession) -> dict[str, Row]:
    """The cases in one document: as some are no events, it is taken apart."""
    files = Files()
    trail = files.add({"Records": list(CASES.values())})
    return dict(zip(CASES, files.read(spark)[trail], strict=True))


def _from_lines(spark: SparkSession) -> dict[str, Row]:
    """Each case a document: those that are events are parsed at once."""
    files = Files()
    lines = files.add(*CASES.values())
    return dict(zip(CASES, files.read(spark)[lines], strict=True))


def _from_parquet(spark: SparkSession) -> dict[str, Row]:
    """The cases as Athena's table has them: objects as structs, free-form columns as text."""
    rows = []
    for number, record in enumerate(CASES.values()):
        row = lower({**record, **{key: json.dumps(record[key]) for key in _FREE if key in record}})
        row["readonly"] = row.get("readonly") and str(row["readonly"]).lower()
        rows.append({**row, "input_file": "file:/made/1.parquet", "row_index": number})
    texts = T.StringType()
    shape = _inferred(rows).add("input_file", texts).add("row_index", T.LongType())
    found = spark.createDataFrame(rows, shape)
    needed = [field.name for field in needed_columns(shape)]
    read = parquet_records(found.select(*needed, "input_file", "row_index"))
    return dict(zip(CASES, explained(read).collect(), strict=True))


def _inferred(rows: list[dict[str, Any]]) -> T.StructType:
    """Struct of all names in rows, every leaf as text."""
    shape: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        for name, value in row.items():
            if name not in ("input_file", "row_index"):
                shape.setdefault(name, []).extend([value] if isinstance(value, dict) else [])
    return T.StructType(
        [
            T.StructField(n, _inferred(inner) if inner else T.StringType())
            for n, inner in shape.items()
        ]
    )


SHAPES = {"trail": _from_trail, "lines": _from_lines, "parquet": _from_parquet}


@pytest.fixture(scope="module", params=SHAPES)
def found(request: pytest.FixtureRequest, spark: SparkSession) -> dict[str, Row]:
    """Rows of all cases by name, from each shape."""
    return SHAPES[request.param](spark)


ORDINARY = case("ordinary")


def test_every_column(found: dict[str, Row]) -> None:
    """Each column of a record stands where the record has it."""
    row = found[ORDINARY].asDict()
    expected = {
        "event_id": "22222222-2222-2222-2222-222222222222",
        "event_time": NOON.replace(tzinfo=None),
        "event_source": "sqs.amazonaws.com",
        "event_name": "ordinary",
        "aws_region": "us-west-2",
        "source_ip_address": "52.95.255.121",
        "user_agent": "aws-cli/2.15.0",
        "read_only": True,
        "event_category": "Management",
        "recipient_account_id": "012345678901",
        "identity_type": "AssumedRole",
        "principal_id": "AROAEXAMPLE0001:i-0a1b2c3d4e5f60718",
        "arn": "arn:aws:sts::012345678901:assumed-role/Web/i-0a1b2c3d4e5f60718",
        "account_id": "012345678901",
        "access_key_id": "ASIAEXAMPLE0001",
        "issuer_arn": "arn:aws:iam::012345678901:role/service/Web",
        "issuer_principal_id": "AROAEXAMPLE0001",
        "issuer_account_id": "012345678901",
        "credential_issued_at": datetime(2026, 3, 2, 11, 15),  # noqa: DTZ001 - as Spark gives it
        "ec2_role_delivery": "2.0",
        "in_scope_issuer_type": "AWS::EC2::Instance",
        "in_scope_issued_to": "arn:aws:ec2:us-west-2:012345678901:instance/i-0a1b2c3d4e5f60718",
        "tls_version": "TLSv1.3",
        "tls_present": True,
        "request_parameters": '{"queueNamePrefix":"a"}',
    }

    told = ["reject_reason", "reject_record"]
    kept = [name for name in schemas.RECORDS.fieldNames() if name != "reject"]
    assert list(row) == [*kept, *told]
    row["request_parameters"] = row["request_parameters"].replace(" ", "")
    assert {name: value for name, value in row.items() if value is not None} == {
        "input_file": row["input_file"],
        **expected,
    }


RARE = case(
    "rare",
    sharedEventID="shared",
    addendum={"reason": "UPDATED_DATA", "originalEventID": "the first"},
    additionalEventData={"AuthenticationMethod": "QueryString", "x-amz-id-2": "…"},
    sessionCredentialFromConsole="true",
    errorCode="AccessDenied",
    errorMessage="User is not authorized",
    vpcEndpointId="vpce-0a1b",
    vpcEndpointAccountId="999988887777",
    responseElements={"credentials": {"accessKeyId": "ASIANEW", "expiration": "Sep 14, 2020"}},
    readOnly=False,
    serviceEventDetails={"snapshotId": "x"},
)


def test_rare_fields(found: dict[str, Row]) -> None:
    """Fields that few records have are read, too; unknown ones are ignored."""
    row = found[RARE]

    assert (row.shared_event_id, row.original_event_id) == ("shared", "the first")
    assert (row.authentication_method, row.credential_from_console) == ("QueryString", "true")
    assert (row.error_code, row.error_message) == ("AccessDenied", "User is not authorized")
    assert (row.vpc_endpoint_id, row.vpc_endpoint_account_id) == ("vpce-0a1b", "999988887777")
    assert json.loads(row.response_elements)["credentials"]["accessKeyId"] == "ASIANEW"
    assert row.read_only is False


BARE = case(
    "bare", **{k: MISSING for k in event() if k not in ("eventTime", "eventSource", "eventName")}
)
BY_SERVICE = case(
    "by service",
    userIdentity={"accountId": "012345678901", "invokedBy": "ec2.amazonaws.com"},
    sourceIPAddress="ec2.amazonaws.com",
    tlsDetails=MISSING,
)
HEADER_ONLY = case("header", tlsDetails={"clientProvidedHostHeader": "sts.amazonaws.com"})
ODD_IDENTITY = {
    "no identity": MISSING,
    "null identity": None,
    "no type": identity(type=MISSING),
    "empty type": identity(type=""),
    "no session name": identity(principalId="AROAEXAMPLE0001"),
    "two sessions": identity(principalId="AROAEXAMPLE0001:i-0000000000000000f"),
    "masked": identity(accessKeyId="ASIA****************", accountId="XXXXXXXXXXXX"),
    "mixed case": identity(arn="arn:aws:sts::012345678901:assumed-role/Web/i-786a3A8B5C0d92eF4"),
    "unknown": {"type": "Unknown"},
    "china": identity(arn="arn:aws-cn:sts::012345678901:assumed-role/Web/i-0a1b2c3d4e5f60718"),
    "government": identity(arn="arn:aws-us-gov:sts::012345678901:assumed-role/W/i-0a1b2c3d"),
    "account": {"type": "AWSAccount", "principalId": "AIDA", "accountId": "012345678901"},
}
for name, who in ODD_IDENTITY.items():
    case(name, userIdentity=who)


def test_what_is_missing_is_null(found: dict[str, Row]) -> None:
    """A record of time, name and source alone is an event; whatever it lacks is null."""
    row = found[BARE].asDict()
    present = {"input_file", "event_time", "event_source", "event_name", "tls_present"}

    assert {name for name, value in row.items() if value is not None} == present
    assert row["tls_present"] is False


@pytest.mark.parametrize("name", ODD_IDENTITY)
def test_odd_identities(found: dict[str, Row], name: str) -> None:
    """Whoever the record names, and however: it is an event, and shows what it says."""
    who = ODD_IDENTITY[name]
    who = who if isinstance(who, dict) else {}

    assert names([found[name]]) == [name]
    for column, field in (("identity_type", "type"), ("principal_id", "principalId"), ("arn",) * 2):
        assert getattr(found[name], column) == (who.get(field) or None)


def test_a_service_in_place_of_a_caller(found: dict[str, Row]) -> None:
    """TLS details are those of a client: a call by a service has none, any other keeps them."""
    assert found[BY_SERVICE].invoked_by == "ec2.amazonaws.com"
    assert [found[name].tls_present for name in (BY_SERVICE, HEADER_ONLY)] == [False, True]
    assert found[HEADER_ONLY].tls_version is None


SOURCES = ("-", "0.0.0.0", "XXXX", "256.44.44.11", "30.*.0.210", "035.249.253.232",
           "2600:1f14::1", "AWS Internal", "appstream.amazonaws.com", "203.0.113.46")  # fmt: skip
for address in SOURCES:
    case(f"from {address}", sourceIPAddress=address, vpcEndpointId=f"endpoint beside {address}")
NO_SOURCES = (case("from nowhere", sourceIPAddress=""), case("no source", sourceIPAddress=MISSING))
UUID_ENDPOINT = case("uuid", vpcEndpointId="6d8f2c4e-0000-4000-8000-000000000000")
INTERNAL = case("internal", vpcEndpointId="AWS Internal", vpcEndpointAccountId="AWS Internal")


def test_sources_stay_as_written(found: dict[str, Row]) -> None:
    """A source or an endpoint is never judged while reading: only an empty one goes."""
    for address in SOURCES:
        assert found[f"from {address}"].source_ip_address == address
        assert found[f"from {address}"].vpc_endpoint_id == f"endpoint beside {address}"
    assert [found[name].source_ip_address for name in NO_SOURCES] == [None, None]
    assert found[UUID_ENDPOINT].vpc_endpoint_id == "6d8f2c4e-0000-4000-8000-000000000000"
    assert found[INTERNAL].vpc_endpoint_account_id == "AWS Internal"


TIMES = {
    "2026-03-02T12:00:00Z": True,
    "2026-03-02T12:00:00.987Z": True,
    "2026-03-02T12:00:00.987654321Z": True,
    "2026-03-02T23:00:00+11:00": True,
    "2026-03-02 23:00:00+1100": True,
    "2026-03-02T05:30:00.5-06:30": True,
    "2026-03-02T12:00:00": True,
    "2026-03-02": False,
    "12:00:00": False,
    "12:34:56.1234567890Z": False,
    "2026-02-30T12:00:00Z": False,
    "yesterday": False,
    "1772452800": False,
    "2005-12-31T23:59:59Z": False,
    "2101-01-01T00:00:00Z": False,
    "9999-12-31T23:59:59Z": False,
}
for text in TIMES:
    case(f"at {text}", eventTime=text)
NO_TIME = case("no time", eventTime=MISSING)


@pytest.mark.parametrize("text", TIMES)
def test_times(found: dict[str, Row], text: str) -> None:
    """A time in ISO format is read to the second, whatever its zone; any other is a reject."""
    row = found[f"at {text}"]

    assert row.event_time == (NOON.replace(tzinfo=None) if TIMES[text] else None)
    assert TIMES[text] or f": {text}" in row.reject_reason
    assert TIMES[text] or text in row.reject_record


REJECTS = {
    NO_TIME: "has no eventTime",
    case("empty time", eventTime=""): "has no eventTime",
    case("no name", eventName=MISSING): "has no eventName",
    case("empty name", eventName=""): "has no eventName",
    case("no service", eventSource=MISSING): "has no eventSource",
    case(
        "notification", eventSource="aws:s3", eventTime="2026-03-02T12:00:00.000Z"
    ): "a notification, not a call: eventSource is aws:s3",
}


@pytest.mark.parametrize("name", REJECTS)
def test_rejects(found: dict[str, Row], name: str) -> None:
    """A record without a readable time, a name or a source service is a reject that says so."""
    row, index = found[name], list(CASES).index(name)

    assert row.reject_reason == REJECTS[name]
    assert row.event_time is None
    assert row.position in {f"Records[{index}]", f"line {index + 1}", f"row {index}"}
    assert "22222222-2222" in row.reject_record


PARAMETERS: dict[str, tuple[Any, str | None]] = {
    "null": ("null", None),
    "empty": ("", None),
    "none": (None, None),
    "hidden": ("HIDDEN_DUE_TO_SECURITY_REASONS", "HIDDEN_DUE_TO_SECURITY_REASONS"),
    "inner hidden": ({"parameters": "HIDDEN"}, '{"parameters":"HIDDEN"}'),
    "list": ([1, {"a": 2}], '[1,{"a":2}]'),
    "number": (12, "12"),
}


def test_request_parameters_of_any_type(spark: SparkSession) -> None:
    """Request parameters are text whatever stands there; what says null is null."""
    files = Files()
    trail = files.add([event(requestParameters=value) for value, _ in PARAMETERS.values()])

    actual = [row.request_parameters for row in files.read(spark)[trail]]

    assert actual == [expected for _, expected in PARAMETERS.values()]


WRAPPED = {
    "EventBridge": {
        "version": "0",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": event(),
    },
    "lookup-events": {"EventId": "1", "CloudTrailEvent": json.dumps(event())},
    "CloudWatch Logs": {"logEvents": [{"message": json.dumps(event())}]},
    "log entry": {"jsonPayload": event(), "timestamp": "2026-03-02T12:00:00Z"},
    "Insight": {"eventTime": "2026-03-02T12:00:00Z", "insightDetails": {"state": "Start"}},
    "digest": {"awsAccountId": "012345678901", "digestStartTime": "2026-03-02T12:00:00Z"},
    "AWS Config": {"fileVersion": "1.0", "configurationItems": [{}]},
}


def test_wrappers_are_named(spark: SparkSession) -> None:
    """What wraps a record, or is none at all, is rejected by its name."""
    files = Files()
    wrapped = {files.add(content): name for name, content in WRAPPED.items()}

    for file, rows in files.read(spark).items():
        assert len(rows) == 1
        assert wrapped[file] in rows[0].reject_reason


def test_the_time_that_logstash_writes(spark: SparkSession) -> None:
    """Logstash moves the time of a record to @timestamp; it is read from there."""
    files = Files()
    moved = event(eventTime=MISSING) | {"@timestamp": "2026-03-02T12:00:00.000Z", "@version": "1"}
    lines = files.add(moved, moved)

    assert [row.event_time for row in files.read(spark)[lines]] == [NOON.replace(tzinfo=None)] * 2


def test_equal_and_missing_event_ids_stay(spark: SparkSession) -> None:
    """Reading removes no copy: equal ids with other bodies, and none, are events all the same."""
    files = Files()
    twice = files.add([event(), event(), event(eventName="Other"), event(eventID=MISSING)])
    again = files.add([event()])

    found = files.read(spark)

    assert names(found[twice]) == ["ListQueues", "ListQueues", "Other", "ListQueues"]
    assert names(found[again]) == ["ListQueues"]


def test_a_copy_for_another_account_stays(spark: SparkSession) -> None:
    """A copy that another account got differs in its id and recipient; both copies are events."""
    files = Files()
    copies = files.add(
        [
            event(sharedEventID="s", eventID=str(number), recipientAccountId=str(number) * 12)
            for number in (1, 2)
        ]
    )

    rows = files.read(spark)[copies]

    assert [(row.shared_event_id, row.event_id) for row in rows] == [("s", "1"), ("s", "2")]
