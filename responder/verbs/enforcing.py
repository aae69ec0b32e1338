"""
Bringing one resource to what its live holds want: read, write if needed, read back, write it down.

Used when a hold is taken, when one of several ends, and by the sweep that watches for drift. The
wanted state is all live holds, oldest first, over what was found before the first of them.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update

from responder.audit import Entry, append
from responder.contract import Action, Found, Request, Resource
from responder.errors import Unreachable
from responder.plan import Outcome
from responder.store.database import Transaction
from responder.store.tables import holds, incidents, resources
from responder.verbs.context import Context

# How much longer than the lease an enforcement point itself keeps a state: long enough for our own
# undo, which is verified and audited, to come first; within the 60 s that the invariant allows.
GRACE = timedelta(seconds=20)
TOLERANCE = timedelta(seconds=5)
_FIRST_RETRY = timedelta(seconds=5)
_LONGEST_RETRY = timedelta(seconds=60)
_ROUNDS = 5
_BETWEEN_TRIES = 1.0  # seconds


@dataclass(frozen=True)
class Wanted:
    """What a resource should hold, and until when."""

    state: Any
    until: datetime | None

    @property
    def kept_until(self) -> datetime | None:
        """When the enforcement point itself should end it."""
        return None if self.until is None else self.until + GRACE


@dataclass(frozen=True)
class Stood:
    """How a resource stands after it was brought to what is held there, and until when it is held."""

    outcome: Outcome
    until: datetime | None
    attempts: int


@dataclass(frozen=True)
class Held:
    """A resource with its row, its live holds and their actions."""

    row: Mapping[Any, Any]
    live: Sequence[Mapping[Any, Any]]
    actions: Sequence[Action[Any]]

    @property
    def ends(self) -> list[tuple[str, datetime | None]]:
        """Which holds live, and until when each of them does."""
        return [(hold["id"], hold["until"]) for hold in self.live]

    def base(self, now: datetime) -> Any:  # noqa: ANN401 - the action's state
        """What was found before the first hold, as it would be by now."""
        action = self.actions[0]
        state = action.state().validate_python(self.row["base"])
        gone = self.row["base_expires"] is not None and self.row["base_expires"] <= now
        return action.lapsed(state) if gone else state

    def wanted(self, now: datetime) -> Wanted:
        """All live holds, oldest first, over the base."""
        state = self.base(now)
        for action in self.actions:
            state = action.desired(state)
        ends = [hold["until"] for hold in self.live]
        return Wanted(state, None if None in ends else max(ends))


async def live_holds(tx: Transaction, name: str, now: datetime) -> Sequence[Mapping[Any, Any]]:
    """The holds on a resource that have not ended, oldest first."""
    query = (
        select(holds)
        .where(
            holds.c.resource == name,
            holds.c.ended.is_(None),
            or_(holds.c.until.is_(None), holds.c.until > now),
        )
        .order_by(holds.c.taken, holds.c.id)
    )
    return (await tx.execute(query)).mappings().all()


async def load(context: Context, tx: Transaction, name: str) -> Held | None:
    """The resource *name* if it is held by anything that still lives."""
    row = (
        (await tx.execute(select(resources).where(resources.c.name == name)))
        .mappings()
        .one_or_none()
    )
    if row is None or row["state"] != "held":
        return None
    live = await live_holds(tx, name, context.store.now())
    if not live:
        return None
    actions = [context.kinds.action(Request.model_validate(hold["request"])) for hold in live]
    return Held(row, live, actions)


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
        outcome, said, wanted, wrote = await _bring(context, held, fresh)
        fresh = None
        if outcome is Outcome.UNKNOWN and patient and time.monotonic() < give_up:
            await asyncio.sleep(_BETWEEN_TRIES)
            continue
        now = context.store.now()
        async with context.store.transaction() as tx:
            again = await load(context, tx, name)
            if again is None and not wrote:
                return None
            if again is not None and again.ends != held.ends:
                # A hold came or went meanwhile: what was written is not what is wanted.
                changed += 1
                if changed < _ROUNDS:
                    continue
                outcome, said = Outcome.PENDING, "its holds change faster than they can be written"
            stood = await _note(tx, held, outcome, said, wanted, wrote=wrote, now=now)
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


async def _bring(
    context: Context, held: Held, fresh: Found[Any] | None
) -> tuple[Outcome, str, Wanted | None, bool]:
    """One round at the enforcement point: how it ended, what was said, what was wanted, if it wrote."""
    row, now = held.row, context.store.now()
    resource = context.provision.resolve(held.actions[0]).get(row["point"])
    if resource is None:
        return Outcome.FAILED, f"{row['point']} is no longer configured", None, False
    wrote = False
    try:
        found = fresh or await resource.read()
        if not row["base_known"]:
            held = await _learn_base(context, held, found)
        wanted = held.wanted(now)
        if not stands(resource, found, wanted, held, now):
            wrote = True
            tag = held.live[-1]["incident"]
            await resource.write(
                wanted.state, key=held.live[-1]["id"], until=wanted.kept_until, tag=tag
            )
            found = await resource.read()
    except Unreachable as error:
        return Outcome.UNKNOWN, error.message, None, wrote
    except Exception as error:  # noqa: BLE001 - one point's fault must not stop the others
        return Outcome.FAILED, f"{type(error).__name__}: {error}", None, wrote
    if not stands(resource, found, wanted, held, now):
        said = f"wrote {wanted.state!r} until {wanted.kept_until} but read back {found.state!r} until {found.expires}"
        return Outcome.FAILED, said, wanted, wrote
    return Outcome.VERIFIED, "", wanted, wrote


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
    values = {"base": base, "base_known": True, "base_expires": found.expires}
    async with context.store.transaction() as tx:
        await tx.execute(
            update(resources)
            .where(resources.c.name == held.row["name"], resources.c.base_known.is_(False))
            .values(values)
        )
    return Held({**held.row, **values}, held.live, held.actions)


async def _note(
    tx: Transaction,
    held: Held,
    outcome: Outcome,
    said: str,
    wanted: Wanted | None,
    *,
    wrote: bool,
    now: datetime,
) -> Stood:
    """Write down how the resource stands; audited when something was done or changed."""
    row = held.row
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
    if wanted is not None:
        values["wanted"] = held.actions[0].state().dump_python(wanted.state, mode="json")
    if outcome is Outcome.VERIFIED:
        values["verified"] = now
    await tx.execute(update(resources).where(resources.c.name == row["name"]).values(values))
    changed = outcome != row["outcome"] or said != row["said"]
    stood = Stood(outcome, values["until"], values["attempts"])
    if not (wrote or changed):
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
