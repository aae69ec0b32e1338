"""`POST /webhooks/{source}`: size, source, signature, time, duplicate; committed; then 202."""

import time

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from responder.api.parts import Served
from responder.errors import Malformed, Unauthentic
from responder.intake.authenticate import authenticate
from responder.intake.deliveries import Accepted, accept
from responder.intake.parse import parse

router = APIRouter()

_JSON = ("application/json", "application/cloudevents+json")


@router.post("/webhooks/{source}", status_code=202)
async def webhook(source: str, request: Request, served: Served) -> Response:
    """
    Take a delivery in. 202: it is on disk. 200: it was before. 4xx: never send this again.

    Nothing is parsed before the signature holds. What is signed rightly but is not JSON, or is
    JSON that no two programs read alike, is refused here, while its sender can still hear of it.
    """
    began = time.perf_counter()
    outcome = "refused"
    try:
        answer = await _take(source, request, served)
        outcome = "duplicate" if answer.status_code == 200 else "accepted"  # noqa: PLR2004 - as above
        return answer
    finally:
        known = source if source in served.settings.sources else "unknown"
        served.metrics.webhook(known, outcome, time.perf_counter() - began)


async def _take(name: str, request: Request, served: Served) -> Response:
    source = served.settings.sources.get(name)
    if source is None:
        raise HTTPException(404, "no such source")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _JSON:
        raise HTTPException(415, f"expected content-type application/json, found {kind[:60]!r}")
    if request.headers.get("content-encoding"):
        raise HTTPException(415, "content-encoding is not accepted")
    body = await _body(request, served.settings.api.largest_body)
    try:
        proof = authenticate(source, request.headers.raw, body, served.store.now())
    except Unauthentic as error:
        raise HTTPException(401, f"{name}: {error}") from error
    try:
        parse(body)
    except Malformed as error:
        raise HTTPException(400, f"{name}: {error}") from error
    accepted = await accept(served.store, served.deliveries, name, proof.delivery, body)
    if accepted is Accepted.CONFLICT:
        raise HTTPException(409, f"{name}: delivery {proof.delivery} came before with another body")
    served.drain.arrived.set()
    status = 202 if accepted is Accepted.NEW else 200
    return JSONResponse({"delivery": proof.delivery, "state": accepted}, status)


async def _body(request: Request, largest: int) -> bytes:
    """The raw body, counted while it comes in."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > largest:
            raise HTTPException(413, f"expected at most {largest} bytes")
        chunks.append(chunk)
    return b"".join(chunks)
