"""The next-update clock: those who wait for news are owed some, again and again until it is closed."""

from datetime import datetime

from sqlalchemy import Update, insert, update

from responder.audit import Entry, append
from responder.incident import Priority
from responder.policy.sla import Clock, Targets
from responder.standing.brief import brief
from responder.standing.climbing import LAST
from responder.standing.facts import Facts
from responder.standing.reminding import reminder
from responder.standing.timing import Next, afresh, chain_of, strikes_of, upcoming, within_of
from responder.store.database import Transaction
from responder.store.rows import Row, insert_new
from responder.store.tables import clocks
from responder.store.watching import notes
from responder.verbs.telling import tell

# So many updates of a P1 missed one after another are the CISO's to hear of.
_TOO_OFTEN = 2


async def miss(
    tx: Transaction, facts: Facts, targets: Targets, row: Row, now: datetime
) -> tuple[bool, Next | None]:
    """Remind of the next update; one that is missed is recorded, and the clock begins anew."""
    every = strikes_of(row, targets)
    struck = [one for one in every if one.share > row["struck"] and one.at <= now]
    if struck and struck[-1].share >= 1:
        values = afresh(now, within_of(row), targets.hours) | {"missed": row["missed"] + 1}
        await tx.execute(_of(row["incident"]).values(values))
        await _missed(tx, facts, targets, row, now)
        return True, upcoming(strikes_of(values | {"clock": row["clock"]}, targets)[0])
    if struck:
        await reminder(tx, facts, targets, struck[-1], now)
    later = [one for one in every if one.at > now]
    return bool(struck), upcoming(later[0]) if later else None


async def restart_updates(tx: Transaction, incident: str, targets: Targets, now: datetime) -> None:
    """An update was given: the next one is due from now, if this priority owes any."""
    if targets.update is None:
        await tx.execute(_of(incident).where(clocks.c.met.is_(None)).values(met=now))
        return
    values = afresh(now, targets.update, targets.hours)
    if (await tx.execute(_of(incident).values(values))).rowcount == 0:
        await insert_new(tx, clocks, {"incident": incident, "clock": Clock.UPDATE, **values})


async def write_note(
    tx: Transaction, incident: str, by: str, text: str, now: datetime, *, is_update: bool
) -> None:
    """Write down what *by* notes about an incident, for everybody who may read it."""
    row = {"incident": incident, "at": now, "by": by, "text": text, "is_update": is_update}
    await tx.execute(insert(notes).values(row))
    entry = Entry(
        kind="note",
        actor=by,
        subject=incident,
        incident=incident,
        data={"text": text, "update": is_update},
    )
    await append(tx, now, entry)


async def _missed(tx: Transaction, facts: Facts, targets: Targets, row: Row, now: datetime) -> None:
    incident, times = facts.incident, row["missed"] + 1
    name = incident["id"]
    chain = chain_of(incident, targets)
    entry = Entry(
        kind="update missed",
        actor="clock",
        subject=name,
        incident=name,
        data={"due": row["due"].isoformat(), "times": times},
    )
    await append(tx, now, entry)
    said = f"{incident['priority']} {name}: an update was due at {row['due']:%H:%M:%S} UTC"
    await tell(
        tx,
        now,
        key=f"update/{name}/{row['due'].isoformat()}",
        audience=incident["owner"] or chain[0],
        incident=name,
        subject=said + (f", the {times}. missed in a row" if times > 1 else ""),
        body=f'{incident["title"]}\n\nSay how it stands: responder incidents note {name} --update "…"',
    )
    if incident["priority"] == Priority.P1 and times % _TOO_OFTEN == 0:
        await tell(
            tx,
            now,
            key=f"updates/{name}/{row['due'].isoformat()}",
            audience=LAST,
            incident=name,
            loud=True,
            subject=f"{said}; {times} were missed in a row",
            body=brief(facts),
        )


def _of(incident: str) -> Update:
    return update(clocks).where(clocks.c.incident == incident, clocks.c.clock == Clock.UPDATE)
