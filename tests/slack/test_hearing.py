"""What people do in Slack is acknowledged before any work, proved to be Slack's, and answered once."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from responder.api.route import Problem
from responder.errors import Unauthentic
from responder.slack.client import Slack
from responder.slack.heard import Heard
from responder.slack.hearing import Hearing
from responder.slack.http import HEARING, routes
from responder.slack.settings import SlackSettings
from responder.slack.signature import verify
from responder.slack.socket import listen
from responder.store import Store
from responder.store.chat import heard as remembered
from tests.databases import ManualClock
from tests.e2e.runner import free_ports
from tests.slack_double import Slack as Double
from tests.slack_double import User

SLOW = 1.0  # seconds that answering takes: far more than an acknowledgement may


class Ears:
    """A hearing that notes what reaches it, slowly."""

    def __init__(self, store: Store, double: Double) -> None:
        self.settings = SlackSettings.model_validate(double.settings())
        self.slack = Slack(self.settings)
        self.got: list[Heard] = []
        self.hearing = Hearing(store, self.slack, self._answer)
        self.seconds = SLOW

    async def _answer(self, heard: Heard) -> None:
        self.got.append(heard)
        await asyncio.sleep(self.seconds)


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


class Clock:
    """The store's, as far as the routes look at it."""

    @staticmethod
    def now() -> Any:
        return datetime.now(UTC)


@pytest_asyncio.fixture
async def http(store: Store) -> AsyncIterator[tuple[Double, Ears, str]]:
    """A process that Slack sends requests to."""
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    async with Double(request_url=url) as double:
        ears = Ears(store, double)

        async def problem(_: Request, error: Exception) -> Response:
            assert isinstance(error, Problem)
            return JSONResponse({"detail": error.detail}, error.status)

        app = Starlette(
            routes=[one.route for one in routes.declared], exception_handlers={Problem: problem}
        )
        app.state.parts = SimpleNamespace(
            settings=SimpleNamespace(slack=ears.settings),
            store=Clock(),
            ready={HEARING: ears.hearing},
        )
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="off"))
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        yield double, ears, url
        server.should_exit = True
        await task
        await ears.hearing.close()
        await ears.slack.close()


async def _card(double: Double) -> str:
    ts = double.ts()
    element = {"type": "button", "action_id": "approve", "value": "0" * 32,
               "text": {"type": "plain_text", "text": "Approve"}}  # fmt: skip
    double.channels["C0IR"].messages[ts] = {
        "ts": ts, "user": "U0BOT", "blocks": [{"type": "actions", "block_id": "do", "elements": [element]}]
    }  # fmt: skip
    return ts


async def test_a_click_over_the_socket_is_acknowledged_before_the_work(
    socket: tuple[Double, Ears],
) -> None:
    double, ears = socket
    ts = await _card(double)
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
    ts = await _card(double)
    acks = await asyncio.gather(*(double.click("U0ANA", "C0IR", ts, "approve") for _ in range(100)))
    assert all(ack.good for ack in acks)
    await ears.hearing.settled()
    assert len(ears.got) == 100
    print(f"slowest of 100 acknowledgements: {max(a.seconds or 9 for a in acks):.3f} s")


async def test_requests_are_acknowledged_empty_and_before_the_work(
    http: tuple[Double, Ears, str],
) -> None:
    double, ears, _ = http
    ts = await _card(double)
    acks = [
        await double.click("U0ANA", "C0IR", ts, "approve"),
        await double.command("U0BEN", "take INC-1"),
    ]
    assert all(ack.good and ack.body is None for ack in acks)
    assert all(ack.seconds is not None and ack.seconds < 0.5 for ack in acks)
    await ears.hearing.settled()
    assert [heard.kind for heard in ears.got] == ["button", "command"]


async def test_a_request_that_slack_or_somebody_else_repeats_is_answered_once(
    http: tuple[Double, Ears, str],
) -> None:
    double, ears, url = http
    ears.seconds = 0
    path, body = double.body("interactive", double._payload("block_actions", "U0ANA"))
    async with httpx.AsyncClient() as client:
        for number in range(3):
            headers = double.signed(body) | {"X-Slack-Retry-Num": str(number)}
            answer = await client.post(url + path, content=body, headers=headers)
            assert (answer.status_code, answer.content) == (200, b"")
    await ears.hearing.settled()
    assert len(ears.got) == 1


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


