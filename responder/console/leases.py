"""The leases in force: what is held where, until when, and ending or extending it."""

from starlette.responses import Response

from responder.api.route import Call
from responder.console import looking, views
from responder.console.pages import Pages, see
from responder.console.paths import fields, local
from responder.console.shell import render
from responder.errors import Refused
from responder.handling import end_holds
from responder.people.person import Permission

routes = Pages()


@routes.get("/leases", Permission.INCIDENTS_READ)
async def list_leases(call: Call) -> Response:
    """What is in force, the next to end first; below, what ended last."""
    return await _show(call)


@routes.post("/leases/end", Permission.LEASES_WRITE)
async def end_lease(call: Call) -> Response:
    """Undo one hold now."""
    given = await fields(call.request)
    try:
        touched = await end_holds(
            call.served.store,
            call.served.deliveries,
            call.person,
            given.get("code", ""),
            hold=given.get("hold", ""),
        )
    except Refused as refused:
        return await _show(call, trouble=refused.message, status=403)
    for resource in touched:
        await call.served.link.lease(resource, None, new=False)
    return see(f"{local(given.get('back', ''), '/leases')}?done=undone")


async def _show(call: Call, *, trouble: str = "", status: int = 200) -> Response:
    served, now = call.served, call.served.store.now()
    async with served.store.reading() as tx:
        live = [views.hold(row, now) for row in await looking.leases(tx, ended=False)]
        ended = [views.hold(row, now) for row in await looking.leases(tx, ended=True)]
    return await render(
        call, "leases.html", status=status, trouble=trouble, title="Leases", live=live, ended=ended
    )
