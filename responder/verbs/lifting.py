"""Undoing: when the last hold has ended, a resource falls back to what was found before the first."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update

from responder.audit import Entry, append
from responder.contract import Action, Found, Request, Resource
from responder.errors import Drifted, Unreachable
from responder.plan import Outcome
from responder.store.database import Transaction
from responder.store.tables import holds, incidents, resources
from responder.verbs.believing import TIME, held_again, put_back
from responder.verbs.context import Context, heartbeats, verb
from responder.verbs.enforcing import TOLERANCE, enforce
from responder.verbs.held import believed
from responder.verbs.telling import tell
from responder.verbs.turns import turn
from responder.workflows.wire import LeaseStart, Lifted

_CLAIM = timedelta(seconds=45)  # longer than any one command at an enforcement point may take
_CLAIMED_BY_ANOTHER = timedelta(seconds=5)
_LOOK_AGAIN = timedelta(seconds=60)


@dataclass(frozen=True)
class _Claimed:
    """A resource that this worker alone undoes now."""

    row: Mapping[Any, Any]
    last: Mapping[Any, Any]
    incidents: tuple[str, ...]


@dataclass(frozen=True)
class _Ended:
    """What became of a resource whose last hold has ended, and what people are told of it."""

    state: str
    kind: str
    outcome: Outcome
    words: str = ""
    said: str = ""


_UNDONE = _Ended("clear", "undone", Outcome.VERIFIED)
_NEVER_MADE = _Ended(
    "clear",
    "never made",
    Outcome.FAILED,
    "was never changed:",
    "its point was never reached: the hold ended without the change having been made",
)
_GIVEN_UP = _Ended(
    "disputed",
    "given up",
    Outcome.FAILED,
    "is not tried any more:",
    "it was not done in time, and is not tried any more; whether it was begun is not known",
)


# Told in one voice by whoever comes upon it first: the guard while it is held, the undo after.
BASE_CHANGED = (
    "what its row says was there before the change is not what a worker read: somebody can write to the "
    "store who should not. It was left as it is; put it back by hand, and run `responder audit verify`"
)


def _left_alone(said: str) -> _Ended:
    return _Ended("disputed", "disputed", Outcome.VERIFIED, "left alone", said)


class Lifting:
    """The verb `lift`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @verb("lift")
    async def lift(self, start: LeaseStart) -> Lifted:
        """Undo what nothing holds any more, by the store's rows and clock; else say until when."""
        async with heartbeats():
            return await lift(self._context, start.resource)


async def lift(context: Context, name: str) -> Lifted:
    """
    Undo *name* if its last hold has ended.

    Raises `Unreachable` when the point does not answer or reads back as something else; the
    resource stays `lifting` then, and is tried again. What a colleague changed meanwhile is not
    trampled: it is left alone, as `disputed`, and people are told.
    """
    now = context.store.now()
    async with context.store.transaction() as tx:
        claimed = await _claim(context, tx, name, now)
    if isinstance(claimed, Lifted):
        if not claimed.over:
            await enforce(context, name)  # one of several holds may have ended
        return claimed
    try:
        await _undo(context, claimed)
    finally:
        async with context.store.transaction() as tx:
            await tx.execute(
                update(resources)
                .where(resources.c.name == name, resources.c.claimed_by == context.worker)
                .values(claimed_by=None, claimed_until=None)
            )
    return Lifted(over=True)


async def _claim(context: Context, tx: Transaction, name: str, now: datetime) -> _Claimed | Lifted:
    query = select(resources).where(resources.c.name == name).with_for_update()
    row = (await tx.execute(query)).mappings().one_or_none()
    if row is None or row["state"] in ("clear", "disputed", "settled"):
        return Lifted(over=True)
    found = await believed(context, tx, name, now)
    await put_back(tx, found, now)
    if any(one.unsure for one in found):  # it may live: whoever has its key ends it, in time
        return Lifted(until=now + _LOOK_AGAIN)
    live = [one.row for one in found if one.lives]
    ended = [one.row for one in reversed(found) if one.over]
    if live:
        await held_again(tx, row, live[0]["incident"], now)
        ends = [hold["until"] for hold in live]
        return Lifted(until=None if None in ends else max(ends))
    if not ended:  # nothing was decided about it, so nothing is undone either
        return Lifted(until=now + _LOOK_AGAIN)
    if (before := await turn(tx, name, ended[0]["id"], now)) is not None:
        return Lifted(until=before)
    open_now = tuple(hold for hold in ended if hold["ended"] is None)
    await tx.execute(
        update(holds)
        .where(holds.c.resource == name, holds.c.ended.is_(None), holds.c.until <= now)
        .values(ended=holds.c.until, ended_by=TIME)
    )
    claim = await tx.execute(
        update(resources)
        .where(
            resources.c.name == name,
            or_(resources.c.claimed_until.is_(None), resources.c.claimed_until < now),
        )
        .values(state="lifting", claimed_by=context.worker, claimed_until=now + _CLAIM)
    )
    if claim.rowcount != 1:
        return Lifted(until=now + _CLAIMED_BY_ANOTHER)
    about = tuple(dict.fromkeys(hold["incident"] for hold in (open_now or ended[:1])))
    if row["state"] == "held":
        by = sorted({hold["ended_by"] or TIME for hold in ended})
        for incident in about:
            entry = Entry(
                kind="undo",
                actor="lease",
                subject=name,
                incident=incident,
                data={"to": row["base"], "ended_by": list(by)},
            )
            await append(tx, now, entry)
    return _Claimed(row, ended[0], about)


