"""What happens to somebody's second factors is told loudly: to them, and to security."""

from datetime import datetime

from responder.audit import Entry
from responder.store import Transaction
from responder.verbs.telling import tell, tell_audited


async def announce(
    tx: Transaction, now: datetime, entry: Entry, *, to: str, key: str, subject: str, body: str
) -> None:
    """Record *entry*, and tell the person *to* and security of it; the same *key* is said once."""
    if await tell_audited(
        tx, now, entry, key=key, audience="security", subject=subject, body=body, loud=True
    ):
        await tell(tx, now, key=f"{key}/{to}", audience=to, subject=subject, body=body, loud=True)
