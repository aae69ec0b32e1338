import json
import math
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from responder.errors import AlertError, Malformed
from responder.intake.parse import parse

MOST = 2**63 - 1


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{}", {}),
        (b" [1, 2.5, null]\r\n", [1, 2.5, None]),
        (b'{"a": "\\"[[[{{{\\\\"}', {"a": '"[[[{{{\\'}),
        (b'{"id": 1290568698312097725}', {"id": 1290568698312097725}),
        (f"[{MOST}, -{MOST}]".encode(), [MOST, -MOST]),
        (b"[" * 32 + b"]" * 32, json.loads("[" * 32 + "]" * 32)),
        ('["\\ud83d\\ude00 ü"]'.encode(), ["😀 ü"]),
        (b'{"__proto__": {"a": 1}, "__class__": "x"}', {"__proto__": {"a": 1}, "__class__": "x"}),
        (b"[" + b",".join([b"{}"] * 50_000) + b"]", [{}] * 50_000),
        (json.dumps({str(n): n for n in range(2000)}).encode(), {str(n): n for n in range(2000)}),
        (json.dumps(["x" * 16_384]).encode(), ["x" * 16_384]),
    ],
    ids=range(11),
)
def test_strict_json_is_read_exactly(body: bytes, value: JsonValue) -> None:
    assert parse(body) == value


REFUSED: list[Any] = [
    pytest.param(b"[" * 100_000, "deeper than 32", id="35-brackets"),
    pytest.param(b"[" * 33 + b"]" * 33, "deeper than 32", id="35-thirty-three"),
    pytest.param(b'{"a":' * 100_000, "deeper than 32", id="36-objects"),
    pytest.param(b'["\\"",' * 100_000, "deeper than 32", id="36-strings-between"),
    *(
        pytest.param(b"[%b]" % text, f"{text.decode()} is not JSON", id=f"37-{text.decode()}")
        for text in (b"NaN", b"Infinity", b"-Infinity")
    ),
    pytest.param(b"[1e400]", "1e400 is too large", id="37-1e400"),
    pytest.param(b"[-1E+400]", "is too large", id="37-minus-1e400"),
    pytest.param(b"[" + b"9" * 5000 + b"]", "is beyond", id="38-5000-digits"),
    pytest.param(b"[9223372036854775808]", "is beyond", id="38-2-to-the-63"),
    pytest.param(b"[-9223372036854775808]", "is beyond", id="38-minus-2-to-the-63"),
    pytest.param(
        b'{"severity": "P4", "severity": "P1"}', "'severity' appears twice", id="39-twice"
    ),
    pytest.param(b'{"a": [{"b": 1, "\\u0062": 2}]}', "'b' appears twice", id="39-escaped"),
    pytest.param(b'["\\ud800"]', "half of a surrogate pair", id="40-high"),
    pytest.param(b'{"\\udc00x": 1}', "half of a surrogate pair", id="40-low-in-a-key"),
    pytest.param(b'["\\ude00\\ud83d"]', "half of a surrogate pair", id="40-reversed"),
    pytest.param(b'["a\\u0000b"]', "contains NUL", id="41-escaped"),
    pytest.param(b'["a\x00b"]', "not JSON at character", id="41-bare"),
    pytest.param('{"a": 1}'.encode("utf-16"), "not UTF-8", id="42-utf-16"),
    pytest.param('{"a": 1}'.encode("utf-16-le"), "not JSON at character", id="42-utf-16-le"),
    pytest.param('{"a": 1}'.encode("utf-32-be"), "not JSON at character", id="42-utf-32-be"),
    pytest.param(b"\xef\xbb\xbf{}", "byte order mark", id="42-bom"),
    pytest.param(b'["\xff"]', "not UTF-8 at byte 2", id="42-not-utf-8"),
    pytest.param(b'["\xc0\x80"]', "not UTF-8", id="42-overlong"),
    pytest.param(b'["\xed\xa0\x80"]', "not UTF-8", id="42-surrogate-bytes"),
    *(
        pytest.param(text, "top level", id=f"43-{text.decode()}")
        for text in (b"1", b"null", b'"text"', b"true", b"1.5")
    ),
    pytest.param(b"{} {}", "Extra data", id="44-second-object"),
    pytest.param(b"{}x", "Extra data", id="44-letter"),
    pytest.param(b"{}\x00", "Extra data", id="44-nul"),
    pytest.param(
        json.dumps({str(n): 0 for n in range(100_000)}).encode(), "2000 keys", id="45-keys"
    ),
    pytest.param(
        json.dumps([{"a": 0}] * 2001).encode(), "more than 2000 keys", id="45-in-many-objects"
    ),
    pytest.param(json.dumps(["x" * 16_385]).encode(), "longer than 16384", id="45-long-string"),
    pytest.param(json.dumps({"ü" * 8193: 1}).encode(), "longer than 16384", id="45-long-key"),
    pytest.param(b"", "not JSON at character 0", id="empty"),
    pytest.param(b"{'a': 1}", "not JSON", id="single-quotes"),
    pytest.param(b'["a\nb"]', "not JSON", id="bare-line-end"),
    pytest.param(b"[010]", "not JSON", id="leading-zero"),
    pytest.param(b"[1,]", "not JSON", id="trailing-comma"),
    pytest.param(b'{"a": 1}\n{"a": 2}', "Extra data", id="lines"),
    pytest.param("[\uff11]".encode(), "not JSON", id="full-width-digit"),
]


@pytest.mark.parametrize(("body", "why"), REFUSED)
def test_what_could_be_read_in_two_ways_is_malformed_with_the_reason_in_one_line(
    body: bytes, why: str
) -> None:
    with pytest.raises(Malformed) as refused:
        parse(body)
    assert why in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    "body",
    [b'"' * 262_144, b'"' + b'\\"' * 131_072, b'"' + b"\\" * 262_143, b'["' + b'","' * 87_000],
    ids=["quotes", "escaped-quotes", "backslashes", "short-strings"],
)
def test_no_body_of_the_largest_size_takes_more_than_its_length(body: bytes) -> None:
    began = time.perf_counter()
    with pytest.raises(Malformed):
        parse(body)
    # About 0.1 s here; quadratic time would be minutes.
    assert time.perf_counter() - began < 5


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(alphabet='[]{}",:\\u0d8e19-+. ntf\x00é').map(
    lambda text: text.encode()
)))  # fmt: skip
def test_any_bytes_are_parsed_or_malformed(body: bytes) -> None:
    try:
        value = parse(body)
    except AlertError:
        return
    assert isinstance(value, dict | list)


# Letters of its own: hypothesis takes seconds to list all of Unicode when it runs first.
LETTERS = st.text(alphabet='aZ0 "\\/\b\n\r\t\x01\x7fé\u2028\u202e漢\U0001f600\U0010ffff[]{}')

WHOLE = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-MOST, MOST),
        st.floats(allow_nan=False, allow_infinity=False),
        LETTERS,
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(LETTERS, inner, max_size=4),
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(WHOLE, max_size=4), st.booleans())
def test_what_any_serialiser_writes_comes_back_the_same(value: list[Any], plain: bool) -> None:
    found = parse(json.dumps(value, ensure_ascii=plain).encode())
    assert found == value
    assert json.dumps(found) == json.dumps(value)


def test_an_integer_stays_one() -> None:
    value = parse(b'{"id": 9007199254740993, "score": 1e3}')
    assert isinstance(value, dict)
    assert (value["id"], type(value["id"])) == (9007199254740993, int)
    assert isinstance(value["score"], float)
    assert math.isclose(value["score"], 1000)
