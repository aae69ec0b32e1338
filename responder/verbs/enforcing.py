"""
Bringing one resource to what its live holds want: read, write if needed, read back, write it down.

Used when a hold is taken, when one of several ends, and by the sweep that watches for drift. The
wanted state is all live holds, oldest first, over what was found before the first of them.
"""

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import JsonValue
from sqlalchemy import update

from responder.audit import Entry, append
from responder.contract import Found, Resource
from responder.errors import Unreachable
from responder.plan import Outcome
from responder.store.database import Transaction
from responder.store.tables import holds, incidents, resources
from responder.verbs.believing import DONE
from responder.verbs.context import Context
from responder.verbs.held import Held, Wanted, load

TOLERANCE = timedelta(seconds=5)
_FIRST_RETRY = timedelta(seconds=5)
_LONGEST_RETRY = timedelta(seconds=60)
_ROUNDS = 5
_BETWEEN_TRIES = 1.0  # seconds


@dataclass(frozen=True)
class Stood:
    """How a resource stands after it was brought to what is held there, and until when it is held."""

    outcome: Outcome
    until: datetime | None
    attempts: int
    settled: bool


@dataclass(frozen=True)
class _Round:
    """One round at an enforcement point: how it ended, what was wanted, and if it was written to."""

    outcome: Outcome
    said: str = ""
    wanted: Wanted | None = None
    wrote: bool = False
    record: JsonValue = None


async def enforce(
    context: Context, name: str, fresh: Found[Any] | None = None, *, patient: bool = False
) -> Stood | None:
    """
    Bring *name* to what is held there and write down how it stands; None if nothing holds it.

    *fresh* is a reading of this moment, which saves one round trip. *patient* tries a silent point
    again for some seconds before leaving it to the sweep.
    """
    give_up = time.monotonic() + context.patience.total_seconds()
    changed = 0
    while True:
        async with context.store.reading() as tx:
            held = await load(context, tx, name)
        if held is None:
            return None
        tried = await _bring(context, held, fresh)
        fresh = None
        if tried.outcome is Outcome.UNKNOWN and patient and time.monotonic() < give_up:
            await asyncio.sleep(_BETWEEN_TRIES)
            continue
        now = context.store.now()
        async with context.store.transaction() as tx:
            again = await load(context, tx, name)
            if again is None and not tried.wrote:
                return None
            if again is not None and again.ends != held.ends:
                # A hold came or went meanwhile: what was written is not what is wanted.
                changed += 1
                if changed < _ROUNDS:
                    continue
                said = "its holds change faster than they can be written"
                tried = replace(tried, outcome=Outcome.PENDING, said=said)
            stood = await _note(tx, held, tried, now)
            if again is None:
                await _undo_again(tx, name)
        return stood


async def _undo_again(tx: Transaction, name: str) -> None:
    """
    Have *name* undone once more: a write that began under a hold arrived after its last one ended.

    An undo that is going on may have looked before the write, so it loses its claim.
    """
    await tx.execute(
        update(resources)
        .where(resources.c.name == name, resources.c.state != "held")
        .values(state="lifting", claimed_by=None, claimed_until=None)
    )


async def _bring(context: Context, held: Held, fresh: Found[Any] | None) -> _Round:
    row, now = held.row, context.store.now()
    wrote = False
    try:
        resource = context.provision.resolve(held.actions[0]).get(row["point"])
        if resource is None:
            return _Round(Outcome.FAILED, f"{row['point']} is no longer configured")
        found = fresh or await resource.read()
        if not row["base_known"]:
            held = await _learn_base(context, held, found)
        wanted = held.wanted(now)
        if not stands(resource, found, wanted, held, now):
            wrote = True
            tag = held.live[-1]["incident"]
            await resource.write(
                wanted.state,
                key=held.live[-1]["id"],
                until=wanted.kept_until,
                tag=tag,
                record=held.row["base_record"],
            )
            found = await resource.read()
    except Unreachable as error:
        return _Round(Outcome.UNKNOWN, error.message, wrote=wrote)
    except Exception as error:  # noqa: BLE001 - one point's fault must not stop the others
        return _Round(Outcome.FAILED, f"{type(error).__name__}: {error}", wrote=wrote)
    if not stands(resource, found, wanted, held, now):
        said = f"wrote {wanted.state!r} until {wanted.kept_until} but read back {found.state!r} until {found.expires}"
        return _Round(Outcome.FAILED, said, wanted, wrote, found.record)
    return _Round(Outcome.VERIFIED, "", wanted, wrote, found.record)


