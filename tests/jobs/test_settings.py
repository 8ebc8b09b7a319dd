"""Settings: documented once, checked whole, and every mistake told at once."""

from __future__ import annotations

import itertools
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.allowlist import Entry
from jobs.errors import Problem, SettingsError
from jobs.settings import Settings, load, shipped

EVERY_MISTAKE = """
ttl_hours = 3
accounts = 7
[method]
neighbors = 3
ttl_hours = "seven"
bucket_hours = 0
egress_share = 1.5
accept_name_proof = 1
max_calls = 4
[metod]
x = 1
[evidence]
min_severity = "severe"
[inputs]
batch_bytes = "4 gigs"
late_days = 1.0
[lease]
minutes = 2026-01-01
[spark]
"driver.memory" = "8g"
"spark.list" = [1]
"""

TOLD = """\
[method] ttl_hours: found "seven". It must be a whole number; the default is 7.
[method] bucket_hours: found 0. It must be at least 1; the default is 6.
[method] egress_share: found 1.5. It must be at most 1.0; the default is 0.2.
[method] accept_name_proof: found 1. It must be true or false; the default is true.
[method] neighbors: unknown. Did you mean neighbours?
[method] max_calls: unknown. It belongs below [evidence].
[accounts]: found 7. It must be a section of its own: [accounts].
[inputs] late_days: found 1.0. It must be a whole number; the default is 1.
[inputs] batch_bytes: found "4 gigs". It must be a size such as "4 GiB"; the default is "4 GiB".
[evidence] min_severity: found "severe". \
It must be 'critical', 'high', 'medium', 'low' or 'informational'; the default is "medium".
[lease] minutes: found 2026-01-01. It must be a whole number; the default is 30.
[spark] driver.memory: found "driver.memory". A name must begin with "spark.".
[spark] spark.list: found [1]. It must be text in quotes.
ttl_hours: unknown. Put it below [method].
[metod]: unknown. Did you mean [method]?"""

ENTRY = Entry("cidr", "192.0.2.0/24", "network team", "office", date(2027, 1, 1))


def written(folder: Path, text: str) -> str:
    """A settings file with this text."""
    path = folder / "team.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def problems(path: str) -> list[str]:
    """All that is wrong with a settings file, without its name."""
    with pytest.raises(SettingsError) as caught:
        load(path)
    assert caught.value.exit_code == 2
    assert all(str(problem).startswith(f"{path}") for problem in caught.value.problems)
    return [str(problem).removeprefix(f"{path}, ") for problem in caught.value.problems]


def digest(settings: Settings, **said: Any) -> str:
    """Digest of settings with an empty world around, or with what a test says."""
    world: dict[str, Any] = {"allow_list": (), "ip_ranges": "ranges", "ladder_version": 1}
    return settings.digest(**{**world, **said})


def test_the_shipped_file_is_complete() -> None:
    """It has exactly the settings there are, and nothing else holds a default."""
    sections = {
        name: set(getattr(load(), name).__class__.model_fields)
        for name in Settings.model_fields
        if name != "spark"
    }

    assert {name: set(table) for name, table in shipped().items() if name != "spark"} == sections
    assert shipped()["spark"] == {}


def test_every_setting_has_its_reason() -> None:
    """Above every setting of the shipped file stands a comment."""
    lines = (
        (Path(__file__).parents[2] / "conf" / "base.toml").read_text(encoding="utf-8").splitlines()
    )
    bare = [
        line
        for above, line in itertools.pairwise(lines)
        if re.match(r"\w+ = ", line) and not above.startswith("#")
    ]

    assert bare == []


def test_a_file_says_only_what_differs(tmp_path: Path) -> None:
    """What a user's file says wins; all else stays as shipped."""
    path = written(tmp_path, '[method]\nneighbours = 5\n[inputs]\nbatch_bytes = "1 MiB"\n')

    settings = load(path)

    assert settings.method.neighbours == 5
    assert settings.method.ttl_hours == load().method.ttl_hours
    assert settings.inputs.batch_bytes == 1024 * 1024


