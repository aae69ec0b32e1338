"""Recording a decision that was judged good: the signed row, and the one swap that ends an ask."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from responder.approval import tickets
from responder.approval.decision import BREAK_GLASS, Decision, people_among
from responder.approval.requesting import barred, never_alone, why_barred
from responder.approval.settings import ApprovalSettings
from responder.approval.stamps import seconds_seen
from responder.audit import Entry, append
from responder.crypto.signing import Signer
from responder.errors import Refused
from responder.policy.tiers import Needs
from responder.store import Transaction
from responder.store.rows import insert_new
from responder.store.tables import asks, decisions
from responder.verbs.asking import bump

_VOUCHED_FOR = ApprovalSettings().vouched_for


async def record(
    tx: Transaction,
    signer: Signer,
    decision: Decision,
    *,
    vouched_for: timedelta = _VOUCHED_FOR,
) -> Mapping[Any, Any]:
    """
    Sign *decision* and keep it; returns the ask as it is then.

    Whose ticket gave the person a second factor within *vouched_for* is signed with it. Raises
    `Refused` if the ask has ended meanwhile, is about another plan now, or was decided by this person
    before.
    """
    now, name = decision.issued, decision.ask
    this = select(asks).where(asks.c.id == name)
    ask = (await tx.execute(this.with_for_update())).mappings().one()
    must_be_open(ask, now)
    if ask["digest"] != decision.digest:
        raise Refused(f"ask {name} is about plan {ask['digest'][:12]} by now; look again")
    by = await tickets.givers(tx, decision.principal, now - vouched_for)
    decision = decision.model_copy(update={"vouched_by": by})
    own = never_alone(ask) if decision.method == BREAK_GLASS else barred(ask)
    if decision.approve and (same := sorted(decision.people & own)):
        hours = vouched_for / timedelta(hours=1)
        raise Refused(
            f"{why_barred(ask, same[0])}. {decision.principal} has a second factor by their ticket, and "
            f"is one person with them for {hours:g} hours; nothing was recorded"
        )
    row = {
        "ask": name,
        "principal": decision.principal,
        "approve": decision.approve,
        "document": decision.document,
        "signature": signer.sign(decision.document),
        "at": now,
        "after": await seconds_seen(tx, ask, decision.principal, now),
    }
    if not (await insert_new(tx, decisions, row) or await _raised(tx, decision, row)):
        raise Refused(f"{decision.principal} has already decided ask {name}")
    state = await _state(tx, ask, decision)
    if state != "open":
        swapped = await tx.execute(
            update(asks)
            .where(asks.c.id == name, asks.c.state == "open", asks.c.expires > now)
            .values(state=state, decided=now, execute_by=decision.expires)
        )
        if swapped.rowcount != 1:
            raise Refused(f"ask {name} ended while you decided; nothing was recorded")
    await bump(tx, ask["incident"])
    entry = Entry(
        kind="decided",
        actor=decision.principal,
        subject=f"ask {name}",
        incident=ask["incident"],
        data={
            "approve": decision.approve,
            "digest": decision.digest,
            "factors": list(decision.factors),
            "reason": decision.reason,
            "vouched_by": list(decision.vouched_by),
            "ask_is": state,
        },
    )
    await append(tx, now, entry)
    return (await tx.execute(this)).mappings().one()


async def _raised(tx: Transaction, decision: Decision, row: dict[str, Any]) -> bool:
    """Whether who approved and waits for others breaks the glass: that stands in its place."""
    if decision.method != BREAK_GLASS:
        return False
    mine = (decisions.c.ask == decision.ask, decisions.c.principal == decision.principal)
    raised = await tx.execute(
        update(decisions).where(*mine, decisions.c.approve).values({**row, "revoked": None})
    )
    return raised.rowcount == 1


async def _state(tx: Transaction, ask: Mapping[Any, Any], decision: Decision) -> str:
    if not decision.approve:
        return "denied"
    if decision.method == BREAK_GLASS:
        return "approved"
    given = select(decisions.c.document).where(
        decisions.c.ask == ask["id"], decisions.c.revoked.is_(None)
    )
    approved = map(Decision.model_validate, (await tx.execute(given)).scalars())
    enough = Needs.model_validate(ask["needs"]).people
    return "approved" if people_among(approved) >= enough else "open"


def must_be_open(ask: Mapping[Any, Any], now: datetime) -> None:
    """Raise `Refused` if *ask* has ended, by a decision or by its time."""
    if ask["state"] != "open":
        raise Refused(f"ask {ask['id']} is {ask['state']} since {ask['decided']:%H:%M:%S} UTC")
    if now >= ask["expires"]:
        raise Refused(
            f"ask {ask['id']} expired at {ask['expires']:%H:%M:%S} UTC; nothing was recorded"
        )
