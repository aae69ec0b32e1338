"""
What is believed of a hold: what its plan, or a signed decision, carries; never the row alone.

Whoever reaches the store could write that a hold has ended, or that it lives longer. Its end follows
from the plan it was taken for; a person may move that by a signed extension, or end it by a signed
decision. What a row says beyond that is put back, and people are told.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from responder.approval.decision import Judgement
from responder.approval.lease_check import change_of, objection
from responder.audit import Entry, append
from responder.contract import Request
from responder.people.person import Directory, Person, Role
from responder.policy.leases import LeaseKind
from responder.store.database import Transaction
from responder.store.leasing import leased
from responder.store.rows import Row
from responder.store.tables import asks, decisions, holds, resources
from responder.verbs.asking import bump
from responder.verbs.carried import Carried, carried_by
from responder.verbs.context import Context
from responder.verbs.telling import tell_audited

DONE = "done"  # what ended the hold of an action that cannot be undone: there is nothing to hold
TIME = "time"


@dataclass(frozen=True)
class Belief:
    """One hold: its row as it should read, whether it still lives, and what was wrong with it."""

    row: Mapping[Any, Any]
    lives: bool
    over: bool
    forged: str = ""
    values: Mapping[str, Any] | None = None  # what is put back
    unsure: bool = False  # a worker that has more keys can tell


@dataclass(frozen=True)
class _Word:
    """What signed decisions say about one hold."""

    ended: datetime | None = None
    ended_by: str = ""
    until: datetime | None = None
    refused: str = ""


class _Everybody(Directory):
    """Everybody as they were: once a decision has been carried out, leaving does not undo it."""

    def find(self, name: str) -> Person | None:
        """The person of that name, who had the right when it was used."""
        return Person(name=name, roles=(Role.ADMIN,))


async def believe(
    context: Context, tx: Transaction, rows: Sequence[Row], now: datetime
) -> list[Belief]:
    """What is believed of *rows*, read by `every_hold`, in their order."""
    words = await _words(context, tx, [row for row in rows if row["decided"]], now)
    return [
        _believe(
            context, row, await carried_by(context, tx, row), words.get(row["id"], _Word()), now
        )
        for row in rows
    ]


def _believe(
    context: Context, row: Row, carried: Carried | None, word: _Word, now: datetime
) -> Belief:
    if word.ended is not None:
        values = {"ended": word.ended, "ended_by": word.ended_by}
        if row["ended"] is not None:
            return Belief(row, lives=False, over=True)
        said = f"{word.ended_by} ended it at {_utc(word.ended)}, and its row says that it lives"
        return Belief({**row, **values}, lives=False, over=True, forged=said, values=values)
    if carried is None and (key := context.warrants.unknown(row["step_warrant"])):
        said = (
            f"its warrant is sealed with key {key}, which {context.worker} does not have: give warrants.json "
            "to every worker; if no worker has that key, it is forged"
        )
        return Belief(row, lives=False, over=False, forged=said, unsure=True)
    if carried is None:
        said = "no plan that was begun carries it: it was never decided that this should be held"
        return Belief(row, lives=False, over=False, forged=said)
    lasts = carried.lasts
    if not carried.reversible:  # how long it is tried
        lasts = lasts or context.kinds.action(Request.model_validate(row["request"])).try_for
    until = None if lasts is None else row["taken"] + lasts
    if until is not None and word.until is not None:
        until = max(until, word.until)
    over = until is not None and until <= now
    done = row["ended_by"] == DONE and not carried.reversible
    said, values = "", {}
    if row["until"] != until:
        said = f"its row says {_utc(row['until'])} and it was decided until {_utc(until)}"
        values["until"] = until
    if row["ended"] is not None and not over and not done:
        said = f"its row says that {row['ended_by'] or 'nobody'} ended it, and nobody signed that"
        values |= {"ended": None, "ended_by": None, "lifted": None}
    if said and word.refused:
        said += f" ({word.refused})"
    lives = not over and not done
    return Belief({**row, **values}, lives, over=not lives, forged=said, values=values or None)


async def _words(
    context: Context, tx: Transaction, rows: Sequence[Row], now: datetime
) -> dict[str, _Word]:
    """What was decided about *rows* and written down as done, each decision checked once."""
    if not rows:
        return {}
    lifted = {row["id"]: row["lifted"] is not None for row in rows}
    query = (
        select(asks, leased.c.hold)
        .join(leased, leased.c.ask == asks.c.id)
        .where(leased.c.hold.in_(list(lifted)), asks.c.applied.is_not(None))
        .order_by(asks.c.applied)
    )
    found: dict[str, _Word] = {}
    for ask in (await tx.execute(query)).mappings().all():
        name, change = ask["hold"], change_of(ask)
        past = lifted[name] or now - ask["applied"] > context.policy().execute_within
        judgement = Judgement(context.verifier, _Everybody(())) if past else context.judgement
        said = await objection(tx, judgement, context.policy().tiers, ask, ask["applied"])
        before = found.get(name, _Word())
        if change is None or all(hold.id != name for hold in change.holds):
            said = said or f"ask {ask['id']} is not about it"
        if said or change is None:
            found[name] = _replaced(before, refused=said)
        elif change.kind is LeaseKind.END:
            by = await approvers(tx, ask["id"])
            found[name] = _replaced(before, ended=ask["applied"], ended_by=by)
        else:
            found[name] = _replaced(before, until=change.until)
    return found


def _replaced(word: _Word, **changed: Any) -> _Word:  # noqa: ANN401 - its fields
    return _Word(**{**vars(word), **changed})


async def approvers(tx: Transaction, ask: str) -> str:
    """Who approved *ask*, as `ended_by` names them."""
    query = select(decisions.c.principal).where(
        decisions.c.ask == ask, decisions.c.approve, decisions.c.revoked.is_(None)
    )
    names = (await tx.execute(query.order_by(decisions.c.id))).scalars()
    return " and ".join(names)[:255]


async def put_back(tx: Transaction, found: Iterable[Belief], now: datetime) -> None:
    """Have rows say what is believed, and tell people of each that did not: once for each forgery."""
    for one in found:
        if not one.forged:
            continue
        row = one.row
        if one.values is not None:
            await tx.execute(update(holds).where(holds.c.id == row["id"]).values(one.values))
        entry = Entry(
            kind="forged",
            actor="nobody",
            subject=row["id"],
            incident=row["incident"],
            data={"said": one.forged, "resource": row["resource"], "put_back": bool(one.values)},
        )
        await tell_audited(
            tx,
            now,
            entry,
            key=f"forged/{row['id']}/{one.forged}"[:380] + f"/{now:%Y%m%d%H}",
            audience="security",
            loud=True,
            subject=f"{row['incident']}: a lease was tampered with: {row['resource']}",
            body=f"{row['summary']}: {one.forged}. Nothing was undone or extended on the strength of it"
            + (", and the row was put back" if one.values else "")
            + ". Somebody can write to the store who should not.\n\n    responder audit verify",
        )
        await bump(tx, row["incident"])


async def held_again(tx: Transaction, row: Row, incident: str, now: datetime) -> None:
    """See that a resource that is held does not read as if it were being undone."""
    if row["state"] == "held":
        return
    this = update(resources).where(resources.c.name == row["name"])
    await tx.execute(this.values(state="held", next_try=now, claimed_by=None, claimed_until=None))
    said = f"its row says {row['state']}, and it is held"
    await append(
        tx,
        now,
        Entry(
            kind="forged",
            actor="nobody",
            subject=row["name"],
            incident=incident,
            data={"said": said},
        ),
    )


def _utc(at: datetime | None) -> str:
    return "until a person ends it" if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"
