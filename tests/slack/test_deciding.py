"""Deciding from Slack: a click, a code, a number; each ask decided once, by who may, of the plan they saw."""

import asyncio
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from responder.audit import verify
from responder.plan import Blast, How, Requester
from responder.policy.tiers import Needs, Tier
from responder.slack.dispatch import answer
from responder.slack.hearing import Hearing
from responder.slack.socket import listen
from responder.store import Store
from responder.store.tables import decisions
from tests.databases import ManualClock, on_both
from tests.slack.desk import CHANNEL, Desk
from tests.slack.incidents import ISOLATE, block, plan
from tests.slack.strict import modal_faults, texts
from tests.slack_double import Slack as Double

T1 = plan(block(), tier=Tier.T1)
T3 = plan(ISOLATE, block(), tier=Tier.T3, blast=Blast(hosts=1, protected=("web-3",)))
ONE_CLICK = Needs(people=1, stepped_up=0)


@on_both
async def test_a_click_decides_what_needs_no_second_factor(desk: Desk) -> None:
    await desk.open(of=T1, needs=ONE_CLICK)
    assert desk.double.element(CHANNEL, desk.card(), "approve")["text"]["text"] == "Approve"
    await desk.click("ana", "approve")
    ask = await desk.ask()
    assert (ask["state"], desk.told.runs) == ("approved", [ask["run"]])
    assert desk.said.startswith("Recorded: you approved it")
    await desk.wire.keep()
    assert "Recorded by ana" in str(desk.double.posts()[0]["blocks"])
    assert await verify(desk.store) == (1, None)


async def test_a_code_is_asked_for_in_a_modal_that_shows_the_plan(desk: Desk) -> None:
    await desk.open()
    await desk.enrol("ana")
    await desk.click("ana", "approve")
    assert await desk.count() == 0
    assert (
        modal_faults(
            {k: v for k, v in desk.modal("ana").items() if k not in ("id", "user", "open")}
        )
        == []
    )
    for words in ("isolate", "web-3", "203.0.113.9", "1 host", "/asks/"):
        assert words in desk.shown("ana")
    await desk.send("ana", code=desk.code("ana"))
    assert (await desk.ask())["state"] == "approved"
    assert "Recorded: you approved it" in desk.shown("ana")


async def test_a_wrong_code_keeps_the_modal_open_with_an_empty_field_and_the_reason(
    desk: Desk,
) -> None:
    await desk.open()
    await desk.enrol("ana", "ben")
    await desk.click("ana", "approve")
    first = [b["block_id"] for b in desk.modal("ana")["blocks"] if b["type"] == "input"]
    await desk.send("ana", code=desk.code("ben"))
    assert "Not recorded." in desk.shown("ana")
    assert "does not match" in desk.shown("ana")
    again = [b["block_id"] for b in desk.modal("ana")["blocks"] if b["type"] == "input"]
    assert set(first).isdisjoint(again), (
        "Slack would keep what was typed before in a field of the same name"
    )
    assert await desk.count() == 0
    desk.clock.advance(seconds=30)
    await desk.send("ana", code=desk.code("ana"))
    assert (await desk.ask())["state"] == "approved"


async def test_a_code_typed_with_a_space_is_the_code(desk: Desk) -> None:
    await desk.open()
    await desk.enrol("ana")
    await desk.click("ana", "approve")
    code = desk.code("ana")
    await desk.send("ana", code=f"{code[:3]} {code[3:]}")
    assert (await desk.ask())["state"] == "approved"


@pytest.mark.parametrize("number", ["46", "", "4 7", "\N{FULLWIDTH DIGIT FOUR}7", "x", "0047x"])
async def test_at_t3_a_wrong_number_is_refused_whatever_the_code(desk: Desk, number: str) -> None:
    await desk.open(of=T3, number=47)
    await desk.enrol("ana")
    await desk.click("ana", "approve")
    await desk.send("ana", code=desk.code("ana"), number=number)
    assert await desk.count() == 0
    assert "Not recorded." in desk.shown("ana")


