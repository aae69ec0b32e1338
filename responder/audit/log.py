"""Appending to the audit, and reading its end."""

import hashlib
from datetime import datetime

import rfc8785
from pydantic import Field, JsonValue
from sqlalchemy import insert, select, update

from responder.incident import Frozen
from responder.store.database import Transaction
from responder.store.rows import insert_new
from responder.store.tables import audit, audit_head

GENESIS = "0" * 64


class Entry(Frozen):
    """One thing that happened, or was about to."""

    kind: str = Field(description="Such as `intent`, `outcome`, `asked`, `decided`, `refused`.")
    actor: str = Field(description="Who: a principal, a run, or a part of the runner.")
    subject: str = Field(description="To what: a step, a resource, an ask, an alert.")
    incident: str | None = None
    data: dict[str, JsonValue] = Field(default_factory=dict)


def link(seq: int, at: datetime, entry: Entry, previous: str) -> str:
    """The entry's digest: SHA-256 over canonical JSON of its number, time, content and forerunner."""
    body = {
        "seq": seq,
        "at": at.isoformat(),
        "kind": entry.kind,
        "actor": entry.actor,
        "incident": entry.incident,
        "subject": entry.subject,
        "data": entry.data,
        "previous": previous,
    }
    return hashlib.sha256(rfc8785.dumps(body)).hexdigest()  # type: ignore[arg-type]


async def append(tx: Transaction, at: datetime, *entries: Entry) -> None:
    """
    Write *entries* in the caller's transaction: they are there if, and only if, it commits.

    The one-row head serialises writers: on PostgreSQL by its row lock, on SQLite by the
    transaction itself.
    """
    if not entries:
        return
    locked = select(audit_head).with_for_update()
    head = (await tx.execute(locked)).one_or_none()
    if head is None:  # only ever for the first entry; of several first writers one makes it
        await insert_new(tx, audit_head, {"id": 1, "seq": 0, "digest": GENESIS})
        head = (await tx.execute(locked)).one()
    seq, previous = head.seq, head.digest
    rows = []
    for entry in entries:
        seq += 1
        digest = link(seq, at, entry, previous)
        rows.append(
            {"seq": seq, "at": at, "previous": previous, "digest": digest} | entry.model_dump()
        )
        previous = digest
    await tx.execute(insert(audit), rows)
    await tx.execute(update(audit_head).values(seq=seq, digest=previous))


async def tail(
    tx: Transaction, count: int, *, incident: str | None = None
) -> list[dict[str, JsonValue]]:
    """The last *count* entries, oldest first, as plain data."""
    query = select(audit).order_by(audit.c.seq.desc()).limit(count)
    if incident is not None:
        query = query.where(audit.c.incident == incident)
    rows = (await tx.execute(query)).mappings().all()
    return [{**row, "at": row["at"].isoformat()} for row in reversed(rows)]
