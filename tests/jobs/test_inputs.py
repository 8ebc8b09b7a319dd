"""Which files are read, which are passed over and why, and what day each belongs to."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from jobs.errors import InputError
from jobs.input_files import FileList, InputFile
from jobs.input_names import delivery_day
from jobs.inputs import Listing, choose, list_input

RECORD = b'{"eventName": "ListQueues"}'
TRAIL = "AWSLogs/o-abc123/012345678901/CloudTrail/us-west-2/2026/03/02"
NAME = "012345678901_CloudTrail_us-west-2_20260302T1205Z_Ab1.json.gz"


def write(folder: Path, name: str, content: bytes = RECORD) -> Path:
    """Write a file, and the folders above it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def read_names(folder: Path, input_format: str = "auto") -> list[str]:
    """Names of the files that a listing of a folder would read."""
    return [Path(file.path).name for file in list_input(str(folder), input_format).files]


def test_a_file_and_what_is_known_of_it(tmp_path: Path) -> None:
    """A file is listed with its path, size, time of change, delivery day and format."""
    path = write(tmp_path, f"{TRAIL}/{NAME}")
    os.utime(path, ns=(0, 1_772_400_000_123_456_789))

    assert list(list_input(str(tmp_path)).files) == [
        InputFile(
            path=str(path),
            bytes=len(RECORD),
            modified_at=datetime(2026, 3, 1, 21, 20, 0, 123456, tzinfo=UTC),
            delivery_day=date(2026, 3, 2),
            format="cloudtrail-json",
        )
    ]


def test_order_is_that_of_paths(tmp_path: Path) -> None:
    """Files come folder by folder, in order of their names, however they were made."""
    for name in ("b/2.json", "b/1.json", "a/9.json", "c.json", "B/1.json"):
        write(tmp_path, name)

    files = list_input(str(tmp_path)).files

    assert [os.path.relpath(file.path, tmp_path) for file in files] == [
        "B/1.json", "a/9.json", "b/1.json", "b/2.json", "c.json",
    ]  # fmt: skip


