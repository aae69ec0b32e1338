"""Leases over HTTP: what is held, and ending it early."""

from pydantic import Field
from sqlalchemy import select

from responder.api.route import Call, Problem, Routes
from responder.handling import end_holds
from responder.incident import Frozen
from responder.people.person import Permission
from responder.standing.whole import Row, plain
from responder.store.tables import holds, resources

routes = Routes()


class EndingOf(Frozen):
    """What to end early: one hold, or all on a resource."""

    hold: str | None = None
    resource: str | None = None
    code: str = Field(default="", max_length=16)


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