async def test_requests_that_are_not_slacks_are_refused_in_one_line(
    http: tuple[Double, Ears, str],
) -> None:
    double, ears, url = http
    path, body = double.body("interactive", double._payload("block_actions", "U0ANA"))
    good = double.signed(body)
    old = double.signed(body, at=time.time() - 301)
    cases: list[tuple[bytes, Any, int]] = [
        (body + b"x", good, 401),
        (body, double.signed(body, secret="another"), 401),
        (body, old, 401),
        (body, double.signed(body, at=time.time() + 600), 401),
        (body, {**good, "X-Slack-Signature": good["X-Slack-Signature"].upper()}, 401),
        (body, {**good, "X-Slack-Signature": "v1=" + good["X-Slack-Signature"][3:]}, 401),
        (body, {**good, "X-Slack-Signature": "v0=é"}, 401),
        (body, {**good, "X-Slack-Request-Timestamp": "١٢٣٤٥٦٧٨٩٠"}, 401),
        (body, {**good, "X-Slack-Request-Timestamp": "-1"}, 401),
        (body, [*good.items(), ("X-Slack-Signature", "v0=" + "0" * 64)], 401),
        (body, {"Content-Type": good["Content-Type"]}, 401),
        (body, {**good, "Content-Type": "application/json"}, 415),
        (b"x" * (512 * 1024 + 1), good, 413),
    ]
    async with httpx.AsyncClient() as client:
        for content, headers, status in cases:
            pairs = headers if isinstance(headers, list) else list(headers.items())
            raw = [(k.encode(), v.encode()) for k, v in pairs]
            answer = await client.post(url + path, content=content, headers=raw)
            assert answer.status_code == status, (answer.text, headers)
            assert "\n" not in answer.json()["detail"]
    assert ears.got == []


@pytest.mark.parametrize(
    "body",
    [b"payload=%7B", b"payload=[]", b"a", b"payload=%ff", b"payload={}&payload={}", b"payload=1"],
)
async def test_what_is_signed_and_makes_no_sense_is_400(
    http: tuple[Double, Ears, str], body: bytes
) -> None:
    double, ears, url = http
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            f"{url}/slack/interactions", content=body, headers=double.signed(body)
        )
    assert answer.status_code == 400, answer.text
    assert ears.got == []


async def test_what_was_done_in_another_workspace_or_with_another_app_is_refused(
    http: tuple[Double, Ears, str],
) -> None:
    double, ears, url = http
    theirs = double._payload("block_actions", "U0ANA")
    cases = [theirs | {"api_app_id": "A0OTHER"}, theirs | {"team": {"id": "T0OTHER"}},
             theirs | {"api_app_id": None}, theirs | {"team": None}]  # fmt: skip
    async with httpx.AsyncClient() as client:
        for payload in cases:
            path, body = double.body("interactive", payload)
            answer = await client.post(url + path, content=body, headers=double.signed(body))
            assert answer.status_code == 403, answer.text
    await ears.hearing.settled()
    assert ears.got == []


async def test_over_the_socket_a_stranger_is_told_in_one_line(socket: tuple[Double, Ears]) -> None:
    double, ears = socket
    ts = await _card(double)
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


async def test_slack_can_verify_the_address(http: tuple[Double, Ears, str]) -> None:
    double, _, url = http
    body = b'{"type": "url_verification", "challenge": "3eZbrw1a"}'
    headers = double.signed(body) | {"Content-Type": "application/json"}
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{url}/slack/events", content=body, headers=headers)
        assert answer.json() == {"challenge": "3eZbrw1a"}
        refused = await client.post(
            f"{url}/slack/events", content=body, headers={"Content-Type": "application/json"}
        )
    assert refused.status_code == 401


async def test_a_runner_that_uses_the_socket_takes_no_requests(
    http: tuple[Double, Ears, str],
) -> None:
    double, ears, url = http
    path, body = double.body("interactive", double._payload("block_actions", "U0ANA"))
    object.__setattr__(ears.settings, "mode", "socket")
    async with httpx.AsyncClient() as client:
        answer = await client.post(url + path, content=body, headers=double.signed(body))
    assert answer.status_code == 404


def test_the_signature_of_slacks_own_example_holds() -> None:
    # docs.slack.dev/authentication/verifying-requests-from-slack
    secret = "8f742231b10e8888abcd99yyyzzz85a5"
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&"
        b"channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&"
        b"command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
        b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015."
        b"47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    headers = [
        (b"x-slack-request-timestamp", b"1531420618"),
        (
            b"X-Slack-Signature",
            b"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        ),
    ]
    verify(secret, headers, body, 1531420618.0)
    with pytest.raises(Unauthentic):
        verify(secret, headers, body, 1531420618.0 + 301)
