"""Carrying out: take the holds in one transaction, then bring each enforcement point there alone."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update

from responder.audit import Entry, append
from responder.contract import Action, Found
from responder.errors import Refused
from responder.plan import Outcome, Plan, PointReceipt, Receipt
from responder.policy.tiers import Ruling
from responder.store.database import Transaction
from responder.store.rows import insert_new
from responder.store.tables import holds, incidents, resources, runs, steps
from responder.verbs.believing import DONE
from responder.verbs.carried import remember
from responder.verbs.context import Context
from responder.verbs.enforcing import enforce
from responder.verbs.planning import Seen
from responder.verbs.recognising import Run
from responder.verbs.telling import tell


async def take(
    context: Context,
    tx: Transaction,
    run: Run,
    key: str,
    plan: Plan,
    seen: Sequence[Seen],
    now: datetime,
    *before: Entry,
) -> str | None:
    """
    Write down the intent, every hold, and what each resource held before its first hold.

    Returns the name of a resource that is being undone at this moment: the caller rolls back and
    tries again. An unchanged point takes its hold too, so that nobody else's undo lifts it.
    """
    for index, (change, one) in enumerate(zip(plan.changes, seen, strict=True)):
        if change.ruling is Ruling.REFUSE:
            continue
        until = _ends(one.action, change.lasts, now)
        for point, resource in one.resources.items():
            if not await _claim_resource(context, tx, resource.name, point, one, now):
                return resource.name
            hold = {
                "id": f"{key}/{index}/{point}",
                "resource": resource.name,
                "step": key,
                "incident": run.incident.id,
                "run": run.id,
                "kind": change.request.kind,
                "request": change.request.model_dump(mode="json"),
                "summary": change.summary,
                "tier": change.tier,
                "taken": now,
                "until": until,
            }
            await insert_new(tx, holds, hold)
    still_open = select(runs.c.id).join(incidents, incidents.c.id == runs.c.incident)
    still_open = still_open.where(
        runs.c.id == run.id, runs.c.closed.is_(None), incidents.c.closed.is_(None)
    )
    digest = plan.digest
    allowed = [i for i, change in enumerate(plan.changes) if change.ruling is not Ruling.REFUSE]
    warrant = context.warrants.step(key, digest, now, allowed)
    begun_now = await tx.execute(
        update(steps)
        .where(steps.c.key == key, still_open.exists())
        .values(state="carrying", begun=now, said="", warrant=warrant)
    )
    if begun_now.rowcount != 1:
        raise Refused(f"{run.id}: the run or its incident is closed; nothing was done")
    remember(key, digest, plan)
    begun = [
        (change.summary, sorted(one.resources))
        for change, one in zip(plan.changes, seen, strict=True)
        if change.ruling is not Ruling.REFUSE
    ]
    entry = Entry(
        kind="intent",
        actor=run.id,
        subject=key,
        incident=run.incident.id,
        data={
            "digest": digest,
            "do": [summary for summary, _ in begun],
            "at": list(dict.fromkeys(point for _, points in begun for point in points)),
        },
    )
    await append(tx, now, *before, entry)
    return None


def taken_by(plan: Plan) -> list[str]:
    """The resources on which the plan takes a hold, in its order."""
    points = [p for c in plan.changes if c.ruling is not Ruling.REFUSE for p in c.points]
    return list(dict.fromkeys(point.resource for point in points))


async def _claim_resource(
    context: Context, tx: Transaction, name: str, point: str, one: Seen, now: datetime
) -> bool:
    """See that the resource's row is held; False while it is undone, or if it was since the reading."""
    query = select(resources).where(resources.c.name == name).with_for_update()
    row = (await tx.execute(query)).one_or_none()
    if row is not None and row.state == "lifting":
        return False
    if row is not None and row.state != "held" and row.checked and row.checked > one.at:
        return False  # undone since it was read: what was found there may have been ours
    # A sweep must not begin beside this attempt what takes long; what is short may be done twice.
    longest = one.action.longest
    next_try = now if longest <= Action.longest else now + longest
    if row is not None and row.state == "held":
        soon = {"next_try": next_try, "outcome": Outcome.PENDING}
        await tx.execute(update(resources).where(resources.c.name == name).values(soon))
        return True
    found = one.found[point]
    base = base_of(one.action.state().dump_python, found)
    values = base | {
        "base_seal": context.warrants.base(name, point, base),
        "point": point,
        "state": "held",
        "wanted": None,
        "until": None,
        "outcome": Outcome.PENDING,
        "said": "",
        "verified": None,
        "attempts": 0,
        "next_try": next_try,
    }
    if row is None:
        await tx.execute(insert(resources).values(name=name, **values))
    else:
        await tx.execute(update(resources).where(resources.c.name == name).values(values))
    return True


def base_of(dump: Any, found: Found[Any] | None) -> dict[str, Any]:  # noqa: ANN401 - TypeAdapter.dump_python
    """The columns that keep what was found before the first hold."""
    if found is None:
        return {"base": None, "base_known": False, "base_expires": None, "base_record": None}
    return {
        "base": dump(found.state, mode="json"),
        "base_known": True,
        "base_expires": found.expires,
        "base_record": found.record,
    }


def _ends(action: Action[Any], planned: timedelta | None, now: datetime) -> datetime | None:
    """Until when a hold of *action* lives: as planned, or how long something irreversible is tried."""
    lasts = planned if action.reversible else planned or action.try_for
    return None if lasts is None else now + lasts


