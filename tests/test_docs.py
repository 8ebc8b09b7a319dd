"""The page of rules: every rung says what comes next and how it is got around, in a few words."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from jobs import docs
from transforms import schemas
from transforms.rules import LADDER
from transforms.signal_names import MEANING

ROOT = Path(__file__).parents[1]
IN_ORDER = (
    "allow_listed",
    "console_session",
    "not_running",
    "on_behalf",
    "internal",
    "forwarded",
    "assigned_address",
    "another_workload",
    "moved",
    "restarted",
    "shared_egress",
    "known_endpoint",
    "self_made_address",
    "foreign_endpoint",
    "unknown_endpoint",
    "hidden_service_source",
    "impersonated_session",
    "outside_home",
    "inside_aws",
    "outside_aws",
    "unknown_private",
    "weak_signal",
    "unclassified",
)
"""The ladder as it was agreed: first match wins, so that another order gives other verdicts."""

MOST_SENTENCES, MOST_CHARS = 3, 400
NOT_MEANT_TO_STAY = re.compile(r"todo|tbd|fixme|xxx|\.\.\.|…", re.IGNORECASE)


def _said_for_people():
    return [
        pytest.param(text, id=f"{rule.name}-{what}")
        for rule in LADDER
        for what, text in (("next", rule.next_step), ("around", rule.ways_around))
    ]


def _settings():
    """Names of all settings, as the page writes them: section and name."""
    base = tomllib.loads((ROOT / "conf" / "base.toml").read_text(encoding="utf-8"))
    return {f"{section}.{name}" for section, table in base.items() for name in table}


def test_the_order_is_part_of_the_contract():
    """Rules stand where they were agreed to stand."""
    assert tuple(rule.name for rule in LADDER) == IN_ORDER


@pytest.mark.parametrize("text", _said_for_people())
def test_next_steps_and_ways_around_are_short_and_whole(text):
    """One to three whole sentences, on one line, and nothing left to be written."""
    assert text == " ".join(text.split())
    assert re.match(r"[A-Z].*\.$", text)
    assert 1 <= len(re.findall(r"\.(?: |$)", text)) <= MOST_SENTENCES
    assert 40 <= len(text) <= MOST_CHARS
    assert not NOT_MEANT_TO_STAY.search(text)
    assert "{" not in text


@pytest.mark.parametrize("text", _said_for_people())
def test_what_a_text_names_exists(text):
    """Rules, signals, settings and tables that are named between backticks are there."""
    known = {rule.name for rule in LADDER} | set(MEANING) | _settings()
    known |= {table.name for table in schemas.TABLES}

    named = set(re.findall(r"`([^`]*)`", text))

    assert named <= known
    assert text.count("`") % 2 == 0


@pytest.mark.parametrize("rule", LADDER, ids=lambda rule: rule.name)
def test_no_two_rules_say_the_same(rule):
    """Each text is of this rule, and was not copied from another."""
    others = {t for other in LADDER if other is not rule for t in (other.next_step, other.reason)}
    others |= {other.ways_around for other in LADDER if other is not rule}

    assert not others & {rule.next_step, rule.reason, rule.ways_around}


@pytest.mark.parametrize("rule", LADDER, ids=lambda rule: rule.name)
def test_the_page_prints_all_of_a_rule(rule):
    """Name, effect, manual, reason, what comes next, and ways around, in this order."""
    section = docs.rules_page().split(f". {rule.name}\n", 1)[1].split("\n## ", 1)[0]

    parts = ["Excused." if rule.excuses else "Finding. Severity: ", f"\n> {rule.reason}\n"]
    parts += [f"\n**Next:** {rule.next_step}\n", f"\n**Ways around:** {rule.ways_around}\n"]
    places = [section.find(part) for part in parts]

    assert places == sorted(places)
    assert places[0] >= 0


@pytest.mark.parametrize("rule", LADDER, ids=lambda rule: rule.name)
def test_reasons_call_a_workload_what_it_is(rule):
    """The workload whose key it is may be a task, a pod or a function: no rule says instance."""
    said = f"{rule.title} {rule.reason}"

    assert not re.findall(r"\b(?:[Tt]he|[Tt]his|[Aa]n) instance\b", said)
