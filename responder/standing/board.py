"""The board that responders read in Temporal's UI: Markdown, one screen, from the store's rows."""

from datetime import datetime

from responder.incident import Indicators
from responder.standing.facts import Facts
from responder.store.rows import Row


def board(facts: Facts, status: str) -> str:
    """State, clocks, plans, leases and the next step of one incident."""
    incident = facts.incident
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
    lines += [
        f"| {row['clock']} | {row['due']:%Y-%m-%d %H:%M:%S} | {_clock(row, facts.at)} |"
        for row in facts.clocks
    ]
    if facts.steps:
        lines += ["", "| plan | tier | state |", "|---|---|---|"]
    for row in facts.steps:
        plan = row["plan"]
        what = "; ".join(change["summary"] for change in plan["changes"])
        lines.append(f"| {_plain(what)} | {plan['tier']} | {row['state']} {_plain(row['said'])} |")
    if facts.holds:
        lines += ["", "| lease | until (UTC) | state |", "|---|---|---|"]
    for row in facts.holds:
        until = f"{row['until']:%Y-%m-%d %H:%M:%S}" if row["until"] else "ended by a person"
        lines.append(f"| {_plain(row['resource'])} | {until} | {_plain(_lease(facts, row))} |")
    following = [f"`responder approvals show {ask['id']}`" for ask in facts.open_asks]
    if incident["acknowledged"] is None:
        following.append(f"`responder incidents ack {incident['id']}`")
    lines += [
        "",
        "**Next** " + (" · ".join(following) or f"`responder incidents show {incident['id']}`"),
    ]
    return "\n".join(lines)


def _clock(row: Row, now: datetime) -> str:
    if row["met"] is not None:
        late = row["met"] > row["due"]
        return f"met {row['met']:%H:%M:%S}" + (" **late**" if late else "")
    if row["breached"] is not None:
        return "**breached**"
    minutes = (row["due"] - now).total_seconds() / 60
    return f"{minutes:.0f} min left" if minutes >= 1 else "less than a minute left"


def _lease(facts: Facts, row: Row) -> str:
    if facts.lives(row):
        return f"{row['outcome']} {row['said']}"
    ended, by = (row["ended"], row["ended_by"]) if row["ended"] else (row["until"], "time")
    said = f"ended by {by}" + (f" at {ended:%Y-%m-%d %H:%M:%S}" if ended else "")
    if row["resource_state"] == "lifting" or not row["ended"]:
        return f"{said}; being undone {row['said']}"
    return said


def _plain(text: str) -> str:
    """Alert text as text: a table's pipes, line breaks and Markdown or HTML marks lose their meaning."""
    for mark in "\\`*_[]<>#":
        text = text.replace(mark, f"\\{mark}")
    return text.replace("|", "¦").replace("\r", " ").replace("\n", " ")
