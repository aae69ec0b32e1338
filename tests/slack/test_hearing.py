"""What people do in Slack is acknowledged before any work, proved to be Slack's, and answered once."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy import select

from responder.slack.heard import Heard
from responder.slack.socket import listen
from responder.store import Store
from responder.store.chat import heard as remembered
from tests.databases import ManualClock
from tests.slack.ears import Ears, card
from tests.slack_double import Slack as Double
from tests.slack_double import User


@pytest_asyncio.fixture
async def socket(store: Store) -> AsyncIterator[tuple[Double, Ears]]:
    """A process that listens over Socket Mode."""
    async with Double() as double:
        ears = Ears(store, double)
        task = asyncio.create_task(listen(ears.slack, ears.hearing))
        await double.sockets.connected()
        yield double, ears
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await ears.slack.close()


async def test_a_click_over_the_socket_is_acknowledged_before_the_work(
    socket: tuple[Double, Ears],
) -> None:
    double, ears = socket
    ts = await card(double)
    ack = await double.click("U0ANA", "C0IR", ts, "approve")
    assert ack.seconds is not None
    assert ack.seconds < 0.5
    await ears.hearing.settled()
    [heard] = ears.got
    assert (heard.kind, heard.user, heard.team, heard.channel) == (
        "button",
        "U0ANA",
        "T0LAB",
        "C0IR",
    )
    assert heard.payload["actions"][0]["value"] == "0" * 32
    assert (await double.command("U0BEN", "status")).good
    await ears.hearing.settled()
    assert (ears.got[1].kind, ears.got[1].payload["text"]) == ("command", "status")


async def test_an_envelope_that_slack_sends_again_is_answered_once(
    socket: tuple[Double, Ears],
) -> None:
    double, ears = socket
    ears.seconds = 0
    double.sockets.deaf = 1
    payload = double._payload("block_actions", "U0ANA")
    assert (await double.sockets.send("interactive", payload, 0.3)) is not None
    assert double.sockets.resent == 1
    await ears.hearing.settled()
    assert len(ears.got) == 1


async def test_a_connection_that_slack_refreshes_or_drops_comes_back(
    socket: tuple[Double, Ears],
) -> None:
    double, ears = socket
    ears.seconds = 0
    before = double.sockets.hellos
    await double.sockets.refresh()
    while double.sockets.hellos == before:
        await asyncio.sleep(0.02)
    assert (await double.command("U0ANA", "one")).good
    await double.stop()
    await asyncio.sleep(0.5)
    await double.start()
    await double.sockets.connected(30)
    assert (await double.command("U0ANA", "two")).good
    await ears.hearing.settled()
    assert [heard.payload["text"] for heard in ears.got] == ["one", "two"]


async def test_a_hundred_clicks_at_once_are_all_acknowledged_in_time(
    socket: tuple[Double, Ears],
) -> None:
    double, ears = socket
    ears.seconds = 0
    ts = await card(double)
    acks = await asyncio.gather(*(double.click("U0ANA", "C0IR", ts, "approve") for _ in range(100)))
    assert all(ack.good for ack in acks)
    await ears.hearing.settled()
    assert len(ears.got) == 100
    print(f"slowest of 100 acknowledgements: {max(a.seconds or 9 for a in acks):.3f} s")


async def test_what_was_heard_is_remembered_for_a_day_by_every_process(
    store: Store, clock: ManualClock
) -> None:
    async with Double() as double:
        ears, others = Ears(store, double), Ears(store, double)
        heard = Heard.of(double._payload("block_actions", "U0ANA"))
        assert heard is not None
        for one in (ears, others):
            one.seconds = 0
            one.hearing.take(heard)
            await one.hearing.settled()
            clock.advance(hours=23)
        assert (len(ears.got), len(others.got)) == (1, 0)
        clock.advance(hours=2)
        for user in ("U0BEN", "U0CYD"):  # the first of these has old ones forgotten
            more = Heard.of(double._payload("block_actions", user))
            assert more is not None
            ears.hearing.take(more)
            await ears.hearing.settled()
        async with store.reading() as tx:
            kept = (
                await tx.execute(select(remembered.c.user).order_by(remembered.c.user))
            ).scalars()
            assert list(kept) == ["U0BEN", "U0CYD"]
        await ears.slack.close()
        await others.slack.close()


async def test_over_the_socket_a_stranger_is_told_in_one_line(socket: tuple[Double, Ears]) -> None:
    double, ears = socket
    ts = await card(double)
    payload = double._payload("block_actions", "U0ANA", "C0IR", ts) | {"team": {"id": "T0OTHER"}}
    assert (await double.deliver("interactive", payload)).good
    await ears.hearing.settled()
    assert ears.got == []
    [told] = double.responses
    assert told["text"].startswith("Nothing was done: this app answers in workspace T0LAB only")


async def test_a_guest_from_a_shared_channel_is_named_by_their_own_team(
    socket: tuple[Double, Ears],
) -> None:
    double, ears = socket
    ears.seconds = 0
    double.users["U0EVE"] = User("U0EVE", "eve", team="T0THEIRS")
    assert (await double.deliver("interactive", double._payload("block_actions", "U0EVE"))).good
    await ears.hearing.settled()
    assert ears.got[0].team == "T0THEIRS"
