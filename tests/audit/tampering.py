"""A log to attack, and ways around the database's own guards."""

import asyncio

from sqlalchemy import text

from responder.audit import Entry, append
from responder.store import Store, Transaction

_GUARDS = ("audit_no_UPDATE", "audit_no_DELETE", "audit_no_REPLACE")


def entry(number: int) -> Entry:
    """The entry of this number; what it says shows where it stands."""
    return Entry(
        kind="outcome", actor=f"run {number}", subject=f"block/fra1/203.0.113.{number % 256}",
        incident=f"IR-{number:03}" if number % 2 else None, data={"number": number, "share": 0.1},
    )  # fmt: skip


async def write(store: Store, count: int, *, first: int = 1, at_once: int = 100) -> None:
    """Append *count* entries, *at_once* in a transaction."""
    for start in range(first, first + count, at_once):
        async with store.transaction() as tx:
            numbers = range(start, min(start + at_once, first + count))
            await append(tx, store.now(), *(entry(n) for n in numbers))


async def disarm(tx: Transaction, store: Store) -> None:
    """Take the triggers away, as whoever owns the database can."""
    if store.sqlite:
        for name in _GUARDS:
            await tx.execute(text(f"DROP TRIGGER {name}"))
    else:
        await tx.execute(text("ALTER TABLE audit DISABLE TRIGGER ALL"))


def append_in_a_process(url: str, first: int) -> None:
    """Append 25 entries, each in its own transaction; for a process of its own."""

    async def go() -> None:
        store = Store(url)
        await write(store, 25, first=first, at_once=1)
        await store.close()

    asyncio.run(go())