async def test_at_t3_two_people_with_the_number_from_the_thread_and_their_codes_approve(
    desk: Desk,
) -> None:
    ts = await desk.open(of=T3, number=47)
    [log] = desk.double.replies(ts)
    assert "Number  47" in str(log["blocks"])
    assert "47" not in log["text"]
    await desk.enrol("ana", "ben")
    for name in ("ana", "ben"):
        await desk.click(name, "approve")
        words = [text["text"] for text in texts(desk.modal(name)["blocks"])]
        assert not any("47" in said.replace(T3.digest[:12], "") for said in words)
        await desk.send(name, code=desk.code(name), number="47")
        if name == "ana":
            assert (await desk.ask())["state"] == "open"
            assert "one more person" in desk.shown("ana")
    assert (await desk.ask())["state"] == "approved"


async def test_nobody_is_two_people(desk: Desk) -> None:
    await desk.open(of=T3, number=47)
    await desk.enrol("ana")
    for _ in range(2):
        await desk.click("ana", "approve")
        await desk.send("ana", code=desk.code("ana"), number="47")
        desk.clock.advance(seconds=30)
    assert ((await desk.ask())["state"], await desk.count()) == ("open", 1)
    assert "already decided" in desk.shown("ana")


async def test_denying_takes_a_reason_or_none(desk: Desk) -> None:
    await desk.open()
    await desk.click("ben", "deny")
    await desk.send("ben", reason="web-3 is the shop")
    assert (await desk.ask())["state"] == "denied"
    assert "you denied it" in desk.shown("ben")
    await desk.wire.keep()
    assert "Denied by ben" in str(desk.double.posts()[0]["blocks"])


async def test_deny_and_report_tells_security_and_the_ciso(desk: Desk) -> None:
    await desk.open()
    await desk.choose("ana", "Deny and report")
    assert "Security and the CISO are told" in desk.shown("ana")
    await desk.send("ana", reason="I never saw this host")
    assert (await desk.ask())["state"] == "denied"
    assert "reported" in await desk.kinds()


async def test_who_comes_second_reads_who_decided_and_when(desk: Desk) -> None:
    await desk.open(of=T1, needs=ONE_CLICK)
    await desk.click("ana", "approve")
    for action in ("approve", "deny"):
        await desk.click("ben", action)
        assert desk.said == "Nothing was recorded: ana approved it at 12:00 UTC"
    assert await desk.count() == 1


async def test_of_two_open_modals_one_decides_and_the_other_says_who_did(desk: Desk) -> None:
    await desk.open()
    await desk.enrol("ana")
    await desk.click("ana", "approve")
    await desk.click("ben", "deny")
    await desk.send("ben", reason="no")
    await desk.send("ana", code=desk.code("ana"))
    assert (await desk.ask())["state"] == "denied"
    assert "ben denied it at 12:00 UTC" in desk.shown("ana")


async def test_a_click_on_a_card_that_stood_there_is_no_rubber_stamp(desk: Desk) -> None:
    await desk.open(of=T1, needs=ONE_CLICK)
    desk.clock.advance(seconds=40)
    await desk.click("ana", "approve")
    async with desk.store.reading() as tx:
        assert (await tx.execute(select(decisions.c.after))).scalar_one() == 40


async def test_over_a_real_socket_a_code_approves_and_both_clicks_are_acknowledged_at_once(
    store: Store, clock: ManualClock
) -> None:
    async with Double() as double:
        desk = Desk(store, clock, double)
        hearing = Hearing(store, desk.wire.slack, partial(answer, desk.parts))
        task = asyncio.create_task(listen(desk.wire.slack, hearing))
        await double.sockets.connected()
        await desk.open()
        await desk.enrol("ana")
        await double.click("U0ANA", CHANNEL, desk.card(), "approve")
        await hearing.settled()
        await double.submit("U0ANA", desk.modal("ana")["id"], {"code": desk.code("ana")})
        assert "Looking at it" in desk.shown("ana")
        await hearing.settled()
        assert "Recorded: you approved it" in desk.shown("ana")
        assert (await desk.ask())["state"] == "approved"
        assert all(ack.good and (ack.seconds or 0) < 0.5 for ack in double.acks)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await desk.wire.slack.close()


