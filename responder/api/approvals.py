"""Asks and decisions over HTTP, second factors, and the pause."""

from typing import Any

from fastapi import APIRouter, HTTPException
from pydantic import Field
from sqlalchemy import delete, insert, select

from responder.api.incidents import Row, plain
from responder.api.parts import MayDecide, MayPause, MayRead, MayWritePeople, Served
from responder.approval import totp
from responder.approval.service import Verdict
from responder.audit import Entry, append
from responder.incident import Frozen
from responder.people import tokens
from responder.store.tables import asks, decisions, settings_now

router = APIRouter(prefix="/api")


class Pausing(Frozen):
    """Why nothing new may be done for now."""

    reason: str = Field(min_length=1, max_length=300)


@router.get("/asks")
async def list_asks(served: Served, _: MayRead, *, everything: bool = False) -> list[Row]:
    """The asks that wait for a person; with `everything`, the ended ones as well."""
    query = select(asks).order_by(asks.c.opened.desc()).limit(500)
    if not everything:
        query = query.where(asks.c.state == "open")
    async with served.store.reading() as tx:
        return [plain(row) for row in (await tx.execute(query)).mappings()]


@router.get("/asks/{ask}")
async def show_ask(ask: str, served: Served, _: MayRead) -> Row:
    """One ask with its plan and its decisions."""
    async with served.store.reading() as tx:
        row = (await tx.execute(select(asks).where(asks.c.id == ask))).mappings().one_or_none()
        if row is None:
            raise HTTPException(404, f"there is no ask {ask}")
        query = select(decisions.c.principal, decisions.c.approve, decisions.c.document)
        given = (await tx.execute(query.where(decisions.c.ask == ask))).mappings().all()
    return plain(row) | {"decisions": [plain(one) for one in given]}


@router.post("/asks/{ask}/decisions")
async def decide(ask: str, verdict: Verdict, served: Served, person: MayDecide) -> Row:
    """Decide an ask. The answer says what is recorded; the run picks it up within a second."""
    decided = await served.approvals.decide(ask, person, verdict, method="api token")
    try:
        await served.link.tell(decided["run"])
        delivered = True
    except Exception:  # noqa: BLE001 - Temporal is away: the nudger delivers it until it is picked up
        delivered = False
    return plain(decided) | {"delivered": delivered}


@router.post("/people/{name}/factor")
async def enrol(name: str, served: Served, person: MayWritePeople) -> Row:
    """Give somebody a new second factor; what they had before ends. The answer is shown once."""
    if served.people.find(name) is None:
        raise HTTPException(404, f"the settings name no person {name}")
    now = served.store.now()
    async with served.store.transaction() as tx:
        address = await totp.enrol(tx, served.deliveries, name)
        await append(tx, now, Entry(kind="enrolled", actor=person.name, subject=name))
    return {"person": name, "otpauth": address}


@router.post("/people/{name}/token")
async def issue(name: str, served: Served, person: MayWritePeople) -> Row:
    """Give somebody a token of the API. It is shown once."""
    if served.people.find(name) is None:
        raise HTTPException(404, f"the settings name no person {name}")
    token = await tokens.issue(served.store, name)
    async with served.store.transaction() as tx:
        await append(tx, served.store.now(), Entry(kind="token", actor=person.name, subject=name))
    return {"person": name, "token": token}


@router.post("/pause")
async def pause(pausing: Pausing, served: Served, person: MayPause) -> Row:
    """Let nothing new be done from now on; what is leased is still undone in time."""
    return await _set_pause(served, person.name, {"paused": True, "by": person.name, "reason": pausing.reason})


@router.post("/resume")
async def resume(served: Served, person: MayPause) -> Row:
    """Go on."""
    return await _set_pause(served, person.name, {"paused": False, "by": person.name, "reason": ""})


async def _set_pause(served: Served, name: str, value: dict[str, Any]) -> Row:
    now = served.store.now()
    async with served.store.transaction() as tx:
        await tx.execute(delete(settings_now).where(settings_now.c.name == "paused"))
        await tx.execute(insert(settings_now).values(name="paused", value=value, changed=now))
        kind = "paused" if value["paused"] else "resumed"
        await append(tx, now, Entry(kind=kind, actor=name, subject="runner", data=value))
    return value
