"""What should be so by now, compared with what is: some cheap reads of the store, and nothing of Temporal."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, exists, func, or_, select

from responder.incident import Frozen
from responder.store.database import Transaction
from responder.store.paging import pages
from responder.store.rows import Row
from responder.store.tables import asks, clocks, holds, incidents, messages, resources, runs, steps
from responder.store.watching import duties

# How late each may be before it is a finding: whatever should have seen to it had several tries.
LATE = timedelta(seconds=30)
UNDOING = timedelta(seconds=60)
UNSENT = timedelta(seconds=60)
SILENT = timedelta(hours=1)  # a run that waits for nobody and has written nothing for so long
OWN = "finding/"  # how the keys of what is told about findings begin
_MOST = 500


class Finding(Frozen):
    """One thing that is not as it should be; the same *key* is the same finding."""

    key: str
    kind: str
    subject: str
    incident: str | None = None


async def compared(tx: Transaction, now: datetime) -> list[Finding]:
    """Everything that is not as it should be at *now*, by one read a kind."""
    found: list[Finding] = []
    for read, said in _QUERIES:
        rows = (await tx.execute(read(now).limit(_MOST))).mappings().all()
        found += [said(row) for row in rows]
    return list({one.key: one for one in found}.values())


def _clocks(now: datetime) -> Select[*tuple[Any, ...]]:
    return (
        select(clocks.c.incident, clocks.c.clock, clocks.c.due)
        .join(incidents, incidents.c.id == clocks.c.incident)
        .where(
            incidents.c.closed.is_(None),
            clocks.c.met.is_(None),
            clocks.c.breached.is_(None),
            clocks.c.due < now - LATE,
        )
    )


def _a_clock(row: Row) -> Finding:
    return Finding(
        key=f"clock/{row['incident']}/{row['clock']}/{row['due'].isoformat()}",
        kind="a clock that was not struck",
        incident=row["incident"],
        subject=f"{row['incident']} {row['clock']} was due at {row['due']:%H:%M:%S} UTC",
    )


def _looks(now: datetime) -> Select[*tuple[Any, ...]]:
    return select(incidents.c.id, incidents.c.next_strike).where(
        incidents.c.next_strike < now - LATE
    )


def _a_look(row: Row) -> Finding:
    return Finding(
        key=f"look/{row['id']}/{row['next_strike'].isoformat()}",
        kind="an incident that nobody looked at when it was time",
        incident=row["id"],
        subject=f"{row['id']} should have been looked at by {row['next_strike']:%H:%M:%S} UTC",
    )


def _asks(now: datetime) -> Select[*tuple[Any, ...]]:
    return select(asks.c.id, asks.c.incident, asks.c.expires).where(
        asks.c.state == "open", asks.c.expires < now - LATE
    )


def _an_ask(row: Row) -> Finding:
    return Finding(
        key=f"ask/{row['id']}",
        kind="an ask that is open past its time",
        incident=row["incident"],
        subject=f"ask {row['id']} expired at {row['expires']:%H:%M:%S} UTC and is open",
    )


def _leases(now: datetime) -> Select[*tuple[Any, ...]]:
    return (
        select(holds.c.resource, holds.c.until, func.max(holds.c.incident).label("incident"))
        .join(resources, resources.c.name == holds.c.resource)
        .where(
            holds.c.until < now - UNDOING,
            resources.c.state.in_(("held", "lifting")),
            holds.c.ended.is_(None),
        )
        .group_by(holds.c.resource, holds.c.until)
    )


def _a_lease(row: Row) -> Finding:
    return Finding(
        key=f"lease/{row['resource']}/{row['until'].isoformat()}",
        kind="a lease that is past its end and not undone",
        incident=row["incident"],
        subject=f"{row['resource']} was held until {row['until']:%Y-%m-%d %H:%M:%S} UTC",
    )


def _messages(now: datetime) -> Select[*tuple[Any, ...]]:
    return select(messages.c.id, messages.c.key, messages.c.incident, messages.c.audience).where(
        messages.c.sent.is_(None),
        messages.c.loud.is_(True),
        messages.c.made < now - UNSENT,
        messages.c.key.not_like(f"{OWN}%"),
    )


def _a_message(row: Row) -> Finding:
    return Finding(
        key=f"message/{row['id']}",
        kind="a loud message that no channel took",
        incident=row["incident"],
        subject=f"to {row['audience']}: {row['key'][:120]}",
    )


def _pages(_now: datetime) -> Select[*tuple[Any, ...]]:
    return (
        select(pages.c.id, pages.c.incident, pages.c.role)
        .join(incidents, incidents.c.id == pages.c.incident)
        .where(
            pages.c.unanswered.is_not(None),
            pages.c.acknowledged.is_(None),
            incidents.c.closed.is_(None),
        )
    )


def _a_page(row: Row) -> Finding:
    return Finding(
        key=f"page/{row['id']}",
        kind="a page that nobody answered",
        incident=row["incident"],
        subject=f"page {row['id']} to {row['role']}",
    )


def _runs(now: datetime) -> Select[*tuple[Any, ...]]:
    waits = or_(
        exists().where(asks.c.run == runs.c.id, asks.c.state == "open"),
        exists().where(
            pages.c.run == runs.c.id,
            pages.c.acknowledged.is_(None),
            pages.c.unanswered.is_(None),
        ),
    )
    last = func.max(func.coalesce(steps.c.finished, steps.c.begun, steps.c.planned))
    return (
        select(runs.c.id, runs.c.incident)
        .outerjoin(steps, steps.c.run == runs.c.id)
        .where(and_(runs.c.closed.is_(None), runs.c.opened < now - SILENT, ~waits))
        .group_by(runs.c.id, runs.c.incident)
        .having(or_(last.is_(None), last < now - SILENT))
    )


def _a_run(row: Row) -> Finding:
    return Finding(
        key=f"run/{row['id']}",
        kind="a run that is open and does nothing",
        incident=row["incident"],
        subject=f"{row['id']} has written nothing for {SILENT}",
    )


def _duties(now: datetime) -> Select[*tuple[Any, ...]]:
    return select(duties.c.incident, duties.c.regime, duties.c.stage, duties.c.due).where(
        duties.c.state.in_(("running", "unclassified")),
        duties.c.struck < 1,
        duties.c.due < now - LATE,
    )


def _a_duty(row: Row) -> Finding:
    name = f"{row['regime']} {row['stage']}"
    return Finding(
        key=f"duty/{row['incident']}/{name}/{row['due'].isoformat()}",
        kind="a report that is due and was not said to be",
        incident=row["incident"],
        subject=f"{row['incident']} {name} was due at {row['due']:%Y-%m-%d %H:%M} UTC",
    )


_QUERIES = (
    (_clocks, _a_clock),
    (_looks, _a_look),
    (_asks, _an_ask),
    (_leases, _a_lease),
    (_messages, _a_message),
    (_pages, _a_page),
    (_runs, _a_run),
    (_duties, _a_duty),
)


def by_kind(found: list[Finding]) -> Iterator[tuple[str, list[Finding]]]:
    """The findings of each kind, in the order in which kinds are looked for."""
    for kind in dict.fromkeys(one.kind for one in found):
        yield kind, [one for one in found if one.kind == kind]
