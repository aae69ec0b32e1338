"""One incident: its story, its plans, what is asked, what is held, its evidence and its timeline."""

from starlette.responses import Response

from responder.api.route import Call, Problem
from responder.audit import tail
from responder.console import views, words
from responder.console.asking import before
from responder.console.evidence import kept
from responder.console.pages import Pages
from responder.console.shell import render
from responder.console.trouble import Trouble
from responder.people.person import Permission
from responder.standing.whole import Row, whole

routes = Pages()

_ENTRIES = 200


@routes.get("/incidents/{incident}", Permission.INCIDENTS_READ)
async def show_incident(call: Call) -> Response:
    """Everything about one incident on one page, and what can be done to it."""
    return await show(call)


async def incident_now(call: Call) -> Row:
    """The incident as it is; 404 if there is none."""
    incident, now = call.path("incident"), call.served.store.now()
    async with call.served.store.reading() as tx:
        found = await whole(tx, incident, now)
    if found is None:
        raise Problem(404, f"there is no incident {incident}")
    return found


async def show(
    call: Call, trouble: Trouble | None = None, given: dict[str, str] | None = None
) -> Response:
    """The incident as it is now, with what was refused just now and what was typed."""
    served, incident = call.served, call.path("incident")
    now = served.store.now()
    found = await incident_now(call)
    async with served.store.reading() as tx:
        entries = await tail(tx, _ENTRIES, incident=incident)
    asks = await before(call, [ask | {"about": found} for ask in found["asks"]])
    holds = [views.hold(row, now) for row in found["holds"]]
    timers = [views.clock(row, now) for row in found["clocks"]]
    return await render(
        call,
        "incident.html",
        status=403 if trouble else 200,
        trouble=trouble or "",
        here=f"/incidents/{incident}",
        title=f"{found['priority']} · {incident}",
        incident=views.incident(found),
        story=words.story(found),
        timers=timers,
        asks=sorted(asks, key=lambda one: not one["open"]),
        steps=[step for step in found["steps"] if step["state"] != "asked"],
        holds=holds,
        evidence=await kept(served.settings, incident),
        messages=found["messages"],
        notes=found["notes"],
        timeline=[words.told(entry) for entry in reversed(entries)],
        typed=given or {},
        **views.acts(found, timers, holds, served.policy),
        **views.owed(found["duties"], served.policy.duties, now),
    )