def test_a_program_has_the_last_word(tmp_path: Path) -> None:
    """Settings that a program gives win over the file."""
    path = written(tmp_path, "[method]\nneighbours = 5\nfold_stays = 7\n")

    method = load(path, {"method": {"neighbours": 9}}).method

    assert (method.neighbours, method.fold_stays) == (9, 7)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Each with its place, what was found there, and what to write instead."""
    assert "\n".join(problems(written(tmp_path, EVERY_MISTAKE))) == TOLD


def test_a_bucket_is_not_longer_than_the_ttl(tmp_path: Path) -> None:
    """A shorter TTL asks for shorter buckets, even where only the TTL was changed."""
    assert problems(written(tmp_path, "[method]\nttl_hours = 5\n")) == [
        "[method] bucket_hours: found 6. It must be at most ttl_hours, which is 5."
    ]


@pytest.mark.parametrize("account", ["123456789012", '"12345678901"', '"123456789012\\n"'])
def test_an_account_is_twelve_digits(tmp_path: Path, account: str) -> None:
    """A number loses its leading zero, so that accounts are text."""
    (problem,) = problems(written(tmp_path, f"[accounts]\nours = [{account}]\n"))

    assert problem.endswith("Each must be twelve digits in quotes, in a list in brackets.")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[method\n", "Expected ']' at the end of a table declaration (at line 1, column 8)."),
        ("[method]\nttl_hours = 1\nttl_hours = 2\n", "(at line 3, column 14)."),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    """A file that is no TOML is told with line and column."""
    with pytest.raises(SettingsError, match=re.escape(said)):
        load(written(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file, a folder and a file of another kind are told by name."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")

    for name, said in [("no.toml", "No such file"), ("", "Is a directory"), ("binary", "no UTF-8")]:
        with pytest.raises(SettingsError, match=said):
            load(str(tmp_path / name))


def test_a_file_from_windows_is_read(tmp_path: Path) -> None:
    """A byte order mark and carriage returns do no harm."""
    path = tmp_path / "team.toml"
    path.write_bytes("\ufeff[method]\r\nneighbours = 5\r\n".encode())

    assert load(str(path)).method.neighbours == 5


def test_spark_settings_may_be_written_both_ways(tmp_path: Path) -> None:
    """Names with dots work with and without quotes; numbers and truth become Spark's text."""
    path = written(
        tmp_path, '[spark]\n"spark.driver.memory" = "8g"\nspark.ui.enabled = true\nspark.n = 3\n'
    )

    assert load(path).spark == {
        "spark.driver.memory": "8g",
        "spark.ui.enabled": "true",
        "spark.n": "3",
    }


def test_files_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    """The allow-list is found beside the settings, wherever the command is run."""
    path = written(tmp_path, '[allow_list]\nfile = "allow.csv"\n[ip_ranges]\nfile = "/ranges"\n')

    settings = load(path)

    assert settings.allow_list.file == str(tmp_path / "allow.csv")
    assert settings.ip_ranges.file == "/ranges"
    assert load().allow_list.file == ""


@pytest.mark.parametrize(
    "said",
    [
        {"method": {"neighbours": 4}},
        {"method": {"egress_share": 0.25}},
        {"method": {"accept_name_proof": False}},
        {"accounts": {"ours": ["111122223333"]}},
        {"evidence": {"min_severity": "low"}},
        {"findings": {"top_values": 10}},
    ],
)
def test_what_decides_verdicts_is_in_the_digest(said: dict[str, Any]) -> None:
    """Any number of the method, our accounts, and what findings show make another digest."""
    assert digest(load(None, said)) != digest(load())


def test_the_world_is_in_the_digest() -> None:
    """So do entries of the allow-list, in all they say, AWS address space, and the rules."""
    later = Entry("cidr", "192.0.2.0/24", "network team", "office", date(2027, 1, 2))
    settings = load()
    digests = [
        digest(settings),
        digest(settings, allow_list=[ENTRY]),
        digest(settings, allow_list=[later]),
        digest(settings, ip_ranges="newer"),
        digest(settings, ladder_version=2),
    ]

    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(
    "said",
    [
        {"spark": {"spark.driver.memory": "8g"}},
        {"lease": {"minutes": 5}},
        {"inputs": {"late_days": 3}},
        {"allow_list": {"file": "another-name.csv"}},
    ],
)
def test_what_decides_none_is_not(said: dict[str, Any]) -> None:
    """How a run is done makes nothing be judged anew."""
    assert digest(load(None, said)) == digest(load())


def test_the_order_of_accounts_means_nothing() -> None:
    """Accounts are a set."""
    one, other = "111122223333", "444455556666"

    assert digest(load(None, {"accounts": {"ours": [one, other]}})) == digest(
        load(None, {"accounts": {"ours": [other, one, other]}})
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
NAMES = st.sampled_from([*shipped(), *(key for table in shipped().values() for key in table)])


@given(st.dictionaries(NAMES | st.text(max_size=9), VALUES | st.dictionaries(NAMES, VALUES)))
def test_nonsense_is_told_not_raised(said: dict[str, Any]) -> None:
    """Whatever settings are given, they are taken, or all that is wrong is told in a line each."""
    told: tuple[Problem, ...] = ()
    try:
        load(None, said)
    except SettingsError as error:
        told = error.problems
    assert all(str(problem).isprintable() for problem in told)
