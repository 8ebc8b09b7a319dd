"""The command line: ``credtrail COMMAND …``.

A command's module is imported only when it is chosen and its options are right, so that help and
a wrong option start no Spark.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from datetime import date
from importlib import import_module
from typing import NoReturn

from jobs.argument_types import Wrong
from jobs.arguments import COMMANDS, Command
from jobs.errors import CredtrailError, Problem, UsageError
from jobs.show import plain

_INTERRUPTED = 130
_NOBODY_READS = 141

_ABOUT = """\
Find AWS role credentials that are used away from the workload they were issued to.

It reads CloudTrail that is there already, learns from it where each role session lives, and says
which calls came from somewhere else, why it thinks so, and how sure it is."""

_START = """\
start here:
  credtrail demo                                    all of it on this machine, without AWS
  credtrail detect --input trail/ --warehouse wh    your own trail
  credtrail findings --warehouse wh                 what was found
  credtrail COMMAND --help                          options, defaults and examples of a command
"""

_EXIT_CODES = """\
exit codes:
  0  done, whether or not there are findings
  1  the run failed
  2  wrong usage or settings; all mistakes are told at once
  3  the quality gate stopped the run
"""


class _Parser(argparse.ArgumentParser):
    """Tells mistakes as all of credtrail does."""

    def error(self, message: str) -> NoReturn:
        raise UsageError([Problem(self.prog, f"{message}.", f"See {self.prog} --help.")])


def main(argv: Sequence[str] | None = None, *, tolerate_unknown: bool = False) -> int:
    """Run a command, and return the exit code.

    Args:
        argv: the command and its options; those of the process by default.
        tolerate_unknown: pass over options that are not ours, as platforms add some.
    """
    try:
        args = parse(sys.argv[1:] if argv is None else argv, tolerate_unknown=tolerate_unknown)
        if args.command is None:
            _parser(None).print_help(sys.stderr)
            return UsageError.exit_code
        status: int = import_module(f"jobs.{args.command}").run(args)
        sys.stdout.flush()
    except CredtrailError as error:
        return _told(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _told("interrupted", _INTERRUPTED)
    except BrokenPipeError:
        _let_python_end_in_peace()
        return _NOBODY_READS
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        return _told(f"{error.strerror or error}{place}", CredtrailError.exit_code)
    return status


def parse(argv: Sequence[str], *, tolerate_unknown: bool = False) -> argparse.Namespace:
    """Return the checked options of a command.

    Raises:
        UsageError: all that is wrong with them.
    """
    args, unknown = _parser(argv[0] if argv else None).parse_known_args(argv)
    values = vars(args).values()
    problems = [value.problem() for value in values if isinstance(value, Wrong)]
    problems += _wrong_window(args)
    if not tolerate_unknown:
        known = next((c for c in COMMANDS if c.name == args.command), None)
        problems += _unknown(unknown, known)
    if problems:
        raise UsageError(problems)
    return args


def _parser(chosen: str | None) -> _Parser:
    """Return a parser that knows all commands, and the options of the one that is chosen."""
    parser = _Parser(
        prog="credtrail",
        description=_ABOUT,
        epilog=f"{_START}\n{_EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version, and exit")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    for command in COMMANDS:
        options = commands.add_parser(
            command.name,
            help=command.summary,
            description=textwrap.fill(command.description, 79),
            epilog=f"examples:\n{command.examples}\n{_EXIT_CODES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if command.name == chosen:
            command.add_options(options)
    return parser


class _Version(argparse.Action):
    """Looks the version up only when it is asked for: that takes longer than all else here."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        try:
            sys.stdout.write(f"credtrail {version('credtrail')}\n")
        except PackageNotFoundError:
            sys.stdout.write("credtrail, not installed\n")
        parser.exit()


def _wrong_window(args: argparse.Namespace) -> Iterator[Problem]:
    first, last = getattr(args, "from_day", None), getattr(args, "to_day", None)
    if isinstance(first, date) and isinstance(last, date) and first > last:
        found = f"{first} is after {last}."
        yield Problem("--from and --to", found, "Write the earlier day first.")


def _unknown(words: Sequence[str], command: Command | None) -> Iterator[Problem]:
    """Tell options that are not there; a word after one is taken for its value."""
    is_value = False
    for word in words:
        name = word.partition("=")[0]
        if word.startswith("-"):
            yield Problem(plain(name), "there is no such option.", _nearest(name, command))
        elif not is_value:
            yield Problem(plain(word), "nothing is expected here.", "Quote text with spaces.")
        is_value = word.startswith("-") and "=" not in word


def _nearest(name: str, command: Command | None) -> str:
    if command is None:
        return "See credtrail --help."
    parser = argparse.ArgumentParser(add_help=False)
    command.add_options(parser)
    near = difflib.get_close_matches(name, parser._option_string_actions, n=1)  # noqa: SLF001
    return f"Did you mean {near[0]}?" if near else f"See credtrail {command.name} --help."


def _told(message: str, status: int) -> int:
    for line in message.splitlines():
        sys.stderr.write(f"credtrail: {plain(line, None)}\n")
    return status


def _let_python_end_in_peace() -> None:
    """Give Python another place for what stdout still holds: it writes that when it ends."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
