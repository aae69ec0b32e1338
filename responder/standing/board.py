"""The board that responders read in Temporal's UI: Markdown, one screen, from the store's rows."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from responder.incident import Indicators
from responder.store.database import Transaction
from responder.store.tables import asks, clocks, holds, resources, steps


async def board(tx: Transaction, incident: Mapping[str, Any], status: str, now: datetime) -> str:
    """State, clocks, plans, leases and the next step of one incident."""
    seen = Indicators.model_validate(incident["indicators"])
    about = ", ".join([*map(str, seen.networks), *seen.hosts, *seen.accounts]) or "nothing named"
    lines = [
        f"# {incident['priority']} · {incident['id']} · {_plain(incident['title'])}",
        "",
        f"**{status}** · owner {incident['owner'] or '*nobody yet*'} · about {_plain(about)}",
        "",
        "| clock | due (UTC) | state |",
        "|---|---|---|",
    ]
    query = select(clocks).where(clocks.c.incident == incident["id"]).order_by(clocks.c.due)
    for row in (await tx.execute(query)).mappings():
        lines.append(f"| {row['clock']} | {row['due']:%Y-%m-%d %H:%M:%S} | {_clock(row, now)} |")
    query = select(steps).where(steps.c.key.like(f"{incident['id']}/%")).order_by(steps.c.planned)
    plans = (await tx.execute(query)).mappings().all()
    if plans:
        lines += ["", "| plan | tier | state |", "|---|---|---|"]
        for row in plans:
            plan = row["plan"]
            what = "; ".join(change["summary"] for change in plan["changes"])
            lines.append(f"| {_plain(what)} | {plan['tier']} | {row['state']} {_plain(row['said'])} |")
    query = (
        select(holds, resources.c.outcome, resources.c.state, resources.c.said)
        .join(resources, resources.c.name == holds.c.resource)
        .where(holds.c.incident == incident["id"])
        .order_by(holds.c.taken)
    )
    held = (await tx.execute(query)).mappings().all()
    if held:
        lines += ["", "| lease | until (UTC) | state |", "|---|---|---|"]
        for row in held:
            until = f"{row['until']:%Y-%m-%d %H:%M:%S}" if row["until"] else "ended by a person"
            state = f"ended by {row['ended_by']}" if row["ended"] else f"{row['outcome']} {row['said']}"
            lines.append(f"| {_plain(row['resource'])} | {until} | {_plain(state)} |")
    query = select(asks).where(asks.c.incident == incident["id"], asks.c.state == "open")
    waiting = (await tx.execute(query)).mappings().all()
    following = [f"`responder approvals show {ask['id']}`" for ask in waiting]
    if incident["acknowledged"] is None:
        following.append(f"`responder incidents ack {incident['id']}`")
    lines += ["", "**Next** " + (" · ".join(following) or f"`responder incidents show {incident['id']}`")]
    return "\n".join(lines)


def _clock(row: Mapping[str, Any], now: datetime) -> str:
    if row["met"] is not None:
        late = row["met"] > row["due"]
        return f"met {row['met']:%H:%M:%S}" + (" **late**" if late else "")
    if row["breached"] is not None:
        return "**breached**"
    minutes = (row["due"] - now).total_seconds() / 60
    return f"{minutes:.0f} min left" if minutes >= 1 else "less than a minute left"


def _plain(text: str) -> str:
    """Alert text as text: a table's pipes, line breaks and Markdown or HTML marks lose their meaning."""
    for mark in "\\`*_[]<>#":
        text = text.replace(mark, f"\\{mark}")
    return text.replace("|", "¦").replace("\r", " ").replace("\n", " ")
