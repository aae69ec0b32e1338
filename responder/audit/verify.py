"""Checking the audit from its first entry to its last."""

from sqlalchemy import select

from responder.audit.log import GENESIS, Entry, link
from responder.incident import Frozen
from responder.store import Store
from responder.store.tables import audit, audit_head

_PAGE = 1000


class Fault(Frozen):
    """The first entry that does not hold, and why."""

    seq: int
    why: str

    def __str__(self) -> str:
        return f"entry {self.seq}: {self.why}"


async def verify(store: Store) -> tuple[int, Fault | None]:
    """
    How many entries hold, and the first that does not.

    Finds an entry that was changed, removed, added or moved, and a tail that was cut while the
    head was left. Cutting the tail and rewriting the head as well is only found against a
    checkpoint kept elsewhere, which this log does not have yet.
    """
    held, previous = 0, GENESIS
    async with store.reading() as tx:
        while True:
            query = select(audit).where(audit.c.seq > held).order_by(audit.c.seq).limit(_PAGE)
            rows = (await tx.execute(query)).all()
            for row in rows:
                entry = Entry(
                    kind=row.kind,
                    actor=row.actor,
                    subject=row.subject,
                    incident=row.incident,
                    data=row.data,
                )
                if row.seq != held + 1:
                    return held, Fault(
                        seq=held + 1, why=f"is missing; entry {row.seq} follows {held}"
                    )
                if row.previous != previous:
                    return held, Fault(seq=row.seq, why="does not follow the entry before it")
                if row.digest != link(row.seq, row.at, entry, previous):
                    return held, Fault(seq=row.seq, why="was changed after it was written")
                held, previous = row.seq, row.digest
            if len(rows) < _PAGE:
                break
        heads = (await tx.execute(select(audit_head))).all()
    if len(heads) > 1:
        return held, Fault(
            seq=held, why=f"is followed by {len(heads)} heads, and there is only one"
        )
    ends = (heads[0].seq, heads[0].digest) if heads else (0, GENESIS)
    if ends[0] > held:
        return held, Fault(seq=held + 1, why=f"is missing; the log should end with entry {ends[0]}")
    if ends != (held, previous):
        return held, Fault(seq=held, why=f"is not where the log should end ({ends[0]})")
    return held, None