@on_both
async def test_of_a_hundred_clicks_at_once_one_decides(desk: Desk) -> None:
    ts = await desk.open(of=T1, needs=ONE_CLICK)
    clicks = (
        desk.double.click(f"U0{('ANA', 'BEN', 'CYD')[n % 3]}", CHANNEL, ts, "approve")
        for n in range(100)
    )
    await asyncio.gather(*clicks)
    await desk.settled()
    assert ((await desk.ask())["state"], await desk.count()) == ("approved", 1)
    assert await verify(desk.store) == (1, None)


async def test_a_plan_that_changed_since_the_card_was_drawn_is_not_approved(desk: Desk) -> None:
    await desk.open(of=T1, needs=ONE_CLICK)
    await desk.set(digest="e" * 64)
    await desk.click("ana", "approve")
    assert "the plan has changed since this card was drawn" in desk.said
    assert await desk.count() == 0
    await desk.wire.change("IR-42")
    await desk.wire.keep()
    await desk.click("ana", "approve")
    assert (await desk.ask())["state"] == "approved"


async def test_a_plan_that_changes_while_the_modal_is_open_is_not_approved(desk: Desk) -> None:
    await desk.open()
    await desk.enrol("ana")
    await desk.click("ana", "approve")
    await desk.set(digest="e" * 64)
    await desk.send("ana", code=desk.code("ana"))
    assert await desk.count() == 0
    assert "the plan has changed" in desk.shown("ana")


async def test_after_its_time_an_ask_takes_nothing_though_the_card_still_shows_it(
    desk: Desk,
) -> None:
    await desk.open(of=T1, needs=ONE_CLICK)
    desk.clock.advance(minutes=15)
    await desk.click("ana", "approve")
    assert desk.said == "Nothing was recorded: its time was over at 12:15 UTC"
    assert await desk.count() == 0


@pytest.mark.parametrize(
    "value", ["", "0" * 32, "approve", "../../etc", "x" * 2000, "deny:" + "a" * 16]
)
async def test_an_edited_button_value_does_nothing(desk: Desk, value: str) -> None:
    await desk.open(of=T1, needs=ONE_CLICK)
    await desk.click("ana", "approve", value=value)
    assert desk.said.startswith("Nothing was done: this button is not of this card")
    assert await desk.count() == 0


async def test_another_action_with_a_good_value_does_nothing(desk: Desk) -> None:
    await desk.open(of=T1, needs=ONE_CLICK)
    deny = desk.double.element(CHANNEL, desk.card(), "deny")["value"]
    await desk.click("ana", "approve", value=deny)
    assert desk.said.startswith("Nothing was done")
    assert await desk.count() == 0
    assert desk.double.views == {}


async def test_a_button_of_another_card_does_nothing(desk: Desk) -> None:
    await desk.open(of=T1, needs=ONE_CLICK)
    await desk.open(of=T1, needs=ONE_CLICK, name="IR-43", ask="b" * 16)
    other = desk.double.element(CHANNEL, desk.card("IR-43"), "approve")["value"]
    await desk.click("ana", "approve", value=other)
    assert desk.said == "Nothing was done: that button is of IR-43; use the one on its own card"
    assert await desk.count() == 0


@pytest.mark.parametrize("name", ["vic", "gone"])
async def test_who_may_not_decide_reads_why_in_one_line(desk: Desk, name: str) -> None:
    await desk.open(of=T1, needs=ONE_CLICK)
    for action in ("approve", "deny"):
        await desk.click(name, action)
        assert name in desk.said
        assert "\n" not in desk.said
    assert await desk.count() == 0


async def test_take_it_is_refused_where_somebody_was_quicker_and_take_over_is_not(
    desk: Desk,
) -> None:
    ts = await desk.open()
    await desk.choose("ana", "Take over")
    assert desk.said == "IR-42 is yours now"
    await desk.choose("ben", "Take over")
    assert desk.said == "IR-42 is yours now, from ana"
    await desk.set(state="denied", decided=desk.clock.now)
    await desk.wire.change("IR-42", owner=None, acknowledged=None)
    await desk.wire.keep()
    await asyncio.gather(
        *(desk.double.click(f"U0{n}", CHANNEL, ts, "take") for n in ("ANA", "BEN"))
    )
    await desk.settled()
    said = sorted(one["text"] for one in desk.double.responses[-2:])
    assert sum(text == "IR-42 is yours now" for text in said) == 1
    assert sum(" is ana's since " in text or " is ben's since " in text for text in said) == 1


