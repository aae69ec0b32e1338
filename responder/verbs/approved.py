"""Whether what people decided, and policy as it is now, still allow what was planned."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from responder.approval.decision import AskedBy
from responder.approval.signed import signed_for
from responder.people.approver_rights import About
from responder.plan import Plan
from responder.policy.judge import judge
from responder.policy.tiers import Needs, Ruling, TierRules
from responder.store.database import Transaction
from responder.store.tables import audit, incidents
from responder.verbs import planning
from responder.verbs.context import Context


async def objection(
    context: Context,
    tx: Transaction,
    ask: Mapping[Any, Any],
    step: Mapping[Any, Any],
    now: datetime,
) -> str | None:
    """Why the planned *step* may not be carried out on the strength of *ask*; None if it may."""
    plan = Plan.model_validate(step["plan"])
    if plan.digest != step["digest"]:
        return "the plan was changed after it was made"
    if await _begun(tx, plan.incident, step["key"]):
        return "it was begun before, by the audit, and its row says that it waits; it is not done twice"
    said = context.judgement.objection(
        ask,
        await signed_for(tx, ask),
        digest=plan.digest,
        now=now,
        begun=False,
        least=_least(context.policy().tiers, plan),
        about=await _about(tx, plan),
        asked_by=AskedBy(barred=frozenset(one.name for one in plan.asked_by)),
    )
    return said or await _rejudged(context, tx, plan, now)


async def _begun(tx: Transaction, incident: str, key: str) -> bool:
    """Whether a worker wrote down that it begins *key*: a step that waits was not begun."""
    about = (audit.c.kind == "intent", audit.c.subject == key)
    query = select(audit.c.seq).where(audit.c.incident == incident, *about)
    return (await tx.execute(query.limit(1))).first() is not None


def _least(rules: TierRules, plan: Plan) -> Needs | None:
    """What the plan's tier needs by policy as it is now; a tier without a rule is refused further on."""
    return rules.asked(plan.tier) if plan.tier in rules.needs else None


async def _about(tx: Transaction, plan: Plan) -> About:
    """By the plan, whose digest was approved, and by the incident as it is now."""
    query = select(incidents.c.category, incidents.c.priority)
    row = (await tx.execute(query.where(incidents.c.id == plan.incident))).one_or_none()
    return About(plan.tier, *(row or (None, None)))


async def _rejudged(context: Context, tx: Transaction, plan: Plan, now: datetime) -> str | None:
    """Whether policy, as it is now, has come to refuse what was approved."""
    policy = context.policy()
    cases = [
        planning.case_of(context.kinds.action(change.request))
        for change in plan.changes
        if change.ruling is not Ruling.REFUSE
    ]
    row = (await tx.execute(select(incidents).where(incidents.c.id == plan.incident))).one()
    used = await planning.used_lately(tx, now)
    gone = await planning.isolated_now(tx, policy.availability.kinds, now)
    verdicts = judge(
        policy, cases, priority=row.priority, indicators=plan.touches, used=used, isolated=gone
    )
    for case, verdict in zip(cases, verdicts, strict=True):
        if verdict.ruling is Ruling.REFUSE:
            return f"{case.summary}: {verdict.reason}"
        if verdict.tier.rank > plan.tier.rank:
            return f"{case.summary}: it is {verdict.tier} now, and was approved as {plan.tier}"
    return None
