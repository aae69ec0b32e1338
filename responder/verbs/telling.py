"""Words for people, written with the facts they are about and sent from the store."""

from datetime import datetime

from responder.audit import Entry, append
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


async def tell_audited(
    tx: Transaction,
    now: datetime,
    entry: Entry,
    *,
    key: str,
    audience: str,
    subject: str,
    body: str = "",
    loud: bool = False,
) -> bool:
    """
    Tell people of *entry*'s incident what *entry* records; the same *key* is one message and one entry.

    Returns whether it is new.
    """
    fresh = await tell(
        tx,
        now,
        key=key,
        audience=audience,
        subject=subject,
        body=body,
        incident=entry.incident,
        loud=loud,
    )
    if fresh:
        await append(tx, now, entry)
    return fresh
