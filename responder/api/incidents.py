"""Incidents over HTTP."""

from pydantic import Field, JsonValue
from sqlalchemy import select

from responder.api.leases import told
from responder.api.route import Call, Problem, Routes
from responder.approval.lease_drawing import Wish
from responder.approval.leasing import Proof
from responder.handling import Resolution, acknowledge, close
from responder.incident import Frozen
from responder.people.person import Permission
from responder.policy.leases import LeaseKind
from responder.standing.whole import Row, plain, whole
from responder.store.tables import clocks, incidents

routes = Routes()


class Closing(Frozen):
    """How an incident is closed."""

    resolution: Resolution
    code: str = Field(default="", max_length=64)
    passkey: dict[str, JsonValue] | None = None


@routes.get("/api/incidents", Permission.INCIDENTS_READ)
async def list_incidents(call: Call) -> list[Row]:
    """The open incidents, most urgent first; with `everything` closed ones too, with `clocks` their clocks."""
    query = select(incidents).order_by(incidents.c.priority, incidents.c.opened.desc()).limit(500)
    if not call.flag("everything"):
        query = query.where(incidents.c.closed.is_(None))
    async with call.served.store.reading() as tx:
        rows = [plain(row) for row in (await tx.execute(query)).mappings()]
        if not call.flag("clocks"):
            return rows
        timed = select(clocks).where(clocks.c.incident.in_([row["id"] for row in rows]))
        running = [plain(one) for one in (await tx.execute(timed)).mappings()]
    for row in rows:
        row["clocks"] = [one for one in running if one["incident"] == row["id"]]
    return rows


@routes.get("/api/incidents/{incident}", Permission.INCIDENTS_READ)
async def show_incident(call: Call) -> Row:
    """One incident with its clocks, runs, steps, asks, holds, alerts and messages."""
    incident = call.path("incident")
    async with call.served.store.reading() as tx:
        found = await whole(tx, incident, call.served.store.now())
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
    """Close it; a false positive undoes its holds, newest first, and the answer says what came of each."""
    incident, served, closing = call.path("incident"), call.served, await call.body(Closing)
    proof = Proof(code=closing.code, passkey=closing.passkey)
    ask = await close(
        served.store,
        served.leasing,
        incident,
        call.person,
        closing.resolution,
        proof,
        method="console" if call.session else "api token",
    )
    answer = {"incident": incident, "resolution": closing.resolution}
    return answer | (await told(call, ask) if ask is not None else {"ask": None, "leases": []})


@routes.post("/api/incidents/{incident}/close/challenge", Permission.INCIDENTS_WRITE)
async def close_challenge(call: Call) -> Row:
    """What your passkey is asked for, to close it as a false positive: to end exactly what it holds now."""
    wish = Wish(kind=LeaseKind.END, incident=call.path("incident"))
    return await call.served.leasing.challenge(wish, call.person)
