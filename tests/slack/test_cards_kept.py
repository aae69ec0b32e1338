"""Cards are posted once, edited in place, and are right again after Slack or this process was down."""

import asyncio
import re
from typing import Any

import pytest

from responder.store import Store
from tests.databases import ManualClock, on_both
from tests.slack.wire import Wire
from tests.slack_double import Channel, Slack


@on_both
async def test_an_incident_is_one_card_with_one_log_edited_in_place(wire: Wire) -> None:
    await wire.open()
    await wire.keep()
    [card] = wire.double.posts()
    assert "INC-1" in card["text"]
    assert "<b>" not in str(card)
    [log] = wire.double.replies(card["ts"])
    for status in ("playbook running", "contained"):
        await wire.change(status=status, owner="ana")
        await wire.keep()
    assert len(wire.double.posts()) == 1
    assert wire.double.replies(card["ts"]) == [log]
    assert len(card["edits"]) >= 1
    assert wire.called("chat.postMessage") == 2
    await wire.change(closed=wire.store.now(), status="closed", resolution="resolved")
    await wire.keep()
    edits = len(card["edits"])
    wire.clock.advance(hours=1)
    assert await wire.keep() == 0, "a closed incident is not looked at again"
    assert len(card["edits"]) == edits


async def test_nothing_that_changed_is_nothing_sent(wire: Wire) -> None:
    await wire.open()
    await wire.keep()
    calls = len(wire.double.calls)
    await wire.change()
    await wire.keep()
    assert len(wire.double.calls) == calls


async def test_clocks_are_moved_on_by_edits_a_minute_apart_at_most(wire: Wire) -> None:
    await wire.open(priority="P1")
    await wire.keep()
    [card] = wire.double.posts()
    for _ in range(5):
        wire.clock.advance(seconds=20)
        await wire.keep()
    assert 1 <= len(card["edits"]) <= 2
    assert len(wire.double.posts()) == 1


async def test_many_changes_while_it_waits_its_turn_are_one_edit(wire: Wire) -> None:
    await wire.open()
    await wire.keep()
    [card] = wire.double.posts()
    wire.slack.pace.turn("chat.update", "C0IR")
    for owner in ("ana", "ben", "cyd"):
        await wire.change(owner=owner)
        assert await wire.keeper.once() == 0, "not its turn"
    await wire.keep()
    assert len(card["edits"]) == 1
    assert "cyd" in str(card["blocks"])


@pytest.mark.parametrize(("priority", "posts"), [("P1", 4), ("P2", 3), ("P3", 1), ("P4", 1)])
async def test_posts_in_the_channel_are_few_whatever_happens(
    wire: Wire, priority: str, posts: int
) -> None:
    await wire.open(priority=priority)
    await wire.alarm("first", "approve?")
    await wire.keep()
    for number in range(8):
        wire.clock.advance(minutes=3)
        await wire.alarm(f"a/{number}", f"breach <!channel> {number}")
        await wire.change(status=f"state {number}")
        await wire.keep()
    said = wire.double.posts()
    assert len(said) == posts
    for post in said[1:]:
        assert post["thread_ts"] == said[0]["ts"], "it stands in the card's thread as well"
        assert post["text"].startswith("breach")
    everything = str(wire.double.channels["C0IR"].messages)
    assert not re.search(r"<@|<!(channel|here|everyone|subteam)", everything), "nobody is mentioned"


async def test_slack_down_means_the_newest_state_once_when_it_is_back(wire: Wire) -> None:
    await wire.open("INC-1")
    await wire.keep()
    await wire.double.stop()
    await wire.open("INC-2", "P1")
    for status in ("one", "two", "three"):
        await wire.change("INC-1", status=status, owner=status)
        await wire.change("INC-2", status=status, owner=status)
        await wire.keep(2)
    await wire.double.start()
    wire.clock.advance(minutes=5)
    await wire.keep()
    first, second = wire.double.posts()
    assert len(first["edits"]) == 1
    assert second["edits"] == []
    assert "three" in str(first["blocks"])
    assert "three" in str(second["blocks"])


async def test_a_posting_without_an_answer_is_found_again_where_looking_back_is_allowed(
    store: Store, clock: ManualClock
) -> None:
    async with Slack(scopes=("chat:write", "commands", "users:read", "channels:history")) as double:
        wire = Wire(store, clock, double, {"look_back": True})
        clock.now = clock.now.fromtimestamp(0, clock.now.tzinfo)  # before any message of the double
        await wire.open()
        double.lost.append("chat.postMessage")
        await wire.keep(1)
        assert len(double.posts()) == 1
        clock.advance(seconds=30)
        await wire.keep()
        await wire.slack.close()
        [card] = double.posts()
        assert (await wire.rows())[0]["ts"] == card["ts"]


