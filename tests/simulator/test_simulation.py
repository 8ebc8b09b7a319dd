"""The command: what it writes, what it refuses, and that its options are all there is to it."""

from __future__ import annotations

import argparse
import gzip
import json
import re
from typing import TYPE_CHECKING

import pytest

from jobs.argument_types import Wrong
from jobs.errors import UsageError
from jobs.simulate import add_arguments, run, simulate
from simulator import labels
from simulator.writers import FORMATS

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.record import Record

SMALL = {"instances": 6, "days": 1, "rate": 0.5, "stories": "t01,b12,talk"}


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder, with their bytes."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def records(folder: Path) -> list[Record]:
    """All records of trail files below a folder."""
    return [
        record
        for path in folder.rglob("*.json.gz")
        for record in json.loads(gzip.decompress(path.read_bytes()))["Records"]
    ]


def parsed(*words: str) -> argparse.Namespace:
    """Options of a command line."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize("name", FORMATS)
def test_same_options_give_the_same_bytes(tmp_path: Path, name: str) -> None:
    """Everything depends on the options; another seed gives nothing but the shape."""
    simulate(tmp_path / "a", format=name, **SMALL)
    simulate(tmp_path / "b", format=name, **SMALL)
    simulate(tmp_path / "c", format=name, seed=2, **SMALL)

    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert not set(tree(tmp_path / "a").values()) & set(tree(tmp_path / "c").values())


def test_no_event_id_stands_twice(tmp_path: Path) -> None:
    """Stories and fleet keep clear of each other."""
    told = simulate(tmp_path, **SMALL | {"stories": "*"})

    written = records(tmp_path)
    assert len({record["eventID"] for record in written}) == len(written) == told.events


def test_stories_play_at_the_start_or_at_their_own_time(tmp_path: Path) -> None:
    """A story starts within six hours of the trail's start unless it has a start of its own."""
    told = simulate(tmp_path, **SMALL | {"instances": 0})

    first = {}
    for record in sorted(records(tmp_path), key=lambda r: r["eventTime"]):
        arn = record["userIdentity"].get("arn", "")
        first.setdefault(arn.rpartition("/")[2], record["eventTime"])
    times = {s.story: first[s.session_name] for s in told.sessions}
    assert times["talk_2018"].startswith("2018-04-03T22:")
    assert "2026-03-02T00:00" < times["t01_classic_theft"] < "2026-03-02T06:30"
    assert times["b12_on_behalf"] != times["t01_classic_theft"]


def test_labels_are_beside_the_records_where_no_reader_looks(tmp_path: Path) -> None:
    """The labels are read back as they are returned; their name begins with an underscore."""
    told = simulate(tmp_path, **SMALL)

    assert labels.read(tmp_path) == told
    assert [f.source for f in told.findings] == ["67.178.52.232"] * 2
    assert told.stories == ("b12_on_behalf", "t01_classic_theft", "talk_2018")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["AWSLogs", "_expected.json"]


def test_story_accounts_beside_the_organisation(tmp_path: Path) -> None:
    """A story may play in an account that the organisation does not have."""
    text = (
        'title = "x"\nquiet = true\naccount = "210987654321"\n[user.u]\nfrom = "80.187.96.33"\n'
        '[[step]]\nat = "0s"\nwho = "u"\ncall = "s3:ListBuckets"\n'
    )
    (tmp_path / "own.toml").write_text(text)

    told = simulate(tmp_path / "out", stories=str(tmp_path / "own.toml"), instances=0)

    assert told.events == 1
    assert [r["recipientAccountId"] for r in records(tmp_path / "out")] == ["210987654321"]


def test_style_of_2018(tmp_path: Path) -> None:
    """All records are of that year's shape, in folders without an organisation."""
    simulate(tmp_path, style="2018", **SMALL)

    assert {record["eventVersion"] for record in records(tmp_path)} == {"1.05"}
    assert {path.name for path in (tmp_path / "AWSLogs").iterdir()} >= {"111122223333"}


def test_a_folder_with_anything_in_it_is_refused(tmp_path: Path) -> None:
    """Labels of other records would be wrong; nothing is overwritten."""
    (tmp_path / "mine.txt").write_text("mine")

    with pytest.raises(UsageError, match="is not empty"):
        simulate(tmp_path, **SMALL)
    with pytest.raises(UsageError, match="is not a folder"):
        simulate(tmp_path / "mine.txt", **SMALL)

    assert tree(tmp_path) == {"mine.txt": b"mine"}


def test_mistakes_in_stories_are_told_before_anything_is_written(tmp_path: Path) -> None:
    """All of them, as mistakes of usage."""
    (tmp_path / "bad.toml").write_text('title = 1\nquiet = "yes"')

    with pytest.raises(UsageError) as error:
        simulate(tmp_path / "out", stories=str(tmp_path / "*.toml"))

    assert len(error.value.problems) >= 3
    assert not (tmp_path / "out").exists()


def test_run_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The summary, where the labels are, and what to do next."""
    folder = tmp_path / "trail"
    small = ("--instances", "3", "--days", "1", "--rate", "0.5", "--stories", "T01")

    assert run(parsed("--output", str(folder), *small)) == 0

    out = capsys.readouterr().out
    assert re.match(r"[\d,]+ events, [\d,]+ files, 1 story, 3 healthy instances, 1 finding", out)
    assert f"{folder}/_expected.json" in out
    assert f"credtrail detect --input {folder} --warehouse wh" in out


@pytest.mark.parametrize(
    "words",
    [
        ("--output", "x", "--format", "csv"),
        ("--output", "x", "--style", "2019"),
        ("--output", "x", "--accounts", "0"),
        ("--output", "x", "--rate", "-1"),
        ("--output", "x", "--rate", "nan"),
        ("--output", "x", "--start", "today"),
        (),
    ],
)
def test_wrong_options_are_noted(words: tuple[str, ...]) -> None:
    """A wrong option stands in its place, so that all can be told at once."""
    assert any(isinstance(value, Wrong) for value in vars(parsed(*words)).values())
