"""
The watch over what is held: rows that say what nobody decided are found within seconds.

An end or an extension that a row alone states does nothing, whenever a lease or the sweep comes by;
this looks at every hold in force without waiting for them, so that people hear of it soon.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import or_, select, update

from responder.audit import Entry
from responder.store.database import Transaction
from responder.store.rows import Row
from responder.store.tables import holds, resources
from responder.verbs.believing import Belief, believe, put_back
from responder.verbs.carried import every_hold
from responder.verbs.context import Context
from responder.verbs.lifting import BASE_CHANGED
from responder.verbs.telling import tell_audited

log = structlog.get_logger(__name__)

EVERY = timedelta(seconds=15)
GONE = (
    "its row reads as held, and no hold's row is there: somebody can write to the store who should not. It "
    "was left as it is; undo it by hand, and run `responder audit verify`"
)
_HELD = ("held", "lifting")


class Guard:
    """One worker's watch; where several workers watch, each forgery is told once."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def run(self) -> None:
        """Watch until cancelled; a round that fails is logged and the next one comes."""
        while True:
            try:
                await self.once()
            except Exception as error:  # noqa: BLE001 - the watch must outlive any one fault
                log.error("guard_failed", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(EVERY.total_seconds())

    async def once(self) -> int:
        """One round; returns how many holds, and resources, read as nobody had decided."""
        context, now = self._context, self._context.store.now()
        held = resources.c.state.in_(_HELD)
        query = every_hold().join(resources, resources.c.name == holds.c.resource).where(held)
        async with context.store.reading() as tx:
            rows = (await tx.execute(query)).mappings().all()
            odd = [one.row["id"] for one in await believe(context, tx, rows, now) if one.forged]
            bases = (await tx.execute(select(resources).where(held))).mappings().all()
            gone = [row["name"] for row in await _without_holds(tx)]
            hidden = [one.row["id"] for one in await _hidden(context, tx, now)]
        changed = [
            row["name"]
            for row in bases
            if not context.warrants.unknown(row["base_seal"])
            and not context.warrants.base_holds(row)
        ]
        if changed:
            await self._tell_of(
                changed, "base", "what {} held before was tampered with", BASE_CHANGED
            )
        if gone:
            await self._tell_of(gone, "gone", "the rows that say why {} is held are gone", GONE)
        if hidden:
            await self._show_again()
        changed += gone + hidden
        if not odd:
            return len(changed)
        async with context.store.transaction() as tx:  # once more, with the rows locked
            again = (await tx.execute(query.where(holds.c.id.in_(odd)))).mappings().all()
            found = await believe(context, tx, again, now)
            await put_back(tx, found, now)
        return len(changed) + sum(bool(one.forged) for one in found)

    async def _tell_of(self, names: list[str], what: str, subject: str, said: str) -> None:
        now = self._context.store.now()
        async with self._context.store.transaction() as tx:
            for name in names:
                await _tell(tx, now, name, what, subject.format(name), said)

    async def _show_again(self) -> None:
        """What is held reads as held again, so that it is watched, and undone in time."""
        context = self._context
        async with context.store.transaction() as tx:
            now = context.store.now()
            found = await _hidden(context, tx, now)
            await put_back(tx, found, now)
            for one in found:
                name, state = one.row["resource"], one.row["state"]
                said = (
                    f"its row says {state}, and it is held; it was put back, and ends when it was decided. "
                    "Somebody can write to the store who should not"
                )
                held = {"state": "held", "next_try": now, "claimed_by": None, "claimed_until": None}
                await tx.execute(update(resources).where(resources.c.name == name).values(held))
                subject = f"{one.row['incident']}: {name} was made to look as if it were not held"
                await _tell(tx, now, name, "hidden", subject, said)


async def _hidden(context: Context, tx: Transaction, now: datetime) -> list[Belief]:
    """Holds that live at resources which read as if nothing were held there."""
    query = (
        every_hold()
        .add_columns(resources.c.state)
        .join(resources, resources.c.name == holds.c.resource)
        .where(
            resources.c.state.not_in(_HELD),
            or_(holds.c.ended.is_(None), holds.c.until.is_(None), holds.c.until > now),
        )
    )
    rows = (await tx.execute(query)).mappings().all()
    return [one for one in await believe(context, tx, rows, now) if one.lives]


async def _without_holds(tx: Transaction) -> Sequence[Row]:
    """Resources that read as held, by nothing at all: no hold's row is ever removed by us."""
    ever = select(holds.c.id).where(holds.c.resource == resources.c.name)
    query = select(resources).where(resources.c.state.in_(_HELD), ~ever.exists())
    return (await tx.execute(query)).mappings().all()


async def _tell(
    tx: Transaction, now: datetime, name: str, what: str, subject: str, said: str
) -> None:
    await tell_audited(
        tx,
        now,
        Entry(kind="forged", actor="nobody", subject=name, data={"said": said}),
        key=f"forged/{what}/{name}"[:380] + f"/{now:%Y%m%d%H}",
        audience="security",
        loud=True,
        subject=subject,
        body=said,
    )
