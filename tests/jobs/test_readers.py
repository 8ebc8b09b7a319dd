"""Files as Spark reads them: odd names, damaged files, Parquet of every make."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.errors import InputError
from jobs.inputs import InputFile, list_input
from jobs.parquet_files import footers, row_counts
from jobs.readers import file_uri, read_records
from tests.factories import explained
from tests.transforms.events.made import NOON, event, identity, is_marker, lower, names, rejects
from transforms import schemas

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

NOON_READ = NOON.replace(tzinfo=None)


def read(spark: SparkSession, folder: Path) -> dict[str, list[Row]]:
    """Rows of each file of a folder, by its path within."""
    files = list(list_input(str(folder)).files)
    found: dict[str, list[Row]] = {file_uri(file.path): [] for file in files}
    for row in explained(read_records(spark, files)).collect():
        found[row.input_file].append(row)
    return {str(Path(file.path).relative_to(folder)): found[file_uri(file.path)] for file in files}


def write(path: Path, *records: Any, pack: bool = False) -> Path:
    """Write a trail file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"Records": records}).encode()
    path.write_bytes(gzip.compress(text) if pack else text)
    return path


ODD_NAMES = (
    "a b.json", "a%20b.json", "a%.json", "a#b.json", "a?b.json", "a+b.json", "a&=;,@$!~()'.json",
    "a:b.json", "2026-03-02T12:00:00Z/f.json", "ü.json", "u\u0308.json", "日本.json",
    "a😀.json", "a\u00a0b.json", "a\u2003\u2028b.json", "a\u0085\u007f\tb\n.json", "a\u200bb.json",
    "a[1].json", "a{x,y}.json", "a*.json", "a\\b.json", '"|^`<>.json', "[x]*/{1}/a?.json",
    "a//b/./c.json", "timestamp=2026%2F03%2F02/awsregion=x/a.json", "-.json", "~/a.json",
)  # fmt: skip


def test_odd_names(spark: SparkSession, tmp_path: Path) -> None:
    """A file of any name is read, and its rows lead back to it, packed or not."""
    for number, name in enumerate(ODD_NAMES):
        write(tmp_path / name, event(eventName=f"{number}"))
        write(tmp_path / f"{name}.gz", event(eventName=f"{number}"), pack=True)

    found = read(spark, tmp_path)

    expected = {str(Path(name)): [f"{number}"] for number, name in enumerate(ODD_NAMES)}
    assert {name.removesuffix(".gz"): names(rows) for name, rows in found.items()} == expected
    assert len(found) == 2 * len(expected)


def test_odd_names_of_parquet(spark: SparkSession, tmp_path: Path) -> None:
    """The same holds for Parquet, of which the footers are read first."""
    for number, name in enumerate(ODD_NAMES):
        parquet(tmp_path / name.replace(".json", ".parquet"), event(eventName=f"{number}"))

    found = read(spark, tmp_path)

    expected = {str(Path(name)): [f"{number}"] for number, name in enumerate(ODD_NAMES)}
    assert {
        name.replace(".parquet", ".json"): names(rows) for name, rows in found.items()
    } == expected


def parquet(path: Path, *records: dict[str, Any], schema: pa.Schema | None = None) -> Path:
    """Write records as Parquet with Athena's columns: free-form ones as text, others as structs."""
    rows = [lower(record) for record in records]
    for row in rows:
        for name in ("requestparameters", "responseelements"):
            if isinstance(row.get(name), dict):
                row[name] = json.dumps(row[name])
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return path


