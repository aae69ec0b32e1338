"""Words for people, written with the facts they are about and sent from the store."""

from datetime import datetime

from sqlalchemy import select

from responder.store.database import Transaction
from responder.store.rows import insert_new
from responder.store.tables import messages


async def tell(
    tx: Transaction,
    now: datetime,
    *,
    key: str,
    audience: str,
    subject: str,
    body: str = "",
    incident: str | None = None,
    loud: bool = False,
) -> bool:
    """
    Leave a message to be sent; the same *key* is one message however often it is said.

    It is sent by the outbox after the transaction commits, and again until a channel took it.
    Returns whether it is new.
    """
    return await insert_new(
        tx,
        messages,
        {
            "key": key[:400],
            "incident": incident,
            "audience": audience,
            "subject": subject,
            "body": body,
            "loud": loud,
            "made": now,
            "attempts": 0,
            "said": "",
        },
    )


async def said_about(tx: Transaction, incident: str) -> list[str]:
    """The subjects of all messages about *incident*, oldest first."""
    query = (
        select(messages.c.subject).where(messages.c.incident == incident).order_by(messages.c.id)
    )
    return list((await tx.execute(query)).scalars())
