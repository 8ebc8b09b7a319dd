"""Story files: what is read, and how mistakes are told."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.shelf import shipped, stories
from simulator.story import STORIES, StoryError
from simulator.story_file import load, parse

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
title = "A theft"

[instance.web]
role = "WebServer"
from = "52.43.10.7"
born = "1m"
off = ["2h..10h"]

[thief.mallory]
steals = "web"
stolen = "1h"
from = "67.178.52.232"

[role.chain]
role = "Admin"
assumed_by = "mallory"
session = "{web}"
from = "67.178.52.232"

[[step]]
at = "2m"
who = "web"
call = "ec2:DescribeInstances"
every = "10m"
times = 3

[[step]]
at = "1h30m"
who = "mallory"
call = ["sts:GetCallerIdentity", "s3:ListBuckets"]

[[expect]]
session = "web"
source = "67.178.52.232"
verdict = "outside_aws"
severity = "high"
"""


def mistakes(text: str, file: str = "story.toml") -> list[str]:
    """What is wrong with a story, one line each."""
    with pytest.raises(StoryError) as error:
        parse(text, file)
    return str(error.value).splitlines()


def test_good_story() -> None:
    """A story is read as it stands."""
    story = parse(GOOD, "a_theft.toml")

    assert story.name == "a_theft"
    assert list(story.actors) == ["web", "mallory", "chain"]
    assert story.end == timedelta(hours=1, minutes=30)
    assert story.steps[1].calls == ("sts:GetCallerIdentity", "s3:ListBuckets")


def test_all_mistakes_are_told_at_once() -> None:
    """Each mistake says where it stands, what was found there, and what is allowed."""
    text = GOOD.replace("title", "titel").replace('"52.43.10.7"', '"52.43.10"')
    text = text.replace('who = "mallory"', 'who = "malory"').replace('"high"', '"medium"')

    told = mistakes(text, "bad.toml")

    assert len(told) == 5
    assert told[0].startswith("bad.toml, titel: unknown key. Did you mean title? Allowed: title,")
    assert told[1] == "bad.toml, title: it is missing. Write text in quotes."
    assert told[2].startswith('bad.toml, instance.web, from: found "52.43.10". Write an address,')
    assert told[3] == (
        'bad.toml, step 2, who: found "malory". Write an actor. Known: web, mallory, chain.'
    )
    severity = 'found "medium". outside_aws alerts: write severity as critical or high.'
    assert told[4] == f"bad.toml, expect 1, severity: {severity}"


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ('"1h30m"', '"soon"', "step 2, at"),
        ('"1h30m"', '"30m"', "before the key is stolen"),
        ('at = "2m"', 'at = "0m"', "before web is born"),
        ("times = 3", "times = 30", "while web is off"),
        ("times = 3", "times = 0", "step 1, times"),
        ("times = 3", "", "one of every and times is missing"),
        ('off = ["2h..10h"]', 'off = ["10h..2h"]', "instance.web, off"),
        ('off = ["2h..10h"]', 'off = ["2h..", "3h.."]', "instance.web, off"),
        ('steals = "web"', 'steals = "chain"', "thief.mallory, steals"),
        ('assumed_by = "mallory"', 'assumed_by = "chain"', "it leads back"),
        ('assumed_by = "mallory"', 'assumed_by = "nobody"', "role.chain, assumed_by"),
        ('session = "{web}"', 'session = "{wep}"', "an instance or workload in braces"),
        ("[thief.mallory]", "[thief.Mallory]", "lower-case"),
        ("[role.chain]", "[role.web]", "the name is taken"),
        ('"s3:ListBuckets"', '"ListBuckets"', "step 2, call"),
        ('session = "web"', 'session = "mallory"', "write web"),
        ('source = "67', 'source = "68', "Its calls come from"),
        ('verdict = "outside_aws"', 'verdict = "on_behalf"', "write excused = true"),
        ('verdict = "outside_aws"', 'verdict = "outside"', "expect 1, verdict"),
        ('title = "A theft"', 'title = "A theft"\nquiet = true', "Nothing may alert"),
        ('title = "A theft"', 'title = "A theft"\nstart = 2018-04-03', "with its zone"),
        ('title = "A theft"', 'title = "A theft"\nendpoint = { web = "1" }', "vpce-"),
        ("[[step]]", "[step]", "not TOML"),
        ("[[expect]]", "[[expects]]", "Did you mean expect?"),
        ('title = "A theft"', "title = A theft", "not TOML"),
        ('who = "web"', 'who = "web"\ntarget = "web"', "A target is for"),
        ('who = "web"', 'who = "web"\naddress = "1.2.3.4"', "without target"),
        ('title = "A theft"', 'title = "A theft"\nundetectable = "why"', "is not quiet"),
        ('title = "A theft"', 'title = "A theft"\ntrail_from = "soon"', "trail_from"),
        ('who = "web"', 'who = "web"\nskew = "soon"', "step 1, skew"),
        ('who = "web"', 'who = "web"\ninterface = "lan"', "step 1, interface"),
        ('who = "web"', 'who = "web"\nform = "both"', "step 1, form"),
        ('who = "web"', 'who = "web"\ntarget = "web"\naddress = "1.2.3"', "step 1, address"),
        ('who = "web"', 'who = "web"\ntarget = "web"\naddress = []', "step 1, address"),
        (
            'call = "ec2:DescribeInstances"',
            'call = "ec2:ReleaseAddress"\ntarget = "web"',
            "Write address as well",
        ),
        ('who = "web"', 'who = "web"\ninvoked_by = "athena"', "step 1, invoked_by"),
        ('who = "web"', 'who = "web"\nparameters = { at = 2018-04-03 }', "step 1, parameters"),
    ],
)
def test_mistakes(good: str, bad: str, told: str) -> None:
    """A mistake of each kind is told where it is."""
    assert good in GOOD

    lines = mistakes(GOOD.replace(good, bad, 1))

    assert any(told in line for line in lines), lines
    assert all(line.startswith("story.toml") for line in lines)


