import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.slack.card import card, thread
from responder.slack.reading import Look
from tests.slack.incidents import (
    BUTTONS,
    DEFAULT,
    GOLDEN,
    ISOLATE,
    LINK,
    NOW,
    ask,
    clock,
    incident,
    plan,
)
from tests.slack.strict import faults, texts

GOLDEN_FILES = Path(__file__).parent / "golden"
HOSTILE = (
    "<!channel>", "<!here|x>", "<@U012AB3CD>", "<!subteam^S1|all>", "<#C1>", "<https://evil.example|ok>",
    "`*_~", "```", "*bold*", "_x_", "~gone~", ":x:", ":+1::skin-tone-2:", "@channel", "@everyone",
    "\n> quote\n", "\r\n\r\n", "\u202e\u2066live", "\u200b\u200d\ufeff", "\ufe0f", "&lt;!channel&gt;",
    "&amp", "&", "<!date^0^{time}|x>", "a\u0300\u0301\u0302\u0303\u0304\u0305", "💥👩‍👩‍👧", "\0\x1b[2J",
    "\ud800", "2001:db8::100:1", "x" * 10_240, "&" * 10_240, "`" * 3_000, "💥" * 5_000,
)  # fmt: skip
words = st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40)), max_size=6).map("".join)
EMPTY = DEFAULT.model_dump(mode="json")
times = st.integers(-10_000, 10_000).map(
    lambda minutes: (NOW + timedelta(minutes=minutes)).isoformat()
)


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    """A plan as rows have it, of anything."""
    count = draw(st.sampled_from((0, 1, 2, 3, 17, 60, 500)))
    kinds = draw(st.integers(1, 9))
    states = st.one_of(st.none(), st.booleans(), words, st.lists(words, max_size=3))
    before, after = draw(states), draw(states)
    points = [
        {
            "point": name,
            "resource": name,
            "known": draw(st.booleans()),
            "before": before,
            "after": after,
        }
        for name in draw(st.lists(words, max_size=4))
    ]
    name = draw(words)
    lasts = draw(st.lists(st.sampled_from((None, "PT1H", "P40D", "PT0S", "x", 5)), min_size=1))
    made = [
        {
            "summary": f"do{n % kinds} {name}{n}",
            "points": points,
            "lasts": lasts[n % len(lasts)],
            "reversible": n % 5 != 0,
        }
        for n in range(count)
    ]
    blast = {"hosts": count, "protected": draw(st.lists(words, max_size=3))}
    tier = draw(st.sampled_from(("T0", "T1", "T2", "T3")))
    return EMPTY | {"changes": made, "blast": blast, "tier": tier, "reason": draw(words)}


@st.composite
def incidents(draw: st.DrawFn) -> dict[str, Any]:
    """Anything that an alert, an attacker, a playbook and ten people could make of an incident."""
    drawn = draw(plans())
    asks = [
        ask(drawn, id=f"{n:016x}", state=draw(st.sampled_from(("open", "approved", "denied"))),
            expires=draw(times), progress=draw(words), number=draw(st.none() | st.integers(10, 99)),
            progress_word=draw(st.sampled_from(("waiting", "recorded", "running", "contained"))))
        for n in range(draw(st.integers(0, 3)))
    ]  # fmt: skip
    holds = [
        {
            "id": str(n),
            "resource": draw(words),
            "outcome": draw(words),
            "until": draw(st.none() | times),
        }
        for n in range(draw(st.integers(0, 4)))
    ]
    notes = [
        {"at": draw(times), "by": draw(words), "text": draw(words)}
        for _ in range(draw(st.integers(0, 9)))
    ]
    made = incident(
        *asks, of=draw(st.sampled_from((drawn, None))), title=draw(words), subject=draw(words), holds=holds,
        status=draw(words), owner=draw(st.none() | words), category=draw(words), notes=notes,
        alerts=[{"source": draw(words)} for _ in range(draw(st.integers(0, 3)))],
        clocks=[clock(draw(words), draw(st.integers(-9_000, 9_000))) for _ in range(draw(st.integers(0, 9)))],
        closed=draw(st.none() | times), runbook=draw(st.sampled_from(("", "https://wiki.example.com/r"))),
    )  # fmt: skip
    # What other parts add may not be there yet.
    for name in draw(
        st.lists(st.sampled_from(("notes", "alerts", "clocks", "holds", "runs", "owner")))
    ):
        made.pop(name, None)
    return made


@settings(max_examples=120, deadline=None)
@given(incidents())
def test_whatever_an_incident_holds_its_card_and_thread_are_within_every_limit(
    made: dict[str, Any],
) -> None:
    drawn = card(made, NOW, LINK, BUTTONS)
    assert faults(list(drawn.blocks), drawn.text) == []
    assert len(drawn.blocks) <= 9
    assert sum(len(text["text"]) for text in texts(drawn.blocks)) <= 3_000
    details = thread(made, NOW, LINK)
    assert faults(list(details.blocks), details.text) == []


@settings(max_examples=60, deadline=None)
@given(incidents())
def test_the_text_always_says_who_what_and_where(made: dict[str, Any]) -> None:
    text = card(made, NOW, LINK, BUTTONS).text
    assert text.startswith(f"{made['priority']} {made['id']}: ")
    for word in ("What: ", "Where: ", "Who: "):
        said = text.partition(word)[2]
        assert said[:1].strip(), f"{word!r} in {text!r}"


