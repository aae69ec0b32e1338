"""JSON, strictly: what two programs could read differently is refused, with the reason."""

import json
import math
import re
from typing import Never

from pydantic import JsonValue

from responder.errors import Malformed

DEEPEST = 32
MOST_KEYS = 2_000
LONGEST_STRING = 16 * 1024
LARGEST_INTEGER = 2**63 - 1

# A string that never ends is taken to the end of the body, so that the scan stays linear.
_NESTING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_LONGEST_INTEGER = len(str(-LARGEST_INTEGER))
_QUOTED = 40


def parse(body: bytes) -> JsonValue:
    """The JSON object or array that *body* spells; raises `Malformed` with the reason."""
    _check_depth(body)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise Malformed(f"the body is not UTF-8 at byte {fault.start}") from None
    if text.startswith("\ufeff"):
        raise Malformed("the body starts with a byte order mark; expected plain UTF-8")
    keys = 0

    def an_object(pairs: list[tuple[str, JsonValue]]) -> JsonValue:
        nonlocal keys
        keys += len(pairs)
        if keys > MOST_KEYS:
            raise Malformed(f"the body has more than {MOST_KEYS} keys")
        made: dict[str, JsonValue] = {}
        for key, value in pairs:
            if key in made:
                raise Malformed(f"the key {key[:_QUOTED]!a} appears twice in one object")
            made[key] = value
        return made

    try:
        value: JsonValue = json.loads(
            text,
            object_pairs_hook=an_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as fault:
        raise Malformed(f"the body is not JSON at character {fault.pos}: {fault.msg}") from None
    if not isinstance(value, dict | list):
        raise Malformed("the body's top level is not an object or an array")
    _check_strings(value)
    return value


def _check_depth(body: bytes) -> None:
    """Refuse deep nesting before a recursive parser sees it."""
    depth = 0
    for token in _NESTING.finditer(body):
        match token[0][:1]:
            case b"[" | b"{":
                depth += 1
                if depth > DEEPEST:
                    raise Malformed(f"the body is nested deeper than {DEEPEST} levels")
            case b"]" | b"}":
                depth -= 1


def _check_strings(value: JsonValue) -> None:
    match value:
        case str():
            _check_string(value)
        case list():
            for item in value:
                _check_strings(item)
        case dict():
            for key, item in value.items():
                _check_string(key)
                _check_strings(item)


def _check_string(text: str) -> None:
    if "\0" in text:
        raise Malformed(f"the string {text[:_QUOTED]!a} contains NUL")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise Malformed(
            f"the string {text[:_QUOTED]!a} contains half of a surrogate pair"
        ) from None
    if size > LONGEST_STRING:
        raise Malformed(f"the string {text[:_QUOTED]!a} is longer than {LONGEST_STRING} bytes")


def _integer(text: str) -> int:
    # The length first: converting very many digits is slow, and beyond 4,300 an error of its own.
    if len(text) > _LONGEST_INTEGER or abs(int(text)) > LARGEST_INTEGER:
        raise Malformed(f"the number {text[:_QUOTED]} is beyond {LARGEST_INTEGER}")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Malformed(f"the number {text[:_QUOTED]} is too large")
    return number


def _constant(text: str) -> Never:
    raise Malformed(f"{text} is not JSON")