FORMATS = {
    "a.json": (RECORD, "cloudtrail-json"),
    "a.json.gz": (b"", "cloudtrail-json"),
    "a.JSONL": (b"", "cloudtrail-json"),
    "a.ndjson": (b"", "cloudtrail-json"),
    "a.gz.parquet": (b"", "cloudtrail-parquet"),
    "a.cloudtrail": (b"\xef\xbb\xbf\r\n [{}]", "cloudtrail-json"),
    "a.txt": (RECORD, "cloudtrail-json"),
    "no_ending": (RECORD, "cloudtrail-json"),
    "a.log.gz": (gzip.compress(b"\n" + RECORD * 9999), "cloudtrail-json"),
    "000000_0": (b"PAR1\x15\x04\x15", "cloudtrail-parquet"),
    "b.log.gz": (gzip.compress(b"2 012345678901 eni-1"), None),
    "c.log.gz": (b"\x1f\x8b\x08 no gzip", None),
    "LICENSE": (b"Apache License", None),
    "README.md": (b"[link](x)", None),
    "rules.toml": (b"[[rules]]", None),
    "empty": (b"", None),
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats(tmp_path: Path, name: str) -> None:
    """A usual ending tells the format, and else the first bytes, unpacked; the rest is no input."""
    content, expected = FORMATS[name]
    write(tmp_path, "z.json")
    write(tmp_path, name, content)

    listing = list_input(str(tmp_path))

    found = {Path(file.path).name: file.format for file in listing.files}
    assert found == {"z.json": "cloudtrail-json"} | ({name: expected} if expected else {})
    assert listing.passed_over == ({} if expected else {"not CloudTrail": 1})


PASSED_OVER = {
    TRAIL.replace("CloudTrail", "CloudTrail-Digest") + "/a.json.gz": "digest",
    "012345678901_CloudTrail-Digest_us-west-2_main_20260302T1205Z.json.gz": "digest",
    TRAIL.replace("CloudTrail", "CloudTrail-Insight") + "/a.json.gz": "insight",
    "copies/012345678901_CloudTrail-Insight_us-west-2_20260302T1205Z_x.json.gz": "insight",
    "AWSLogs/012345678901/Config/us-west-2/2026/3/2/ConfigHistory/a.json.gz": "config",
    "x/012345678901_Config_us-west-2_ConfigSnapshot_20260302T120500Z_a.json.gz": "config",
    "AWSLogs/012345678901/Config/ConfigWritabilityCheckFile": "config",
    "AWSLogs/012345678901/GuardDuty/us-west-2/2026/03/02/a.jsonl.gz": "log of another service",
    "_SUCCESS": "hidden",
    ".part-0.json.crc": "hidden",
    "_delta_log/0.json": "hidden",
    ".git/a.json": "hidden",
    "notes.yaml": "not CloudTrail",
}


@pytest.mark.parametrize("name", PASSED_OVER)
def test_what_lies_beside_cloudtrail_is_passed_over(tmp_path: Path, name: str) -> None:
    """Digests, Insights, Config, other services' logs and hidden files are counted by reason."""
    write(tmp_path, "z.json")
    write(tmp_path, name)

    listing = list_input(str(tmp_path))

    assert [Path(file.path).name for file in listing.files] == ["z.json"]
    assert listing.passed_over == {PASSED_OVER[name]: 1}


def test_names_that_only_look_so_are_read(tmp_path: Path) -> None:
    """A folder or a file that merely has Config or digest in its name is input."""
    names = ["Config/a.json", "Config-Stop.json", "digest/b.json", "CloudTrail-Digestible.json"]
    for name in names:
        write(tmp_path, name)

    assert len(list_input(str(tmp_path)).files) == len(names)


def test_links_are_not_followed(tmp_path: Path) -> None:
    """Neither a link to a file nor one to a folder leads out of the input, or round in it."""
    write(tmp_path, "outside/a.json")
    inside = write(tmp_path, "inside/z.json").parent
    (inside / "file.json").symlink_to(tmp_path / "outside/a.json")
    (inside / "folder").symlink_to(tmp_path / "outside")
    (inside / "round").symlink_to(inside)
    (inside / "nowhere.json").symlink_to(tmp_path / "missing")
    os.mkfifo(inside / "pipe.json")

    listing = list_input(str(inside))

    assert [Path(file.path).name for file in listing.files] == ["z.json"]
    assert listing.passed_over == {"symbolic link": 4, "not a file": 1}


def test_the_input_itself_may_be_a_link(tmp_path: Path) -> None:
    """Who names a link means what it leads to; its own path is kept."""
    write(tmp_path, "real/a.json")
    (tmp_path / "latest").symlink_to(tmp_path / "real")

    assert [file.path for file in list_input(str(tmp_path / "latest")).files] == [
        str(tmp_path / "latest" / "a.json")
    ]


def test_one_file_as_input(tmp_path: Path) -> None:
    """A file can be named itself, even a hidden one, by its path or as a URI."""
    path = write(tmp_path, "_a b%.json")

    for uri in (str(path), path.as_uri()):
        assert [file.path for file in list_input(uri).files] == [str(path)]


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are kept absolute: the same file is the same file from any folder."""
    path = write(tmp_path, "trail/a.json")
    monkeypatch.chdir(tmp_path)

    assert [file.path for file in list_input("./trail/../trail/").files] == [str(path)]


def test_a_name_that_is_no_text_is_passed_over(tmp_path: Path) -> None:
    """A name that is not UTF-8 could not be kept in a table; its file is counted."""
    write(tmp_path, "z.json")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.json")).write_bytes(RECORD)

    assert list_input(str(tmp_path)).passed_over == {"name is not UTF-8": 1}


def test_one_format_alone(tmp_path: Path) -> None:
    """A format that is asked for leaves the files of others out, and counts them."""
    write(tmp_path, "a.json")
    write(tmp_path, "b.parquet")

    listing = list_input(str(tmp_path), "cloudtrail-parquet")

    assert [Path(file.path).name for file in listing.files] == ["b.parquet"]
    assert listing.passed_over == {"not cloudtrail-parquet": 1}


def test_a_missing_path(tmp_path: Path) -> None:
    """A path that is not there is an error that names it."""
    with pytest.raises(InputError, match=f"no folder or file {tmp_path}/trial"):
        list_input(f"{tmp_path}/trial")


def test_nothing_to_read(tmp_path: Path) -> None:
    """A folder without input is an error that says what is there and what was looked for."""
    with pytest.raises(InputError, match=r"Found: no files\. Looked for: CloudTrail as JSON"):
        list_input(str(tmp_path))

    write(tmp_path, "_SUCCESS")
    write(tmp_path, "a.parquet")

    with pytest.raises(InputError, match=r"Found: 1 hidden, 1 not cloudtrail-json\. Looked for"):
        list_input(str(tmp_path), "cloudtrail-json")


def test_an_unknown_format(tmp_path: Path) -> None:
    """A format that is not known is an error that lists those that are."""
    with pytest.raises(InputError, match="Known: auto, cloudtrail-json, cloudtrail-parquet"):
        list_input(str(tmp_path), "csv")


def test_other_storage() -> None:
    """A scheme that cannot be read is an error that says what to do."""
    with pytest.raises(InputError, match="s3:// cannot be read yet"):
        list_input("s3://bucket/AWSLogs/")


DAYS = {
    f"/{TRAIL}/{NAME}": date(2026, 3, 2),
    f"/2020/01/01/{TRAIL}/a.json": date(2026, 3, 2),
    f"/backup/2020/01/01/{NAME}": date(2026, 3, 2),
    f"/{NAME}": date(2026, 3, 2),
    "/t/day=2026-03-02/a.parquet": date(2026, 3, 2),
    "/t/dt=2026-03-02/hour=11/a.parquet": date(2026, 3, 2),
    "/t/region=x/eventDay=20260302/a.parquet": date(2026, 3, 2),
    "/t/timestamp=2026%2F03%2F02/a.parquet": date(2026, 3, 2),
    "/t/timestamp=2026/03/02/a.parquet": date(2026, 3, 2),
    "/t/Year=2026/Month=3/Day=02/a.parquet": date(2026, 3, 2),
    "/firehose/2026/03/02/11/a": date(2026, 3, 2),
    "/t/batch=20260302/a.parquet": None,
    "/t/day=2026-13-02/a.parquet": None,
    "/t/account=012345678901/a.parquet": None,
    "/1912/03/02/a.parquet": None,
    "/home/me/a.json": None,
}


@pytest.mark.parametrize("path", DAYS)
def test_delivery_day(path: str) -> None:
    """The day is told by CloudTrail's folders, the name's stamp, partition values, or folders."""
    assert delivery_day(path) == DAYS[path]


def test_the_day_of_change_stands_in(tmp_path: Path) -> None:
    """A path that tells no day leaves that of the last change, in UTC."""
    os.utime(write(tmp_path, "a.json"), (0, datetime(2026, 3, 2, 23, 59, tzinfo=UTC).timestamp()))

    assert [file.delivery_day for file in list_input(str(tmp_path)).files] == [date(2026, 3, 2)]


def delivered(*days: date) -> Listing:
    """A listing of one file a day."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    files = (InputFile(f"/{day}", 1, moment, day, "cloudtrail-json") for day in days)
    return Listing(FileList.of(files), Counter())


def test_choose() -> None:
    """A window takes files of its days, and of some days after: delivery may be late."""
    days = [date(2026, 3, number) for number in range(1, 8)]

    def chosen(from_day: date | None, to_day: date | None, late_days: int = 1) -> list[date]:
        files = choose(delivered(*days), from_day, to_day, late_days)
        return [file.delivery_day for file in files]

    assert chosen(None, None) == days
    assert chosen(days[2], None) == days[2:]
    assert chosen(None, days[2]) == days[:4]
    assert chosen(days[1], days[2], late_days=2) == days[1:5]
    assert chosen(days[1], days[1], late_days=0) == [days[1]]
