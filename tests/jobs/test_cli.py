"""The command line: it teaches, answers at once, and tells every mistake in words."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest

from jobs import cli
from jobs.argument_types import Wrong
from jobs.arguments import COMMANDS, SEVERITIES, STATES, Command
from jobs.cli import main, parse
from jobs.errors import CredtrailError, InputError, UsageError
from jobs.settings import EvidenceSettings
from tests.results import finding, warehouse
from transforms import rules, schemas

ROOT = Path(__file__).resolve().parents[2]
DETECT = ["detect", "--input", "trail", "--warehouse", "wh"]
REPLACED = ["findings", "--warehouse", "wh", "--id", "c0", "--replaced-at"]
NAMES = [command.name for command in COMMANDS]
TABLES = "folder or s3:// prefix of the tables"
GLUE = [
    "--JOB_NAME", "credtrail", "--job-bookmark-option", "job-bookmark-disable",
    "--TempDir", "s3://temp/", "--JOB_RUN_ID=jr_1", "--enable-metrics", "true",
]  # fmt: skip


def mistakes(*argv: str) -> list[str]:
    """All that is wrong with a command line."""
    with pytest.raises(UsageError) as caught:
        parse(argv)
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


def credtrail(*argv: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, or some code."""
    start = ["-c", code] if code else ["-m", "jobs.cli"]
    return subprocess.run(
        [sys.executable, "-W", "error", *start, *argv],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., int]], list[str]]:
    """Put a function in the place of every command's ``run``; return the modules imported."""

    def put(run: Callable[..., int]) -> list[str]:
        imported: list[str] = []

        def load(name: str) -> SimpleNamespace:
            imported.append(name)
            return SimpleNamespace(run=run)

        monkeypatch.setattr(cli, "import_module", load)
        return imported

    return put


@pytest.mark.parametrize("argv", [["--help"], *([name, "--help"] for name in NAMES)])
def test_help_teaches(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Every help has examples and exit codes, every option its purpose, and the default if any."""
    with pytest.raises(SystemExit) as stop:
        main(argv)

    out = capsys.readouterr().out
    assert stop.value.code == 0
    assert "examples:" in out or "start here:" in out
    assert "exit codes:" in out
    assert "None" not in out


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_examples_are_right(command: Command) -> None:
    """Every example of the help is a command line that is taken."""
    examples = command.examples.replace("\\\n", " ").strip().splitlines()

    assert examples
    for example in examples:
        program, *argv = shlex.split(example.partition(">")[0])
        assert program == "credtrail"
        assert parse(argv).command == command.name


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_options_say_their_default(command: Command) -> None:
    """Who reads the help of an option knows whether it must be given, or what holds without it."""
    parser = argparse.ArgumentParser(add_help=False)
    command.add_options(parser)

    for action in parser._actions:
        text = action.help or ""
        if isinstance(action.default, str | int) and action.default != "*":
            assert f"(default: {action.default})" in text
        elif action.default is None and action.dest not in {"id", "settings"}:
            assert "(default: " in text
        elif isinstance(action.default, Wrong):
            assert "(required)" in text


@pytest.mark.parametrize(
    "argv",
    [["--help"], ["detect", "--help"], ["detect", "--wrong"], ["findings"], ["nonsense"], []],
    ids=shlex.join,
)
def test_help_and_mistakes_load_nothing_heavy(argv: list[str]) -> None:
    """No Spark, no pydantic, no Arrow, not even the command's own module."""
    done = credtrail(
        *argv,
        code="import atexit, sys\n"
        "atexit.register(lambda: print('loaded', *sys.modules, file=sys.stderr))\n"
        "from jobs.cli import main\n"
        "sys.exit(main())",
    )

    heavy = {"pyspark", "py4j", "pydantic", "pyarrow", "pyiceberg", "rich", "jobs.detect"}
    loaded = set(done.stderr.rpartition("loaded ")[2].split())
    assert "jobs.arguments" in loaded
    assert not heavy & loaded
    assert done.returncode == (0 if "--help" in argv else 2)


def test_all_mistakes_are_told_at_once() -> None:
    """Missing options, wrong values, unknown options and stray words, each with what to do."""
    argv = "detect --form json --from 2026-13-01 --input-format xml --wharehouse x --min-severity=x"

    assert mistakes(*argv.split(), "stray") == [
        "--input: it is missing. Name it: CloudTrail: a folder, a file or an s3:// prefix.",
        f"--warehouse: it is missing. Name it: {TABLES}; made if it is not there.",
        "--input-format: found 'xml'. Write one of auto, cloudtrail-json, cloudtrail-parquet.",
        "--from: found '2026-13-01'. Write a day as YYYY-MM-DD, such as 2026-11-01.",
        "--min-severity: found 'x'. Write one of critical, high, medium, low, informational.",
        "--form: there is no such option. Did you mean --format?",
        "--wharehouse: there is no such option. Did you mean --warehouse?",
        "stray: nothing is expected here. Quote text with spaces.",
    ]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["detct"], "invalid choice: 'detct'"),
        ([*DETECT, "--settings"], "--settings: expected one argument"),
        (["findings", "--warehouse", "wh", "--calls", "0"], "a whole number, 1 or more"),
        (["findings", "--warehouse", "wh", "--calls", "1e3"], "a whole number, 1 or more"),
        (["findings", "--warehouse", "wh", "--calls", "１"], "a whole number, 1 or more"),  # noqa: RUF001
        (["review", "c0", "--state", "done", "--note", "n", "--warehouse", "wh"], "found 'done'"),
        (["review", "c0", "--note", "n", "--warehouse", "wh"], "acknowledged, false_alarm"),
        ([*DETECT, "--from", "2026-11-02", "--to", "2026-11-01"], "2026-11-02 is after 2026-11-01"),
        ([*DETECT, "--from", "20261102"], "YYYY-MM-DD"),
        ([*DETECT, "--from", "２０２６-11-02"], "YYYY-MM-DD"),  # noqa: RUF001
        ([*DETECT, "--\x1b[2J"], r"--\x1b[2J: there is no such option"),
    ],
)
def test_a_mistake_is_told_with_what_to_do(argv: list[str], said: str) -> None:
    """Each kind of mistake, in words."""
    (mistake,) = mistakes(*argv)

    assert said in mistake


