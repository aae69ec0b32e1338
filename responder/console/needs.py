"""What needs the person who looks, now: what runs out first stands first. Rows in, sentences out."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, select
from starlette.responses import Response

from responder.api.route import Call
from responder.approval.requesting import barred
from responder.console.asking import may_review
from responder.console.pages import Pages, see
from responder.console.rendering import moment
from responder.incident import Frozen
from responder.paging import acknowledge, listed
from responder.people.person import Permission, Person, Role
from responder.policy.duties import Regime, State
from responder.policy.sla import Clock
from responder.standing.whole import Row, plain
from responder.store.database import Transaction
from responder.store.noticing import reviews
from responder.store.tables import asks, decisions
from responder.store.watching import duties

routes = Pages()

_SOON: Final = timedelta(hours=6)  # until a report to an authority is due
_OWNED: Final = {
    Clock.CONTAIN: "It is not contained",
    Clock.RESOLVE: "It is not resolved",
    Clock.UPDATE: "People wait for an update",
}


class Need(Frozen):
    """One thing to do: what, why, by when, and where it is done."""

    mark: str
    what: str
    why: str
    due: datetime
    incident: str
    priority: str
    where: str
    button: str
    sends: bool = False  # whether the button does it, or leads to where it is done
    seen: str = ""


@routes.post("/pages/{page}/take", Permission.PAGES_TAKE)
async def take_page(call: Call) -> Response:
    """Say that you come: whoever paged you waits for nobody else."""
    taken = await acknowledge(call.served.store, call.path("page"), call.person)
    return see(f"/incidents/{taken['incident']}?done=paged")


async def needs(call: Call, incidents: list[Row]) -> list[Need]:
    """What waits for the caller, of open *incidents* as the board shows them, and beside them."""
    served, who = call.served, call.person
    now = served.store.now()
    async with served.store.reading() as tx:
        decided = await _decided(tx, who.name)
        soon = (duties.c.state == State.RUNNING, duties.c.due < now + _SOON)
        late = await _rows(tx, select(duties).where(duties.c.done.is_(None), *soon))
        unseen = await _rows(tx, select(reviews).where(reviews.c.done.is_(None)))
    titles = {one["id"]: one for one in incidents}
    found: list[Need] = []
    for one in incidents:
        found += _of_asks(who, one, decided)
        found += _of_clocks(who, one)
    if who.may(Permission.PAGES_TAKE):
        found += _of_pages(who, await listed(served.store, everything=False), titles)
        team = served.settings.approvals.break_glass.page
        found += _of_reviews(who, unseen, titles, team)
    if who.may(Permission.INCIDENTS_WRITE):
        found += _of_duties(late, titles, served.policy.duties)
    return sorted(found, key=lambda need: (need.due, need.priority))


async def _decided(tx: Transaction, name: str) -> set[str]:
    """The asks that still wait, and that *name* has said something to already."""
    query = select(decisions.c.ask).join(asks, asks.c.id == decisions.c.ask)
    mine = (decisions.c.principal == name, decisions.c.revoked.is_(None))
    return set((await tx.execute(query.where(asks.c.state == "open", *mine))).scalars())


async def _rows(tx: Transaction, query: Select[Any]) -> list[Row]:
    return [plain(row) for row in (await tx.execute(query)).mappings()]


def _of_asks(who: Person, incident: Row, decided: set[str]) -> Iterator[Need]:
    if not who.may(Permission.APPROVALS_DECIDE):
        return
    for ask in incident["asks"]:
        if ask["id"] in decided or who.name in barred(ask):
            continue
        yield Need(
            mark="ask",
            what=f"Decide: {ask['summary']}",
            why=f"{ask['tier']} needs {ask['need']}",
            due=moment(ask["expires"]),
            incident=incident["id"],
            priority=incident["priority"],
            where=f"/asks/{ask['id']}",
            button="Decide",
        )


def _of_clocks(who: Person, incident: Row) -> Iterator[Need]:
    if not who.may(Permission.INCIDENTS_WRITE):
        return
    clocks = {row["clock"]: row for row in incident["clocks"]}
    place = f"/incidents/{incident['id']}"
    head = {"incident": incident["id"], "priority": incident["priority"]}
    if incident["acknowledged"] is None and (row := clocks.get(Clock.ACKNOWLEDGE)):
        yield Need(
            mark="bad" if row["mark"] == "bad" else "person",
            what=f"Nobody owns it: {incident['title']}",
            why=f"about {incident['about']}",
            due=moment(row["due"]),
            where=f"{place}/take",
            button="Take it",
            sends=True,
            seen=incident["owner"] or "",
            **head,
        )
    if incident["owner"] != who.name:
        return
    for clock, said in _OWNED.items():
        row = clocks.get(clock)
        if row is None or row["met"] or row["mark"] not in ("warn", "bad"):
            continue
        yield Need(
            mark=row["mark"],
            what=f"{said}: {incident['title']}",
            why="it is yours, and was due" if row["mark"] == "bad" else "it is yours, and runs out",
            due=moment(row["due"]),
            where=f"{place}#add-note" if clock == Clock.UPDATE else place,
            button="Look",
            **head,
        )


def _of_pages(who: Person, rows: list[Any], titles: dict[str, Row]) -> Iterator[Need]:
    for row in rows:
        if row["role"] not in who.teams and Role.ADMIN not in who.roles:
            continue
        yield Need(
            mark="bad",
            what=row["subject"],
            why=f"{row['role']} was paged {_times(row['times'])}; whoever takes it says that they come",
            due=moment(row["opened"]),
            incident=row["incident"],
            priority=titles.get(row["incident"], {}).get("priority", ""),
            where=f"/pages/{row['id']}/take",
            button="Take the page",
            sends=True,
        )


def _of_reviews(who: Person, rows: list[Row], titles: dict[str, Row], team: str) -> Iterator[Need]:
    for row in rows:
        if may_review(who, row["person"], team):
            yield Need(
                mark="warn",
                what=f"Review: {row['person']} broke the glass",
                why=f"“{row['reason']}”",
                due=moment(row["due"]),
                incident=row["incident"],
                priority=titles.get(row["incident"], {}).get("priority", ""),
                where=f"/asks/{row['ask']}#review",
                button="Review",
            )


def _of_duties(
    rows: list[Row], titles: dict[str, Row], regimes: Mapping[str, Regime]
) -> Iterator[Need]:
    for row in rows:
        regime = regimes.get(row["regime"])
        yield Need(
            mark="warn",
            what=f"Report it: {regime.title if regime else row['regime']}, {row['stage'].replace('-', ' ')}",
            why=f"aware since {moment(row['aware']):%d %b %H:%M} UTC",
            due=moment(row["due"]),
            incident=row["incident"],
            priority=titles.get(row["incident"], {}).get("priority", ""),
            where=f"/incidents/{row['incident']}#duties",
            button="Report",
        )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
