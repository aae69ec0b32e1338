"""A mark is good for what it was made for, once, and for a few minutes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.errors import StateError
from responder.intrusion.marks import FRESH, BadMark, Marks

MARKS = Marks(bytes(range(32)), datetime(2026, 3, 4, tzinfo=UTC))
PURPOSES = ("start", "signal", "both", "update", "terminate")


def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_mark_is_good_for_its_purpose_and_workflow_alone(purpose: str) -> None:
    mark = MARKS.make(purpose, "INC-2026-0001")
    assert MARKS.judge(mark, (purpose,), "INC-2026-0001", now())
    with pytest.raises(BadMark, match="made for something else"):
        MARKS.judge(mark, (purpose,), "INC-2026-0002", now())
    with pytest.raises(BadMark, match=f"made for a {purpose}"):
        MARKS.judge(mark, tuple(p for p in PURPOSES if p != purpose), "INC-2026-0001", now())


@pytest.mark.parametrize("off", [-FRESH * 1.1, FRESH * 1.1])
def test_a_mark_that_was_kept_is_not_good(off: timedelta) -> None:
    mark = MARKS.make("signal", "INC-2026-0001")
    with pytest.raises(BadMark, match="another time"):
        MARKS.judge(mark, ("signal",), "INC-2026-0001", now() + off)
    assert MARKS.judge(mark, ("signal",), "INC-2026-0001", None)


@given(st.text(max_size=300), st.sampled_from(PURPOSES))
def test_whatever_a_stranger_writes_is_no_mark(text: str, purpose: str) -> None:
    with pytest.raises(BadMark):
        MARKS.judge(text, (purpose,), "INC-2026-0001", now())


@given(st.integers(min_value=0, max_value=120), st.characters(codec="ascii"))
def test_a_mark_with_one_character_changed_is_none(place: int, other: str) -> None:
    mark = MARKS.make("signal", "INC-2026-0001")
    place %= len(mark)
    changed = mark[:place] + other + mark[place + 1 :]
    if changed == mark:
        return
    with pytest.raises(BadMark):
        MARKS.judge(changed, ("signal",), "INC-2026-0001", now())


def test_a_schedules_mark_is_good_for_what_it_starts_and_no_more() -> None:
    mark = MARKS.make_standing("scheduled/rotate")
    occasion = "scheduled/rotate-2026-03-04T02:00:00Z"
    assert MARKS.judge(mark, ("start", "schedule"), occasion, now()) == ""
    with pytest.raises(BadMark, match="made for a schedule"):
        MARKS.judge(mark, ("start", "both"), occasion, now())
    with pytest.raises(BadMark):
        MARKS.judge(mark, ("schedule",), "scheduled/other-2026-03-04T02:00:00Z", now())


def test_the_key_is_made_once_and_is_this_users_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "marks.json"
    made = Marks.at(path)
    again = Marks.at(path)
    assert again.since == made.since
    assert again.judge(made.make("start", "a"), ("start",), "a", now())
    assert path.stat().st_mode & 0o077 == 0
    path.write_text('{"key": "c2hvcnQ=", "since": "2026-03-04T00:00:00+00:00"}')
    with pytest.raises(StateError, match="expected 32 bytes"):
        Marks.load(path)
    with pytest.raises(StateError, match="cannot be read"):
        Marks.load(tmp_path / "nothing")
