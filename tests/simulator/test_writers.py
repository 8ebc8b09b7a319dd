"""Files: their names and folders, their bytes, and when they are delivered."""

from __future__ import annotations

import gzip
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.moments import iso
from simulator.play import play
from simulator.story_file import parse
from simulator.writers import FORMATS, Written, writer
from simulator.writers.delivery import delivered, deliveries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.record import Record

START = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)
ACCOUNT = "111122223333"

STORY = parse(
    """
title = "Around midnight"
quiet = true

[endpoint]
vpce-0aaaaaaaaaaaaaaaa = "111122223333"

[instance.web]
role = "WebServer"
from = "vpce-0aaaaaaaaaaaaaaaa/10.0.1.20"

[[step]]
at = "1m"
who = "web"
call = ["ec2:DescribeInstances", "iam:GetRole", "s3:GetObject"]
every = "8m"
times = 20

[[step]]
at = "2h"
who = "web"
call = "iam:CreateUser"
error_code = "AccessDenied"
""",
    "around_midnight.toml",
)


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """Records of two regions and two days."""
    return play(STORY, START, seed=1).records


def written(
    name: str, folder: Path, records: Iterable[Record], organisation: str = "o-abc1234567"
) -> tuple[dict[str, Path], Written]:
    """Files that a writer wrote, by path within the folder, and what it says of them."""
    said = writer(name, folder, organisation).write(ACCOUNT, records)
    return {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}, said


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_said_of_the_files_is_true(
    name: str, tmp_path: Path, records: list[Record]
) -> None:
    """Events, files and bytes are those that are there."""
    files, said = written(name, tmp_path, records)

    size = sum(path.stat().st_size for path in files.values())
    assert said == Written(len(records), len(files), size)


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_records_give_the_same_bytes(
    name: str, tmp_path: Path, records: list[Record]
) -> None:
    """Written twice, files are equal in name and bytes."""
    first, _ = written(name, tmp_path / "a", records)
    second, _ = written(name, tmp_path / "b", records)

    assert {p: f.read_bytes() for p, f in first.items()} == {
        p: f.read_bytes() for p, f in second.items()
    }


@pytest.mark.parametrize("organisation", ["o-abc1234567", ""])
def test_json_layout(tmp_path: Path, records: list[Record], organisation: str) -> None:
    """Folders and names are CloudTrail's, with or without an organisation."""
    files, _ = written("cloudtrail-json", tmp_path, records, organisation)

    root = f"AWSLogs/{organisation}/" if organisation else "AWSLogs/"
    name = re.compile(
        rf"{root}{ACCOUNT}/CloudTrail/(us-west-2|us-east-1)/(\d{{4}})/(\d\d)/(\d\d)/"
        rf"{ACCOUNT}_CloudTrail_\1_\2\3\4T\d{{4}}Z_[0-9A-Za-z]{{16}}\.json\.gz"
    )
    assert all(name.fullmatch(path) for path in files)
    assert {name.fullmatch(path)[1] for path in files} == {"us-west-2", "us-east-1"}


def test_json_content(tmp_path: Path, records: list[Record]) -> None:
    """Each file is one object with ``Records``; together they are what was written."""
    files, _ = written("cloudtrail-json", tmp_path, records)

    read = []
    for path in files.values():
        content = json.loads(gzip.decompress(path.read_bytes()))
        assert list(content) == ["Records"]
        assert len({record["awsRegion"] for record in content["Records"]}) == 1
        read += content["Records"]
    assert sorted(read, key=lambda r: r["eventID"]) == sorted(records, key=lambda r: r["eventID"])


def test_gzip_tells_no_time(tmp_path: Path, records: list[Record]) -> None:
    """The time of writing is not part of the bytes."""
    files, _ = written("cloudtrail-json", tmp_path, records)

    assert {path.read_bytes()[4:8] for path in files.values()} == {bytes(4)}


def test_events_slop_over_into_the_next_day(tmp_path: Path, records: list[Record]) -> None:
    """The day of a folder is that of delivery, which may be the day after the event."""
    files, _ = written("cloudtrail-json", tmp_path, records)

    delays = []
    for path in files.values():
        stamp = re.search(r"_(\d{8}T\d{4})Z_", path.name)[1]
        at = datetime.strptime(stamp, "%Y%m%dT%H%M").replace(tzinfo=UTC)
        for record in json.loads(gzip.decompress(path.read_bytes()))["Records"]:
            delays.append(at - datetime.fromisoformat(record["eventTime"]))
            if record["eventTime"] > "2026-03-02T23:56":
                assert "2026/03/03" in str(path)
    assert timedelta(minutes=5) < min(delays)
    assert max(delays) <= timedelta(minutes=15)


@given(st.integers(0, 10**9))
def test_delivery_is_5_to_15_minutes_late(seconds: int) -> None:
    """Whatever the time of an event, its file is 5 to 15 minutes younger."""
    at = START + timedelta(seconds=seconds)

    late = delivered(iso(at)[:16]) - at

    assert timedelta(minutes=5) < late <= timedelta(minutes=15)


def test_a_spoilt_record_is_delivered_all_the_same(tmp_path: Path) -> None:
    """A record without time or region comes with the one before it, in a folder of the trail."""
    good = {"eventTime": "2026-03-02T10:00:00Z", "awsRegion": "us-west-2"}
    spoilt = [{"eventTime": 5, "awsRegion": "../../etc"}, {}, {"awsRegion": ["us-west-2"]}]

    told = list(deliveries([good, *spoilt]))

    assert [region for _, region, _ in told] == ["us-west-2", *["us-east-1"] * 3]
    assert len({at for at, _, _ in told}) == 1
    files, _ = written("cloudtrail-json", tmp_path, [good, *spoilt])
    assert len(files) == 2


