"""One incident: its story, its plans, what is asked, what is held, and its timeline."""

from starlette.responses import Response

from responder.api.route import Call, Problem
from responder.audit import tail
from responder.console import views, words
from responder.console.asking import before
from responder.console.evidence import kept
from responder.console.pages import Pages, see
from responder.console.paths import fields
from responder.console.shell import render
from responder.errors import Refused
from responder.people.person import Permission
from responder.standing.whole import whole
from responder.steering import Steering

routes = Pages()

_ENTRIES = 200
_LONGEST_NOTE = 10_000


@routes.get("/incidents/{incident}", Permission.INCIDENTS_READ)
async def show_incident(call: Call) -> Response:
    """Everything about one incident on one page."""
    return await _show(call)


@routes.post("/incidents/{incident}/take", Permission.INCIDENTS_WRITE)
async def take_incident(call: Call) -> Response:
    """Own it; the acknowledge clock stops."""
    incident = call.path("incident")
    try:
        await _steering(call).take(incident, call.person)
    except Refused as refused:
        return await _show(call, trouble=refused.message, status=403)
    return see(f"/incidents/{incident}?done=taken")


@routes.post("/incidents/{incident}/notes", Permission.INCIDENTS_WRITE)
async def note_on_incident(call: Call) -> Response:
    """Note something; an update is what those who wait are owed."""
    incident, given = call.path("incident"), await fields(call.request)
    text, is_update = given.get("text", "")[:_LONGEST_NOTE], bool(given.get("update"))
    try:
        await _steering(call).note(incident, call.person, text, is_update=is_update)
    except Refused as refused:
        return await _show(call, trouble=refused.message, status=403)
    return see(f"/incidents/{incident}?done=noted")


def _steering(call: Call) -> Steering:
    return Steering(call.served.store, call.served.kinds, call.served.policy)


async def _show(call: Call, *, trouble: str = "", status: int = 200) -> Response:
    served, incident = call.served, call.path("incident")
    now = served.store.now()
    async with served.store.reading() as tx:
        found = await whole(tx, incident, now)
        if found is None:
            raise Problem(404, f"there is no incident {incident}")
        entries = await tail(tx, _ENTRIES, incident=incident)
    asks = await before(call, found["asks"])
    return await render(
        call,
        "incident.html",
        status=status,
        trouble=trouble,
        here=f"/incidents/{incident}",
        title=f"{found['priority']} · {incident}",
        incident=views.incident(found),
        story=words.story(found),
        timers=[views.clock(row, now) for row in found["clocks"]],
        asks=sorted(asks, key=lambda one: not one["open"]),
        steps=[step for step in found["steps"] if step["state"] != "asked"],
        holds=[views.hold(row, now) for row in found["holds"]],
        evidence=await kept(served.settings, incident),
        messages=found["messages"],
        notes=found["notes"],
        duties=[views.duty(row, now) for row in found["duties"]],
        timeline=[words.told(entry) for entry in reversed(entries)],
    )
