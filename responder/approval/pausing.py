"""
Pausing the runner: nothing new is done from then on, and what is leased is still undone in time.

Whoever may pauses at once, without any code, and everybody who should know hears of it loudly: it is the
brake. To go on is what takes a second factor, since from then on changes are made again.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert

from responder.approval.enrolment import Factor, Purpose, bound_to, prove
from responder.approval.settings import ApprovalSettings
from responder.audit import Entry, append
from responder.crypto.keyring import KeyRing
from responder.people.person import Person
from responder.store import Store, Transaction
from responder.store.tables import settings_now
from responder.verbs.telling import tell

_TOLD = ("security", "escalation")  # and with it whoever is on call for any chain


async def pause_runner(store: Store, person: str, reason: str) -> dict[str, Any]:
    """Let nothing new be done from now on, because of *reason*; security and who is on call are told loudly."""
    now = store.now()
    async with store.transaction() as tx:
        value = await _set(tx, now, {"paused": True, "by": person, "reason": reason})
        for audience in _TOLD:
            await tell(
                tx,
                now,
                key=f"paused/{now.isoformat()}/{audience}",
                audience=audience,
                subject=f"{person} paused everything: {reason}",
                body="Nothing new is done, whatever is approved; what is leased is still undone in time. "
                "To go on takes a second factor:\n\n    responder resume",
                loud=True,
            )
    return value


async def resume_runner(
    store: Store, ring: KeyRing, origin: str, person: Person, proof: Factor, rules: ApprovalSettings
) -> dict[str, Any]:
    """Go on, which *person* proves a second factor for unless *rules* say otherwise. Raises `Refused`."""
    now = store.now()
    if rules.proof_to_resume:
        bound = bound_to(person.name, Purpose.RESUME)
        await prove(store, ring, origin, person, proof, bound, now)
    async with store.transaction() as tx:
        return await _set(tx, now, {"paused": False, "by": person.name, "reason": ""})


async def _set(tx: Transaction, now: datetime, value: dict[str, Any]) -> dict[str, Any]:
    await tx.execute(delete(settings_now).where(settings_now.c.name == "paused"))
    await tx.execute(insert(settings_now).values(name="paused", value=value, changed=now))
    kind = "paused" if value["paused"] else "resumed"
    await append(tx, now, Entry(kind=kind, actor=value["by"], subject="runner", data=value))
    return value
