"""Incidents and leases over HTTP."""

from pydantic import Field
from sqlalchemy import select

from responder.api.route import Call, Problem, Routes
from responder.handling import Resolution, acknowledge, close, end_holds
from responder.incident import Frozen
from responder.people.person import Permission
from responder.standing.whole import Row, plain, whole
from responder.store.tables import holds, incidents, resources

routes = Routes()


class Closing(Frozen):
    """How an incident is closed."""

    resolution: Resolution
    code: str = Field(default="", max_length=16)


class EndingOf(Frozen):
    """What to end early: one hold, or all on a resource."""

    hold: str | None = None
    resource: str | None = None
    code: str = Field(default="", max_length=16)


@routes.get("/api/incidents", Permission.INCIDENTS_READ)
async def list_incidents(call: Call) -> list[Row]:
    """The open incidents, most urgent first; with `everything`, the closed ones as well."""
    query = select(incidents).order_by(incidents.c.priority, incidents.c.opened.desc()).limit(500)
    if not call.flag("everything"):
        query = query.where(incidents.c.closed.is_(None))
    async with call.served.store.reading() as tx:
        return [plain(row) for row in (await tx.execute(query)).mappings()]


@routes.get("/api/incidents/{incident}", Permission.INCIDENTS_READ)
async def show_incident(call: Call) -> Row:
    """One incident with its clocks, runs, steps, asks, holds, alerts and messages."""
    incident = call.path("incident")
    async with call.served.store.reading() as tx:
        found = await whole(tx, incident)
    if found is None:
        raise Problem(404, f"there is no incident {incident}")
    return found


@routes.post("/api/incidents/{incident}/ack", Permission.INCIDENTS_WRITE)
async def ack(call: Call) -> Row:
    """Take the incident: you own it, and the acknowledge clock stops."""
    incident = call.path("incident")
    await acknowledge(call.served.store, incident, call.person)
    return {"incident": incident, "owner": call.person.name}


@routes.post("/api/incidents/{incident}/close", Permission.INCIDENTS_WRITE)
async def close_incident(call: Call) -> Row:
    """Close it; a false positive ends its holds as well."""
    incident, served, closing = call.path("incident"), call.served, await call.body(Closing)
    ended = await close(
        served.store, served.deliveries, incident, call.person, closing.resolution, closing.code
    )
    for resource in ended:
        await served.link.lease(resource, None, new=False)
    return {"incident": incident, "resolution": closing.resolution, "ended": ended}


@routes.get("/api/leases", Permission.INCIDENTS_READ)
async def list_leases(call: Call) -> list[Row]:
    """What is held, where, until when, and how it stands; with `everything`, what ended as well."""
    query = (
        select(holds, resources.c.point, resources.c.outcome, resources.c.state, resources.c.said)
        .join(resources, resources.c.name == holds.c.resource)
        .order_by(holds.c.taken)
    )
    if not call.flag("everything"):
        query = query.where(holds.c.ended.is_(None))
    async with call.served.store.reading() as tx:
        return [plain(row) for row in (await tx.execute(query)).mappings()]


@routes.post("/api/leases/end", Permission.LEASES_WRITE)
async def end_leases(call: Call) -> Row:
    """End holds early; what nothing holds any more is undone at once, and verified."""
    served, ending = call.served, await call.body(EndingOf)
    if (ending.hold is None) == (ending.resource is None):
        raise Problem(422, "expected one of hold and resource")
    touched = await end_holds(
        served.store,
        served.deliveries,
        call.person,
        ending.code,
        hold=ending.hold,
        resource=ending.resource,
    )
    for resource in touched:
        await served.link.lease(resource, None, new=False)
    return {"resources": touched}
