"""Policy ``seed`` says what the published code says, and the page of its cases is right.

All cases of ``docs/published-method.md`` are read from files and judged by either policy; each
lives in an account of its own.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobs.allowlist import COLUMNS, load_allow_list
from jobs.arguments import POLICIES
from jobs.errors import SettingsError
from jobs.judging import judge
from jobs.settings import load
from tests.judged import Allowed, memories, verdicts, world
from tests.transforms.published_cases import CASES, ON_THE_PAGE
from transforms.events.json_files import json_records
from transforms.rules import LADDER

PAGE = (Path(__file__).parents[2] / "docs" / "published-method.md").read_text(encoding="utf-8")
ROWS = {
    int(row[0]): row[1:]
    for row in re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)
}
NO_RUN = {15: ("1.2.3.4/24", "bits set beyond its prefix"), 16: ("IP_ADDRESS", "found IP_ADDRESS")}
"""Cases of an allow-list that cannot be read, and what is said of it."""


@pytest.fixture(scope="module")
def said(spark):
    """What each policy says: verdict and severity by (session, source)."""
    files = [file for name, case in CASES.items() for file in case.files(name).items()]
    trail = spark.createDataFrame(files, "input_file string, value string")
    told = memories([json_records(trail)])
    around = world(spark, [Allowed("81.2.3.0/24")])
    found = {}
    for policy in POLICIES:
        result = judge(told, around, load(None, {"method": {"policy": policy}}).method)
        found[policy] = {
            pair: f"{row.verdict}/{'excused' if row.excused else row.severity}"
            for pair, row in verdicts(result).items()
        }
    return found


def _of_case(name, pairs):
    return {pair: pairs[pair] for pair in pairs if pair[0].split("/")[0] in CASES[name].accounts}


@pytest.mark.parametrize("name", CASES)
def test_seed(name, said):
    """Policy ``seed`` flags the sources that the published code flags, or that the page tells."""
    flagged = {
        pair
        for pair, verdict in _of_case(name, said["seed"]).items()
        if not verdict.endswith("/excused")
    }

    assert CASES[name].seed == flagged


@pytest.mark.parametrize("name", CASES)
def test_default(name, said):
    """Our own method gives just the verdicts of the case."""
    assert CASES[name].default == _of_case(name, said["default"])


@pytest.mark.parametrize("number", NO_RUN)
def test_an_allow_list_that_cannot_be_read_stops_the_run(number, tmp_path):
    """It is told what is wrong, instead of losing records."""
    value, problem = NO_RUN[number]
    path = tmp_path / "allowlist.csv"
    entry = f"cidr,{value},,,,network team,office,2027-03-31"
    path.write_text(f"{','.join(COLUMNS)}\n{entry}\n", encoding="utf-8")

    with pytest.raises(SettingsError, match=problem):
        load_allow_list(str(path))


def test_the_page_has_all_cases():
    """They are numbered through, and each stands here."""
    assert list(range(1, 52)) == list(ROWS) == list(ON_THE_PAGE)


@pytest.mark.parametrize("number", ON_THE_PAGE)
def test_the_page_says_what_the_published_code_flags(number):
    """Its third column speaks of flags or alerts where there are any, and nowhere else."""
    assert bool(re.search("flag|alert", ROWS[number][1])) == bool(ON_THE_PAGE[number].published)


@pytest.mark.parametrize("number", ON_THE_PAGE)
def test_the_page_names_the_verdicts(number):
    """Its last column names the rules that hold, all of them; and, in brackets, their severity."""
    rules = {rule.name for rule in LADDER}
    named = [
        (rule, severity)
        for rule, severity in re.findall(r"`(\w+)`(?: \((\w+)[,)])?", ROWS[number][3])
        if rule in rules
    ]
    given = {tuple(verdict.split("/")) for verdict in ON_THE_PAGE[number].default.values()}

    assert {rule for rule, _ in given} == {rule for rule, _ in named}
    assert {pair for pair in named if pair[1]} <= given


def test_the_page_says_where_seed_differs():
    """It lists just the cases where the policy leaves a fault of the published code out."""
    section = PAGE.split("\n## Where policy `seed` says otherwise\n")[1]
    listed = re.findall(r"^- ([\d, ]+):", section, re.MULTILINE)

    differs = {n for n, case in ON_THE_PAGE.items() if case.seed != case.published} | set(NO_RUN)

    assert differs == {int(n) for numbers in listed for n in numbers.split(", ")}
    assert not [n for n in differs if re.match("yes|by design", ROWS[n][2])]
