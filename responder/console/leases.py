"""The leases in force: what is held where, until when, and ending or extending it."""

from starlette.responses import Response

from responder.api.route import Call
from responder.approval.lease_drawing import Wish
from responder.approval.leasing import Proof
from responder.console import filling, looking, views
from responder.console.pages import Pages, see
from responder.console.paths import fields, local
from responder.console.shell import render
from responder.console.trouble import Trouble, refusal
from responder.errors import Refused
from responder.people.person import Permission
from responder.policy.leases import LeaseKind

routes = Pages()


@routes.get("/leases", Permission.INCIDENTS_READ)
async def list_held(call: Call) -> Response:
    """What is in force, the next to end first; below, what ended last."""
    return await _show(call)


@routes.post("/leases/end", Permission.LEASES_WRITE)
async def end_held(call: Call) -> Response:
    """Undo one hold now, or ask for it where that takes a second person."""
    given = await fields(call.request)
    wish = Wish(kind=LeaseKind.END, hold=given.get("hold", "")[:400], reason=filling.reason(given))
    return await _decide(call, wish, given, "undone")


@routes.post("/leases/extend", Permission.LEASES_WRITE)
async def extend_held(call: Call) -> Response:
    """Hold one until later, or ask for it where that takes a second person."""
    given = await fields(call.request)
    what = "The lease was not extended."
    try:
        until = filling.moment(given, "until")
        filling.expect(until is not None, "expected until when; found nothing")
    except Refused as refused:
        return await _show(call, refusal(refused.message, what))
    wish = Wish(
        kind=LeaseKind.EXTEND,
        hold=given.get("hold", "")[:400],
        until=until,
        reason=filling.reason(given),
    )
    return await _decide(call, wish, given, "extended")


async def _decide(call: Call, wish: Wish, given: dict[str, str], done: str) -> Response:
    """The caller's signed decision, by the same service as the API."""
    proof = Proof(code=filling.code(given), passkey=filling.passkey(given))
    served = call.served
    try:
        ask = await served.leasing.request(wish, call.person, proof, method="console")
    except Refused as refused:
        what = f"The lease was not {done}."
        return await _show(call, refusal(refused.message, what), given.get("hold", ""))
    if ask["state"] != "approved":
        return see(f"/asks/{ask['id']}?done=asked")
    await served.lease_delivery.tell(
        dict.fromkeys(hold["resource"] for hold in ask["subject"]["holds"])
    )
    return see(f"{local(given.get('back', ''), '/leases')}?done={done}")


async def _show(call: Call, trouble: Trouble | None = None, tried: str = "") -> Response:
    served, now = call.served, call.served.store.now()
    async with served.store.reading() as tx:
        live = [views.hold(row, now) for row in await looking.leases(tx, ended=False)]
        ended = [views.hold(row, now) for row in await looking.leases(tx, ended=True)]
    return await render(
        call,
        "leases.html",
        status=403 if trouble else 200,
        trouble=trouble or "",
        here="/leases",
        title="Leases",
        live=live,
        ended=ended,
        tried=tried,
    )