def stands(
    resource: Resource[Any], found: Found[Any], wanted: Wanted, held: Held, now: datetime
) -> bool:
    """Whether what was found is what is wanted, and ends by itself when it should."""
    if found.state != wanted.state:
        return False
    if not resource.expires_by_itself or wanted.kept_until is None:
        return True
    if found.expires is None:  # for ever: right only if it was so before we came
        return held.row["base_expires"] is None and bool(held.base(now) == wanted.state)
    return abs(found.expires - wanted.kept_until) <= TOLERANCE


async def _learn_base(context: Context, held: Held, found: Found[Any]) -> Held:
    """The first reading of a point that was silent when its hold was taken, kept before any write."""
    action = held.actions[0]
    base = action.state().dump_python(found.state, mode="json")
    values = {
        "base": base,
        "base_known": True,
        "base_expires": found.expires,
        "base_record": found.record,
    }
    name, point = held.row["name"], held.row["point"]
    values["base_seal"] = context.warrants.base(name, point, values)
    async with context.store.transaction() as tx:
        await tx.execute(
            update(resources)
            .where(resources.c.name == name, resources.c.base_known.is_(False))
            .values(values)
        )
    return Held({**held.row, **values}, held.live, held.actions)


async def _note(tx: Transaction, held: Held, tried: _Round, now: datetime) -> Stood:
    """Write down how the resource stands; audited when something was done or changed."""
    row, outcome, said, wrote = held.row, tried.outcome, tried.said, tried.wrote
    attempts = row["attempts"] + 1
    wait = min(_FIRST_RETRY * 2 ** min(attempts, 6), _LONGEST_RETRY)
    values: dict[str, Any] = {
        "outcome": outcome,
        "said": said[:2000],
        "checked": now,
        "attempts": 0 if outcome is Outcome.VERIFIED else attempts,
        "next_try": None if outcome is Outcome.VERIFIED else now + wait,
    }
    ends = [hold["until"] for hold in held.live]
    values["until"] = None if None in ends else max(ends)
    if tried.wanted is not None:
        values["wanted"] = held.actions[0].state().dump_python(tried.wanted.state, mode="json")
        values["record"] = tried.record
    if outcome is Outcome.VERIFIED:
        values["verified"] = now
        mine = holds.c.id.in_([hold["id"] for hold in held.live])
        first = update(holds).where(mine, holds.c.verified.is_(None))
        await tx.execute(first.values(verified=now))
    settled = outcome is Outcome.VERIFIED and not held.actions[0].reversible
    if settled:
        values["state"] = "settled"
        live = (holds.c.resource == row["name"], holds.c.ended.is_(None))
        await tx.execute(update(holds).where(*live).values(ended=now, ended_by=DONE))
    await tx.execute(update(resources).where(resources.c.name == row["name"]).values(values))
    changed = outcome != row["outcome"] or said != row["said"]
    stood = Stood(outcome, values["until"], values["attempts"], settled)
    # A point that stays silent after every attempt is one entry, not one an attempt.
    if not (changed or (wrote and outcome is not Outcome.UNKNOWN)):
        return stood
    for incident in dict.fromkeys(hold["incident"] for hold in held.live):
        entry = Entry(
            kind="outcome",
            actor="runner",
            subject=row["name"],
            incident=incident,
            data={
                "outcome": outcome,
                "wrote": wrote,
                "said": said,
                "wanted": values.get("wanted"),
                "until": values["until"].isoformat() if values["until"] else None,
            },
        )
        await append(tx, now, entry)
        if outcome != row["outcome"]:
            await tx.execute(
                update(incidents)
                .where(incidents.c.id == incident)
                .values(revision=incidents.c.revision + 1)
            )
    return stood
