"""The decisions on an ask, as they are judged."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select

from responder.approval.decision import Decision, Signed
from responder.store.database import Transaction
from responder.store.tables import audit, decisions


async def signed_for(tx: Transaction, ask: Mapping[Any, Any]) -> list[Signed]:
    """
    Every decision on *ask*, oldest first; one that was taken back stays so whatever its row says.

    Nobody signs that an approval was taken back, but it is in the audit, whose chain shows who
    removes it there.
    """
    query = select(decisions).where(decisions.c.ask == ask["id"]).order_by(decisions.c.id)
    rows = (await tx.execute(query)).mappings().all()
    about = (audit.c.kind == "revoked", audit.c.subject == f"ask {ask['id']}")
    entries = select(audit.c.at, audit.c.data).where(audit.c.incident == ask["incident"], *about)
    taken: dict[str, datetime] = {}
    for entry in await tx.execute(entries.order_by(audit.c.seq)):
        taken[entry.data["decided_by"]] = entry.at
    return [
        Signed(
            document=row["document"],
            signature=row["signature"],
            revoked=row["revoked"] or _taken_back(row["document"], taken.get(row["principal"])),
        )
        for row in rows
    ]


def _taken_back(document: Mapping[str, Any], at: datetime | None) -> datetime | None:
    """*at*, if the decision was there by then: whoever took theirs back may decide again."""
    try:
        issued = Decision.model_validate(document).issued
    except ValidationError:
        return None  # which nobody signed either
    return at if at is not None and at >= issued else None