@settings(max_examples=60, deadline=None)
@given(incidents())
def test_at_most_two_buttons_stand_out(made: dict[str, Any]) -> None:
    blocks = card(made, NOW, LINK, BUTTONS).blocks
    elements = [one for block in blocks if block["type"] == "actions" for one in block["elements"]]
    assert sum("style" in one for one in elements) <= 1
    assert sum(one["type"] == "button" for one in elements) <= 3
    values = [one.get("value") for one in elements if "value" in one]
    assert all(value in BUTTONS.values() for value in values)


@settings(max_examples=30, deadline=None)
@given(incidents())
def test_a_card_is_the_same_each_time_it_is_drawn(made: dict[str, Any]) -> None:
    assert card(made, NOW, LINK, BUTTONS) == card(made, NOW, LINK, BUTTONS)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_an_alert_says_formats_mentions_and_links_nothing(hostile: str) -> None:
    """As a title, which is prose; every mark of mrkdwn gives way."""
    made = incident(ask(plan(ISOLATE, reason=f"said {hostile} and")), category=hostile or "x")
    why = card(made, NOW, LINK, BUTTONS).blocks[2]["text"]["text"]
    said = why.removeprefix("*Why*")
    assert not any(mark in said for mark in "*`~\n\u202e\u2066\u200b\u200d\ufeff<>")
    assert not any(f" {word}" in said for word in ("@channel", "@everyone"))
    assert "://" not in said
    assert ":x:" not in said


def test_the_number_of_t3_is_in_the_thread_and_never_in_what_a_notification_shows() -> None:
    made = GOLDEN["t3-half-approved"]
    details = thread(made, NOW, LINK)
    assert "*Number  47*" in details.blocks[0]["text"]["text"]
    assert "47" not in details.text
    drawn = card(made, NOW, LINK, BUTTONS)
    assert "47" not in drawn.text
    assert "47" not in "".join(text["text"] for text in texts(drawn.blocks[:6]))


def test_five_hundred_targets_are_counted_and_all_that_fit_are_in_the_thread() -> None:
    made = GOLDEN["500-targets"]
    drawn = card(made, NOW, LINK, BUTTONS)
    assert "… and 494 more" in drawn.blocks[3]["text"]["text"]
    said = next(b["text"]["text"] for b in thread(made, NOW, LINK).blocks if "`198." in str(b))
    shown = said.count("`198.") + said.count("`199.")
    assert f"… and {500 - shown} more" in said
    assert shown > 100


def test_what_waits_first_is_what_the_card_asks() -> None:
    late = (NOW + timedelta(minutes=2)).isoformat()
    made = incident(ask(), ask(id="b" * 16, expires=late))
    look = Look(made, NOW)
    assert look.waiting is not None
    assert (look.waiting["id"], look.also_waiting) == ("b" * 16, 1)


def test_an_ask_whose_time_is_over_has_no_buttons_even_before_it_is_marked_expired() -> None:
    made = incident(ask(expires=NOW.isoformat()))
    blocks = card(made, NOW, LINK, BUTTONS).blocks
    assert "Expired 14:05" in blocks[1]["text"]["text"]
    actions = [one["action_id"] for one in blocks[-1]["elements"]]
    assert actions == ["take", "details"]


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (11.9, "11 min"),
        (0.5, "30 s"),
        (30, "30 min"),
        (34, "30 min"),
        (47, "45 min"),
        (233, "3 h 50 min"),
    ],
)
def test_time_left_is_never_more_than_there_is_and_exact_when_it_is_short(
    minutes: float, said: str
) -> None:
    made = incident(ask(), clocks=[clock("contain", minutes)])
    facts = card(made, NOW, LINK).blocks[4]["text"]["text"].replace("\u00a0", " ")
    assert f"contain in {said} (due" in facts


def test_a_card_that_nobody_hurries_for_is_the_same_for_five_minutes() -> None:
    made = GOLDEN["contained"]
    drawn = {card(made, NOW + timedelta(minutes=m), LINK, BUTTONS).text for m in (0, 1)}
    blocks = {json.dumps(card(made, NOW + timedelta(minutes=m), LINK).blocks) for m in range(2, 7)}
    assert len(drawn) == 1
    assert len(blocks) <= 2


def test_a_button_without_an_id_of_the_store_is_not_drawn() -> None:
    blocks = card(GOLDEN["p1-waiting"], NOW, LINK).blocks
    assert [one["action_id"] for one in blocks[-1]["elements"]] == ["more"]


@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_card_is_as_it_was_looked_at(name: str) -> None:
    """Drawn for people by `python -m tests.slack.preview`; rewritten by `… preview --write`."""
    drawn, details = card(GOLDEN[name], NOW, LINK, BUTTONS), thread(GOLDEN[name], NOW, LINK)
    kept = json.loads((GOLDEN_FILES / f"{name}.json").read_text())
    found = {"card": drawn.model_dump(mode="json"), "thread": details.model_dump(mode="json")}
    assert found == kept
    assert (
        faults(list(drawn.blocks), drawn.text) == faults(list(details.blocks), details.text) == []
    )
