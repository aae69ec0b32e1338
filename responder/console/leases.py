"""The leases in force: what is held where, until when, and ending or extending it."""

import asyncio
from datetime import timedelta
from typing import Final

from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from responder.api.route import Call, Problem
from responder.approval.lease_drawing import Wish
from responder.approval.leasing import Leasing, Proof
from responder.console import looking, views
from responder.console.pages import Pages, see
from responder.console.paths import fields, local
from responder.console.shell import render
from responder.errors import Refused
from responder.people.person import Permission
from responder.policy.leases import LeaseKind

routes = Pages()

_LENGTH: Final = TypeAdapter(timedelta)
_LONGEST_CODE, _LONGEST_REASON = 64, 300
_TELL_SECONDS = 2.0


@routes.get("/leases", Permission.INCIDENTS_READ)
async def list_held(call: Call) -> Response:
    """What is in force, the next to end first; below, what ended last."""
    return await _show(call)


@routes.post("/leases/end", Permission.LEASES_WRITE)
async def end_held(call: Call) -> Response:
    """Undo one hold now, or ask for it where that takes a second person."""
    given = await fields(call.request)
    wish = Wish(
        kind=LeaseKind.END,
        hold=given.get("hold", ""),
        reason=given.get("reason", "").strip()[:_LONGEST_REASON],
    )
    return await _decide(call, wish, given, "undone")


@routes.post("/leases/extend", Permission.LEASES_WRITE)
async def extend_held(call: Call) -> Response:
    """Hold one longer, or ask for it where that takes a second person."""
    given = await fields(call.request)
    try:
        lasts = _LENGTH.validate_python(given.get("by", ""))
    except ValidationError as error:
        raise Problem(422, "expected how much longer; nothing was extended") from error
    if lasts <= timedelta(0):
        raise Problem(422, "expected some time to extend by; nothing was extended")
    wish = Wish(
        kind=LeaseKind.EXTEND,
        hold=given.get("hold", ""),
        lasts=lasts,
        reason=given.get("reason", "").strip()[:_LONGEST_REASON],
    )
    return await _decide(call, wish, given, "extended")


async def _decide(call: Call, wish: Wish, given: dict[str, str], done: str) -> Response:
    """The caller's signed decision, by the same service as the API."""
    proof = Proof(code=given.get("code", "").replace(" ", "")[:_LONGEST_CODE])
    try:
        ask = await _leasing(call).request(wish, call.person, proof, method="console")
    except Refused as refused:
        return await _show(call, trouble=refused.message, status=403)
    if ask["state"] != "approved":
        return see(f"/asks/{ask['id']}?done=asked")
    for resource in dict.fromkeys(hold["resource"] for hold in ask["subject"]["holds"]):
        await _tell(call, resource)
    return see(f"{local(given.get('back', ''), '/leases')}?done={done}")


def _leasing(call: Call) -> Leasing:
    served = call.served
    return Leasing(
        served.store,
        served.signer,
        served.deliveries,
        served.policy,
        served.people,
        served.kinds,
        origin=served.settings.api.origin,
        rules=served.settings.approvals,
    )


async def _tell(call: Call, resource: str) -> None:
    """Have the lease look at once; the sweep finds it where Temporal is away."""
    try:
        async with asyncio.timeout(_TELL_SECONDS):
            await call.served.link.lease(resource, None, new=False)
    except Exception:  # noqa: BLE001 - it is written down, and found by the next sweep
        return


async def _show(call: Call, *, trouble: str = "", status: int = 200) -> Response:
    served, now = call.served, call.served.store.now()
    async with served.store.reading() as tx:
        live = [views.hold(row, now) for row in await looking.leases(tx, ended=False)]
        ended = [views.hold(row, now) for row in await looking.leases(tx, ended=True)]
    return await render(
        call,
        "leases.html",
        status=status,
        trouble=trouble,
        here="/leases",
        title="Leases",
        live=live,
        ended=ended,
    )
