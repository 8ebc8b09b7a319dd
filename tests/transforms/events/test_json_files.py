"""Shapes of a JSON file: what is one record, what is none, what is lost (nothing)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.transforms.events.made import MISSING, Files, event, identity, is_marker, names, rejects

if TYPE_CHECKING:
    from pyspark.sql import Row, SparkSession

    Found = dict[str, list[Row]]

FILES = Files()
A, B, C = (event(eventName=name) for name in "ABC")


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> Found:
    """Rows of every file of this module, read by one job."""
    return FILES.read(spark)


TRAIL = FILES.add({"Records": [A, B]})
PRETTY_TRAIL = FILES.add(json.dumps({"Records": [A, B]}, indent=4))
TRAIL_BESIDE = FILES.add({"note": {"Records": 1}, "Records": [A, B], "more": [1]})
LIST = FILES.add([A, B])
PRETTY_LIST = FILES.add("\n\n  " + json.dumps([A, B], indent=2))
LIST_OF_TRAILS = FILES.add([{"Records": [A, B]}, C])
ONE = FILES.add(json.dumps(A, indent=2))


def test_whole_documents(found: Found) -> None:
    """An object with Records, a list and a bare record give the same events, pretty or not."""
    for name in (TRAIL, PRETTY_TRAIL, TRAIL_BESIDE, LIST, PRETTY_LIST):
        assert names(found[name]) == ["A", "B"]
    assert names(found[LIST_OF_TRAILS]) == ["A", "B", "C"]
    assert names(found[ONE]) == ["A"]


LINES = FILES.add(A, B, C, "")
CRLF_LINES = FILES.add(A, "", B, "  ", C, between="\r\n")
LINES_OF_TRAILS = FILES.add({"Records": [A, B]}, {"Records": [C]})
LINE_BROKEN = FILES.add(A, "", '{"eventTime": "2026-', B, "surely no JSON", "")
LINES_ODD = FILES.add({"Records": [A, 7]}, B, {"Records": []}, C)


def test_one_document_a_line(found: Found) -> None:
    """Lines are documents of their own, with any line ends and with blank lines between."""
    for name in (LINES, CRLF_LINES, LINES_OF_TRAILS):
        assert names(found[name]) == ["A", "B", "C"]


def test_a_broken_line_costs_that_line(found: Found) -> None:
    """A line that is no JSON is one reject, with its number; its neighbours are events."""
    assert names([row for row in found[LINE_BROKEN] if row.event_time]) == ["A", "B"]
    assert rejects(found[LINE_BROKEN]) == [
        ("line 3", "JSON that is cut off"),
        ("line 5", "not JSON, it begins with: surely no JSON"),
    ]
    assert rejects(found[LINES_ODD]) == [("line 1 Records[1]", "no JSON object but 7")]
    assert names([row for row in found[LINES_ODD] if row.event_time]) == ["A", "B", "C"]


TOGETHER = FILES.add(A, B, C, between="")
TRAILS_TOGETHER = FILES.add({"Records": [A, B]}, {"Records": [C]}, between=" ")
PRETTY_TOGETHER = FILES.add(*(json.dumps(one, indent=1) for one in (A, B, C)))
BRACES = event(userAgent='"}{" }\n {', eventName="A")
BRACES_TOGETHER = FILES.add(BRACES, B, 3, C, between="")
ODD_TOGETHER = FILES.add(A, {"Records": [B, {"eventName": "X"}]}, C, between="")


def test_documents_without_a_gap(found: Found) -> None:
    """Objects that follow each other with nothing between, as Firehose writes, are all read."""
    for name in (TOGETHER, TRAILS_TOGETHER, PRETTY_TOGETHER):
        assert names(found[name]) == ["A", "B", "C"]
    assert rejects(found[ODD_TOGETHER]) == [("document 2 Records[1]", "has no eventTime")]


def test_braces_in_text_are_no_gap(found: Found) -> None:
    """What looks like a gap inside a text is none; what cannot be told apart is rejected."""
    assert rejects(found[BRACES_TOGETHER]) == [(None, "not valid JSON")]


BRACES_APART = FILES.add(BRACES, B, between="")


def test_text_survives_the_gap_search(found: Found) -> None:
    """Objects are told apart without a change to their texts."""
    assert [row.user_agent for row in found[BRACES_APART]] == ['"}{" }\n {', "aws-cli/2.15.0"]


EMPTY = [FILES.add(text) for text in ("", " \n\r\n", '{"Records":[]}', "[]", "{}", " { } ", "[ ]")]
EMPTY_PRETTY = FILES.add('{\n  "Records": [\n  ]\n}\n')


@pytest.mark.parametrize("name", [*EMPTY, EMPTY_PRETTY])
def test_a_file_without_records_shows_up(found: Found, name: str) -> None:
    """A file that holds no record leaves a marker: it was read, and nothing was lost."""
    assert is_marker(found[name])


CUT_OFF = FILES.add(json.dumps({"Records": [A, B]})[:-90])
CUT_BETWEEN = FILES.add(json.dumps({"Records": [A, B]})[:-2])
CUT_PRETTY = FILES.add(json.dumps([A, B], indent=2)[:-90])
CLOSED_TWICE = FILES.add({"Records": [A]}, "]}", between="")
GARBAGE_BEHIND = FILES.add([A], "[1]", between="")
NO_COMMA = FILES.add("[", A, B, "]", between="")
BROKEN = {
    CUT_OFF: "JSON that is cut off",
    CUT_BETWEEN: "not valid JSON",
    CUT_PRETTY: "JSON that is cut off",
    CLOSED_TWICE: "not valid JSON",
    GARBAGE_BEHIND: "not valid JSON",
    NO_COMMA: "not valid JSON",
    FILES.add("{'eventName': 'A'}"): "not valid JSON",
    FILES.add('{"eventName": "A\tB"}'): "not valid JSON",
    FILES.add(b"\x1f\x8b\x08\x00\xff\xfe"): "gzip, but the name does not end in .gz",
    FILES.add("eventName,eventTime\nA,B"): "not JSON, it begins with: eventName,eventTime\nA,B",
    FILES.add(json.dumps(A).encode() + b"\x00\x00"): "JSON that is cut off",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_document_is_one_reject(found: Found, name: str) -> None:
    """JSON that is cut off, or that something follows, is one reject of the whole file."""
    assert rejects(found[name]) == [(None, BROKEN[name])]
    assert len(found[name]) == 1


SCALARS = {FILES.add(text): text for text in ("12", '"words"', "null", "true")}


def test_a_document_that_is_no_object(found: Found) -> None:
    """A file that holds a number, a text or null is one reject that quotes it."""
    reasons = [rejects(found[name])[0][1] for name in SCALARS]

    assert reasons == [f"no JSON object but {text}" for text in ("12", "words", "null", "true")]


NO_OBJECTS = FILES.add({"Records": [A, 1, "x", None, [2], B, {}]})
NO_LIST = {
    FILES.add({"Records": A}): "not a CloudTrail record: an object whose 'Records' is no list",
    FILES.add({"Records": "x"}): "not a CloudTrail record: an object whose 'Records' is no list",
    FILES.add({"Records": None}): "has no eventTime",
}


def test_what_is_no_record_costs_itself(found: Found) -> None:
    """Each element of Records that is no object is one reject, with its index."""
    assert rejects(found[NO_OBJECTS]) == [
        ("Records[1]", "no JSON object but 1"),
        ("Records[2]", "no JSON object but x"),
        ("Records[3]", "no JSON object but null"),
        ("Records[4]", "no JSON object but [2]"),
        ("Records[6]", "has no eventTime"),
    ]
    assert names([row for row in found[NO_OBJECTS] if row.event_time]) == ["A", "B"]
    for name, reason in NO_LIST.items():
        assert [reason for _, reason in rejects(found[name])] == [reason]


BOM = FILES.add(b"\xef\xbb\xbf" + json.dumps({"Records": [A]}).encode())
BAD_UTF8 = FILES.add(json.dumps(event(userAgent="@")).encode().replace(b"@", b"\xff\xc3("))
BAD_UTF8_REJECT = FILES.add(b'{"eventName": "\xff\x00"}')
SURROGATE = FILES.add(event(userAgent="\ud800 and \udc00", requestParameters={"k": "\ud800"}))
ESCAPED_NUL = FILES.add(event(userAgent="a\x00b"))
TWICE_A_KEY = FILES.add(json.dumps(A)[:-1] + ', "eventName": "second"}')


def test_strange_bytes(found: Found) -> None:
    """A byte order mark, broken UTF-8, lone surrogates and NUL cost no record."""
    assert names(found[BOM]) == ["A"]
    assert [row.user_agent for row in found[BAD_UTF8]] == ["\ufffd\ufffd("]
    assert [row.user_agent for row in found[SURROGATE]] == ["? and ?"]
    assert json.loads(found[SURROGATE][0].request_parameters)
    assert [row.user_agent for row in found[ESCAPED_NUL]] == ["a\x00b"]
    assert names(found[TWICE_A_KEY]) == ["second"]


def test_the_text_of_a_reject_is_readable(found: Found) -> None:
    """What is kept of a reject is valid UTF-8 without NUL, so that any tool shows it."""
    assert [row.reject_record for row in found[BAD_UTF8_REJECT]] == [
        '{"eventName": "\ufffd\ufffd"}'
    ]


DEEP = json.loads("[" * 900 + "]" * 900)
DEEP_EVENT = FILES.add(event(requestParameters={"deep": DEEP}))
TOO_DEEP = '{"a":' * 3000 + "1" + "}" * 3000
TOO_DEEP_TRAIL = FILES.add(
    json.dumps(
        {"Records": [A, event(eventName="deep", requestParameters="@"), {"eventName": "X"}]}
    ).replace('"@"', TOO_DEEP)
)
LONG_NUMBER = FILES.add(json.dumps(event(requestParameters={"n": "@"})).replace('"@"', "9" * 2000))


def test_deep_nesting_costs_no_neighbour(found: Found) -> None:
    """A record that is nested too deep to be written as text keeps the rest of its fields."""
    assert len(found[DEEP_EVENT][0].request_parameters) > 1800
    assert names([row for row in found[TOO_DEEP_TRAIL] if row.event_time]) == ["A", "deep"]
    assert rejects(found[TOO_DEEP_TRAIL]) == [("Records[2]", "has no eventTime")]
    assert "9" * 2000 in found[LONG_NUMBER][0].request_parameters


LONG_REJECT = FILES.add({"Records": [A, {"eventName": "x" * 5000}]})
LONG_BROKEN = FILES.add('{"eventName": "' + "x" * 5000)


def test_the_text_of_a_reject_is_bounded(found: Found) -> None:
    """A reject keeps the first characters of its text, whatever its size."""
    assert [len(row.reject_record) for row in found[LONG_REJECT] if row.reject_reason] == [1000]
    assert [len(row.reject_record) for row in found[LONG_BROKEN]] == [1000]


CLASH = event(eventName="clash", userIdentity="HIDDEN_DUE_TO_SECURITY_REASONS", tlsDetails=7)
CLASHES = FILES.add({"Records": [A, CLASH, B]})
AS_TEXT = FILES.add(
    event(userIdentity=json.dumps(identity()), additionalEventData='{"AuthenticationMethod":"X"}')
)
INNER_CLASH = FILES.add(event(userIdentity=identity(sessionContext="hidden", accountId=12)))


def test_types_that_clash(found: Found) -> None:
    """A field of another type than expected costs at most itself, never a record."""
    assert names(found[CLASHES]) == ["A", "clash", "B"]
    assert [row.arn is None for row in found[CLASHES]] == [False, True, False]
    assert [row.tls_present for row in found[CLASHES]] == [True, True, True]
    assert found[INNER_CLASH][0].account_id == "12"
    assert found[INNER_CLASH][0].ec2_role_delivery is None
    assert found[INNER_CLASH][0].in_scope_issuer_type == "AWS::EC2::Instance"


def test_an_object_as_text(found: Found) -> None:
    """An object that stands in a record as JSON text is read like the object."""
    row = found[AS_TEXT][0]

    assert row.issuer_arn == "arn:aws:iam::012345678901:role/service/Web"
    assert row.authentication_method == "X"


BOTH_WAYS = FILES.add({"Records": [A, event(eventID=MISSING), event(userIdentity={"type": 5})]})
APART_TOO = FILES.add({"Records": [A, event(eventID=MISSING), event(userIdentity={"type": 5}), 1]})


def test_taken_apart_or_not_is_the_same(found: Found) -> None:
    """A reject in a document changes how it is parsed, and no other row of it."""
    at_once = [row[2:] for row in found[BOTH_WAYS]]
    apart = [row[2:] for row in found[APART_TOO] if not row.reject_reason]

    assert len(at_once) == 3
    assert at_once == apart