def test_damaged_files(spark: SparkSession, tmp_path: Path) -> None:
    """A damaged file fails nothing: it has no row, or one that says what it is."""
    whole = write(tmp_path / "whole.json.gz", event(), pack=True)
    packed = whole.read_bytes()
    damaged = {
        "cut.json.gz": packed[:-20],
        "plain.json.gz": json.dumps(event()).encode(),
        "bits.json.gz": packed[:40] + b"\x00\xff\x00" + packed[43:],
        "empty.json.gz": b"",
        "empty.json": b"",
        "packed.json": packed,
        "text.parquet": b"no parquet",
        "empty.parquet": b"",
        "magic.parquet": b"PAR1PAR1",
    }
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
    cut = parquet(tmp_path / "cut.parquet", event())
    cut.write_bytes(cut.read_bytes()[:-100])

    found = read(spark, tmp_path)

    assert names(found["whole.json.gz"]) == ["ListQueues"]
    assert [name for name, rows in found.items() if not rows] == [
        "bits.json.gz", "cut.json.gz", "empty.json.gz", "plain.json.gz"
    ]  # fmt: skip
    assert is_marker(found["empty.json"])
    assert rejects(found["packed.json"]) == [(None, "gzip, but the name does not end in .gz")]
    for name in ("text", "empty", "magic", "cut"):
        assert rejects(found[f"{name}.parquet"]) == [
            (None, "no Parquet, or cut off: its footer cannot be read")
        ]


def test_files_that_are_gone(spark: SparkSession, tmp_path: Path) -> None:
    """A file that vanished since it was listed has no row, and fails nothing."""
    write(tmp_path / "here.json", event())
    parquet(tmp_path / "here.parquet", event())
    files = list(list_input(str(tmp_path)).files)
    gone = [
        InputFile(f"{tmp_path}/gone{ending}", 1, NOON, NOON.date(), files[number].format)
        for number, ending in enumerate((".json", ".parquet"))
    ]
    rows = read_records(spark, [*files, *gone])
    (tmp_path / "here.json").unlink()

    assert [Path(row.input_file).name for row in rows.collect()] == ["here.parquet"]


def test_no_files(spark: SparkSession) -> None:
    """No files give no rows, of the usual columns."""
    rows = read_records(spark, [])

    assert rows.schema.simpleString() == schemas.RECORDS.simpleString()
    assert rows.count() == 0


def test_the_same_log_packed_and_not(spark: SparkSession, tmp_path: Path) -> None:
    """A log that lies there twice, packed and not, is read twice: copies change no verdict."""
    write(tmp_path / "a.json", event())
    write(tmp_path / "a.json.gz", event(), pack=True)

    assert [names(rows) for rows in read(spark, tmp_path).values()] == [["ListQueues"]] * 2


def test_stale_checksums_do_not_matter(spark: SparkSession, tmp_path: Path) -> None:
    """Hadoop's checksum files, which copying leaves behind, are not consulted."""
    write(tmp_path / "a.json", event())
    (tmp_path / ".a.json.crc").write_bytes(b"crc\x00\x00\x00\x02\x00\x00\x00\x00\x00")

    assert names(read(spark, tmp_path)["a.json"]) == ["ListQueues"]


def test_parquet_of_many_makes_in_one_batch(spark: SparkSession, tmp_path: Path) -> None:
    """Files whose columns differ, even in type, are read together; each row is the same."""
    texts = lower(event())
    for name in ("useridentity", "tlsdetails"):
        texts[name] = json.dumps(texts[name])
    camel = {**event(), "userIdentity": json.dumps(identity()), "tlsDetails": '{"tlsVersion":"1"}'}
    maps = pa.map_(pa.string(), pa.string())
    as_map = [(key, json.dumps(v) if isinstance(v, dict) else v) for key, v in identity().items()]
    shapes: dict[str, tuple[dict[str, Any], dict[str, pa.DataType]]] = {
        "structs": (event(), {}),
        "lower text": (texts, {}),
        "camel text": (camel, {}),
        "map": ({**event(), "userIdentity": as_map}, {"useridentity": maps}),
        "times": (
            {**event(), "eventTime": NOON},
            {"eventtime": pa.timestamp("us", tz="UTC"), "readonly": pa.bool_()},
        ),
        "times without zone": (
            {**event(), "eventTime": NOON_READ},
            {"eventtime": pa.timestamp("ms")},
        ),
        "milliseconds": ({**event(), "eventTime": int(NOON.timestamp() * 1000)}, {}),
        "bytes": (
            {**event(), "eventName": b"ListQueues", "eventTime": b"2026-03-02T12:00:00Z"},
            {},
        ),
        "numbers": (
            {
                **event(),
                "recipientAccountId": 12345678901,
                "userIdentity": identity(accountId=12345678901),
            },
            {},
        ),
        "more columns": ({**event(), "nested": [{"a": 1}], "position": 7, "row_index": 3}, {}),
    }
    for name, (record, types) in shapes.items():
        row = lower(record)
        row["requestparameters"] = json.dumps(row["requestparameters"])
        inferred = pa.Table.from_pylist([{k: v for k, v in row.items() if k not in types}]).schema
        for column, kind in types.items():
            inferred = inferred.append(pa.field(column, kind))
        pq.write_table(pa.Table.from_pylist([row], inferred), tmp_path / f"{name}.parquet")

    found = read(spark, tmp_path)

    left = ("input_file", "reject", "tls_version")
    kept = [n for n in schemas.RECORDS.fieldNames() if n not in left]
    expected = {name: found["structs.parquet"][0][name] for name in kept}
    assert expected["event_time"] == NOON_READ
    assert expected["issuer_arn"] == "arn:aws:iam::012345678901:role/service/Web"
    assert len(found) == len(shapes)
    for name, rows in found.items():
        assert [{column: row[column] for column in kept} for row in rows] == [expected], name