def test_options_of_detect_are_ready_to_use() -> None:
    """Days are days; what is not given has its default."""
    args = parse([*DETECT, "--from", "2026-11-01", "--to", "2026-11-01"])

    assert (args.input, args.warehouse, args.settings) == ("trail", "wh", None)
    assert args.from_day == args.to_day == date(2026, 11, 1)
    assert (args.input_format, args.format, args.min_severity) == ("auto", "table", "low")
    assert parse(DETECT).from_day is None


@pytest.mark.parametrize(
    ("text", "hour", "second"),
    [
        ("2026-03-02T13:05:07Z", 13, 7),
        ("2026-03-02 13:05Z", 13, 0),
        ("2026-03-02T15:05:07+02:00", 13, 7),
        ("2026-03-02T08:05:07-05:00", 13, 7),
    ],
)
def test_a_replacement_is_a_time_of_any_zone(text: str, hour: int, second: int) -> None:
    """It is UTC when it is used, whatever the zone it was written in."""
    args = parse([*REPLACED, text])

    assert args.replaced_at == datetime(2026, 3, 2, hour, 5, second, tzinfo=UTC)
    assert args.replaced_at.tzinfo is UTC
    assert parse(REPLACED[:-1]).replaced_at is None


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T13:05:00",
        "2026-03-02T13:05",
        "2026-03-02",
        "13:05Z",
        "2026-02-30T13:05:00Z",
        "2026-03-02T25:05:00Z",
        "2026-03-02T13:05:00+2:00",
        "2026-03-02T13:05:00 UTC",
        "2026-03-02T13:05:00Z\n",
        "0001-01-01T00:00:00+02:00",
        "２０２６-03-02T13:05:00Z",  # noqa: RUF001
        "now",
        "",
    ],
)
def test_a_replacement_without_a_zone_is_no_time(text: str) -> None:
    """Nobody has to guess whose clock it was; the message shows how to write one."""
    (mistake,) = mistakes(*REPLACED, text)

    assert mistake.startswith("--replaced-at: found ")
    assert "Write a time with its zone: 2026-03-02T13:05:00Z" in mistake


