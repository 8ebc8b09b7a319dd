"""``evaluate``: play the labelled stories in a healthy fleet, and measure what is found.

Two policies stand side by side: credtrail's own, and the method as it was published in 2018. A
pair is a session at a source. A story's unexcused expectations are what must be found; any other
alarm is false. For credtrail's own policy verdict, severity and excuse must be right as well.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.arguments import POLICIES
from jobs.progress import Progress
from jobs.show import plain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping

    from simulator.labels import Labels

Pair = tuple[str, str, str, str]
"""Account, role id, session name, source."""

_ACCOUNTS, _DAYS = 2, 1
_NOISY = ("informational", "low")
"""Severities that nobody is woken for: not counted as false alarms."""


@dataclass(frozen=True)
class Score:
    """What a policy found of what was to be found, per rule that was expected, or said falsely."""

    policy: str
    found: Counter[str]
    missed: Counter[str]
    false: Counter[str]
    wrong: tuple[str, ...]

    @property
    def precision(self) -> float | None:
        """Share of alarms that are right; none where there was no alarm."""
        return _share(self.found.total(), self.false.total())

    @property
    def recall(self) -> float | None:
        """Share of what must be found that was found."""
        return _share(self.found.total(), self.missed.total())


def run(args: argparse.Namespace) -> int:
    """Entry point of ``credtrail evaluate``: 0 if every expectation is met, else 1."""
    policies = POLICIES if args.policy == "both" else (args.policy,)
    with tempfile.TemporaryDirectory(prefix="credtrail-evaluate-") as folder:
        labels, scores = evaluate(Path(folder), args.stories, args.instances, policies)
    sys.stdout.write(_RENDER[args.format](labels, scores))
    return int(any(score.wrong for score in scores if score.policy == "default"))


def evaluate(
    folder: Path, stories: str, instances: int, policies: Iterable[str]
) -> tuple[Labels, list[Score]]:
    """Play stories among healthy instances, and score policies.

    Args:
        folder: an empty folder for files and warehouses.
        stories: which stories, as ``simulate --stories`` takes it.
        instances: healthy instances beside the stories.
        policies: names of policies.
    """
    from jobs.simulate import simulate

    progress = Progress()
    with progress.stage("simulate") as stage:
        labels = simulate(
            folder / "trail",
            format="cloudtrail-parquet",
            stories=stories,
            accounts=_ACCOUNTS,
            instances=instances,
            days=_DAYS,
        )
        stage.say(labels.summary())
    scores = []
    for policy in policies:
        with progress.stage(f"detect, policy {policy}"):
            said = _verdicts(folder / "trail", folder / policy, policy)
        scores.append(score(policy, labels, said))
    return labels, scores


def score(policy: str, labels: Labels, said: Mapping[Pair, Mapping[str, Any]]) -> Score:
    """Hold verdicts against labels."""
    expected = {_pair(one): one for one in labels.expected}
    found, missed, false = Counter[str](), Counter[str](), Counter[str]()
    wrong = []
    for pair, one in expected.items():
        row = said.get(pair)
        if not one.excused:
            (found if row and not row["excused"] else missed)[one.verdict] += 1
        want, got = _words(one.verdict, one.severity), _said(row)
        if want != got:
            wrong.append(f"{one.session.story}: {pair[3]} must be {want}, but is {got}")
    for pair, row in said.items():
        meant = expected.get(pair)
        if (meant is None or meant.excused) and _is_loud(row):
            false[row["verdict"]] += 1
            if meant is None:
                wrong.append(
                    f"{_story(labels, pair)}: {pair[3]} must be quiet, but is {_said(row)}"
                )
    return Score(policy, found, missed, false, tuple(sorted(wrong)))


def _verdicts(trail: Path, warehouse: Path, policy: str) -> dict[Pair, dict[str, Any]]:
    from jobs import detect
    from jobs.runs import Run
    from jobs.session import spark_session
    from jobs.settings import load
    from jobs.warehouse import Warehouse
    from jobs.world import know

    settings = load(None, {"method": {"policy": policy}, "evidence": {"min_severity": "critical"}})
    this = Run(str(trail), settings, know(settings), progress=Progress(_Silent()))
    files = detect.list_files(this)
    detect.detect(spark_session(settings.spark, str(warehouse)), this, files)
    with Warehouse(str(warehouse)) as opened:
        rows = opened.scan("mismatches")
    return {(r["account_id"], r["role_id"], r["session_name"], r["source"]): r for r in rows}


class _Silent:
    """A stream that says nothing: the stages of each run are none of this command's."""

    def write(self, text: str) -> int:
        """Take text."""
        return len(text)

    def flush(self) -> None:
        """Do nothing."""

    def isatty(self) -> bool:
        """Be no terminal."""
        return False