async def drift(tx: Transaction, plan: Plan, seen: Sequence[Seen]) -> str | None:
    """How the world differs from what was approved, if it does in a way that matters."""
    for change, one in zip(plan.changes, seen, strict=True):
        if change.ruling is Ruling.REFUSE:
            continue
        state = one.action.state()
        approved = {planned.point: planned.resource for planned in change.points}
        resolved = {point: resource.name for point, resource in one.resources.items()}
        if approved != resolved:
            return (
                f"{change.summary}: planned at {', '.join(sorted(approved.values()))} but now it would be "
                f"at {', '.join(sorted(resolved.values())) or 'no point'}; nothing was changed"
            )
        for planned in change.points:
            found = one.found.get(planned.point)
            if found is None or not planned.known:
                continue
            now = state.dump_python(found.state, mode="json")
            if now == planned.after:
                continue
            if now == planned.before and found.record == planned.record:
                continue
            if now == planned.before:
                return (
                    f"{change.summary} at {planned.point}: it is still {now!r}, but what stands there "
                    f"changed: expected {planned.record!r}, found {found.record!r}; nothing was changed"
                )
            row = (
                await tx.execute(select(resources).where(resources.c.name == planned.resource))
            ).one_or_none()
            if row is not None and row.state == "held" and now == row.wanted:
                continue
            return (
                f"{change.summary} at {planned.point}: expected {planned.before!r} but found {now!r}; "
                "nothing was changed"
            )
    return None


async def finish(
    context: Context, key: str, fresh: Mapping[str, Found[Any]] | None = None
) -> tuple[Receipt, ...]:
    """Bring every point of a step to what is held there, and say how each of them stands."""
    async with context.store.reading() as tx:
        step = (await tx.execute(select(steps).where(steps.c.key == key))).mappings().one()
        mine = select(holds.c.resource).where(holds.c.step == key).order_by(holds.c.id)
        names = list(dict.fromkeys((await tx.execute(mine)).scalars()))
    plan = Plan.model_validate(step["plan"])
    if step["state"] == "carrying":
        return await carry(context, key, plan, names, fresh or {})
    async with context.store.reading() as tx:
        return await _receipts(tx, key, plan, names, context.store.now())


async def carry(
    context: Context, key: str, plan: Plan, names: Sequence[str], fresh: Mapping[str, Found[Any]]
) -> tuple[Receipt, ...]:
    """Bring the resources *names* of a step whose holds are taken to what is held there."""
    stood = await asyncio.gather(
        *(enforce(context, name, fresh.get(name), patient=True) for name in names)
    )
    # Done only with its leases running: else a retry asks again. What is held no more needs none.
    await asyncio.gather(
        *(
            context.temporal.lease(name, one.until, new=one.attempts <= 1)
            for name, one in zip(names, stood, strict=True)
            if one is not None and not one.settled
        )
    )
    now = context.store.now()
    async with context.store.transaction() as tx:
        await _done(tx, key, plan, now)
        return await _receipts(tx, key, plan, names, now)


async def _done(tx: Transaction, key: str, plan: Plan, now: datetime) -> None:
    """Note that a step is carried out, and tell people what of it policy refused."""
    await tx.execute(
        update(steps)
        .where(steps.c.key == key, steps.c.state == "carrying")
        .values(state="done", finished=now, said=plan.refused)
    )
    if plan.refused:
        await tell(
            tx,
            now,
            key=f"refused/{key}",
            audience="security",
            incident=plan.incident,
            subject=f"{plan.incident}: a part was refused and not done",
            body=plan.refused,
        )


async def _receipts(
    tx: Transaction, key: str, plan: Plan, names: Sequence[str], now: datetime
) -> tuple[Receipt, ...]:
    rows = (await tx.execute(select(resources).where(resources.c.name.in_(names)))).mappings().all()
    query = select(holds).where(holds.c.step == key).order_by(holds.c.id)
    held = (await tx.execute(query)).mappings().all()
    by_name = {row["name"]: row for row in rows}
    by_action: dict[int, list[Mapping[Any, Any]]] = {}
    for row in held:
        index = int(row["id"].removeprefix(f"{key}/").split("/", 1)[0])
        by_action.setdefault(index, []).append(row)
    return tuple(
        Receipt(
            key=f"{key}/{index}",
            request=change.request,
            summary=change.summary,
            until=next((row["until"] for row in by_action.get(index, ())), None),
            points=tuple(
                _point(row, by_name[row["resource"]], now) for row in by_action.get(index, ())
            ),
            refused=change.reason if change.ruling is Ruling.REFUSE else "",
        )
        for index, change in enumerate(plan.changes)
    )


def _point(hold: Mapping[Any, Any], row: Mapping[Any, Any], now: datetime) -> PointReceipt:
    outcome, said = Outcome(row["outcome"]), row["said"]
    if (
        hold["ended"] is not None and hold["ended_by"] != DONE
    ):  # what the row says since then is about the undo
        outcome, said = Outcome.FAILED, f"no longer held: ended by {hold['ended_by']}"
    return PointReceipt(
        point=row["point"],
        resource=row["name"],
        outcome=outcome,
        found=row["wanted"],
        record=row["record"],
        said=said,
        at=row["checked"] or row["verified"] or now,
    )