async def _undo(context: Context, claimed: _Claimed) -> None:
    row = claimed.row
    try:
        action = context.kinds.action(Request.model_validate(claimed.last["request"]))
        resource = context.provision.resolve(action).get(row["point"])
        if resource is None:
            raise Unreachable(  # noqa: TRY301 - told to people like any other silence
                f"{row['name']}: {row['point']} is no longer configured; it stays as it is"
            )
        context.warrants.must_be_known(row["base_seal"], row["name"])
        if action.reversible and not context.warrants.base_holds(row):
            ended = _left_alone(BASE_CHANGED)
        else:
            ended = await _fall_back(action, resource, row, context.store.now())
    except Unreachable as error:
        await _unreached(context, claimed, error.message)
        raise
    except Exception as error:
        odd = f"{row['name']}: {type(error).__name__}: {error}"
        await _unreached(context, claimed, odd)
        raise Unreachable(odd) from error
    now = context.store.now()
    async with context.store.transaction() as tx:
        settled = await tx.execute(
            update(resources)
            .where(resources.c.name == row["name"], resources.c.claimed_by == context.worker)
            .values(
                state=ended.state,
                said=ended.said,
                outcome=ended.outcome,
                checked=now,
                wanted=None,
                until=None,
                attempts=0,
                next_try=None,
            )
        )
        if settled.rowcount != 1:
            raise Unreachable(f"{row['name']}: another worker took over its undo")
        if ended is _UNDONE:
            over = (holds.c.resource == row["name"], holds.c.ended.is_not(None))
            back = update(holds).where(*over, holds.c.lifted.is_(None))
            await tx.execute(back.values(lifted=now))
        for incident in claimed.incidents:
            entry = Entry(
                kind=ended.kind,
                actor="lease",
                subject=row["name"],
                incident=incident,
                data={"said": ended.said} if ended.said else {"to": row["base"]},
            )
            await append(tx, context.store.now(), entry)
            if ended.said:
                await tell(
                    tx,
                    now,
                    key=f"{ended.kind}/{row['name']}/{now.isoformat()}",
                    audience="security",
                    incident=incident,
                    loud=True,
                    subject=f"{incident}: {ended.words} {row['name']}",
                    body=ended.said,
                )
            await tx.execute(
                update(incidents)
                .where(incidents.c.id == incident)
                .values(revision=incidents.c.revision + 1)
            )


async def _fall_back(
    action: Action[Any], resource: Resource[Any], row: Mapping[Any, Any], now: datetime
) -> _Ended:
    """Bring the point to its base, unless somebody else's change is there."""
    if not action.reversible:
        return _GIVEN_UP
    if not row["base_known"]:
        return _NEVER_MADE  # what a point held is written down before anything is written to it
    found: Found[Any] = await resource.read()
    state = action.state()
    base = state.validate_python(row["base"])
    expires = row["base_expires"]
    if expires is not None and expires <= now:
        base, expires = action.lapsed(base), None
    # What stands beside it must be what it was as well: half of a change may read as none.
    beside = found.record == row["base_record"]
    if found.state == base and beside and _ends_alike(found.expires, expires):
        return _UNDONE
    ours = (row["wanted"], state.dump_python(action.desired(base), mode="json"))
    if found.state != base and state.dump_python(found.state, mode="json") not in ours:
        return _left_alone(
            f"expected {row['wanted']!r} but found {found.state!r}: somebody changed it since; "
            "it was left as it is, and nothing of ours will end it"
        )
    record = row["base_record"]
    try:
        await resource.write(base, key=f"undo/{row['name']}", until=expires, tag="", record=record)
    except Drifted as drifted:
        return _left_alone(f"{drifted.message}; the rest was put back")
    if (back := await resource.read()).state != base:
        raise Unreachable(
            f"{row['name']}: undid to {base!r} but read back {back.state!r}; trying again"
        )
    return _UNDONE


def _ends_alike(found: datetime | None, base: datetime | None) -> bool:
    """Whether a point ends its state when it would have without us; for ever is not shortened."""
    if found is None or base is None:
        return found is None
    return abs(found - base) <= TOLERANCE


async def _unreached(context: Context, claimed: _Claimed, said: str) -> None:
    """Note, once an hour, that something stays contained because its point does not answer."""
    now = context.store.now()
    async with context.store.transaction() as tx:
        await tx.execute(
            update(resources)
            .where(resources.c.name == claimed.row["name"])
            .values(said=said[:2000], checked=now, attempts=resources.c.attempts + 1)
        )
        for incident in claimed.incidents:
            await tell(
                tx,
                now,
                key=f"unlifted/{claimed.row['name']}/{now:%Y%m%d%H}",
                audience="security",
                incident=incident,
                loud=True,
                subject=f"{incident}: cannot undo {claimed.row['name']} yet",
                body=f"{said}. It is tried again until it works.",
            )
