"""Clear text for Temporal's web page: a decryption oracle, so by default only for this machine."""

import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from temporalio.api.common.v1 import Payload

from responder.api.parts import Parts
from responder.api.route import PUBLIC, Call, Problem, Routes, caller
from responder.crypto.codec import ENCODING, SealedPayloads, Unencrypted
from responder.errors import StateError
from responder.people.person import Permission

routes = Routes()
_MOST = 1000


@routes.options("/codec/{secret}/{verb}", PUBLIC)
async def preflight(call: Call) -> Response:
    """The browser asks first, since the page is on another port."""
    _known(call.path("secret"), call.served)
    return Response(status_code=204, headers=_cors(call.request, call.served))


@routes.post("/codec/{secret}/{verb}", PUBLIC)
async def convert(call: Call) -> Response:
    """Decode or encode payloads, by Temporal's codec server protocol."""
    request, served = call.request, call.served
    _known(call.path("secret"), served)
    if served.settings.api.codec == "token":
        person = await caller(request)
        if not person.may(Permission.INCIDENTS_READ):
            raise Problem(403, f"{person.name} may not {Permission.INCIDENTS_READ}")
    codec = SealedPayloads(served.payloads)
    works: dict[str, Callable[[Payload], Payload]] = {
        "decode": partial(_opened, codec),
        "encode": codec.seal,
    }
    work = works.get(call.path("verb"))
    if work is None:
        raise Problem(404, "expected decode or encode")
    try:
        asked: dict[str, Any] = await request.json()
        payloads = [_payload(one) for one in asked["payloads"][:_MOST]]
        answer = [_plain(work(payload)) for payload in payloads]
    except (ValueError, KeyError, TypeError, AttributeError, Unencrypted, StateError) as error:
        raise Problem(400, f"not payloads of ours: {type(error).__name__}") from error
    return JSONResponse({"payloads": answer}, headers=_cors(request, served))


def _opened(codec: SealedPayloads, payload: Payload) -> Payload:
    """What the page shows: it sends what is in clear along with the rest, such as search attributes."""
    return codec.open(payload) if payload.metadata.get("encoding") == ENCODING else payload


def _known(secret: str, served: Parts) -> None:
    mode = served.settings.api.codec
    expected = served.codec_path if mode == "loopback" else "token"
    if mode == "off" or not secrets.compare_digest(secret, expected):
        raise Problem(404, "Not Found")


def _cors(request: Request, served: Parts) -> dict[str, str]:
    own = {
        f"http://{host}:{served.settings.temporal.ui_port}" for host in ("127.0.0.1", "localhost")
    }
    origin = request.headers.get("origin", "")
    if origin not in own:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "POST, OPTIONS",
        "Access-Control-Allow-Headers": "content-type,x-namespace,authorization,authorization-extras",
        "Vary": "Origin",
    }


def _payload(one: dict[str, Any]) -> Payload:
    metadata = {k: b64decode(v) for k, v in one.get("metadata", {}).items()}
    return Payload(metadata=metadata, data=b64decode(one.get("data", "")))


def _plain(payload: Payload) -> dict[str, Any]:
    metadata = {k: b64encode(v).decode() for k, v in payload.metadata.items()}
    return {"metadata": metadata, "data": b64encode(payload.data).decode()}
