"""All the rows about one incident, read once for one look at it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from responder.store.database import Transaction
from responder.store.rows import Row
from responder.store.tables import (
    asks,
    clocks,
    decisions,
    holds,
    incidents,
    resources,
    runs,
    settings_now,
    steps,
)
from responder.store.watching import duties
from responder.verbs.believing import DONE


@dataclass(frozen=True)
class Facts:
    """One incident with its runs, steps, asks, clocks, holds and duties as of *at*, each in its order."""

    at: datetime
    incident: Row
    runs: Sequence[Row]
    steps: Sequence[Row]
    asks: Sequence[Row]
    clocks: Sequence[Row]
    holds: Sequence[Row]
    decisions: Sequence[Row] = ()
    paused: bool = False
    duties: Sequence[Row] = ()

    @property
    def held(self) -> list[Row]:
        """The holds that still live, each with how its resource stands."""
        return [hold for hold in self.holds if self.lives(hold)]

    def lives(self, hold: Row) -> bool:
        """Whether *hold* has not ended: neither by a person nor, marked already or not, by time."""
        over = hold["until"] is not None and hold["until"] <= self.at
        return hold["ended"] is None and not over and hold["resource_state"] == "held"

    @property
    def released(self) -> list[Row]:
        """The holds that have ended. What was done once, and is done, is let go by nobody."""
        return [h for h in self.holds if not self.lives(h) and h["ended_by"] != DONE]

    @property
    def open_asks(self) -> list[Row]:
        """The asks that wait for a person."""
        return [ask for ask in self.asks if ask["state"] == "open"]


async def load(tx: Transaction, incident_id: str, now: datetime) -> Facts | None:
    """The facts of an incident as of *now*, its row locked where the database locks rows; None if unknown."""
    query = select(incidents).where(incidents.c.id == incident_id).with_for_update()
    incident = (await tx.execute(query)).mappings().one_or_none()
    if incident is None:
        return None
    of = (
        (
            await tx.execute(
                select(runs).where(runs.c.incident == incident_id).order_by(runs.c.number)
            )
        )
        .mappings()
        .all()
    )
    asked: Sequence[Row] = []
    done: Sequence[Row] = []
    held: Sequence[Row] = []
    given: Sequence[Row] = []
    if of:  # an incident that no playbook answers has none of these
        keys = [run["id"] for run in of]
        done = (
            (await tx.execute(select(steps).where(steps.c.run.in_(keys)).order_by(steps.c.planned)))
            .mappings()
            .all()
        )
        asked = (
            (
                await tx.execute(
                    select(asks).where(asks.c.incident == incident_id).order_by(asks.c.opened)
                )
            )
            .mappings()
            .all()
        )
        if asked:
            given = await decided(tx, incident_id)
        query = (
            select(
                holds,
                resources.c.outcome,
                resources.c.said,
                resources.c.state.label("resource_state"),
            )
            .join(resources, resources.c.name == holds.c.resource)
            .where(holds.c.incident == incident_id)
            .order_by(holds.c.taken)
        )
        held = (await tx.execute(query)).mappings().all()
    timed = (
        (
            await tx.execute(
                select(clocks).where(clocks.c.incident == incident_id).order_by(clocks.c.due)
            )
        )
        .mappings()
        .all()
    )
    stopped = bool(asked) and await is_paused(tx)
    owed = select(duties).where(duties.c.incident == incident_id)
    reported = (await tx.execute(owed.order_by(duties.c.due))).mappings().all()
    return Facts(now, incident, of, done, asked, timed, held, given, stopped, reported)


async def decided(tx: Transaction, incident_id: str) -> Sequence[Row]:
    """Who decided the asks of an incident, in order: without the documents that they signed."""
    query = (
        select(decisions.c.ask, decisions.c.principal, decisions.c.approve, decisions.c.revoked)
        .join(asks, asks.c.id == decisions.c.ask)
        .where(asks.c.incident == incident_id)
        .order_by(decisions.c.id)
    )
    return (await tx.execute(query)).mappings().all()


async def is_paused(tx: Transaction) -> bool:
    """Whether nothing new may be done at the moment."""
    query = select(settings_now.c.value).where(settings_now.c.name == "paused")
    value = (await tx.execute(query)).scalar_one_or_none()
    return bool(value and value.get("paused"))