async def test_a_link_in_the_menu_is_opened_by_slack_and_asks_nothing_of_us(desk: Desk) -> None:
    await desk.open()
    calls = len(desk.double.calls)
    await desk.choose("vic", "Details")
    assert (len(desk.double.calls), desk.double.responses) == (calls, [])


async def test_a_card_links_to_its_runbook_where_the_settings_say_where_they_are(
    desk: Desk,
) -> None:
    desk.wire.more = {"runbook": "https://wiki.example.com/runbooks/{category}"}
    desk.wire.start()
    await desk.open()
    menu = desk.double.element(CHANNEL, desk.card(), "more")["options"]
    [link] = [one["url"] for one in menu if one["text"]["text"] == "Runbook"]
    assert link == "https://wiki.example.com/runbooks/ransomware"
    await desk.wire.slack.close()
    desk.parts.slack = desk.wire.slack


async def test_undo_shows_what_would_be_undone_and_takes_a_code(desk: Desk) -> None:
    await desk.open()
    await desk.enrol("ana")
    await desk.set(state="denied", decided=desk.clock.now)
    await desk.hold()
    await desk.click("ana", "undo")
    for words in ("isolate web-3", "block 203.0.113.9", "undone as soon as it is approved"):
        assert words in desk.shown("ana")
    await desk.send("ana", code=desk.code("ana"), reason="a false alarm")
    assert "is being undone" in desk.shown("ana")
    assert sorted(desk.told.leases) == ["block/fra1", "isolate/hv1"]
    assert (await desk.kinds()).count("hold ended") == 2


async def test_undo_without_a_good_code_undoes_nothing(desk: Desk) -> None:
    await desk.open()
    await desk.enrol("ana")
    await desk.set(state="denied", decided=desk.clock.now)
    await desk.hold()
    await desk.click("ana", "undo")
    await desk.send("ana", code="000000")
    assert "Not recorded." in desk.shown("ana")
    assert "hold ended" not in await desk.kinds()


async def test_who_closed_the_modal_is_told_in_the_channel_alone(desk: Desk) -> None:
    await desk.open()
    await desk.enrol("ana")
    await desk.click("ana", "approve")
    view = desk.modal("ana")
    await desk.double.submit("U0ANA", view["id"], {"code": desk.code("ana")})
    view["open"] = False
    await desk.settled()
    [private] = desk.double.private
    assert (private["user"], private["channel"]) == ("U0ANA", CHANNEL)
    assert private["text"].startswith("Recorded: you approved it")


async def test_nothing_said_to_one_person_is_posted_to_the_channel(desk: Desk) -> None:
    await desk.open(of=T1, needs=ONE_CLICK)
    posts = len(desk.double.channels[CHANNEL].messages)
    await desk.click("vic", "approve")
    await desk.click("ana", "approve", value="0" * 32)
    await desk.click("ana", "approve")
    answers: list[dict[str, Any]] = desk.double.responses
    assert {one["response_type"] for one in answers} == {"ephemeral"}
    assert not any(one["replace_original"] for one in answers)
    assert len(desk.double.channels[CHANNEL].messages) == posts


@on_both
async def test_who_opened_the_incident_reads_why_they_may_not_and_who_may(desk: Desk) -> None:
    by_hand = T1.model_copy(update={"asked_by": (Requester(name="ana", how=How.OPENED),)})
    await desk.open(of=by_hand, needs=ONE_CLICK)
    card = str(desk.double.posts()[0]["blocks"])
    assert "by ana (opened the incident)" in card
    assert "somebody else approves it" in card
    await desk.click("ana", "approve")
    assert "ana opened the incident, and nobody may approve their own request" in desk.said
    assert (await desk.count(), (await desk.ask())["state"]) == (0, "open")
    await desk.click("ben", "approve")
    assert (await desk.ask())["state"] == "approved"