def test_parquet_layout(tmp_path: Path, records: list[Record]) -> None:
    """Folders name account, region and day of delivery; a day of a region is one file."""
    files, _ = written("cloudtrail-parquet", tmp_path, records)

    assert sorted(files) == [
        f"account={ACCOUNT}/region={region}/day={day}/part-00000.parquet"
        for region in ("us-east-1", "us-west-2")
        for day in ("2026-03-02", "2026-03-03")
    ]


def read_parquet(files: dict[str, Path]) -> dict[str, Record]:
    """Rows of Parquet files, by event id."""
    pq = pytest.importorskip("pyarrow.parquet")
    rows = [row for path in files.values() for row in pq.ParquetFile(path).read().to_pylist()]
    return {row["eventid"]: row for row in rows}


def test_parquet_schema(tmp_path: Path, records: list[Record]) -> None:
    """Columns are those of Athena's table: lower case, text, and structs with ``inscopeof``."""
    pq = pytest.importorskip("pyarrow.parquet")
    files, _ = written("cloudtrail-parquet", tmp_path, records)

    schema = pq.read_schema(next(iter(files.values())))

    structs = {"useridentity", "resources", "addendum", "tlsdetails"}
    assert schema.names == [
        *("eventversion", "useridentity", "eventtime", "eventsource", "eventname", "awsregion"),
        *("sourceipaddress", "useragent", "errorcode", "errormessage", "requestparameters"),
        *("responseelements", "additionaleventdata", "requestid", "eventid", "readonly"),
        *("resources", "eventtype", "apiversion", "recipientaccountid", "serviceeventdetails"),
        *("sharedeventid", "vpcendpointid", "vpcendpointaccountid", "eventcategory", "addendum"),
        *("sessioncredentialfromconsole", "edgedevicedetails", "tlsdetails"),
    ]
    assert {str(f.type) for f in schema if f.name not in structs} == {"string"}
    identity = schema.field("useridentity").type
    assert [field.name for field in identity] == [
        *("type", "principalid", "arn", "accountid", "invokedby", "accesskeyid", "username"),
        *("onbehalfof", "sessioncontext", "inscopeof"),
    ]
    assert [field.name for field in identity.field("inscopeof").type] == [
        *("issuertype", "credentialsissuedto", "sourcearn", "sourceaccount")
    ]


def test_parquet_content(tmp_path: Path, records: list[Record]) -> None:
    """Rows say what the records say: structs nested, parameters as JSON text, flags as text."""
    files, _ = written("cloudtrail-parquet", tmp_path, records)

    rows = read_parquet(files)

    assert len(rows) == len(records)
    for record in records:
        row = rows[record["eventID"]]
        scope = record["userIdentity"].get("inScopeOf")
        assert row["eventtime"] == record["eventTime"]
        assert row["vpcendpointaccountid"] == record.get("vpcEndpointAccountId")
        assert row["readonly"] == str(record["readOnly"]).lower()
        assert json.loads(row["requestparameters"] or "null") == record["requestParameters"]
        assert row["useridentity"]["type"] == record["userIdentity"]["type"]
        assert (row["useridentity"]["inscopeof"] is None) == (scope is None)
        if scope:
            context = row["useridentity"]["sessioncontext"]
            assert row["useridentity"]["inscopeof"]["credentialsissuedto"].startswith("arn:aws:ec2")
            assert context["ec2roledelivery"] == "2.0"
            assert context["attributes"]["creationdate"]
            assert row["tlsdetails"]["tlsversion"] == "TLSv1.3"


def test_parquet_takes_what_a_story_has_spoilt(tmp_path: Path) -> None:
    """Values of a wrong type become text, or are missing where a struct is expected."""
    odd = {
        "eventID": "1",
        "eventTime": "2026-03-02T10:00:00Z",
        "awsRegion": "us-west-2",
        "userAgent": 5,
        "userIdentity": {"type": True, "sessionContext": "?", "credentialId": "x"},
        "tlsDetails": "none",
        "resources": {},
        "requestParameters": "null",
    }
    files, _ = written("cloudtrail-parquet", tmp_path, [odd])

    row = read_parquet(files)["1"]

    assert row["useragent"] == "5"
    assert row["useridentity"]["type"] == "true"
    assert row["useridentity"]["sessioncontext"] is None
    assert row["tlsdetails"] is None
    assert row["resources"] is None
    assert row["requestparameters"] == "null"


def test_parquet_files_are_flushed_in_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day of any size is one file of several row groups, and nothing is lost between them."""
    parquet = pytest.importorskip("simulator.writers.parquet")
    pq = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(parquet, "_ROW_GROUP", 3)
    rows = [
        {"eventID": str(i), "eventTime": "2026-03-02T10:00:00Z", "awsRegion": "us-west-2"}
        for i in range(8)
    ]

    files, said = written("cloudtrail-parquet", tmp_path, rows)

    (path,) = files.values()
    assert isinstance(path, Path)
    assert said.events == 8
    assert pq.ParquetFile(path).num_row_groups == 3
    assert set(read_parquet(files)) == {str(i) for i in range(8)}
