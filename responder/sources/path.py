"""
Where a value is inside a JSON document: `rule["kibana.alert.name"]`, `events[].actor`, `$.host`.

A path only selects. There is nothing to compute, call or compare in it, and what is selected is
never read as a path.
"""

import re
from functools import lru_cache

from pydantic import JsonValue

Step = str | int | None
"""A key, a place in an array, or None for every element of an array."""

_LONGEST_PATH = 255
_MOST_STEPS = 16
_STEP = re.compile(
    r"""
    \.?(?P<name>[A-Za-z_@][A-Za-z0-9_@-]*)      # name   .name
    | \["(?P<quoted>(?:[^"\\]|\\["\\])++)"\]    # ["any.key"]
    | \[(?P<index>[0-9]{1,4})\]                 # [0]
    | \[(?P<every>\])                           # []
    """,
    re.VERBOSE | re.ASCII,
)


def check_path(text: str) -> str:
    """*text* itself if it is a path; raises `ValueError` that says where it stops being one."""
    _steps(text)
    return text


def select(document: JsonValue, element: JsonValue, path: str) -> list[JsonValue]:
    """Every value at *path*, in order; none if there is nothing of that shape."""
    from_top, steps = _steps(path)
    found = [document if from_top else element]
    for step in steps:
        found = [below for value in found for below in _below(value, step)]
    return found


@lru_cache(maxsize=1024)
def _steps(text: str) -> tuple[bool, tuple[Step, ...]]:
    if len(text) > _LONGEST_PATH:
        raise ValueError(f"a path may have {_LONGEST_PATH} characters; this has {len(text)}")
    from_top = text.startswith("$")
    steps: list[Step] = []
    start = at = 1 if from_top else 0
    while at < len(text):
        found = _STEP.match(text, at)
        # A dot joins names: one may follow `$` or another step, never open a relative path.
        dotted = text[at] == "."
        named = found is not None and found["name"] is not None
        if found is None or (named and dotted != (from_top or at > start)):
            raise ValueError(f"{text!r} is not a path from character {at}")
        at = found.end()
        if found["name"] is not None:
            steps.append(found["name"])
        elif found["quoted"] is not None:
            steps.append(re.sub(r"\\(.)", r"\1", found["quoted"]))
        elif found["index"] is not None:
            steps.append(int(found["index"]))
        else:
            steps.append(None)
    if not text or len(steps) > _MOST_STEPS:
        raise ValueError(f"{text!r} is not a path of 1 to {_MOST_STEPS} steps")
    return from_top, tuple(steps)


def _below(value: JsonValue, step: Step) -> list[JsonValue]:
    match value, step:
        case dict(), str() if step in value:
            return [value[step]]
        case list(), int() if step < len(value):
            return [value[step]]
        case list(), None:
            return value
    return []