def _pair(one: Any) -> Pair:
    s = one.session
    return s.account_id, s.role_id, s.session_name, one.source


def _is_loud(row: Mapping[str, Any]) -> bool:
    return not row["excused"] and row["severity"] not in _NOISY


def _said(row: Mapping[str, Any] | None) -> str:
    return "home or unseen" if row is None else _words(row["verdict"], row["severity"])


def _words(verdict: str, severity: str | None) -> str:
    return f"{verdict} ({severity})" if severity else f"{verdict} (excused)"


def _story(labels: Labels, pair: Pair) -> str:
    names = {(s.account_id, s.role_id, s.session_name): s.story for s in labels.sessions}
    return names.get(pair[:3], "the healthy fleet")


def _share(good: int, bad: int) -> float | None:
    return good / (good + bad) if good + bad else None


def _rules(scores: Iterable[Score]) -> list[str]:
    return sorted({name for s in scores for name in (*s.found, *s.missed, *s.false)})


def _number(share: float | None) -> str:
    return "-" if share is None else f"{share:.3f}"


def _lines(scores: list[Score]) -> list[list[str]]:
    head = ["rule"]
    for one in scores:
        head += [f"{one.policy}: found", "missed", "false"]
    body = [
        [name, *[str(part[name]) for s in scores for part in (s.found, s.missed, s.false)]]
        for name in _rules(scores)
    ]
    totals = [str(part.total()) for s in scores for part in (s.found, s.missed, s.false)]
    return [head, *body, ["all", *totals]]


def _undetectable(labels: Labels) -> list[tuple[str, str]]:
    return sorted(labels.undetectable.items())


def as_table(labels: Labels, scores: list[Score]) -> str:
    """Render for a terminal."""
    rows = _lines(scores)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    text = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    text += ["", *_totals(labels, scores)]
    for one in scores:
        if one.policy == "default" and one.wrong:
            text += ["", "Expectations that are not met:", *[f"  {plain(w)}" for w in one.wrong]]
    return "\n".join(text) + "\n"


def _totals(labels: Labels, scores: list[Score]) -> list[str]:
    lines = [
        f"policy {s.policy}: precision {_number(s.precision)}, recall {_number(s.recall)}"
        for s in scores
    ]
    thefts = len(labels.findings)
    lines.append(
        f"{len(labels.stories)} stories, {labels.instances:,} healthy instances, {thefts} pairs to "
        f"find; {len(labels.undetectable)} stories that CloudTrail cannot show are not counted."
    )
    return lines


def as_markdown(labels: Labels, scores: list[Score]) -> str:
    """Render as the page ``docs/evaluation.md``."""
    head, *body = _lines(scores)
    lines = [
        "# Evaluation",
        "",
        "Generated by `credtrail evaluate --format markdown`. Every story of "
        "[simulator/stories](../simulator/stories/README.md) is played among healthy instances; a "
        "pair is a session at a source. `default` is credtrail's method, `seed` the method as it "
        "was published in 2018 ([case by case](published-method.md)). The rule of a missed or "
        "found pair is the one that its story expects; that of a false one is the rule that "
        "raised it. Alarms below `medium` are not counted as false.",
        "",
        *[f"- {line}" for line in _totals(labels, scores)],
        "",
        "| " + " | ".join(head) + " |",
        "| --- |" + " ---: |" * (len(head) - 1),
        *["| " + " | ".join(row) + " |" for row in body],
        "",
        "## What CloudTrail cannot show",
        "",
        *[f"- `{name}`: {' '.join(why.split())}" for name, why in _undetectable(labels)],
    ]
    return "\n".join(lines) + "\n"


def as_json(labels: Labels, scores: list[Score]) -> str:
    """Render one JSON object."""
    told = {
        "stories": len(labels.stories),
        "instances": labels.instances,
        "pairs_to_find": len(labels.findings),
        "undetectable": dict(_undetectable(labels)),
        "policies": {
            s.policy: {
                "precision": s.precision,
                "recall": s.recall,
                "rules": {
                    name: {
                        "found": s.found[name],
                        "missed": s.missed[name],
                        "false": s.false[name],
                    }
                    for name in _rules([s])
                },
                **({"wrong": list(s.wrong)} if s.policy == "default" else {}),
            }
            for s in scores
        },
    }
    return json.dumps(told, indent=2) + "\n"


_RENDER = {"table": as_table, "json": as_json, "markdown": as_markdown}
