"""Managed keys over HTTP: what there is, the public halves, a rotation now, and when the next one is."""

import secrets
from datetime import timedelta
from typing import Any

from pydantic import Field
from starlette.responses import JSONResponse, Response
from temporalio.service import RPCError

from responder.api.route import PUBLIC, Call, Problem, Routes
from responder.audit import append
from responder.crypto.jwks import MAX_AGE
from responder.incident import Frozen
from responder.intake.opening import Openings
from responder.intake.scheduled import Planned, open_planned
from responder.people.person import Permission
from responder.schedules import next_times
from responder.secrets.contract import SecretName
from responder.triage import Triage

routes = Routes()

EMERGENCY = "credential_compromise"


class Rotation(Frozen):
    """A rotation that a person asks for."""

    name: SecretName
    mode: str = Field(pattern="^(planned|emergency)$")


@routes.get("/.well-known/jwks.json", PUBLIC)
async def jwks(call: Call) -> Response:
    """The public halves of our signing keys (RFC 7517), for whoever checks a token of ours."""
    found = await call.served.published.key_set(call.served.store.now())
    age = int(MAX_AGE.total_seconds())
    return JSONResponse(
        found,
        headers={"Cache-Control": f"public, max-age={age}"},
        media_type="application/jwk-set+json",
    )


@routes.get("/api/keys", Permission.INCIDENTS_READ)
async def list_keys(call: Call) -> list[dict[str, Any]]:
    """The managed keys with their versions, retention and next rotation; never a value."""
    served = call.served
    rotation = served.settings.key_rotation
    upcoming = await _next(call, "key-rotation") if rotation.keys else []
    return [
        {
            "name": key.name,
            "type": key.type,
            "size": key.size,
            "retention_days": key.retention_period / timedelta(days=1),
            "next": upcoming[0] if upcoming else None,
            "versions": [
                one.model_dump(mode="json") | {"kept_until": until.isoformat() if until else None}
                for one in await served.secrets.versions(key.name)
                for until in (one.kept_until(key.retention_period),)
            ],
        }
        for key in rotation.keys
    ]


@routes.post("/api/keys/rotate", Permission.INCIDENTS_WRITE)
async def rotate_key(call: Call) -> dict[str, Any]:
    """Open the incident in which one key is rotated; what it needs approved is asked there."""
    served, asked, now = call.served, await call.body(Rotation), call.served.store.now()
    plan = served.settings.key_rotation
    ours = dict.fromkeys((key.name for key in plan.keys), "key_rotation")
    ours |= dict.fromkeys((key.name for key in plan.access_keys), "access_key_rotation")
    if asked.name not in ours:
        known = ", ".join(ours) or "none"
        raise Problem(404, f"{asked.name}: no such key; key_rotation has {known}")
    planned = Planned(
        id=f"asked/{asked.name}/{now:%Y-%m-%dT%H:%M:%S}/{secrets.token_hex(4)}",
        title=f"{asked.mode.capitalize()} rotation of {asked.name}, asked for by {call.person.name}",
        category=EMERGENCY if asked.mode == "emergency" else ours[asked.name],
        subject=f"{asked.name} {now:%Y-%m-%d %H:%M:%S}",
        what=(asked.name,),
        at=now,
        asked_by=call.person.name,
    )
    openings = Openings(Triage(), served.kinds, served.policy)
    async with served.store.transaction() as tx:
        taken = await open_planned(tx, openings, planned, now)
        await append(tx, now, *taken.entries)
    return {"incident": taken.incident, "mode": asked.mode, "key": asked.name}


@routes.get("/api/schedules", Permission.INCIDENTS_READ)
async def list_schedules(call: Call) -> list[dict[str, Any]]:
    """What is opened by plan, and when Temporal will do so next; no time: paused or not there yet."""
    return [
        one.model_dump(mode="json") | {"next": await _next(call, one.name)}
        for one in call.served.settings.planned
    ]


async def _next(call: Call, name: str) -> list[str]:
    try:
        return [moment.isoformat() for moment in await next_times(call.served.link.client, name)]
    except RPCError:
        return []
