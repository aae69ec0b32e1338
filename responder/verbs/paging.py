"""`page`: somebody of a role is wanted now, and is paged again until one of them says so."""

import secrets
from datetime import datetime

from sqlalchemy import select, update

from responder.audit import Entry
from responder.store.database import Transaction
from responder.store.paging import pages
from responder.store.rows import Row, insert_new
from responder.verbs.context import Context, verb
from responder.verbs.recognising import Run, recognised
from responder.verbs.telling import tell_audited
from responder.workflows.wire import Page, Paged


class Paging:
    """The verb `page`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @verb("page")
    async def page(self, wanted: Page) -> Paged:
        """Page the role for the first time, or again when it is time; or say who took it."""
        now = self._context.store.now()
        async with recognised(self._context) as (tx, run):
            row = await _row(tx, run, wanted, now)
            this = update(pages).where(pages.c.id == row["id"])
            if row["acknowledged"] is not None:
                await tx.execute(this.values(heard=True))
                return Paged(by=row["acknowledged_by"])
            if row["unanswered"] is not None:
                return Paged(unanswered=True)
            if row["next_page"] is not None and now < row["next_page"]:
                return Paged(again=row["next_page"])
            if row["times"] >= wanted.times:
                await tx.execute(this.values(unanswered=now, next_page=None))
                await _unanswered(tx, run, wanted, row, now)
                return Paged(unanswered=True)
            times, again = row["times"] + 1, now + wanted.within
            await tx.execute(this.values(times=times, next_page=again))
            await _call(tx, run, wanted, row["id"], times, again, now)
            return Paged(again=again)


async def _row(tx: Transaction, run: Run, wanted: Page, now: datetime) -> Row:
    key = f"{run.id}/page/{wanted.number}"
    values = {
        "id": secrets.token_hex(4),
        "key": key,
        "incident": run.incident.id,
        "run": run.id,
        "role": wanted.role,
        "subject": wanted.subject,
        "body": wanted.body,
        "opened": now,
        "times": 0,
        "heard": False,
    }
    await insert_new(tx, pages, values)
    query = select(pages).where(pages.c.key == key).with_for_update()
    return (await tx.execute(query)).mappings().one()


async def _call(
    tx: Transaction, run: Run, wanted: Page, page: str, times: int, again: datetime, now: datetime
) -> None:
    entry = Entry(
        kind="paged",
        actor=run.id,
        subject=f"page {page}",
        incident=run.incident.id,
        data={"role": wanted.role, "time": times, "subject": wanted.subject},
    )
    await tell_audited(
        tx,
        now,
        entry,
        key=f"page/{page}/{times}",
        audience=wanted.role,
        loud=True,
        subject=f"{run.incident.priority} {run.incident.id}: {wanted.subject}",
        body=f"{wanted.body}\n\nTake it: responder pages ack {page}\n"
        f"It is paged again at {again:%H:%M:%S} UTC ({times} of {wanted.times}).".lstrip(),
    )


async def _unanswered(tx: Transaction, run: Run, wanted: Page, row: Row, now: datetime) -> None:
    entry = Entry(
        kind="unanswered",
        actor="clock",
        subject=f"page {row['id']}",
        incident=run.incident.id,
        data={"role": wanted.role, "times": row["times"]},
    )
    await tell_audited(
        tx,
        now,
        entry,
        key=f"unanswered/{row['id']}",
        audience="escalation",
        loud=True,
        subject=f"{run.incident.priority} {run.incident.id}: UNANSWERED by {wanted.role}: {wanted.subject}",
        body=f"{wanted.role} was paged {row['times']} times and nobody acknowledged.",
    )