async def test_without_looking_back_it_is_posted_again_and_says_so(wire: Wire) -> None:
    await wire.open()
    wire.double.lost.append("chat.postMessage")
    await wire.keep(1)
    wire.clock.advance(seconds=30)
    await wire.keep()
    lost, card = wire.double.posts()
    assert "posted again" not in str(lost)
    assert "posted again" in card["text"]
    assert "posted again" in str(card["blocks"])
    assert (await wire.rows())[0]["ts"] == card["ts"]


async def test_a_process_that_died_while_posting_posts_again_once(wire: Wire) -> None:
    await wire.open()
    task = asyncio.create_task(wire.keeper.once())
    wire.double.delay = 0.3
    while not (rows := await wire.rows()) or rows[0]["begun"] is None:
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await wire.slack.close()
    wire.double.delay = 0.0
    await asyncio.sleep(0.4)
    wire.start()
    assert await wire.keep() == 0, "the claim of the dead one still holds"
    wire.clock.advance(seconds=21)
    await wire.keep()
    assert 1 <= len(wire.double.posts()) <= 2
    assert "posted again" in wire.double.posts()[-1]["text"]


async def test_one_of_several_processes_keeps_the_cards(wire: Wire) -> None:
    other = Wire(wire.store, wire.clock, wire.double)
    await wire.open()
    await asyncio.gather(wire.keep(), other.keep())
    await wire.keep()
    await other.keep()
    assert len(wire.double.posts()) == 1
    assert len(wire.double.channels["C0IR"].messages) == 2
    await other.slack.close()


async def test_a_card_that_a_person_took_away_is_posted_anew(wire: Wire) -> None:
    await wire.open()
    await wire.keep()
    [card] = wire.double.posts()
    del wire.double.channels["C0IR"].messages[card["ts"]]
    await wire.change(status="contained", owner="ana")
    await wire.keep()
    await wire.keep()
    [again] = wire.double.posts()
    assert again["ts"] != card["ts"]


async def test_what_does_not_fit_into_blocks_is_said_in_words(wire: Wire) -> None:
    await wire.open()
    refusal = {"ok": False, "error": "msg_blocks_too_long"}
    wire.double.answers.append(("chat.postMessage", 200, refusal, {}))
    await wire.keep()
    [card] = wire.double.posts()
    assert "blocks" not in card
    assert "INC-1" in card["text"]


async def test_an_incident_that_cannot_be_drawn_says_so_and_holds_up_no_other(wire: Wire) -> None:
    real = wire.keeper._showing._drawings["card"]

    def fragile(incident: Any, *rest: Any, **more: Any) -> Any:
        if incident["id"] == "INC-1":
            raise KeyError("a bug of ours")
        return real(incident, *rest, **more)

    wire.keeper._showing._drawings = {**wire.keeper._showing._drawings, "card": fragile}
    await wire.open("INC-1", "P1")
    await wire.open("INC-2", "P2")
    await wire.keep()
    broken, whole = wire.double.posts()
    assert "could not be drawn; see http://localhost:8080/incidents/INC-1" in broken["text"]
    assert "<b>" not in broken["text"]
    assert "blocks" in whole


async def test_a_429_is_waited_for_and_only_where_it_was_said(wire: Wire) -> None:
    wire.double.channels["C0P1"] = Channel("C0P1")
    wire.more["channels"] = {"P1": "C0P1"}
    await wire.slack.close()
    wire.start()
    await wire.open("INC-1", "P1")
    await wire.open("INC-2", "P2")
    busy = {"ok": False, "error": "ratelimited"}
    wire.double.answers.append(("chat.postMessage", 429, busy, {"Retry-After": "7"}))
    await wire.keep(1)
    assert wire.slack.pace.wait("chat.postMessage", "C0P1") == 7.0
    assert wire.slack.pace.wait("chat.postMessage", "C0IR") <= 1.0
    assert [len(wire.double.posts(c)) for c in ("C0P1", "C0IR")] == [0, 1]
    wire.clock.advance(seconds=8)
    await wire.keep()
    assert len(wire.double.posts("C0P1")) == 1
