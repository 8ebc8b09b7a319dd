"""The command line in words: what each command takes, its defaults, and examples.

Nothing heavy is imported here, so that ``--help`` and a wrong option answer at once; options are
added for the command that is chosen alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from jobs.argument_types import Wrong, choice, day, needed, number, one_of, past

SEVERITIES = ("critical", "high", "medium", "low", "informational")
"""From worst to mildest."""

FORMATS = ("table", "json", "csv")
INPUT_FORMATS = ("auto", "cloudtrail-json", "cloudtrail-parquet")
POLICIES = ("default", "seed")
STATUSES = ("open", "closed", "all")
STATES = ("acknowledged", "false_alarm", "contained")


@dataclass(frozen=True)
class Command:
    """One command: its line in the list of commands, its manual, and its options."""

    name: str
    summary: str
    description: str
    examples: str
    add_options: Callable[[argparse.ArgumentParser], None]


def _detect(parser: argparse.ArgumentParser) -> None:
    needed(parser, "--input", "URI", "CloudTrail: a folder, a file or an s3:// prefix")
    _warehouse(parser, "made if it is not there")
    choice(parser, "--input-format", INPUT_FORMATS, "shape of the input; auto looks at the files")
    for option, what in (("--from", "first"), ("--to", "last")):
        parser.add_argument(
            option,
            dest=f"{option[2:]}_day",
            metavar="DATE",
            type=day(option),
            help=f"{what} day of delivery, YYYY-MM-DD (default: all there is)",
        )
    _settings(parser)
    _output(parser)


def _settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--settings",
        metavar="FILE",
        help="TOML file with what differs from conf/base.toml, which explains every setting",
    )


def _findings(parser: argparse.ArgumentParser) -> None:
    _warehouse(parser, "where detect has put its results")
    parser.add_argument(
        "--id",
        metavar="ID",
        help="show one case or finding in full, whatever its status; its first characters will do",
    )
    number(parser, "--calls", 40, 1, "with --id: how many calls to show of a finding")
    parser.add_argument(
        "--replaced-at",
        metavar="TIME",
        type=past("--replaced-at"),
        help="with --id: when the instance (task, function) got its other role, as "
        "2026-03-02T13:05:00Z; the command that revokes the role's older sessions is shown, too "
        "(default: not yet)",
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        default=None,
        help="with --id: also show the keys issued from there and the calls made with them; reads "
        "files again (default: no)",
    )
    _settings(parser)
    choice(parser, "--status", STATUSES, "which findings to list")
    _output(parser)


def _review(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "case",
        metavar="CASE",
        nargs="?",
        default=Wrong("CASE", "it is missing.", "Name the case: see credtrail findings."),
        help="case or finding; its first characters will do (required)",
    )
    parser.add_argument(
        "--state",
        metavar="STATE",
        type=one_of("--state", STATES),
        default=Wrong("--state", "it is missing.", f"Write one of {', '.join(STATES)}."),
        help=f"what you found out: {', '.join(STATES)} (required)",
    )
    needed(parser, "--note", "TEXT", "why, in a sentence for whoever comes next")
    parser.add_argument("--by", metavar="NAME", help="who says so (default: your user name)")
    _warehouse(parser, "where detect has put its results")


def _simulate(parser: argparse.ArgumentParser) -> None:
    from jobs import simulate  # knows its stories and shapes

    simulate.add_arguments(parser)


def _evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stories",
        metavar="GLOB",
        default="*",
        help="which stories, as simulate takes them (default: all)",
    )
    choice(parser, "--policy", ("both", *POLICIES), "whose verdicts: credtrail's, or those of 2018")
    number(parser, "--instances", 60, 0, "healthy instances among which the stories are played")
    choice(parser, "--format", ("table", "json", "markdown"), "how the result is shown")


def _maintain(parser: argparse.ArgumentParser) -> None:
    _warehouse(parser, "where detect has put its results")
    _settings(parser)


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", metavar="DIR", default="demo", help="folder for all of it (default: demo)"
    )


def _warehouse(parser: argparse.ArgumentParser, what: str) -> None:
    needed(parser, "--warehouse", "DIR", f"folder or s3:// prefix of the tables; {what}")


def _output(parser: argparse.ArgumentParser) -> None:
    choice(parser, "--format", FORMATS, "how findings are shown; json has one finding a line")
    parser.add_argument(
        "--min-severity",
        metavar="LEVEL",
        type=one_of("--min-severity", SEVERITIES),
        default="low",
        help=f"show this and worse: {', '.join(SEVERITIES)} (default: low)",
    )


COMMANDS = (
    Command(
        "detect",
        "read new CloudTrail files, judge, publish and show findings",
        "Read CloudTrail, learn where each role session lives, and find the calls that came from "
        "somewhere else. Only files not read before are read; history is judged with them.",
        """\
  credtrail detect --input trail/ --warehouse wh
  credtrail detect --input s3://my-trail/AWSLogs/ --warehouse s3://my-security/credtrail \\
      --from 2026-11-01 --settings team.toml --format json
""",
        _detect,
    ),
    Command(
        "findings",
        "list findings, or show one in full with its calls",
        "List what detect found, worst first; with --id show a case or a finding in full: both "
        "sides, the reason, the calls, and what to do next. Times are UTC.",
        """\
  credtrail findings --warehouse wh
  credtrail findings --warehouse wh --id 3f2a91bc
  credtrail findings --warehouse wh --id 3f2a91bc --follow
  credtrail findings --warehouse wh --id 3f2a91bc --replaced-at 2026-03-02T13:05:00Z
  credtrail findings --warehouse wh --status all --format csv > findings.csv
""",
        _findings,
    ),
    Command(
        "review",
        "say what came of a case",
        "Record what a person found out about a case. The newest review of a case counts; "
        "detect never changes one.",
        """\
  credtrail review 3f2a91bc --state contained --note "role revoked, box rebuilt" --warehouse wh
  credtrail review 3f2a91bc --state false_alarm --note "our scanner" --warehouse wh
""",
        _review,
    ),
    Command(
        "maintain",
        "keep the tables small and quick; never changes a verdict",
        "Compact small files, delete what dead runs left, roll old sightings up, forget former "
        "states of the tables, and prune what has been kept long enough. What is found stays the "
        "same, so it may run between any runs of detect, or never.",
        """\
  credtrail maintain --warehouse wh
  credtrail maintain --warehouse s3://my-security/credtrail --settings team.toml
""",
        _maintain,
    ),
    Command(
        "simulate",
        "make CloudTrail of an invented organisation, thefts among it",
        "Play labelled stories of theft and of harmless oddities in an invented organisation, and "
        "write them as CloudTrail files.",
        """\
  credtrail simulate --output trail
  credtrail simulate --output trail --stories 'T0*' --format cloudtrail-parquet --seed 7
""",
        _simulate,
    ),
    Command(
        "evaluate",
        "measure what is found: precision and recall, per rule and in all",
        "Play labelled stories among healthy instances, and hold what is found against what must "
        "be, beside the method as it was published in 2018. Exit code 1 if credtrail does not meet "
        "an expectation of a story.",
        """\
  credtrail evaluate
  credtrail evaluate --stories my/stolen_at_lunch.toml --policy default
  credtrail evaluate --format json > evaluation.json
""",
        _evaluate,
    ),
    Command(
        "demo",
        "all of it once, on this machine: simulate, detect, show",
        "Simulate a small organisation, detect the thefts in it, list the findings and open one. "
        "Needs no AWS account.",
        "  credtrail demo\n",
        _demo,
    ),
)
