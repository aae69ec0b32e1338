"""Trying out what Slack was set up with: tokens, scopes, channels, and a message there and back."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

from responder.errors import ConfigurationError
from responder.incident import Frozen
from responder.slack.client import Slack
from responder.slack.errors import SlackError, SlackRefused
from responder.slack.manifest import scopes
from responder.slack.settings import SlackSettings

_HELLO_SECONDS = 10.0
_SECRET = re.compile(r"[0-9a-f]{32}")
_MANIFEST = (
    "put the manifest of `responder slack manifest` into the app's settings, then reinstall it"
)
_FIXES = {
    "not_in_channel": "in Slack, in that channel: /invite @responder",
    "channel_not_found": "copy the channel's id from its details; in a private one: /invite @responder",
    "is_archived": "name another channel under `slack.channel`",
    "missing_scope": _MANIFEST,
}


class Check(Frozen):
    """What one check found, what it wanted, and how to mend it."""

    name: str
    ok: bool
    found: str
    wanted: str
    fix: str = ""


async def check(settings: SlackSettings) -> AsyncIterator[Check]:
    """Every check in turn; what cannot be tried because of one before it is left out."""
    forms = list(_forms(settings))
    for one in forms:
        yield one
    slack = Slack(settings)
    try:
        if forms[0].ok:
            good = True
            async for one in _identity(slack):
                good = good and (one.ok or one.name == "scopes")
                yield one
            if good:
                for channel in dict.fromkeys((settings.channel, *settings.channels.values())):
                    yield await _round_trip(slack, channel)
        if settings.mode == "socket" and forms[1].ok:
            yield await _socket(slack)
    finally:
        await slack.close()


def _forms(settings: SlackSettings) -> list[Check]:
    found = [_token(settings, "bot_token", "xoxb-", "Install App: the Bot User OAuth Token")]
    if settings.mode == "socket":
        where = "Basic Information, App-Level Tokens: one with connections:write"
        return [*found, _token(settings, "app_token", "xapp-", where)]
    wanted, fix = "32 hex digits", "copy it from the app's page: Basic Information, Signing Secret"
    try:
        good = bool(_SECRET.fullmatch(settings.secret("signing_secret")))
    except ConfigurationError as error:
        return [
            *found,
            Check(name="signing secret", ok=False, found=str(error), wanted=wanted, fix=fix),
        ]
    said = wanted if good else "something else"
    return [
        *found,
        Check(name="signing secret", ok=good, found=said, wanted=wanted, fix="" if good else fix),
    ]


def _token(settings: SlackSettings, name: Any, begins: str, where: str) -> Check:  # noqa: ANN401 - a literal
    said, fix = str(name).replace("_", " "), f"copy it from the app's page: {where}"
    try:
        good = settings.secret(name).startswith(begins)
    except ConfigurationError as error:
        return Check(name=said, ok=False, found=str(error), wanted=f"{begins}…", fix=fix)
    found = f"{begins}…" if good else "something else"
    return Check(name=said, ok=good, found=found, wanted=f"{begins}…", fix="" if good else fix)


async def _identity(slack: Slack) -> AsyncIterator[Check]:
    settings = slack.settings
    try:
        answer = await slack.call("auth.test")
    except SlackError as error:
        wanted = "an answer of Slack to the bot token"
        fix = "reinstall the app and copy the bot token" if isinstance(error, SlackRefused) else (
            f"let this machine reach {settings.base_url}"
        )  # fmt: skip
        yield Check(name="sign-in", ok=False, found=error.said, wanted=wanted, fix=fix)
        return
    team = str(answer.get("team_id"))
    grid = bool(settings.enterprise) and answer.get("enterprise_id") == settings.enterprise
    good = team == settings.team or grid
    fix = "" if good else f"set slack.team to {team}, or use that workspace's token"
    yield Check(name="workspace", ok=good, found=team, wanted=settings.team, fix=fix)
    headers = {name.lower(): value for name, value in answer["_headers"].items()}
    given = {one.strip() for one in headers.get("x-oauth-scopes", "").split(",") if one.strip()}
    wanted_scopes = set(scopes(look_back=settings.look_back))
    same = given == wanted_scopes
    yield Check(
        name="scopes",
        ok=same,
        found=", ".join(sorted(given)) or "none",
        wanted=", ".join(sorted(wanted_scopes)),
        fix="" if same else _scope_fix(given - wanted_scopes, wanted_scopes - given),
    )


def _scope_fix(more: set[str], missing: set[str]) -> str:
    parts = [f"add {', '.join(sorted(missing))}"] if missing else []
    parts += [f"take away {', '.join(sorted(more))}, which nothing uses"] if more else []
    return f"{'; '.join(parts)}: {_MANIFEST}"


async def _round_trip(slack: Slack, channel: str) -> Check:
    """A message is posted, edited and deleted: membership is proved by it, without a scope to read."""
    name, wanted = f"channel {channel}", "a message posted, edited and deleted"
    ts, said = "", "posted"
    try:
        ts = await slack.post(
            channel, None, "responder tries whether it may post here; this goes away."
        )
        await slack.edit(channel, ts, None, "responder may post and edit here; this goes away.")
        said = "posted and edited"
        await slack.delete(channel, ts)
    except SlackError as error:
        code = error.error if isinstance(error, SlackRefused) else ""
        found = f"{said}, then {error.said}" if ts else error.said
        fix = _FIXES.get(code, "read what Slack said, mend that and try again")
        return Check(name=name, ok=False, found=found, wanted=wanted, fix=fix)
    return Check(name=name, ok=True, found=wanted, wanted=wanted)


async def _socket(slack: Slack) -> Check:
    """A connection is opened as Socket Mode does it, and says which app it is of."""
    import aiohttp  # noqa: PLC0415 - only where Slack is tried
    from slack_sdk.errors import SlackApiError  # noqa: PLC0415
    from slack_sdk.web.async_client import AsyncWebClient  # noqa: PLC0415

    settings, name = slack.settings, "socket"
    wanted = f"a connection of app {settings.app}"
    web = AsyncWebClient(base_url=settings.base_url, timeout=5)
    try:
        async with asyncio.timeout(_HELLO_SECONDS), aiohttp.ClientSession() as session:
            opened = await web.apps_connections_open(app_token=settings.secret("app_token"))
            url = str(opened["url"])
            async with session.ws_connect(url) as socket:
                hello = await socket.receive_json()
    except SlackApiError as error:
        found = str(error.response.get("error", "no answer"))
        fix = "make an app-level token with connections:write, and switch Socket Mode on"
        return Check(name=name, ok=False, found=found, wanted=wanted, fix=fix)
    except (TimeoutError, aiohttp.ClientError, OSError, TypeError) as error:
        fix = "let this machine reach slack.com and wss-primary.slack.com on port 443"
        return Check(name=name, ok=False, found=type(error).__name__, wanted=wanted, fix=fix)
    app = str((hello.get("connection_info") or {}).get("app_id"))
    good = app == settings.app
    fix = "" if good else f"set slack.app to {app}, or use that app's token"
    return Check(name=name, ok=good, found=f"a connection of app {app}", wanted=wanted, fix=fix)
