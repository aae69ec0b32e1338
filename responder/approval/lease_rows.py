"""The rows of an ask about leases: opened once, and what is said where it comes to nothing."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import JsonValue, ValidationError
from sqlalchemy import insert, select

from responder.approval.lease_drawing import Drawn
from responder.approval.number_match import number_for
from responder.audit import Entry, append
from responder.digest import Digest
from responder.errors import Refused
from responder.plan import Plan
from responder.policy.leases import LeaseChange
from responder.policy.tiers import Needs
from responder.store import Transaction
from responder.store.leasing import leased
from responder.store.tables import asks
from responder.verbs.asking import bump
from responder.verbs.telling import tell_audited


async def must_be_new(tx: Transaction, drawn: Drawn) -> None:
    """
    Raise `Refused` if an ask for exactly this waits already: it is to be approved, not asked again.

    Whoever asked for that one: who asks is part of what is signed, and not of what is asked for.
    """
    query = (
        select(asks.c.id, asks.c.subject, asks.c.plan)
        .join(leased, leased.c.ask == asks.c.id)
        .where(
            asks.c.kind == drawn.change.kind,
            asks.c.state == "open",
            leased.c.hold == drawn.change.holds[0].id,
        )
    )
    wanted = _asked_for(drawn.change, drawn.plan)
    for found, subject, plan in (await tx.execute(query)).all():
        try:
            same = wanted == _asked_for(
                LeaseChange.model_validate(subject), Plan.model_validate(plan)
            )
        except ValidationError:
            continue  # nobody can approve that one
        if same:
            raise Refused(
                f"ask {found} waits for exactly this\n\nhint: responder approvals approve {found}"
            )


def _asked_for(change: LeaseChange, plan: Plan) -> Digest:
    """What is asked for, whoever asks."""
    shown = plan.model_copy(update={"asked_by": ()}).digest
    return change.model_copy(update={"asked_by": "", "shown": shown}).digest


async def open_row(
    tx: Transaction,
    name: str,
    drawn: Drawn,
    needs: Needs,
    by: str,
    expires: datetime,
    now: datetime,
) -> None:
    """Write down an open ask about leases, the holds that it names, and who wants it."""
    change = drawn.change
    await tx.execute(
        insert(asks).values(
            id=name,
            step=None,
            incident=change.incident,
            run=drawn.plan.run,
            digest=change.digest,
            plan=drawn.plan.model_dump(mode="json"),
            tier=change.tier,
            needs=needs.model_dump(mode="json"),
            number=number_for(needs),
            requester=drawn.requester,
            state="open",
            opened=now,
            expires=expires,
            delivered=False,
            kind=change.kind,
            subject=change.model_dump(mode="json"),
        )
    )
    rows = [{"ask": name, "hold": hold.id, "position": at} for at, hold in enumerate(change.holds)]
    await tx.execute(insert(leased), rows)
    data: dict[str, JsonValue] = {
        "kind": change.kind,
        "holds": [hold.id for hold in change.holds],
        "digest": change.digest,
        "tier": change.tier,
        "expires": expires.isoformat(),
    }
    entry = Entry(
        kind="asked",
        actor=by,
        subject=f"ask {name}",
        incident=change.incident,
        data=data,
    )
    await append(tx, now, entry)


async def say_not_done(tx: Transaction, ask: Mapping[Any, Any], said: str, now: datetime) -> None:
    """Tell people that an ask reads as approved, and why nothing was done on the strength of it."""
    await tell_audited(
        tx,
        now,
        Entry(
            kind="not applied",
            actor="approvals",
            subject=f"ask {ask['id']}",
            incident=ask["incident"],
            data={"said": said},
        ),
        key=f"not applied/{ask['id']}",
        audience="security",
        loud=True,
        subject=f"{ask['incident']}: ask {ask['id']} reads as approved, and nothing was done",
        body=f"{said}. The lease is as it was; ask again if it should not be.",
    )
    await bump(tx, ask["incident"])