def test_free_form_columns_as_structs(spark: SparkSession, tmp_path: Path) -> None:
    """Request parameters that are stored as a struct or a map come as JSON text."""
    parameters = {"roleArn": "r", "n": [1]}
    struct = pa.table({"eventtime": [event()["eventTime"]], "requestparameters": [parameters]})
    pq.write_table(struct, tmp_path / "struct.parquet")
    maps = pa.map_(pa.string(), pa.string())
    fields = [
        ("eventtime", pa.string()),
        ("requestparameters", maps),
        ("additionaleventdata", maps),
    ]
    row = {
        "eventtime": event()["eventTime"],
        "requestparameters": [("roleArn", "r")],
        "additionaleventdata": [("AuthenticationMethod", "QueryString")],
    }
    pq.write_table(pa.Table.from_pylist([row], pa.schema(fields)), tmp_path / "map.parquet")

    found = read(spark, tmp_path)

    assert found["struct.parquet"][0].request_parameters == '{"roleArn":"r","n":[1]}'
    assert found["map.parquet"][0].request_parameters == '{"roleArn":"r"}'
    assert found["map.parquet"][0].authentication_method == "QueryString"


def test_partition_values(spark: SparkSession, tmp_path: Path) -> None:
    """What only the path of a partitioned copy tells is taken from it as text, zeros kept."""
    record = {k: v for k, v in event().items() if k not in ("awsRegion", "recipientAccountId")}
    folder = "account_id=012345678901/awsregion=eu-west-1/timestamp=2026%2F03%2F02"
    parquet(tmp_path / folder / "a.parquet", record)
    parquet(tmp_path / folder / "b.parquet", event())

    rows = [row for found in read(spark, tmp_path).values() for row in found]

    assert [row.aws_region for row in rows] == ["eu-west-1", "us-west-2"]
    assert [row.recipient_account_id for row in rows] == ["012345678901"] * 2


def test_parquet_without_rows(spark: SparkSession, tmp_path: Path) -> None:
    """A Parquet file of no rows was read: it leaves a marker."""
    shape = pa.schema([("eventtime", pa.string()), ("eventname", pa.string())])
    pq.write_table(shape.empty_table(), tmp_path / "a.parquet")

    assert is_marker(read(spark, tmp_path)["a.parquet"])


def test_parquet_of_something_else(spark: SparkSession, tmp_path: Path) -> None:
    """Parquet without a time of events is one reject that names its columns."""
    pq.write_table(pa.table({"time_dt": [1], "class_uid": [6003]}), tmp_path / "a.parquet")

    assert rejects(read(spark, tmp_path)["a.parquet"]) == [
        (
            None,
            (
                "no CloudTrail as Athena and Glue store it: no column eventtime. "
                "There is: time_dt, class_uid"
            ),
        )
    ]


UNUSABLE = {
    "eventtime is array<string>; expected a timestamp, or text": {"eventtime": [["2026"]]},
    "eventtime is date; expected a timestamp, or text": {"eventtime": [NOON.date()]},
    "useridentity is bigint; expected a struct, or JSON text": {"useridentity": [7]},
    "useridentity.arn is struct<a:bigint>; expected text": {"useridentity": [{"arn": {"a": 1}}]},
    "eventname is array<bigint>; expected text": {"eventname": [[1]]},
}


