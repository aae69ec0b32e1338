"""Pausing the runner: nothing new is done from then on, and what is leased is still undone in time."""

from typing import Any

from sqlalchemy import delete, insert

from responder.audit import Entry, append
from responder.store import Store
from responder.store.tables import settings_now


async def pause_runner(store: Store, person: str, reason: str) -> dict[str, Any]:
    """Let nothing new be done from now on, because of *reason*."""
    return await _set(store, person, {"paused": True, "by": person, "reason": reason})


async def resume_runner(store: Store, person: str) -> dict[str, Any]:
    """Go on."""
    return await _set(store, person, {"paused": False, "by": person, "reason": ""})


async def _set(store: Store, person: str, value: dict[str, Any]) -> dict[str, Any]:
    now = store.now()
    async with store.transaction() as tx:
        await tx.execute(delete(settings_now).where(settings_now.c.name == "paused"))
        await tx.execute(insert(settings_now).values(name="paused", value=value, changed=now))
        kind = "paused" if value["paused"] else "resumed"
        await append(tx, now, Entry(kind=kind, actor=person, subject="runner", data=value))
    return value