@pytest.mark.parametrize("ahead", [timedelta(minutes=1), timedelta(days=9_000)])
def test_a_replacement_has_been(ahead: timedelta) -> None:
    """A time to come would deny keys that healthy instances have yet to get."""
    text = (datetime.now(UTC) + ahead).strftime("%Y-%m-%dT%H:%M:%SZ")

    (mistake,) = mistakes(*REPLACED, text)

    assert mistake.startswith(f"--replaced-at: found '{text}'. It is {datetime.now(UTC):%Y-%m-%dT}")
    assert mistake.endswith("Z: write a time that has been.")


def test_options_of_a_platform_are_passed_over() -> None:
    """On EMR and Glue options that are not ours do not matter; ours are read and checked."""
    args = parse([*DETECT[:3], *GLUE, *DETECT[3:]], tolerate_unknown=True)

    assert (args.input, args.warehouse) == ("trail", "wh")
    with pytest.raises(UsageError, match=r"^--from: found 'soon'"):
        parse([*DETECT, *GLUE, "--from", "soon"], tolerate_unknown=True)
    assert len(mistakes(*DETECT, *GLUE)) == 5


@pytest.mark.parametrize("name", NAMES)
def test_a_command_is_a_module(name: str, running: Callable[..., list[str]]) -> None:
    """Its module is imported when it is chosen, and what its ``run`` returns is the exit code."""
    command = COMMANDS[NAMES.index(name)]
    imported = running(lambda args: 3 if args.command == name else 1)
    _, *argv = shlex.split(command.examples.splitlines()[0])

    assert main(argv) == 3
    assert imported == [f"jobs.{name}"]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("no trail\x1b[2J there"), 1, r"credtrail: no trail\x1b[2J there"),
        (CredtrailError("one\ntwo"), 1, "credtrail: one\ncredtrail: two"),
        (KeyboardInterrupt(), 130, "credtrail: interrupted"),
        (PermissionError(13, "Permission denied", "wh"), 1, "credtrail: Permission denied (wh)"),
        (OSError("no reason"), 1, "credtrail: no reason"),
    ],
)
def test_what_goes_wrong_is_told_in_words(
    running: Callable[..., list[str]],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    said: str,
) -> None:
    """On stderr, without a stack trace, and with the exit code of its kind."""

    def fail(_: argparse.Namespace) -> int:
        raise error

    running(fail)

    assert main(DETECT) == code
    assert capsys.readouterr() == ("", f"{said}\n")


def test_a_fault_of_ours_keeps_its_trace(running: Callable[..., list[str]]) -> None:
    """What nobody foresaw is not dressed up as a mistake of the user."""

    def fail(_: argparse.Namespace) -> int:
        raise ZeroDivisionError

    running(fail)

    with pytest.raises(ZeroDivisionError):
        main(DETECT)


def test_no_command_shows_help_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """It is no success for a script."""
    assert main([]) == 2
    assert "start here:" in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """On stdout, in one line."""
    with pytest.raises(SystemExit) as stop:
        main(["--version"])

    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("credtrail")


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    """``credtrail findings | head`` ends in silence."""
    rows = [finding(finding_id=str(n), case_id=f"{n:016x}") for n in range(3000)]
    folder = warehouse(tmp_path, findings=rows)
    command = [sys.executable, "-m", "jobs.cli", "findings", "--warehouse", str(folder)]

    with subprocess.Popen(
        [*command, "--format", "json"],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": ""},  # unbuffered, Python forgets half a write
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout
        assert writer.stderr
        assert writer.stdout.readline().startswith('{"finding_id"')
        writer.stdout.close()
        said = writer.stderr.read()

    assert writer.returncode == 141
    assert said == ""


def test_a_process_tells_as_a_function_does() -> None:
    """As a program it writes mistakes to stderr and ends with their code."""
    done = credtrail("findings", "--warehouse", "/there/is/none")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("credtrail: There is no warehouse in /there/is/none yet.")
    assert done.stderr.count("\n") == 1


def test_words_are_the_same_everywhere() -> None:
    """Severities and states are those of the rules, the settings and the tables."""
    assert SEVERITIES == rules.SEVERITIES
    assert get_args(EvidenceSettings.model_fields["min_severity"].annotation) == SEVERITIES
    assert all(word in schemas.REVIEWS.schema["state"].metadata["comment"] for word in STATES)
