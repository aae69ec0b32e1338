"""The board that responders read in Temporal's UI: Markdown, one screen, from the store's rows."""

from datetime import datetime

from responder.incident import Indicators
from responder.standing.facts import Facts
from responder.standing.progress import of_ask, of_incident, of_step
from responder.standing.timing import paused_until
from responder.store.rows import Row


def board(facts: Facts, status: str) -> str:
    """State, clocks, plans, leases and the next step of one incident."""
    incident = facts.incident
    seen = Indicators.model_validate(incident["indicators"])
    networks = [str(n).removesuffix("/32").removesuffix("/128") for n in seen.networks]
    about = ", ".join([*networks, *seen.hosts, *seen.accounts]) or "nothing named"
    lines = [
        f"# {incident['priority']} · {incident['id']} · {_plain(incident['title'])}",
        "",
        *_nobody(incident),
        (
            f"**{status}** · {_plain(of_incident(facts).text)} · owner "
            f"{incident['owner'] or '*nobody yet*'} · about {_plain(about)}"
        ),
        "",
        "**Clocks**",
        "",
        *(
            f"- {row['clock']} by {row['due']:%Y-%m-%d %H:%M:%S} UTC · {_clock(row, facts.at)}"
            for row in facts.clocks
        ),
        *_execute_by(facts),
        *_reports(facts),
    ]
    # Lists, not tables: the UI draws a table's columns without a gap between them.
    if facts.steps:
        lines += ["", "**Plans**", ""]
    for row in facts.steps:
        plan = row["plan"]
        what = "; ".join(change["summary"] for change in plan["changes"])
        said = f" · {_plain(row['said'])}" if row["said"] else ""
        lines.append(f"- {plan['tier']} · {_plain(what)} · **{_come(facts, row)}**{said}")
    if facts.holds:
        lines += ["", "**Leases**", ""]
    for row in facts.holds:
        until = f"until {row['until']:%Y-%m-%d %H:%M:%S} UTC" if row["until"] else "until ended"
        lines.append(f"- {_plain(row['resource'])} · {until} · {_plain(_lease(facts, row))}")
    following = [f"`responder approvals show {ask['id']}`" for ask in facts.open_asks]
    if incident["acknowledged"] is None:
        following.append(f"`responder incidents ack {incident['id']}`")
    lines += [
        "",
        "**Next** " + (" · ".join(following) or f"`responder incidents show {incident['id']}`"),
    ]
    return "\n".join(lines)


def _nobody(incident: Row) -> list[str]:
    if incident.get("unanswered") is None:
        return []
    return [f"**Nobody answers since {incident['unanswered']:%Y-%m-%d %H:%M:%S} UTC**", ""]


def _execute_by(facts: Facts) -> list[str]:
    """Until when an approved change may begin: the second clock of an ask, after approve-by."""
    asked = {step["key"] for step in facts.steps if step["state"] == "asked"}
    return [
        f"- execute by {ask['execute_by']:%Y-%m-%d %H:%M:%S} UTC · ask {ask['id']} is approved"
        for ask in facts.asks
        if ask["state"] == "approved" and ask["execute_by"] is not None and ask["step"] in asked
    ]


def _reports(facts: Facts) -> list[str]:
    """What is to be reported to whom, and by when."""
    lines = []
    for row in facts.duties:
        said = row["state"]
        if row["done"] is not None:
            said = f"reported {row['done']:%Y-%m-%d %H:%M} UTC, {_plain(row['reference'])}"
        elif row["breached"] is not None:
            said = "**breached**"
        name = f"{row['regime']} {row['stage']}"
        lines.append(f"- {name} by {row['due']:%Y-%m-%d %H:%M} UTC · {said}")
    return lines


def _clock(row: Row, now: datetime) -> str:
    if row["met"] is not None:
        late = row["met"] > row["due"]
        return f"met {row['met']:%H:%M:%S}" + (" **late**" if late else "")
    if row["breached"] is not None:
        return "**breached**"
    if until := paused_until(row, now):
        return f"**paused until {until:%H:%M:%S} UTC**"
    minutes = (row["due"] - now).total_seconds() / 60
    return f"{minutes:.0f} min left" if minutes >= 1 else "less than a minute left"


def _come(facts: Facts, step: Row) -> str:
    """How far a step has come, in the words of its ask where people were asked."""
    ask = next((one for one in facts.asks if one["step"] == step["key"]), None)
    if ask is not None:
        return _plain(of_ask(facts, ask).text)
    return of_step(facts, step).text if step["state"] in ("carrying", "done") else step["state"]


def _lease(facts: Facts, row: Row) -> str:
    if facts.lives(row):
        return f"{row['outcome']} {row['said']}".rstrip()
    ended, by = (row["ended"], row["ended_by"]) if row["ended"] else (row["until"], "time")
    said = f"ended by {by}" + (f" at {ended:%Y-%m-%d %H:%M:%S}" if ended else "")
    if row["resource_state"] == "lifting" or not row["ended"]:
        return f"{said}; being undone {row['said']}".rstrip()
    return said


def _plain(text: str) -> str:
    """Alert text as text: line breaks and Markdown or HTML marks lose their meaning."""
    for mark in "\\`*_[]<>#":
        text = text.replace(mark, f"\\{mark}")
    return text.replace("|", "¦").replace("\r", " ").replace("\n", " ")
