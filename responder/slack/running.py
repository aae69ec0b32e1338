"""What runs in `serve` where Slack is configured: the cards are kept, and what people do is heard."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from responder.api.parts import Parts
from responder.slack.client import Slack
from responder.slack.heard import Heard
from responder.slack.hearing import Hearing
from responder.slack.http import HEARING
from responder.slack.settings import SlackSettings


def open_slack(settings: SlackSettings | None) -> Slack | None:
    """
    The client, or None where Slack is not configured; nothing is connected yet.

    Raises `ConfigurationError` if a token or the signing secret cannot be read.
    """
    if settings is None:
        return None
    settings.secret("bot_token")
    settings.secret("app_token" if settings.mode == "socket" else "signing_secret")
    return Slack(settings)


def background(parts: Parts) -> dict[str, Coroutine[Any, Any, None]]:
    """The tasks of Slack; none where it is not configured."""
    if parts.slack is None:
        return {}
    from responder.slack.cards_kept import Keeper  # noqa: PLC0415 - only where Slack is configured
    from responder.slack.socket import listen  # noqa: PLC0415

    async def answer(heard: Heard) -> None:
        from responder.slack.dispatch import answer as dispatch  # noqa: PLC0415

        await dispatch(parts, heard)

    hearing = Hearing(parts.store, parts.slack, answer)
    parts.ready[HEARING] = hearing
    tasks: dict[str, Coroutine[Any, Any, None]] = {
        "cards": Keeper(parts.store, parts.slack, parts.settings.api.origin).run()
    }
    over_http = parts.slack.settings.mode == "http"
    tasks["slack"] = _served(hearing) if over_http else listen(parts.slack, hearing)
    return tasks


async def _served(hearing: Hearing) -> None:
    """Requests come by the routes; at the end what was taken is still answered."""
    try:
        await asyncio.Event().wait()
    finally:
        await hearing.close()
