"""Whether what people signed allows what became, or is to become, of a lease: asked by `serve` and by workers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select

from responder.approval.decision import AskedBy, Judgement
from responder.approval.signed import signed_for
from responder.people.approver_rights import About
from responder.policy.leases import LeaseChange
from responder.policy.tiers import TierRules
from responder.store.database import Transaction
from responder.store.tables import incidents


def change_of(ask: Mapping[Any, Any]) -> LeaseChange | None:
    """What *ask* is about; None if its row says nothing that could be."""
    try:
        return LeaseChange.model_validate(ask["subject"])
    except ValidationError:
        return None


async def objection(
    tx: Transaction, judgement: Judgement, tiers: TierRules, ask: Mapping[Any, Any], now: datetime
) -> str | None:
    """
    Why the change of leases that *ask* names may not be made at *now*; None if it may.

    The digest is made anew from what the ask is about, so that nobody is taken to have approved
    what was written there later.
    """
    change = change_of(ask)
    if change is None:
        return f"ask {ask['id']} does not say what it is about"
    if ask["kind"] != change.kind:
        return f"ask {ask['id']} was decided to {change.kind} a lease, not to {ask['kind']} it"
    return judgement.objection(
        ask,
        await signed_for(tx, ask),
        digest=change.digest,
        now=now,
        begun=False,
        least=tiers.asked(change.tier),
        about=await about(tx, change),
        asked_by=AskedBy(never_alone=frozenset({change.asked_by})),
    )


async def about(tx: Transaction, change: LeaseChange) -> About:
    """What an approver's teams are judged by."""
    query = select(incidents.c.category, incidents.c.priority)
    row = (await tx.execute(query.where(incidents.c.id == change.incident))).one()
    return About(change.tier, row.category, row.priority)
