"""What Slack sends as requests: proved by its signature, answered at once, and once."""

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
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from responder.api.route import Problem
from responder.errors import Unauthentic
from responder.slack.http import HEARING, routes
from responder.slack.signature import verify
from responder.store import Store
from tests.e2e.runner import free_ports
from tests.slack.ears import Ears, card
from tests.slack_double import Slack as Double


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


async def test_requests_are_acknowledged_empty_and_before_the_work(
    http: tuple[Double, Ears, str],
) -> None:
    double, ears, _ = http
    ts = await card(double)
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
