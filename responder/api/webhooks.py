"""`POST /webhooks/{source}`: size, source, signature, time, duplicate; committed; then 202."""

import time

from starlette.responses import JSONResponse, Response

from responder.api.route import PUBLIC, Call, Problem, Routes
from responder.errors import Malformed, Unauthentic
from responder.intake.authenticate import authenticate
from responder.intake.deliveries import Accepted, accept
from responder.intake.parse import parse

routes = Routes()

_JSON = ("application/json", "application/cloudevents+json")


@routes.post("/webhooks/{source}", PUBLIC)
async def webhook(call: Call) -> Response:
    """
    Take a delivery in. 202: it is on disk. 200: it was before. 4xx: never send this again.

    Nothing is parsed before the signature holds. What is signed rightly but is not JSON, or is
    JSON that no two programs read alike, is refused here, while its sender can still hear of it.
    """
    began = time.perf_counter()
    outcome, source, served = "refused", call.path("source"), call.served
    try:
        answer = await _take(call, source)
        outcome = "duplicate" if answer.status_code == 200 else "accepted"  # noqa: PLR2004 - as above
        return answer
    finally:
        known = source if source in served.settings.sources else "unknown"
        served.metrics.webhook(known, outcome, time.perf_counter() - began)


async def _take(call: Call, name: str) -> Response:
    request, served = call.request, call.served
    source = served.settings.sources.get(name)
    if source is None:
        raise Problem(404, "no such source")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _JSON:
        raise Problem(415, f"expected content-type application/json, found {kind[:60]!r}")
    if request.headers.get("content-encoding"):
        raise Problem(415, "content-encoding is not accepted")
    body = await call.raw(served.settings.api.largest_body)
    try:
        proof = authenticate(source, request.headers.raw, body, served.store.now())
    except Unauthentic as error:
        raise Problem(401, f"{name}: {error}") from error
    try:
        parse(body)
    except Malformed as error:
        raise Problem(400, f"{name}: {error}") from error
    accepted = await accept(served.store, served.deliveries, name, proof.delivery, body)
    if accepted is Accepted.CONFLICT:
        raise Problem(409, f"{name}: delivery {proof.delivery} came before with another body")
    served.drain.arrived.set()
    status = 202 if accepted is Accepted.NEW else 200
    return JSONResponse({"delivery": proof.delivery, "state": accepted}, status)
