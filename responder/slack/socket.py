"""
Socket Mode: Slack tells of clicks over a WebSocket that this process opened, so nothing listens outside.

An envelope is acknowledged before anything is looked up. Slack ends a connection every few hours and says so
(`disconnect`); the SDK opens the next one. Several processes may each have one: Slack sends each
envelope to one of them, and again, perhaps to another, if it is not acknowledged.
Source: docs.slack.dev/apis/events-api/using-socket-mode.
"""

import asyncio
import contextlib
import logging
from typing import Any

import structlog

from responder.slack.client import Slack
from responder.slack.heard import Heard
from responder.slack.hearing import Hearing
from responder.slack.modals import acknowledgement

log = structlog.get_logger(__name__)

_PING_SECONDS = 3.0  # a connection that is dead is found, and replaced, within four of them
_LOOK_SECONDS = 1.0
_OURS = frozenset({"interactive", "slash_commands"})


async def listen(slack: Slack, hearing: Hearing) -> None:
    """Hold a connection until cancelled; Slack may be down meanwhile."""
    client = _client(slack)
    client.socket_mode_request_listeners.append(_listener(hearing))
    connected = False
    connecting = asyncio.create_task(client.connect(), name="slack connecting")
    try:
        while True:
            now = await client.is_connected()
            if now != connected:
                connected = now
                (log.info if now else log.warning)("slack_socket", connected=now)
            if connecting.done() and not connecting.cancelled():
                connecting.result()
            await asyncio.sleep(_LOOK_SECONDS)
    finally:
        connecting.cancel()
        await client.close()
        for task in (connecting, client.message_processor):
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        await hearing.close()


def _listener(hearing: Hearing) -> Any:  # noqa: ANN401 - what the SDK calls
    from slack_sdk.socket_mode.response import SocketModeResponse  # noqa: PLC0415

    async def hear(client: Any, request: Any) -> None:  # noqa: ANN401 - the SDK's
        wanted = request.type in _OURS and isinstance(request.payload, dict)
        heard = Heard.of(request.payload) if wanted else None
        said = acknowledgement(heard) if heard is not None else None
        answer = SocketModeResponse(envelope_id=request.envelope_id, payload=said)
        await client.send_socket_mode_response(answer)
        if heard is not None:
            hearing.take(heard)

    return hear


def _client(slack: Slack) -> Any:  # noqa: ANN401 - the SDK's
    from slack_sdk.socket_mode.aiohttp import SocketModeClient  # noqa: PLC0415 - only where it is used
    from slack_sdk.web.async_client import AsyncWebClient  # noqa: PLC0415

    quiet = logging.getLogger("responder.slack.socket.sdk")
    quiet.disabled = True  # it logs whole envelopes and tracebacks; we say when it is lost and back
    settings = slack.settings
    web = AsyncWebClient(base_url=settings.base_url, timeout=5, logger=quiet)
    return SocketModeClient(
        app_token=settings.secret("app_token"),
        logger=quiet,
        web_client=web,
        ping_interval=_PING_SECONDS,
    )
