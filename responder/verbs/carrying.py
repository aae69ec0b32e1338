"""Carrying out: take the holds in one transaction, then bring each enforcement point there alone."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from responder.audit import Entry, append
from responder.contract import Found, Request
from responder.plan import Outcome, Plan, PointReceipt, Receipt
from responder.store.database import Transaction
from responder.store.rows import insert_new
from responder.store.tables import holds, resources, steps
from responder.verbs.context import Context
from responder.verbs.enforcing import enforce
from responder.verbs.planning import Seen
from responder.verbs.recognising import Run


async def take(
    tx: Transaction, run: Run, key: str, plan: Plan, seen: Sequence[Seen], now: datetime
) -> str | None:
    """
    Write down the intent, every hold, and what each resource held before its first hold.

    Returns the name of a resource that is being undone at this moment: the caller rolls back and
    tries again. An unchanged point takes its hold too, so that nobody else's undo lifts it.
    """
    for index, (change, one) in enumerate(zip(plan.changes, seen, strict=True)):
        until = None if change.lasts is None else now + change.lasts
        for point, resource in one.resources.items():
            if not await _claim_resource(tx, resource.name, point, one, now):
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
    await tx.execute(
        update(steps).where(steps.c.key == key).values(state="carrying", begun=now, said="")
    )
    entry = Entry(
        kind="intent", actor=run.id, subject=key, incident=run.incident.id,
        data={"digest": plan.digest, "do": [change.summary for change in plan.changes],
              "at": sorted({point for one in seen for point in one.resources})},
    )
    await append(tx, now, entry)
    return None


async def _claim_resource(tx: Transaction, name: str, point: str, one: Seen, now: datetime) -> bool:
    """See that the resource's row is held; False while it is being undone."""
    query = select(resources).where(resources.c.name == name).with_for_update()
    row = (await tx.execute(query)).one_or_none()
    if row is not None and row.state == "lifting":
        return False
    if row is not None and row.state == "held":
        soon = {"next_try": now, "outcome": Outcome.PENDING}
        await tx.execute(update(resources).where(resources.c.name == name).values(soon))
        return True
    found = one.found[point]
    values = base_of(one.action.state().dump_python, found) | {
        "point": point,
        "state": "held",
        "wanted": None,
        "until": None,
        "outcome": Outcome.PENDING,
        "said": "",
        "verified": None,
        "attempts": 0,
        "next_try": now,
    }
    if row is None:
        await tx.execute(insert(resources).values(name=name, **values))
    else:
        await tx.execute(update(resources).where(resources.c.name == name).values(values))
    return True


def base_of(dump: Any, found: Found[Any] | None) -> dict[str, Any]:  # noqa: ANN401 - TypeAdapter.dump_python
    """The columns that keep what was found before the first hold."""
    if found is None:
        return {"base": None, "base_known": False, "base_expires": None}
    return {
        "base": dump(found.state, mode="json"),
        "base_known": True,
        "base_expires": found.expires,
    }


async def drift(tx: Transaction, plan: Plan, seen: Sequence[Seen]) -> str | None:
    """How the world differs from what was approved, if it does in a way that matters."""
    for change, one in zip(plan.changes, seen, strict=True):
        state = one.action.state()
        for planned in change.points:
            found = one.found.get(planned.point)
            if found is None or not planned.known:
                continue
            now = state.dump_python(found.state, mode="json")
            if now in (planned.before, planned.after):
                continue
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
    context: Context, run: Run, key: str, fresh: Mapping[str, Found[Any]] | None = None
) -> tuple[Receipt, ...]:
    """Bring every point of a step to what is held there, and say how each of them stands."""
    async with context.store.reading() as tx:
        step = (await tx.execute(select(steps).where(steps.c.key == key))).mappings().one()
        held = (await tx.execute(select(holds).where(holds.c.step == key).order_by(holds.c.id))).mappings().all()
    names = list(dict.fromkeys(row["resource"] for row in held))
    if step["state"] == "carrying":
        fresh = fresh or {}
        await asyncio.gather(*(enforce(context, name, fresh.get(name), patient=True) for name in names))
        now = context.store.now()
        async with context.store.transaction() as tx:
            await tx.execute(
                update(steps)
                .where(steps.c.key == key, steps.c.state == "carrying")
                .values(state="done", finished=now)
            )
    async with context.store.reading() as tx:
        rows = (await tx.execute(select(resources).where(resources.c.name.in_(names)))).mappings().all()
    by_name = {row["name"]: row for row in rows}
    if step["state"] == "carrying":
        await asyncio.gather(
            *(
                context.temporal.lease(name, by_name[name]["until"], new=by_name[name]["attempts"] <= 1)
                for name in names
            )
        )
    return _receipts(key, held, by_name)


def _receipts(
    key: str, held: Sequence[Mapping[str, Any]], by_name: Mapping[str, Mapping[str, Any]]
) -> tuple[Receipt, ...]:
    by_action: dict[str, list[Mapping[str, Any]]] = {}
    for row in held:
        index = row["id"].removeprefix(f"{key}/").split("/", 1)[0]
        by_action.setdefault(index, []).append(row)
    return tuple(
        Receipt(
            key=f"{key}/{index}",
            request=Request.model_validate(rows[0]["request"]),
            summary=rows[0]["summary"],
            until=rows[0]["until"],
            points=tuple(_point(by_name[row["resource"]]) for row in rows),
        )
        for index, rows in sorted(by_action.items(), key=lambda item: int(item[0]))
    )


def _point(row: Mapping[str, Any]) -> PointReceipt:
    return PointReceipt(
        point=row["point"],
        resource=row["name"],
        outcome=Outcome(row["outcome"]),
        found=row["wanted"],
        said=row["said"],
        at=row["checked"] or row["verified"],
    )
