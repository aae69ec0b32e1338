"""What asking people needs later on: who has room again is told, a glass is paged again, a review is due."""

import asyncio
from datetime import datetime

import structlog
from sqlalchemy import select, update

from responder.approval.fatigue import catch_up
from responder.approval.reviewing import remind
from responder.approval.settings import ApprovalSettings
from responder.audit import Entry
from responder.people.person import Directory
from responder.store import Store, Transaction
from responder.store.paging import pages
from responder.store.rows import Row
from responder.verbs.telling import tell_audited

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 5.0


class Attention:
    """Runs beside the outbox, in `serve`; whatever it says is said once, however often it looks."""

    def __init__(self, store: Store, people: Directory, rules: ApprovalSettings) -> None:
        self._store = store
        self._people = people
        self._rules = rules

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.once()
            except Exception as error:  # noqa: BLE001 - it must outlive any one fault
                log.error("attention_failed", error=f"{type(error).__name__}: {error}"[:300])
            await asyncio.sleep(_EVERY_SECONDS)

    async def once(self) -> int:
        """One round; returns how much there was to say."""
        now = self._store.now()
        async with self._store.transaction() as tx:
            told = await catch_up(tx, self._people, self._rules, now)
            late = await remind(tx, now, team=self._rules.break_glass.page)
            return told + late + await self._page_again(tx, now)

    async def _page_again(self, tx: Transaction, now: datetime) -> int:
        """Page again who did not come to a broken glass; no playbook waits for such a page."""
        query = select(pages).where(
            pages.c.key.like("break-glass/%"),
            pages.c.acknowledged.is_(None),
            pages.c.unanswered.is_(None),
            pages.c.next_page <= now,
        )
        due = (await tx.execute(query)).mappings().all()
        for row in due:
            over = row["times"] >= self._rules.break_glass.pages
            again = None if over else now + self._rules.break_glass.page_again
            values = {
                "times": row["times"] + (not over),
                "next_page": again,
                "unanswered": now if over else None,
            }
            await tx.execute(update(pages).where(pages.c.id == row["id"]).values(values))
            await self._call(tx, row, now, over=over)
        return len(due)

    async def _call(self, tx: Transaction, row: Row, now: datetime, *, over: bool) -> None:
        kind, audience, marks = "paged", row["role"], ""
        if over:
            kind, audience, marks = "unanswered", "escalation", f"UNANSWERED by {row['role']}: "
        entry = Entry(
            kind=kind,
            actor="clock",
            subject=f"page {row['id']}",
            incident=row["incident"],
            data={"role": row["role"], "times": row["times"]},
        )
        await tell_audited(
            tx,
            now,
            entry,
            key=f"{row['key']}/{'unanswered' if over else row['times'] + 1}",
            audience=audience,
            loud=True,
            subject=f"{row['incident']}: {marks}{row['subject']}",
            body=f"{row['body']}\n\nTake it: responder pages ack {row['id']}",
        )
