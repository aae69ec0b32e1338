"""Slack as one channel of several: a message is taken once it can be seen, and goes further at once if not."""

import asyncio

import pytest

from responder.notify.message import Message, Undelivered
from responder.notify.slack import SlackSender
from responder.slack.errors import SlackUnreachable
from responder.store.tables import messages
from tests.slack.wire import Wire


async def _message(wire: Wire, incident: str | None = "INC-1", text: str = "approve?") -> Message:
    await wire.alarm(f"ask/{text}", text, incident)
    async with wire.store.reading() as tx:
        row = (
            (await tx.execute(messages.select().order_by(messages.c.id.desc()))).mappings().first()
        )
    assert row is not None
    return Message.of(row)


async def test_a_message_is_taken_by_slack_once_the_card_shows_it(wire: Wire) -> None:
    await wire.open()
    sender = SlackSender(wire.slack.settings, wire.store)
    message = await _message(wire)
    with pytest.raises(Undelivered, match="no process keeps"):
        await sender.send(message, [])
    await wire.keeper.once()
    receipt = await sender.send(message, [])
    [card] = wire.double.posts()
    assert receipt == f"C0IR {card['ts']}"
    wire.clock.advance(seconds=5)
    later = asyncio.create_task(sender.send(await _message(wire, text="breach"), []))
    await asyncio.sleep(0.3)
    assert not later.done()
    await wire.keep()
    assert await later == receipt


async def test_a_message_about_no_incident_is_posted_once(wire: Wire) -> None:
    await wire.keep()
    sender = SlackSender(wire.slack.settings, wire.store)
    sending = asyncio.create_task(sender.send(await _message(wire, None, "a <key> is gone"), []))
    await asyncio.sleep(0.1)
    await wire.keep()
    await sending
    [post] = wire.double.posts()
    assert post["text"] == "a &lt;key&gt; is gone"


async def test_a_message_about_an_incident_that_was_over_before_it_had_a_card_is_posted(
    wire: Wire,
) -> None:
    await wire.keep()
    await wire.open()
    await wire.change(closed=wire.store.now(), status="closed")
    sender = SlackSender(wire.slack.settings, wire.store)
    sending = asyncio.create_task(sender.send(await _message(wire), []))
    await asyncio.sleep(0.1)
    await wire.keep()
    await sending
    assert [post["text"] for post in wire.double.posts()] == ["approve?"]


async def test_while_slack_is_down_a_message_goes_to_the_next_channel_at_once(wire: Wire) -> None:
    await wire.open()
    await wire.keep()
    await wire.double.stop()
    sender = SlackSender(wire.slack.settings, wire.store)
    message = await _message(wire)
    wire.clock.advance(seconds=1)
    began = asyncio.get_running_loop().time()
    sending = asyncio.create_task(sender.send(message, []))
    await asyncio.sleep(0.1)
    await wire.change(owner="ana")
    await wire.keep(1)
    with pytest.raises(Undelivered, match="Slack is down since"):
        await sending
    assert asyncio.get_running_loop().time() - began < 2
    with pytest.raises(Undelivered, match="Slack is down since"):
        await sender.send(message, [])
    await wire.double.start()
    wire.clock.advance(minutes=5)
    await wire.keep()
    assert await sender.send(message, [])


async def test_slack_is_asked_whether_it_is_back_when_there_is_nothing_to_show(wire: Wire) -> None:
    await wire.open()
    await wire.double.stop()
    await wire.keep(1)
    await wire.change(closed=wire.store.now(), status="closed")
    wire.clock.advance(minutes=1)
    await wire.keep(2)
    sender = SlackSender(wire.slack.settings, wire.store)
    with pytest.raises(Undelivered, match="Slack is down"):
        await sender.send(await _message(wire, None), [])
    await wire.double.start()
    await wire.keep(1)
    sending = asyncio.create_task(sender.send(await _message(wire, None, "again"), []))
    await asyncio.sleep(0.1)
    await wire.keep()
    assert await sending


async def test_when_hundreds_wait_for_their_turn_messages_do_not_wait_with_them(wire: Wire) -> None:
    await wire.keep()
    for number in range(12):
        await wire.open(f"INC-{number}")
    sender = SlackSender(wire.slack.settings, wire.store)
    with pytest.raises(Undelivered, match="12 cards wait for their turn"):
        await sender.send(await _message(wire, "INC-3"), [])


async def test_an_app_that_was_thrown_out_counts_as_down(wire: Wire) -> None:
    await wire.open()
    wire.double.channels["C0IR"].member = False
    await wire.keep(1)
    sender = SlackSender(wire.slack.settings, wire.store)
    with pytest.raises(Undelivered, match="not_in_channel"):
        await sender.send(await _message(wire), [])


async def test_what_takes_long_is_not_waited_for(wire: Wire) -> None:
    wire.double.delay = 60
    began = asyncio.get_running_loop().time()
    with pytest.raises(SlackUnreachable) as caught:
        await wire.slack.call("auth.test")
    assert not caught.value.undone
    assert asyncio.get_running_loop().time() - began < 30
    wire.double.delay = 0
