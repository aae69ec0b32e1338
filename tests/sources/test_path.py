import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from responder.sources.path import check_path, select

DOCUMENT: JsonValue = {
    "tenant": "acme",
    "@timestamp": 1,
    "id.orig_h": "dotted",
    'a"b\\c': "quoted",
    "__class__": "a key like any other",
    "events": [{"actor": {"name": "ana"}}, {"actor": {"name": "jo"}}, 3],
}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("tenant", ["acme"]),
        ("$.tenant", ["acme"]),
        ("$", [DOCUMENT]),
        ("@timestamp", [1]),
        ('["id.orig_h"]', ["dotted"]),
        ('$["id.orig_h"]', ["dotted"]),
        (r'["a\"b\\c"]', ["quoted"]),
        ("__class__", ["a key like any other"]),
        ("events[].actor.name", ["ana", "jo"]),
        ("events[1].actor.name", ["jo"]),
        ('events[0]["actor"].name', ["ana"]),
        ("events[9]", []),
        ("tenant.length", []),
        ("tenant[0]", []),
        ("events.actor", []),
        ("[]", []),
        ("__len__", []),
    ],
)
def test_a_path_selects_what_is_there_and_nothing_else(path: str, values: list[JsonValue]) -> None:
    assert select(DOCUMENT, DOCUMENT, path) == values


def test_a_path_is_relative_to_the_element_unless_it_starts_at_the_top() -> None:
    element: JsonValue = {"tenant": "inner"}
    assert select(DOCUMENT, element, "tenant") == ["inner"]
    assert select(DOCUMENT, element, "$.tenant") == ["acme"]


@pytest.mark.parametrize(
    "text",
    [
        "", ".", ".a", "a.", "a..b", "a b", "a[", "a[-1]", "a[1", "a[b]", 'a["', 'a[""]', "a['b']",
        "$a", "a$", "a.$", "a()", "a|b", "a[*]", "{{a}}", "a;b", "ä", "a\n", "a[0]b", '["a"]b',
        ".".join("a" * 17), "a" * 256, "a[12345]",
    ],
)  # fmt: skip
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="path"):
        check_path(text)


@given(st.text(alphabet='ab.$[]"\\01 ', max_size=20))
def test_any_text_is_a_path_or_a_value_error(text: str) -> None:
    try:
        check_path(text)
    except ValueError:
        return
    assert isinstance(select(DOCUMENT, DOCUMENT, text), list)
