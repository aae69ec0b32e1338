"""Asking: one open ask a batch, ended by one swap; and the two marks that every part leaves."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import JsonValue
from sqlalchemy import insert, select, update

from responder.approval.fatigue import Asked, tell_approvers
from responder.approval.number_match import number_for
from responder.audit import Entry, append
from responder.plan import Plan
from responder.store.database import Transaction
from responder.store.tables import asks, incidents, settings_now, steps
from responder.verbs.context import Context
from responder.verbs.recognising import Run
from responder.verbs.telling import tell


async def open_ask(
    tx: Transaction, context: Context, run: Run, key: str, plan: Plan, now: datetime
) -> None:
    """Ask people about *plan*, once for the whole batch; they are told in the same transaction."""
    policy, requester = context.policy(), f"playbook {run.playbook}"
    expires = now + policy.approve_within[run.incident.priority]
    ask = secrets.token_hex(8)
    needs = policy.tiers.asked(plan.tier)
    await tx.execute(
        insert(asks).values(
            id=ask,
            step=key,
            incident=run.incident.id,
            run=run.id,
            digest=plan.digest,
            plan=plan.model_dump(mode="json"),
            tier=plan.tier,
            needs=needs.model_dump(mode="json"),
            number=number_for(needs),
            requester=requester,
            state="open",
            opened=now,
            expires=expires,
            delivered=False,
        )
    )
    await tx.execute(update(steps).where(steps.c.key == key).values(state="asked"))
    await bump(tx, run.incident.id)
    data: dict[str, JsonValue] = {
        "step": key,
        "digest": plan.digest,
        "tier": plan.tier,
        "expires": expires.isoformat(),
    }
    if plan.asked_by:
        data["asked_by"] = [one.name for one in plan.asked_by]
    entry = Entry(
        kind="asked", actor=run.id, subject=f"ask {ask}", incident=run.incident.id, data=data
    )
    await append(tx, now, entry)
    asked = Asked(
        id=ask,
        incident=run.incident.id,
        priority=run.incident.priority,
        requester=requester,
        people=needs.people,
        tier=plan.tier,
        category=run.incident.category,
        barred=tuple(one.name for one in plan.asked_by) if needs.not_requester else (),
        subject=f"{run.incident.priority} {run.incident.id}: approve? {plan.summary}",
        body=f"Why: {plan.reason}\n{_asked_for(plan)}Touches: {plan.blast}\n"
        f"Approve by {expires:%H:%M:%S} UTC\n\n    responder approvals show {ask}",
    )
    await tell_approvers(tx, context.judgement.people, context.approvals, asked, now)


def _asked_for(plan: Plan) -> str:
    named = " and ".join(str(one) for one in plan.asked_by)
    return f"Asked for by {named}\n" if named else ""


async def expire(tx: Transaction, ask: Mapping[Any, Any], now: datetime) -> bool:
    """Swap an open ask to expired; returns whether this call did, and then it is escalated."""
    swapped = await tx.execute(
        update(asks)
        .where(asks.c.id == ask["id"], asks.c.state == "open")
        .values(state="expired", decided=now)
    )
    if swapped.rowcount != 1:
        return False
    entry = Entry(
        kind="expired", actor="clock", subject=f"ask {ask['id']}", incident=ask["incident"]
    )
    await append(tx, now, entry)
    await tell(
        tx,
        now,
        key=f"expired/{ask['id']}",
        audience="escalation",
        incident=ask["incident"],
        loud=True,
        subject=f"{ask['incident']}: nobody decided ask {ask['id']} in time; nothing was done",
        body="It was not approved by waiting. Decide what to do about the incident now.",
    )
    await bump(tx, ask["incident"])
    return True


async def paused(tx: Transaction) -> str | None:
    """Why nothing new may be done at the moment, if so."""
    row = (
        await tx.execute(select(settings_now).where(settings_now.c.name == "paused"))
    ).one_or_none()
    if row is None or not row.value.get("paused"):
        return None
    return f"the runner is paused by {row.value.get('by')}: {row.value.get('reason')}"


async def bump(tx: Transaction, incident: str) -> None:
    """Note that something about *incident* changed, so that its workflow is made to look."""
    await tx.execute(
        update(incidents)
        .where(incidents.c.id == incident)
        .values(revision=incidents.c.revision + 1)
    )
