"""The allow-list: strict, because an entry that excuses more than was meant hides a theft."""

from __future__ import annotations

import ipaddress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.allowlist import COLUMNS, Entry, load_allow_list
from jobs.errors import Problem, SettingsError

SHIPPED = Path(__file__).parents[2] / "conf" / "allowlist.csv"

HEAD = ",".join(COLUMNS)
GOOD = {
    "what": "cidr",
    "value": "192.0.2.0/24",
    "owner": "network team",
    "reason": "office",
    "expires": "2027-03-31",
}

EVERY_MISTAKE = """\
line 3, value: found 10.0.0.1/8. It has bits set beyond its prefix. \
Write 10.0.0.0/8 for that whole network, or 10.0.0.1 for the one address.
line 5, what: found net. Write one of cidr, endpoint, account.
line 5, owner: empty. Write who answers for this entry.
line 5, expires: found 31/03/2027. Write the last day on which the entry holds, as YYYY-MM-DD.
line 6, account: found 11122223333. Write all twelve digits; \
a spreadsheet may have dropped leading zeros. Leave it empty for all accounts.
line 6, role: found arn:aws:iam::111122223333:role/app. \
Write the role's name without ARN and path, or leave it empty for all roles.
line 6, rules: found all. \
Write console_session or not_running (both: with a space between), or leave it empty.
line 7: found 9 cells instead of 8. Put a text with commas in "quotes"."""


def written(folder: Path, *lines: str, head: str = HEAD) -> str:
    """An allow-list with these lines below its head."""
    path = folder / "allow.csv"
    path.write_text("\n".join([head, *lines, ""]), encoding="utf-8")
    return str(path)


def line(**said: str) -> str:
    """A good line, with what a test says otherwise."""
    cells = {**dict.fromkeys(COLUMNS, ""), **GOOD, **said}
    return ",".join(f'"{cells[column]}"' for column in COLUMNS)


def problems(path: str) -> list[str]:
    """All that is wrong with an allow-list, without its name."""
    with pytest.raises(SettingsError) as caught:
        load_allow_list(path)
    assert caught.value.exit_code == 2
    return [str(problem).removeprefix(f"{path}, ") for problem in caught.value.problems]


def test_an_entry_says_all_it_can(tmp_path: Path) -> None:
    """Scope and rules are optional; owner, reason and expiry are always there."""
    path = written(
        tmp_path,
        line(),
        line(what="endpoint", value="vpce-0123456789abcdef0", account="011122223333", role="app"),
        line(what="account", value="444455556666", rules="console_session not_running"),
    )

    assert load_allow_list(path) == (
        Entry("cidr", "192.0.2.0/24", "network team", "office", date(2027, 3, 31)),
        Entry(
            "endpoint",
            "vpce-0123456789abcdef0",
            "network team",
            "office",
            date(2027, 3, 31),
            account="011122223333",
            role="app",
        ),
        Entry(
            "account",
            "444455556666",
            "network team",
            "office",
            date(2027, 3, 31),
            rules=("console_session", "not_running"),
        ),
    )


def test_the_shipped_file_excuses_nothing() -> None:
    """Its examples are comments."""
    assert load_allow_list(str(SHIPPED)) == ()


