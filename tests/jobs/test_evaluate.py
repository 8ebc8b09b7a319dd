"""Scores: what was found, missed and falsely said, and what an expectation that is not met says."""

from __future__ import annotations

import json

from jobs.evaluate import as_json, as_markdown, as_table, score
from simulator.labels import Expected, Labels, Session

WEB = Session("t01", "web", "ec2", "111122223333", "Web", "AROAWEB", "i-0aaaaaaaa")
APP = Session("b01", "app", "ec2", "111122223333", "App", "AROAAPP", "i-0bbbbbbbb")
THEFT = Expected(WEB, "67.178.52.232", "outside_aws", "high", excused=False)
MOVE = Expected(APP, "52.43.10.7", "moved", "", excused=True)
LABELS = Labels(("t01", "b01"), (WEB, APP), (THEFT, MOVE), undetectable={"t08": "same address"})


def pair(one: Expected) -> tuple[str, str, str, str]:
    """Key of a pair."""
    return one.session.account_id, one.session.role_id, one.session.session_name, one.source


def row(verdict: str, severity: str | None) -> dict[str, object]:
    """What is said of a pair."""
    return {"verdict": verdict, "severity": severity, "excused": severity is None}


RIGHT = {pair(THEFT): row("outside_aws", "high"), pair(MOVE): row("moved", None)}


def test_all_right():
    """What is found as expected is precise, complete, and not wrong."""
    result = score("default", LABELS, RIGHT)

    assert (result.precision, result.recall, result.wrong) == (1.0, 1.0, ())


def test_a_miss_lowers_recall():
    """A theft of which nothing is said is missed."""
    result = score("default", LABELS, {pair(MOVE): row("moved", None)})

    assert (result.recall, result.missed["outside_aws"]) == (0.0, 1)
    assert result.wrong == ("t01: 67.178.52.232 must be outside_aws (high), but is home or unseen",)


def test_an_excused_theft_is_a_miss():
    """An excuse is no find."""
    result = score("default", LABELS, {**RIGHT, pair(THEFT): row("shared_egress", None)})

    assert result.recall == 0.0


def test_a_false_alarm_lowers_precision():
    """An alarm that no label expects is false, and so is one where an excuse was expected."""
    healthy = ("111122223333", "AROAAPP", "i-0bbbbbbbb", "52.43.99.9")
    said = {**RIGHT, healthy: row("inside_aws", "high"), pair(MOVE): row("inside_aws", "high")}

    result = score("default", LABELS, said)

    assert (result.precision, result.false["inside_aws"]) == (1 / 3, 2)
    assert "b01: 52.43.99.9 must be quiet, but is inside_aws (high)" in result.wrong


def test_a_quiet_alarm_is_not_false():
    """Nobody is woken for a low finding; a default policy must still not make it unexpectedly."""
    other = ("111122223333", "AROAAPP", "i-0bbbbbbbb", "52.43.99.9")

    assert (
        score("default", LABELS, {**RIGHT, other: row("self_made_address", "low")}).precision == 1
    )


def test_the_wrong_rule_is_wrong():
    """The right alarm for the wrong reason is found, and the expectation is not met."""
    result = score("default", LABELS, {**RIGHT, pair(THEFT): row("inside_aws", "high")})

    assert result.recall == 1.0
    assert len(result.wrong) == 1


def test_results_say_all_of_it():
    """Each form has the numbers, and what CloudTrail cannot show."""
    scores = [score("default", LABELS, {}), score("seed", LABELS, RIGHT)]
    told = json.loads(as_json(LABELS, scores))

    assert told["policies"]["default"]["recall"] == 0.0
    assert told["policies"]["seed"]["recall"] == 1.0
    assert "t08" in as_markdown(LABELS, scores)
    assert "policy default: precision -, recall 0.000" in as_table(LABELS, scores)
    assert "must be outside_aws (high)" in as_table(LABELS, scores)
