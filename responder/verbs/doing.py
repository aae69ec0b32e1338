"""`do`: plan once, have it ruled on once, and carry it out; a retry goes on where it stopped."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from responder.approval.edits import Edited
from responder.audit import Entry, append
from responder.errors import Drifted, Refused, Unreachable
from responder.plan import Plan
from responder.policy.tiers import Ruling
from responder.store.database import Transaction
from responder.store.rows import insert_new
from responder.store.tables import asks, steps
from responder.verbs import carrying, planning, replanning
from responder.verbs.approved import objection
from responder.verbs.asking import bump, expire, open_ask, paused
from responder.verbs.context import Context, heartbeats, verb
from responder.verbs.recognising import Run, confirm, known
from responder.verbs.telling import tell
from responder.verbs.waiting import raise_if_over, still_asked
from responder.workflows.wire import Batch, Done

_LIFTING_WAIT = 0.25  # seconds between looks at a resource that is being undone
_LIFTING_LOOKS = 20


class Doing:
    """The verb `do`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @verb("do")
    async def do(self, batch: Batch) -> Done:
        """Bring *batch* as far as it may go now: receipts, an ask, or a reason why not."""
        context = self._context
        async with heartbeats():
            run, step = await known(context, batch.step)
            key = f"{run.id}/{batch.step}"
            if len(batch.actions) > (most := context.policy().largest_batch):
                raise Refused(
                    f"{key}: expected at most {most} actions in one `do`, found {len(batch.actions)}; "
                    "nothing was changed"
                )
            if step is None:
                # Reading changes nothing, so it need not wait for the server's word.
                _, seen = await asyncio.gather(
                    confirm(context, run), planning.see(context, batch.actions)
                )
                step = await self._first(run, key, batch, seen)
                if isinstance(step, Done):
                    return step
            else:
                await confirm(context, run)
            if step["asked_for"] != batch.digest:
                raise Refused(
                    f"{key}: expected the request {step['asked_for'][:12]}… that was planned but "
                    f"found {batch.digest[:12]}…; nothing was changed"
                )
            raise_if_over(step)
            waiting = await self._decided(run, key, step) if step["state"] == "asked" else None
            return waiting or Done(receipts=await carrying.finish(context, key))

    async def _step(self, key: str) -> Mapping[Any, Any] | None:
        async with self._context.store.reading() as tx:
            return (
                (await tx.execute(select(steps).where(steps.c.key == key))).mappings().one_or_none()
            )

    async def _first(
        self, run: Run, key: str, batch: Batch, seen: list[planning.Seen]
    ) -> Mapping[Any, Any] | Done:
        """Plan, write down in one transaction plan, ruling and what follows; if allowed, carry it out."""
        context = self._context
        lifting: str | None = None
        for _ in range(_LIFTING_LOOKS):
            now = context.store.now()
            async with context.store.transaction() as tx:
                policy = context.policy()
                used = await planning.used_lately(tx, now)
                gone = await planning.isolated_now(tx, policy.availability.kinds, now)
                plan = planning.draw(
                    policy, run, batch.step, seen, used=used, now=now, isolated=gone
                )
                made = await insert_new(tx, steps, _row(key, run, batch, plan, now))
                if not made:
                    break  # an attempt before this one got here
                lifting = await self._rule(tx, run, key, plan, seen, now)
                if not lifting:
                    break
                await tx.rollback()
            await asyncio.sleep(_LIFTING_WAIT)
            seen = await planning.see(context, batch.actions)
        else:
            raise Unreachable(f"{key}: {lifting} is still being undone; trying again")
        if made and plan.ruling is Ruling.ALLOW:
            # What was just written need not be read back: an attacker is waiting.
            names = carrying.taken_by(plan)
            return Done(
                receipts=await carrying.carry(context, key, plan, names, planning.readings(seen))
            )
        step = await self._step(key)
        if step is None:
            raise Unreachable(f"{key}: its plan was not written down; trying again")
        return step

    async def _rule(
        self,
        tx: Transaction,
        run: Run,
        key: str,
        plan: Plan,
        seen: list[planning.Seen],
        now: datetime,
    ) -> str | None:
        """Write down what the ruling means; returns a resource that must be waited for, if any."""
        context = self._context
        entry = Entry(
            kind="planned",
            actor=run.id,
            subject=key,
            incident=run.incident.id,
            data={
                "digest": plan.digest,
                "ruling": plan.ruling,
                "tier": plan.tier,
                "reason": plan.reason,
                "plan": plan.summary,
            },
        )
        match plan.ruling:
            case Ruling.REFUSE:
                await append(tx, now, entry)
                await self._refuse(tx, run.incident.id, key, plan.reason, now)
            case Ruling.ASK:
                await append(tx, now, entry)
                await open_ask(tx, context, run, key, plan, now)
            case Ruling.ALLOW:
                if said := await paused(tx):
                    await tx.rollback()
                    raise Unreachable(f"{key}: {said}; trying again")
                return await carrying.take(context, tx, run, key, plan, seen, now, entry)
        return None

    async def _refuse(
        self, tx: Transaction, incident: str, key: str, said: str, now: datetime
    ) -> None:
        await tx.execute(
            update(steps).where(steps.c.key == key).values(state="refused", said=said, finished=now)
        )
        entry = Entry(
            kind="refused", actor="policy", subject=key, incident=incident, data={"said": said}
        )
        await append(tx, now, entry)
        await tell(
            tx,
            now,
            key=f"refused/{key}",
            audience="security",
            incident=incident,
            subject=f"{incident}: refused, nothing was changed",
            body=said,
        )

    async def _decided(self, run: Run, key: str, step: Mapping[Any, Any]) -> Done | None:
        """What to tell a run that is still waiting; None when its plan may be carried out."""
        context = self._context
        now = context.store.now()
        async with context.store.transaction() as tx:
            query = select(asks).where(asks.c.step == key).with_for_update()
            ask = (await tx.execute(query)).mappings().one()
            if (fresh := await still_asked(tx, key)) is None:
                return None
            step = fresh
            if ask["state"] == "open" and now < ask["expires"]:
                return Done(ask=ask["id"], expires=ask["expires"])
            edit: Edited | str | None = None
            match ask["state"]:
                case "edited":
                    edit = await replanning.edited(context, tx, ask, step)
                    said = edit if isinstance(edit, str) else None
                case "open" | "expired":
                    await expire(tx, ask, now)
                    said = "nobody decided in time"
                case _:
                    said = await objection(context, tx, ask, step, now)
            if said:
                return await self._not_done(tx, ask, key, said, now)
            if edit is None and (said := await paused(tx)):
                raise Unreachable(f"{key}: {said}; trying again")
        if isinstance(edit, Edited):
            return await self._again(run, key, ask, edit)
        return await self._take_again(run, key, step)

    async def _again(
        self,
        run: Run,
        key: str,
        ask: Mapping[Any, Any],
        edit: Edited,
    ) -> Done | None:
        """Plan anew what people edited, and ask everybody anew."""
        context = self._context
        seen = await planning.see(context, edit.requests)
        now = context.store.now()
        async with context.store.transaction() as tx:
            plan = await replanning.replaced(context, tx, run, ask, edit, seen, now)
            if plan is not None:
                await self._rule(tx, run, key, plan, seen, now)
        found = await self._step(key)
        if found is None or found["state"] == "refused":
            raise Refused(found["said"] if found else f"{key}: its plan is gone; nothing was done")
        return await self._decided(run, key, found)

    async def _take_again(self, run: Run, key: str, step: Mapping[Any, Any]) -> Done | None:
        """The world as it is now, held against what was approved; then the holds."""
        plan = Plan.model_validate(step["plan"])
        context = self._context
        lifting: str | None = None
        for _ in range(_LIFTING_LOOKS):
            seen = await planning.see(context, [change.request for change in plan.changes])
            now = context.store.now()
            async with context.store.transaction() as tx:
                # Once more, with the ask locked: reading the world took its time, and an approval
                # may have been taken back, or have ended, meanwhile.
                query = select(asks).where(asks.c.step == key).with_for_update()
                ask = (await tx.execute(query)).mappings().one()
                if await still_asked(tx, key) is None:
                    return None
                if said := await objection(context, tx, ask, step, now):
                    return await self._not_done(tx, ask, key, said, now)
                if said := await paused(tx):
                    raise Unreachable(f"{key}: {said}; trying again")
                if said := await carrying.drift(tx, plan, seen):
                    await tx.execute(
                        update(steps)
                        .where(steps.c.key == key)
                        .values(state="drifted", said=said, finished=now)
                    )
                    entry = Entry(
                        kind="drifted",
                        actor=run.id,
                        subject=key,
                        incident=run.incident.id,
                        data={"said": said},
                    )
                    await append(tx, now, entry)
                    break
                if not (lifting := await carrying.take(context, tx, run, key, plan, seen, now)):
                    return None
                await tx.rollback()
            await asyncio.sleep(_LIFTING_WAIT)
        else:
            raise Unreachable(f"{key}: {lifting} is still being undone; trying again")
        raise Drifted(said)

    async def _not_done(
        self, tx: Transaction, ask: Mapping[Any, Any], key: str, said: str, now: datetime
    ) -> Done:
        said = f"ask {ask['id']}: {said}; nothing was changed"
        await self._refuse(tx, ask["incident"], key, said, now)
        await bump(tx, ask["incident"])
        await tx.commit()
        raise Refused(said)


def _row(key: str, run: Run, batch: Batch, plan: Plan, now: datetime) -> dict[str, Any]:
    return {
        "key": key,
        "run": run.id,
        "asked_for": batch.digest,
        "plan": plan.model_dump(mode="json"),
        "digest": plan.digest,
        "state": "planned",
        "planned": now,
        "said": "",
    }
