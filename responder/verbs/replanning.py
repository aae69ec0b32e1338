"""Planning a step again after people edited it: a new plan, a new digest, and everybody is asked anew."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from responder.approval.edits import Edited, applied, read_edits
from responder.plan import Plan
from responder.store.database import Transaction
from responder.store.tables import asks, steps
from responder.verbs import planning
from responder.verbs.context import Context
from responder.verbs.recognising import Run


async def edited(
    context: Context, tx: Transaction, ask: Mapping[Any, Any], step: Mapping[Any, Any]
) -> Edited | str:
    """What *step* is planned from now that *ask* ended as edited; or why it is not."""
    plan = Plan.model_validate(step["plan"])
    if step["begun"] is not None:
        return "it is marked as edited, and it has begun"
    given = await read_edits(tx, context.verifier, ask, plan, step["key"])
    return given if isinstance(given, str) else applied(plan, given)


async def replaced(
    context: Context,
    tx: Transaction,
    run: Run,
    ask: Mapping[Any, Any],
    edit: Edited,
    seen: list[planning.Seen],
    now: datetime,
) -> Plan | None:
    """Put the new plan in the place of the edited one; None if another attempt was here first."""
    key = ask["step"]
    query = select(asks.c.state).where(asks.c.id == ask["id"], asks.c.step == key)
    if (await tx.execute(query.with_for_update())).scalar_one_or_none() != "edited":
        return None
    policy = context.policy()
    used = await planning.used_lately(tx, now)
    gone = await planning.isolated_now(tx, policy.availability.kinds, now)
    number = int(key.rpartition("/")[2])
    plan = planning.draw(policy, run, number, seen, used=used, now=now, isolated=gone, edit=edit)
    made = await tx.execute(
        update(steps)
        .where(steps.c.key == key, steps.c.state == "asked", steps.c.begun.is_(None))
        .values(plan=plan.model_dump(mode="json"), digest=plan.digest, planned=now)
    )
    if made.rowcount != 1:
        return None
    # A step has one ask; the one that was edited is its incident's, and no longer the step's.
    await tx.execute(update(asks).where(asks.c.id == ask["id"]).values(step=None))
    return plan
