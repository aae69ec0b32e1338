"""The double refuses what Slack refuses: one test a rule."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.slack_double import Channel, Slack, User

GOOD = [{"type": "section", "text": {"type": "mrkdwn", "text": "words"}}]


def text(length: int, kind: str = "plain_text") -> dict[str, str]:
    return {"type": kind, "text": "x" * length}


def button(**more: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": "a", "text": text(5), "value": "v"} | more


class Caller:
    """Speaks to the double without any SDK."""

    def __init__(self, slack: Slack) -> None:
        self.slack = slack
        self.session = aiohttp.ClientSession()

    async def __call__(self, method: str, *, token: str | None = None, form: bool = False,
                       **arguments: Any) -> dict[str, Any]:  # fmt: skip
        token = self.slack.bot_token if token is None else token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        sent: dict[str, Any] = {"params": arguments} if form else {"json": arguments}
        url = self.slack.base_url + method
        async with self.session.post(url, headers=headers, **sent) as answer:
            found: dict[str, Any] = await answer.json()
            return found | {"status": answer.status, "after": answer.headers.get("Retry-After")}


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[Slack]:
    async with Slack() as found:
        yield found


@pytest_asyncio.fixture
async def call(slack: Slack) -> AsyncIterator[Caller]:
    caller = Caller(slack)
    yield caller
    await caller.session.close()


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ([{"type": "divider"}] * 51, "no more than 50"),
        ([{"type": "nope"}], "unsupported type"),
        ([{"type": "section"}], "missing required field"),
        ([{"type": "section", "text": text(3001)}], "less than 3001"),
        ([{"type": "section", "text": text(0)}], "more than 0"),
        ([{"type": "section", "fields": [text(1)] * 11}], "no more than 10"),
        ([{"type": "section", "fields": [text(2001)]}], "less than 2001"),
        ([{"type": "header", "text": text(151)}], "less than 151"),
        ([{"type": "header", "text": text(1, "mrkdwn")}], "plain_text"),
        ([{"type": "context", "elements": [text(1)] * 11}], "no more than 10"),
        (
            [{"type": "actions", "elements": [button(action_id=str(n)) for n in range(26)]}],
            "than 25",
        ),
        ([{"type": "actions", "elements": [button(), button()]}], "unique"),
        ([{"type": "actions", "elements": [button(text=text(76))]}], "less than 76"),
        ([{"type": "actions", "elements": [button(value="x" * 2001)]}], "less than 2001"),
        ([{"type": "actions", "elements": [button(style="green")]}], "primary or danger"),
        ([{"type": "actions", "elements": [button(action_id="x" * 256)]}], "less than 256"),
        ([{"type": "actions", "elements": [{"type": "overflow", "options": []}]}], "one item"),
        ([{"type": "divider", "block_id": "x" * 256}], "less than 256"),
        ([{"type": "divider", "block_id": "b"}] * 2, "unique"),
        ([{"type": "input", "label": text(1), "element": {"type": "x"}}], "unsupported type"),
    ],
)
async def test_blocks_beyond_a_limit_are_refused(
    call: Caller, blocks: list[Any], said: str
) -> None:
    answer = await call("chat.postMessage", channel="C0IR", text="t", blocks=blocks)
    assert answer["error"] == "invalid_blocks"
    assert said in answer["errors"][0]


async def test_a_message_below_every_limit_can_still_be_too_long(call: Caller) -> None:
    blocks = [{"type": "section", "text": text(2900)}] * 5
    answer = await call("chat.postMessage", channel="C0IR", text="t", blocks=blocks)
    assert answer["error"] == "msg_blocks_too_long"


@pytest.mark.parametrize(
    ("token", "method", "error"),
    [
        ("", "chat.postMessage", "not_authed"),
        ("xoxb-other", "chat.postMessage", "invalid_auth"),
        ("xapp-lab-app", "chat.postMessage", "not_allowed_token_type"),
        ("xoxb-lab-bot", "apps.connections.open", "not_allowed_token_type"),
        ("", "apps.connections.open", "not_authed"),
        ("xoxb-lab-bot", "chat.nothing", "unknown_method"),
        ("xoxb-lab-bot", "conversations.history", "missing_scope"),
    ],
)
async def test_tokens_and_scopes_are_checked(
    call: Caller, token: str, method: str, error: str
) -> None:
    assert (await call(method, token=token, channel="C0IR", text="t"))["error"] == error


async def test_an_app_level_token_in_the_body_is_none(call: Caller, slack: Slack) -> None:
    url = f"{slack.base_url}apps.connections.open"
    async with call.session.post(url, params={"token": slack.app_token}) as answer:
        assert (await answer.json())["error"] == "not_authed"


async def test_a_missing_scope_is_named(call: Caller, slack: Slack) -> None:
    slack.scopes = ("commands",)
    answer = await call("chat.postMessage", channel="C0IR", text="t")
    assert (answer["error"], answer["needed"]) == ("missing_scope", "chat:write")


async def test_channels_that_are_not_ours_to_write_in_are_refused(
    call: Caller, slack: Slack
) -> None:
    slack.channels |= {
        "C1": Channel("C1", member=False),
        "C2": Channel("C2", member=False, private=True),
        "C3": Channel("C3", archived=True),
    }
    for channel, error in (("C1", "not_in_channel"), ("C2", "channel_not_found"), ("C3", "is_archived"),
                           ("C4", "channel_not_found")):  # fmt: skip
        assert (await call("chat.postMessage", channel=channel, text="t"))["error"] == error


async def test_a_fourth_message_within_a_second_is_too_many(call: Caller) -> None:
    answers = [await call("chat.postMessage", channel="C0IR", text="t") for _ in range(4)]
    assert [a["ok"] for a in answers] == [True, True, True, False]
    assert (answers[-1]["status"], answers[-1]["after"]) == (429, "1")


async def test_an_edit_needs_a_message_of_ours_and_a_turn(call: Caller, slack: Slack) -> None:
    ts = (await call("chat.postMessage", channel="C0IR", text="t"))["ts"]
    slack.channels["C0IR"].messages["1.0"] = {"ts": "1.0", "user": "U0ANA", "text": "hers"}
    for wrong, error in (("9.9", "message_not_found"), ("1.0", "cant_update_message")):
        answer = await call("chat.update", channel="C0IR", ts=wrong, text="n")
        assert answer["error"] == error
    answers = [await call("chat.update", channel="C0IR", ts=ts, text=str(n)) for n in range(51)]
    assert sum(a["ok"] for a in answers) == 50
    assert slack.message("C0IR", ts)["text"] == "49"


async def test_a_reading_method_takes_no_json(call: Caller) -> None:
    assert (await call("users.info", user="U0ANA"))["error"] == "user_not_found"
    assert (await call("users.info", form=True, user="U0ANA"))["user"]["deleted"] is False


async def test_a_message_without_words_is_refused(call: Caller) -> None:
    assert (await call("chat.postMessage", channel="C0IR"))["error"] == "no_text"
    long = await call("chat.postMessage", channel="C0IR", text="x" * 40_001)
    assert long["error"] == "msg_too_long"


async def test_a_trigger_is_good_once_and_for_three_seconds(call: Caller, slack: Slack) -> None:
    view = {"type": "modal", "title": text(5), "blocks": GOOD}
    trigger = slack._trigger("U0ANA")
    assert (await call("views.open", trigger_id=trigger, view=view))["ok"]
    again = await call("views.open", trigger_id=trigger, view=view)
    assert again["error"] == "exchanged_trigger_id"
    slack.triggers["old"] = (time.monotonic() - 3.1, "U0ANA")
    assert (await call("views.open", trigger_id="old", view=view))["error"] == "expired_trigger_id"
    assert (await call("views.open", trigger_id="no", view=view))["error"] == "invalid_trigger_id"


@pytest.mark.parametrize(
    "view",
    [
        {"type": "home"},
        {"type": "modal", "title": text(25), "blocks": GOOD},
        {"type": "modal", "title": text(5), "submit": text(25), "blocks": GOOD},
        {"type": "modal", "title": text(5), "blocks": GOOD, "private_metadata": "x" * 3001},
        {"type": "modal", "title": text(5), "blocks": [{"type": "divider"}] * 101},
        {"type": "modal", "title": text(5), "blocks": [
            {"type": "input", "label": text(1), "element": {"type": "plain_text_input"}}]},
    ],
)  # fmt: skip
async def test_a_modal_beyond_a_limit_is_refused(
    call: Caller, slack: Slack, view: dict[str, Any]
) -> None:
    answer = await call("views.open", trigger_id=slack._trigger("U0ANA"), view=view)
    assert answer["error"] == "invalid_arguments"


async def test_a_response_url_is_good_five_times(call: Caller, slack: Slack) -> None:
    url = slack._url("C0IR", "", "U0ANA")
    said = []
    for _ in range(6):
        async with call.session.post(url, json={"text": "t"}) as answer:
            said.append(answer.status)
    assert said == [200] * 5 + [404]
    slack.urls["old"] = slack.urls[url.rpartition("/")[2]]
    slack.urls["old"].used, slack.urls["old"].made = 0, time.monotonic() - 1801
    async with call.session.post(url, json={"text": "t"}) as answer:
        assert (await answer.json())["error"] == "expired_url"


async def test_an_answer_may_never_arrive_although_it_was_done(call: Caller, slack: Slack) -> None:
    slack.lost.append("chat.postMessage")
    with pytest.raises(aiohttp.ClientError):
        await call("chat.postMessage", channel="C0IR", text="t")
    assert len(slack.posts()) == 1


class Client:
    """Holds a WebSocket and acknowledges, or not."""

    def __init__(self, call: Caller) -> None:
        self._call = call
        self.got: list[dict[str, Any]] = []
        self.mute = 0

    async def run(self) -> None:
        url = (await self._call("apps.connections.open", token=self._call.slack.app_token))["url"]
        async with self._call.session.ws_connect(url) as socket:
            async for message in socket:
                envelope = message.json()
                self.got.append(envelope)
                if envelope["type"] == "disconnect":
                    return
                if "envelope_id" in envelope:
                    if self.mute:
                        self.mute -= 1
                        continue
                    await socket.send_json({"envelope_id": envelope["envelope_id"]})


async def test_an_envelope_is_acknowledged_or_sent_again_and_a_connection_can_be_refreshed(
    call: Caller, slack: Slack
) -> None:
    client = Client(call)
    task = asyncio.create_task(client.run())
    await slack.sockets.connected()
    assert client.got == [] or client.got[0]["type"] == "hello"
    assert (await slack.command("U0ANA", "help")).good
    client.mute = 1
    answer = await slack.sockets.send("slash_commands", {"command": "/ir"}, 0.2)
    assert answer is not None
    assert (slack.sockets.resent, client.got[-1]["retry_attempt"]) == (1, 1)
    client.mute = 2
    assert await slack.sockets.send("slash_commands", {"command": "/ir"}, 0.1) is None
    await slack.sockets.refresh()
    await task
    assert client.got[-1] == {"type": "disconnect", "reason": "refresh_requested"}


async def test_a_ticket_is_good_for_one_connection(call: Caller, slack: Slack) -> None:
    url = (await call("apps.connections.open", token=slack.app_token))["url"]
    async with call.session.ws_connect(url) as socket:
        assert (await socket.receive_json())["type"] == "hello"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await call.session.ws_connect(url)


async def test_nobody_who_listens_is_an_error_that_the_person_sees() -> None:
    async with Slack(request_url="http://127.0.0.1:9") as slack:
        ack = await slack.command("U0ANA", "help")
    assert not ack.good
    assert slack.acks == [ack]


async def test_people_are_as_slack_knows_them(call: Caller, slack: Slack) -> None:
    slack.users["U0G"] = User("U0G", "guest", guest=True)
    slack.users["U0D"] = User("U0D", "gone", deleted=True)
    guest = (await call("users.info", form=True, user="U0G"))["user"]
    gone = (await call("users.info", form=True, user="U0D"))["user"]
    assert (guest["is_restricted"], gone["deleted"]) == (True, True)


async def test_down_is_down_and_back_is_the_same_workspace(call: Caller, slack: Slack) -> None:
    ts = (await call("chat.postMessage", channel="C0IR", text="t"))["ts"]
    await slack.stop()
    with pytest.raises(aiohttp.ClientError):
        await call("auth.test")
    await slack.start()
    assert (await call("auth.test"))["ok"]
    assert slack.message("C0IR", ts)["text"] == "t"
