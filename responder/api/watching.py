"""What others watch: intake counts, the audit, health, metrics."""

import asyncio
from contextlib import suppress
from typing import Any

from sqlalchemy import func, select, text
from starlette.responses import JSONResponse, Response

from responder.api.route import PUBLIC, Call, Routes
from responder.approval.stamps import stamps
from responder.audit import tail, verify
from responder.intake.deliveries import count
from responder.people.person import Permission
from responder.standing.auditor import age
from responder.standing.whole import Row
from responder.store.tables import asks, holds, incidents, resources
from responder.temporal import until_there

routes = Routes()
_PATIENCE = 1.0  # seconds that a health check waits for the store
Labelled = dict[tuple[tuple[str, str], ...], float]


@routes.get("/api/intake", Permission.INTAKE_READ)
async def intake(call: Call) -> Row:
    """Received = started + merged + dismissed + quarantined + waiting, counted in alerts."""
    return dict(await count(call.served.store))


@routes.get("/api/audit", Permission.AUDIT_READ)
async def read_audit(call: Call) -> list[dict[str, Any]]:
    """The last entries, oldest first."""
    incident = call.request.query_params.get("incident")
    async with call.served.store.reading() as tx:
        return list(await tail(tx, call.number("last", 50, most=1000), incident=incident))


@routes.get("/api/audit/verification", Permission.AUDIT_READ)
async def verify_audit(call: Call) -> Row:
    """Check the whole log; names the first entry that does not hold."""
    held, fault = await verify(call.served.store)
    return {"held": held, "fault": None if fault is None else fault.model_dump()}


@routes.get("/healthz", PUBLIC)
async def healthz(call: Call) -> Row:
    """The process answers; with how long ago the auditor looked, null if the store cannot say."""
    return {"status": "ok", "auditor_age_seconds": await _auditor_age(call)}


async def _auditor_age(call: Call) -> float | None:
    with suppress(Exception):  # whatever it is, the process answers
        async with asyncio.timeout(_PATIENCE):
            found = await age(call.served.store)
            return None if found is None else found.total_seconds()
    return None


@routes.get("/readyz", PUBLIC)
async def readyz(call: Call) -> Response:
    """
    Whether deliveries are taken in (the store answers) and handed on (Temporal answers).

    With `worker`, also whether somebody carries them out; taking in does not depend on that.
    """
    served = call.served
    found: dict[str, str] = {}
    try:
        async with served.store.reading() as tx:
            await tx.execute(text("SELECT 1"))
        found["store"] = "ok"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not ready
        found["store"] = f"{type(error).__name__}"
    found["temporal"] = "ok" if await until_there(served.link.client, 1.0) else "no answer"
    found["reconciled"] = "ok" if served.reconciler.rounds else "not yet"
    if call.flag("worker") and found["temporal"] == "ok":
        found["worker"] = "ok" if await served.link.has_worker() else "none"
    good = all(value == "ok" for value in found.values())
    return JSONResponse(found, 200 if good else 503)


@routes.get("/metrics", PUBLIC)
async def metrics(call: Call) -> Response:
    """Prometheus' page."""
    served = call.served
    async with served.store.reading() as tx:
        rows = await tx.execute(
            select(incidents.c.priority, func.count())
            .where(incidents.c.closed.is_(None))
            .group_by(incidents.c.priority)
        )
        open_now: Labelled = {(("priority", str(p)),): float(n) for p, n in rows.all()}
        rows = await tx.execute(
            select(holds.c.kind, func.count()).where(holds.c.ended.is_(None)).group_by(holds.c.kind)
        )
        active: Labelled = {(("action", str(k)),): float(n) for k, n in rows.all()}
        bad = await tx.execute(
            select(func.count())
            .select_from(resources)
            .where(resources.c.state == "held", resources.c.outcome != "verified")
        )
        unverified = float(bad.scalar_one())
        rows = await tx.execute(
            select(func.count()).select_from(asks).where(asks.c.state == "open")
        )
        waiting = float(rows.scalar_one())
        week = await stamps(tx, served.settings.approvals, served.store.now())
        unread = float(sum(one["stamps"] for one in week))
    counted = await count(served.store)
    looked = await _auditor_age(call)
    gauge = served.metrics.gauge
    if open_now:
        gauge("responder_incidents_open", "Open incidents by priority.", open_now)
    if active:
        gauge("responder_containment_active", "Live holds by action.", active)
    gauge(
        "responder_containment_unverified",
        "Held resources that are not verified.",
        {(): unverified},
    )
    if looked is not None:
        gauge("responder_auditor_age_seconds", "Since the auditor last compared.", {(): looked})
    gauge("responder_approvals_waiting", "Asks that wait for a person.", {(): waiting})
    gauge(
        "responder_approvals_rubber_stamps",
        "Decisions of the last week that came sooner than anybody can read.",
        {(): unread},
    )
    gauge(
        "responder_alerts",
        "Alerts by what became of them.",
        {(("state", state),): float(n) for state, n in counted.items()},
    )
    return Response(served.metrics.page(), media_type="text/plain; version=0.0.4")
