"""Talking to Slack: every call of its Web API that this program makes, paced, timed and never repeated blindly."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from responder.slack.errors import SlackRefused, SlackUnreachable
from responder.slack.pace import Pace
from responder.slack.settings import SlackSettings

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from slack_sdk.web.async_client import AsyncWebClient

Block = Mapping[str, Any]
EVENT = "responder_message"  # of the metadata by which we know our own message again
_SECONDS = 5.0
_LONGEST_TURN = 10.0  # seconds that an answer to a person waits for its turn in a channel
_TOO_MANY, _BROKEN = 429, 500
_BARE_WAIT = 30.0  # seconds, for a 429 without Retry-After
_LOOK_BACK = 200  # messages; the most that conversations.history gives at once is 999
_BUSY = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
_AILING = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})


class Slack:
    """
    One app's bot in one workspace; safe to make without a network, connects when first used.

    Nothing here is tried twice: who calls knows whether a repetition could be a second message.
    Raises `SlackUnreachable` and `SlackRefused`.
    """

    def __init__(self, settings: SlackSettings) -> None:
        self.settings = settings
        self.pace = Pace()
        self._web: AsyncWebClient | None = None
        self._session: ClientSession | None = None

    async def post(
        self,
        channel: str,
        blocks: Sequence[Block] | None,
        text: str,
        thread: str | None = None,
        *,
        mark: str = "",
        aloud: bool = False,
    ) -> str:
        """
        Post a message, as a reply in *thread* if that is given; returns its `ts`.

        *mark* is kept with the message, for `find`. *aloud* shows a reply in the channel as well.
        """
        arguments: dict[str, Any] = {
            "channel": channel,
            "text": text,
            "blocks": blocks or None,
            "thread_ts": thread,
            "reply_broadcast": aloud or None,
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if mark:
            arguments["metadata"] = {"event_type": EVENT, "event_payload": {"mark": mark}}
        return str((await self._in_turn("chat.postMessage", channel, arguments))["ts"])

    async def edit(self, channel: str, ts: str, blocks: Sequence[Block] | None, text: str) -> None:
        """Put new content into a message of ours."""
        arguments = {"channel": channel, "ts": ts, "text": text, "blocks": blocks or []}
        await self._in_turn("chat.update", channel, arguments)

    async def delete(self, channel: str, ts: str) -> None:
        """Take a message of ours away."""
        await self.call("chat.delete", channel=channel, ts=ts)

    async def ephemeral(
        self,
        channel: str,
        user: str,
        blocks: Sequence[Block] | None,
        text: str,
        thread: str | None = None,
    ) -> None:
        """Say something in *channel* that only *user* sees, and that is gone when they reload."""
        arguments = {"user": user, "text": text, "blocks": blocks, "thread_ts": thread}
        await self.call("chat.postEphemeral", channel=channel, **arguments)

    async def open_modal(self, trigger_id: str, view: Mapping[str, Any]) -> str:
        """Open a modal for whoever did what *trigger_id* is of, within three seconds; returns its id."""
        answer = await self.call("views.open", trigger_id=trigger_id, view=view)
        return str(answer["view"]["id"])

    async def update_modal(self, view_id: str, view: Mapping[str, Any]) -> None:
        """Put new content into a modal that is open."""
        await self.call("views.update", view_id=view_id, view=view)

    async def user(self, user: str) -> dict[str, Any]:
        """What Slack knows of somebody: `deleted`, `is_restricted`, `is_bot`, `team_id` and more."""
        found: dict[str, Any] = (await self.call("users.info", user=user))["user"]
        return found

    async def respond(
        self,
        response_url: str,
        blocks: Sequence[Block] | None,
        text: str,
        *,
        replace: bool = False,
        everybody: bool = False,
    ) -> None:
        """Answer by the address that came with what was done: five times within 30 minutes at most."""
        if not self._ours(response_url):
            raise SlackRefused("response_url", "not_slack", "the address is not one of Slack's")
        content: dict[str, Any] = {
            "text": text,
            "replace_original": replace,
            "response_type": "in_channel" if everybody else "ephemeral",
        }
        if blocks:
            content["blocks"] = list(blocks)
        import aiohttp  # noqa: PLC0415 - only where Slack is configured

        session = self._open()
        try:
            async with session.post(response_url, json=content, allow_redirects=False) as answer:
                said = (await answer.text())[:200]
                status, after = answer.status, answer.headers.get("Retry-After")
        except (TimeoutError, aiohttp.ClientError) as error:
            raise _unreachable("response_url", error) from error
        if status == _TOO_MANY or status >= _BROKEN:
            raise SlackUnreachable(
                f"response_url answered {status}", undone=status == _TOO_MANY, wait=_seconds(after)
            )
        if status != 200:  # noqa: PLR2004 - what it answers when it took it
            raise SlackRefused("response_url", str(status), said)

    async def find(
        self, channel: str, mark: str, since: float, thread: str | None = None
    ) -> str | None:
        """The `ts` of our message with *mark*, posted at *since* (Unix seconds) or later; None: not there."""
        arguments: dict[str, Any] = {
            "oldest": f"{since:.6f}",
            "limit": _LOOK_BACK,
            "include_all_metadata": True,
        }
        method = "conversations.history"
        if thread is not None:
            method, arguments["ts"] = "conversations.replies", thread
        answer = await self.call(method, channel=channel, **arguments)
        for message in answer.get("messages", []):
            metadata = message.get("metadata") or {}
            if (
                metadata.get("event_type") == EVENT
                and metadata["event_payload"].get("mark") == mark
            ):
                return str(message["ts"])
        return None

    async def call(self, method: str, *, channel: str = "", **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        """One call of the Web API, now, unless Slack has asked to be left alone with it."""
        if (wait := self.pace.wait(method, channel)) > 0:
            raise SlackUnreachable(f"{method}: its turn is in {wait:.1f} s", undone=True, wait=wait)
        self.pace.calls(method, channel)
        if channel:
            arguments["channel"] = channel
        return await self._call(method, channel, arguments)

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()

    async def _in_turn(
        self, method: str, channel: str, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        if (wait := self.pace.wait(method, channel)) > _LONGEST_TURN:
            raise SlackUnreachable(f"{method}: its turn is in {wait:.1f} s", undone=True, wait=wait)
        if (wait := self.pace.turn(method, channel)) > 0:
            await asyncio.sleep(wait)
        return await self._call(method, channel, arguments)

    async def _call(self, method: str, channel: str, arguments: dict[str, Any]) -> dict[str, Any]:
        import aiohttp  # noqa: PLC0415 - only where Slack is configured
        from slack_sdk.errors import SlackApiError  # noqa: PLC0415

        self._open()
        assert self._web is not None
        given = {name: value for name, value in arguments.items() if value is not None}
        # conversations.* and users.info take no JSON.
        form = method.startswith(("conversations.", "users.", "auth."))
        try:
            if form:
                answer = await self._web.api_call(method, params=given)
            else:
                answer = await self._web.api_call(method, json=given)
        except SlackApiError as error:
            raise self._refusal(method, channel, error.response) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise _unreachable(method, error) from error
        found = dict(answer.data) if isinstance(answer.data, dict) else {}
        return found | {"_headers": dict(answer.headers)} if method == "auth.test" else found

    def _refusal(self, method: str, channel: str, answer: Any) -> Exception:  # noqa: ANN401 - AsyncSlackResponse or aiohttp's
        status = int(getattr(answer, "status_code", 0) or getattr(answer, "status", 0))
        data = getattr(answer, "data", None)
        code = str(data.get("error", "")) if isinstance(data, dict) else ""
        if status == _TOO_MANY or code in _BUSY:
            wait = _seconds(answer.headers.get("Retry-After")) or _BARE_WAIT
            self.pace.stopped(method, channel, wait)
            return SlackUnreachable(f"{method}: 429, later", undone=True, wait=wait)
        if status >= _BROKEN or code in _AILING or not code:
            return SlackUnreachable(f"{method}: answered {status} {code}".strip(), undone=False)
        assert isinstance(data, dict)
        said = data.get("errors") or (data.get("response_metadata") or {}).get("messages") or ""
        if code == "missing_scope":
            said = f"needs {data.get('needed')}"
        return SlackRefused(method, code, str(said)[:300] if said else "")

    def _open(self) -> "ClientSession":
        if self._session is None or self._session.closed:
            import logging  # noqa: PLC0415
            import ssl  # noqa: PLC0415

            from aiohttp import ClientSession, ClientTimeout  # noqa: PLC0415
            from slack_sdk.web.async_client import AsyncWebClient  # noqa: PLC0415

            self._session = ClientSession(timeout=ClientTimeout(total=_SECONDS), trust_env=True)
            tls = (
                ssl.create_default_context() if self.settings.base_url.startswith("https") else None
            )
            # No retry handlers: the SDK's would post again after a connection was lost.
            self._web = AsyncWebClient(
                token=self.settings.secret("bot_token"),
                base_url=self.settings.base_url,
                session=self._session,
                ssl=tls,
                retry_handlers=[],
                logger=_silent(logging.getLogger("responder.slack.sdk")),
            )
        return self._session

    def _ours(self, url: str) -> bool:
        base, found = urlsplit(self.settings.base_url), urlsplit(url)
        if found.scheme == "https" and found.hostname == "hooks.slack.com":
            return True
        return (found.scheme, found.netloc) == (base.scheme, base.netloc)


def _silent(logger: Any) -> Any:  # noqa: ANN401 - a logging.Logger
    """The SDK's log repeats what is raised, with alert text in it."""
    logger.disabled = True
    return logger


def _seconds(after: str | None) -> float | None:
    return float(after) if after is not None and after.isascii() and after.isdigit() else None


def _unreachable(method: str, error: BaseException) -> SlackUnreachable:
    import aiohttp  # noqa: PLC0415 - loaded by now

    undone = isinstance(error, aiohttp.ClientConnectorError)
    return SlackUnreachable(f"{method}: {type(error).__name__}: {error}"[:300], undone=undone)