def test_examples_of_the_shipped_file_are_good(tmp_path: Path) -> None:
    """Whoever takes the comment sign away has an entry."""
    text = SHIPPED.read_text(encoding="utf-8")
    lines = [part for part in text.splitlines() if part.count(",") == len(COLUMNS) - 1]

    path = written(tmp_path, *(part.removeprefix("# ") for part in lines if part != HEAD))

    assert [entry.what for entry in load_allow_list(path)] == ["cidr", "endpoint", "account"]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Each with its line, its column, what was found, and what to do."""
    path = written(
        tmp_path,
        "# a comment keeps its line",
        line(value="10.0.0.1/8"),
        "",
        line(what="net", owner="", expires="31/03/2027"),
        line(account="11122223333", role="arn:aws:iam::111122223333:role/app", rules="all"),
        "cidr,192.0.2.0/24,,,,network team,office, red door,2027-03-31",
    )

    assert "\n".join(problems(path)) == EVERY_MISTAKE


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("cidr", "0.0.0.0/0"),
        ("cidr", "::/0"),
        ("cidr", "010.0.0.0/8"),
        ("cidr", "192.0.2.0/33"),
        ("cidr", "::ffff:192.0.2.0/120"),
        ("cidr", "fe80::%1"),
        ("cidr", "office"),
        ("cidr", ""),
        ("endpoint", "vpce-office"),
        ("endpoint", "VPCE-0123456789ABCDEF0"),
        ("account", "*"),
        ("account", "٤٤٤٤٥٥٥٥٦٦٦٦"),
    ],
)
def test_a_value_means_what_it_says(tmp_path: Path, what: str, value: str) -> None:
    """Values that could excuse something else than was meant are refused."""
    (problem,) = problems(written(tmp_path, line(what=what, value=value)))

    assert problem.startswith("line 2, value: ")


@pytest.mark.parametrize(
    ("value", "network", "bits"),
    [
        ("192.0.2.0/24", "192.0.2.0", 24),
        ("192.0.2.7", "192.0.2.7", 32),
        ("2001:DB8:0::/32", "2001:db8::", 32),
    ],
)
def test_a_network_is_ready_to_compare(tmp_path: Path, value: str, network: str, bits: int) -> None:
    """Address and prefix are bytes and bits; a lone address is a network of its own."""
    (entry,) = load_allow_list(written(tmp_path, line(value=value)))

    assert (entry.network, entry.prefix_length) == (ipaddress.ip_address(network).packed, bits)
    assert entry.value == f"{network}/{bits}"


def test_only_a_cidr_has_a_network() -> None:
    """Endpoints and accounts have none."""
    entry = Entry("account", "444455556666", "me", "ours", date(2027, 1, 1))

    assert (entry.network, entry.prefix_length) == (None, None)


def test_an_entry_holds_on_its_last_day() -> None:
    """The day after, it excuses nothing."""
    entry = Entry("cidr", "192.0.2.0/24", "me", "office", date(2027, 3, 31))

    assert not entry.expired(date(2027, 3, 31))
    assert entry.expired(date(2027, 4, 1))


def test_an_entry_says_everything_as_text() -> None:
    """The text of an entry, for digests, has every column."""
    entry = Entry("cidr", "192.0.2.0/24", "me", "office", date(2027, 3, 31), rules=("a", "b"))

    assert entry.as_text() == [
        "cidr", "192.0.2.0/24", "", "", "a b", "me", "office", "2027-03-31",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("what;value;account;role;rules;owner;reason;expires", "found what;value;"),
        ("what,value", "found what,value."),
        ("", "line 2: found cidr"),
    ],
)
def test_columns_have_their_names(tmp_path: Path, head: str, said: str) -> None:
    """A file with other columns, or none, is refused as a whole."""
    with pytest.raises(SettingsError, match=said):
        load_allow_list(written(tmp_path, line().replace('"', ""), head=head))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "found no line of column names"),
        (b"\xff\xfe", "this is no UTF-8 text"),
        (HEAD.encode() + b'\ncidr,"192.0.2.0/24', "Close every quote"),
    ],
)
def test_a_broken_file_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    """An empty file, another encoding and an open quote are told in words."""
    (tmp_path / "allow.csv").write_bytes(content)

    with pytest.raises(SettingsError, match=said):
        load_allow_list(str(tmp_path / "allow.csv"))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """The setting that names the file is named."""
    with pytest.raises(SettingsError, match=r"No such file.*\[allow_list\] file"):
        load_allow_list(str(tmp_path / "no.csv"))


def test_a_file_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """A byte order mark, carriage returns, padding and quoted line breaks do no harm."""
    text = f'\ufeff{HEAD}\r\ncidr, 192.0.2.0/24 ,,,,me,"line one\r\nline two",2027-03-31\r\n'
    (tmp_path / "allow.csv").write_bytes(text.encode())

    (entry,) = load_allow_list(str(tmp_path / "allow.csv"))

    assert (entry.value, entry.reason) == ("192.0.2.0/24", "line one\nline two")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.text(max_size=12) | st.sampled_from([*GOOD.values()]), max_size=9)))
def test_nonsense_is_told_not_raised(tmp_path: Path, rows: list[list[str]]) -> None:
    """Whatever stands in the file, it is an entry, or what is wrong is told in a line each."""
    path = tmp_path / "allow.csv"
    text = "\n".join([HEAD, *(",".join(row) for row in rows)])
    path.write_text(text.encode(errors="replace").decode(), encoding="utf-8")

    told: tuple[Problem, ...] = ()
    try:
        load_allow_list(str(path))
    except SettingsError as error:
        told = error.problems
    assert all(str(problem).isprintable() for problem in told)
