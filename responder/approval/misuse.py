"""Deny and report: an ask that nobody should have made is told aloud, and its asker reaches nobody more."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from responder.approval.requesting import in_words
from responder.audit import Entry, append
from responder.errors import Refused
from responder.people.person import Person, Role
from responder.store import Store, Transaction
from responder.store.noticing import mutes
from responder.store.tables import alerts
from responder.verbs.telling import tell, tell_audited

_TOLD = ("security", "CISO")


async def report(
    tx: Transaction, ask: Mapping[Any, Any], person: str, reason: str, now: datetime
) -> None:
    """
    Record that *person* holds *ask* to be misuse, and tell security and the CISO.

    From then on no ask of the same requester in the same incident is delivered to anybody, until
    an admin says that they may again; each stays open, is shown, and expires as ever.
    """
    mute = {
        "incident": ask["incident"],
        "requester": ask["requester"],
        "ask": ask["id"],
        "person": person,
        "reason": reason,
        "at": now,
    }
    await tx.execute(insert(mutes).values(mute))
    query = select(alerts.c.source).where(alerts.c.incident == ask["incident"]).distinct()
    sources = sorted((await tx.execute(query)).scalars())
    entry = Entry(
        kind="reported",
        actor=person,
        subject=f"ask {ask['id']}",
        incident=ask["incident"],
        data={"requester": ask["requester"], "sources": sources, "reason": reason},
    )
    what = "; ".join(change["summary"] for change in ask["plan"].get("changes", ()))
    words: dict[str, Any] = {
        "loud": True,
        "subject": f"{ask['incident']}: {person} reported ask {ask['id']} as misuse",
        "body": f"Asked by {ask['requester']}{_person(ask)}: {what or ask['id']}\n"
        f"Alerts of this incident came from {', '.join(sources) or 'no source'}\n"
        f"Said: {reason or 'nothing'}\n\nIt was denied, nothing was changed. Its requester's asks in "
        "this incident reach nobody until an admin lets them:\n\n"
        f"    responder approvals unmute {ask['incident']}",
    }
    for audience in _TOLD:
        key = f"reported/{ask['id']}/{audience}"
        if audience == _TOLD[0]:
            await tell_audited(tx, now, entry, key=key, audience=audience, **words)
        else:
            await tell(tx, now, key=key, audience=audience, incident=ask["incident"], **words)


def _person(ask: Mapping[Any, Any]) -> str:
    return f", for {named}" if (named := in_words(ask)) else ""


async def unmute(store: Store, incident: str, person: Person) -> int:
    """
    Let asks of *incident* be delivered again, as an admin; returns how many reports that ends.

    Raises `Refused` if there is none, or if *person* is no admin.
    """
    if Role.ADMIN not in person.roles or not person.active:
        raise Refused(f"{person.name} may not let asks through that were reported; an admin may")
    now = store.now()
    async with store.transaction() as tx:
        lifted = await tx.execute(
            update(mutes)
            .where(mutes.c.incident == incident, mutes.c.lifted.is_(None))
            .values(lifted=now, lifted_by=person.name)
        )
        if not lifted.rowcount:
            raise Refused(f"{incident}: no ask of it is kept from people; nothing was changed")
        entry = Entry(kind="unmuted", actor=person.name, subject=incident, incident=incident)
        await append(tx, now, entry)
    return int(lifted.rowcount)