def test_a_story_must_expect_something() -> None:
    """A story that expects nothing and is not quiet was probably not finished."""
    told = mistakes(GOOD.partition("[[expect]]")[0])

    advice = "Write [[expect]] for what must be found, or quiet = true if nothing may be."
    assert told == [f"story.toml, expect: nothing is expected. {advice}"]


def test_the_same_pair_is_expected_once() -> None:
    """Two expectations of one session and source contradict each other or say the same."""
    told = mistakes(GOOD + GOOD[GOOD.index("[[expect]]") :])

    assert told == [
        "story.toml, expect 2: told twice. Write one expectation per session and source."
    ]


@given(st.data())
def test_whatever_stands_in_a_story_is_told_in_words(data: st.DataObject) -> None:
    """Any line may be missing or hold any value: there is a story, or there are mistakes."""
    lines = GOOD.splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    values = ("1", "true", '""', '"x"', "[]", "[1]", "{}", "1.5", "2018-04-03", '["a..b"]')
    key = lines[number].partition("=")[0]
    lines[number] = data.draw(st.sampled_from(["", *(f"{key} = {value}" for value in values)]))

    told = ()
    try:
        parse("\n".join(lines), "story.toml")
    except StoryError as error:
        told = error.problems

    assert all(problem.where.startswith("story.toml") for problem in told)


def test_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    """One look at the message is enough to mend all files."""
    (tmp_path / "a.toml").write_text('title = "x"')
    (tmp_path / "b.toml").write_bytes(b"\xff")

    with pytest.raises(StoryError) as error:
        load(tmp_path.glob("*.toml"))

    assert {"a.toml", "b.toml"} == set(re.findall(r"[ab]\.toml", str(error.value)))


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("T01", ["t01_classic_theft"]),
        ("t01_classic_theft,talk*", ["t01_classic_theft", "talk_2018"]),
        ("b0[12]*", ["b01_endpoint_added", "b02_private_first"]),
        ("*denied*", ["t19_all_denied"]),
        (str(STORIES / "t20*.toml"), ["t20_ipv6_thief"]),
        ("none", []),
        ("*", sorted(path.stem for path in shipped())),
    ],
)
def test_stories_are_chosen_by_name_or_file(pattern: str, names: list[str]) -> None:
    """Names are matched without regard to case, as a whole or up to the first underscore."""
    assert [story.name for story in stories(pattern)] == names


def test_a_pattern_that_chooses_nothing_is_a_mistake() -> None:
    """The message says which names there are."""
    with pytest.raises(
        StoryError, match=r"'t99' chooses nothing\. Known: a01_waits_for_the_silence,"
    ):
        stories("t01,t99")


def test_two_stories_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    """They would share their instances and keys."""
    (tmp_path / "t01_classic_theft.toml").write_text(GOOD)

    with pytest.raises(StoryError, match="its name is taken"):
        stories(f"t01,{tmp_path}/*.toml")


def test_the_manual_has_a_story_that_can_be_played() -> None:
    """The example of the manual is right, and all keys and verdicts are explained there."""
    from simulator.story_keys import ACTORS, EXPECT, STEP, STORY
    from simulator.verdicts import VERDICTS

    manual = (STORIES / "README.md").read_text()
    example = re.search(r"```toml\n(title.*?)```", manual, re.DOTALL)

    assert example
    assert parse(example[1], "stolen_at_lunch.toml").name == "stolen_at_lunch"
    keys = {*STORY, *STEP, *EXPECT, *(key for _, table in ACTORS.values() for key in table)}
    assert {word for word in (*keys, *VERDICTS) if not re.search(rf"\b{word}\b", manual)} == set()
