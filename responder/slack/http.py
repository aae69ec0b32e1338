"""
HTTP interactivity: Slack tells of clicks by requests, each proved by its signature over the raw bytes.

Answered at once; what was done is looked into afterwards. Slack gives up after three seconds.
"""

import json
from typing import Any
from urllib.parse import parse_qsl

from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response

from responder.api.route import PUBLIC, Call, Problem, Routes
from responder.errors import Unauthentic
from responder.slack.heard import Heard
from responder.slack.hearing import Hearing
from responder.slack.modals import acknowledgement
from responder.slack.signature import verify

routes = Routes()

_LARGEST = 512 * 1024  # bytes; an interaction carries the whole message that it is about
_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"
_MOST_FIELDS = 64
HEARING = "slack hearing"  # its place among what `serve` has made ready


@routes.post("/slack/interactions", PUBLIC)
async def interactions(call: Call) -> Response:
    """Buttons and modals."""
    hearing, body = await _proved(call, _FORM)
    return _take(hearing, _parsed(_form(body).get("payload", "")))


@routes.post("/slack/commands", PUBLIC)
async def commands(call: Call) -> Response:
    """Slash commands."""
    hearing, body = await _proved(call, _FORM)
    form = _form(body)
    return Response() if "ssl_check" in form else _take(hearing, form)


@routes.post("/slack/events", PUBLIC)
async def events(call: Call) -> Response:
    """Slack's test that this address is ours (`url_verification`); nothing else is asked for."""
    _, body = await _proved(call, _JSON)
    payload = _parsed(body)
    challenge = payload.get("challenge")
    if payload.get("type") == "url_verification" and isinstance(challenge, str):
        return JSONResponse({"challenge": challenge})
    return Response()


async def _proved(call: Call, wanted: str) -> tuple[Hearing, bytes]:
    """The body, proved to come from Slack; 404 unless Slack is to send requests here."""
    settings, hearing = call.served.settings.slack, call.served.ready.get(HEARING)
    if settings is None or settings.mode != "http" or hearing is None:
        raise Problem(404, "Slack sends nothing here; `slack.mode: http` would have it do so")
    kind = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != wanted:
        raise Problem(415, f"expected content-type {wanted}, found {kind[:60]!r}")
    body = await call.raw(_LARGEST)
    now = call.served.store.now().timestamp()
    try:
        verify(settings.secret("signing_secret"), call.request.headers.raw, body, now)
    except Unauthentic as error:
        raise Problem(401, f"slack: {error}") from error
    return hearing, body


def _take(hearing: Hearing, payload: dict[str, Any]) -> Response:
    """The acknowledgement: empty, but for a modal, which says that it is being looked at."""
    heard = Heard.of(payload)
    if heard is None:
        return Response()
    if (said := hearing.stranger(heard)) is not None:
        raise Problem(403, said)
    shown = acknowledgement(heard)
    later = BackgroundTask(hearing.hear, heard)  # after the acknowledgement was sent
    return Response(background=later) if shown is None else JSONResponse(shown, background=later)


def _form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=_MOST_FIELDS
        )
    except ValueError as error:
        raise Problem(400, "expected a form in UTF-8") from error
    if len(found := dict(pairs)) != len(pairs):
        raise Problem(400, "expected each field of the form once")
    return found


def _parsed(text: str | bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "expected JSON") from error
    if not isinstance(found, dict):
        raise Problem(400, "expected a JSON object")
    return found