@pytest.mark.parametrize("message", UNUSABLE)
def test_unusable_columns(spark: SparkSession, tmp_path: Path, message: str) -> None:
    """A column whose type cannot hold its values is an error that names file, column and cure."""
    columns = {"eventtime": ["2026-03-02T12:00:00Z"], **UNUSABLE[message]}
    pq.write_table(pa.table(columns), tmp_path / "odd.parquet")

    with pytest.raises(InputError, match=r"odd\.parquet: column ") as raised:
        read(spark, tmp_path)

    assert message in str(raised.value)
    assert "leave such files out" in str(raised.value)


def test_rejects_of_parquet(spark: SparkSession, tmp_path: Path) -> None:
    """A row that is no event is a reject with its number and what was read of it."""
    parquet(tmp_path / "a.parquet", event(), event(eventTime="soon"), event(eventName=None))

    found = read(spark, tmp_path)["a.parquet"]

    assert rejects(found) == [
        ("row 1", "eventTime is no time: soon"),
        ("row 2", "has no eventName"),
    ]
    assert json.loads(found[1].reject_record)["useridentity"]["accesskeyid"] == "ASIAEXAMPLE0001"


def test_rows_that_damage_hides(spark: SparkSession, tmp_path: Path) -> None:
    """Spark leaves out what follows a damaged page; the footer's count of rows shows it."""
    records = [lower(event(eventName=f"{number}")) for number in range(2000)]
    for record in records:
        record["requestparameters"] = json.dumps(record["requestparameters"])
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(records), path, row_group_size=500)
    content = bytearray(path.read_bytes())
    group = pq.ParquetFile(path).metadata.row_group(3)
    columns = [group.column(number) for number in range(group.num_columns)]
    start = next(c for c in columns if c.path_in_schema == "eventname").dictionary_page_offset
    content[start : start + 200] = b"\xff" * 200
    path.write_bytes(content)
    files = list(list_input(str(path)).files)

    read_rows = read_records(spark, files).select("event_name").collect()

    assert len(read_rows) < 2000
    rows = row_counts(spark, footers(spark, files)).collect()
    assert [tuple(row) for row in rows] == [(file_uri(str(path)), 2000)]


def test_only_needed_columns_are_read(spark: SparkSession, tmp_path: Path) -> None:
    """Neither other columns nor other parts of a struct are read; no Python, no shuffle."""
    parquet(tmp_path / "a.parquet", event())
    write(tmp_path / "a.json", event())
    files = list(list_input(str(tmp_path)).files)

    rows = read_records(spark, files).where("event_time is not null")
    with full_plans(spark):
        plan, narrow = plan_of(rows), plan_of(rows.select("event_time", "arn"))

    for unwanted in ("Python", "Exchange", "Sort", "requestid", "ciphersuite", "mfaauthenticated"):
        assert unwanted not in plan
    assert "principalid" in plan
    assert "principalid" not in narrow.partition("FileScan parquet")[2].partition("ReadSchema")[2]


def plan_of(rows: DataFrame) -> str:
    """The physical plan, as ``explain`` shows it."""
    return str(rows._jdf.queryExecution().executedPlan())


@contextmanager
def full_plans(spark: SparkSession) -> Iterator[None]:
    """Plans are shown in full."""
    settings = ("spark.sql.maxMetadataStringLength", "spark.sql.debug.maxToStringFields")
    for name in settings:
        spark.conf.set(name, "100000")
    yield
    for name in settings:
        spark.conf.unset(name)


def test_times_of_old_calendars(spark: SparkSession, tmp_path: Path) -> None:
    """A time that Spark would call ambiguous costs its own row at most."""
    old = datetime(1500, 1, 1, tzinfo=UTC)
    parquet(
        tmp_path / "a.parquet",
        {**event(), "eventTime": old},
        {**event(), "eventTime": NOON},
    )

    found = read(spark, tmp_path)["a.parquet"]

    assert [row.event_time for row in found] == [None, NOON_READ]
