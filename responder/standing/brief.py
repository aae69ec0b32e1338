"""
What somebody who is woken must know, on one screen: what, since when, what is left, what is wanted.

Pure: from the facts of one look. Every list is cut, and says so, so that it stays one screen.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from responder.incident import Indicators
from responder.plan import Outcome
from responder.policy.duties import State
from responder.standing.facts import Facts
from responder.standing.timing import paused_until
from responder.store.rows import Row

_MOST = 4  # of each list
_LINE = 150


def brief(facts: Facts) -> str:
    """The page: at most some thirty lines of at most 150 characters."""
    incident, now = facts.incident, facts.at
    seen = Indicators.model_validate(incident["indicators"])
    networks = [str(n).removesuffix("/32").removesuffix("/128") for n in seen.networks]
    about = [*networks, *seen.hosts, *seen.accounts]
    owner = incident["owner"] or "nobody"
    parts = [
        [f"WHAT    {incident['title']}"],
        [f"        {incident['category'].replace('_', ' ')} about {incident['subject']}"],
        _listed("TOUCHES", [", ".join(about[:_MOST]) + _more(about)] if about else []),
        [f"SINCE   {_since(incident['opened'], now)}; owner: {owner}"],
        _listed("CLOCKS", [_clock(row, now) for row in facts.clocks], most=len(facts.clocks)),
        _listed("REPORT", [_duty(row, now) for row in facts.duties if row["state"] in _COUNTS]),
        _listed("DONE", _contained(facts)),
        _listed("NOT OK", _amiss(facts)),
        _listed("WANTED", _wanted(facts)),
    ]
    lines = [line[:_LINE] for part in parts for line in part]
    return "\n".join([*lines, "", f"Take it: responder incidents ack {incident['id']}"])


_COUNTS = (State.RUNNING, State.UNCLASSIFIED)


def span(length: timedelta) -> str:
    """A length of time in the two units that matter."""
    minutes, seconds = divmod(round(abs(length.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next((i for i, (n, _) in enumerate(units) if n), len(units) - 1)
    return " ".join(f"{n} {unit}" for n, unit in units[first : first + 2] if n) or "0 s"


def _since(opened: datetime, now: datetime) -> str:
    return f"{opened:%Y-%m-%d %H:%M:%S} UTC, {span(now - opened)} ago"


def _clock(row: Row, now: datetime) -> str:
    name = f"{row['clock']:<12}"
    if row["met"] is not None:
        late = " LATE" if row["met"] > row["due"] else ""
        return f"{name} met {row['met']:%H:%M:%S}{late}"
    if row["breached"] is not None or row["due"] <= now:
        ago = now - row["due"]
        return f"{name} BREACHED " + (f"{span(ago)} ago" if ago else "now")
    if until := paused_until(row, now):
        return f"{name} paused until {until:%H:%M:%S} UTC; due {row['due']:%Y-%m-%d %H:%M:%S} UTC"
    return f"{name} {span(row['due'] - now)} left, until {row['due']:%Y-%m-%d %H:%M:%S} UTC"


def _duty(row: Row, now: datetime) -> str:
    name = f"{row['regime']} {row['stage']}"
    if row["breached"] is not None:
        return f"{name}: BREACHED, was due {row['due']:%Y-%m-%d %H:%M} UTC"
    if row["state"] == State.UNCLASSIFIED:
        return f"{name}: to be classified within {span(row['due'] - now)}"
    return f"{name}: {span(row['due'] - now)} left, until {row['due']:%Y-%m-%d %H:%M} UTC"


def _contained(facts: Facts) -> list[str]:
    """What stands and was read back, and whether it can be undone."""
    said = []
    for hold in facts.held:
        if hold["outcome"] != Outcome.VERIFIED:
            continue
        until = f"until {hold['until']:%m-%d %H:%M} UTC" if hold["until"] else "until it is ended"
        said.append(f"{hold['summary']} at {hold['resource']}: verified, reversible, {until}")
    for step in facts.steps:
        if step["state"] != "done":
            continue
        changes = step["plan"]["changes"]
        said += [f"{c['summary']}: done, CANNOT be undone" for c in changes if not c["reversible"]]
    return said or ["nothing is contained"]


def _amiss(facts: Facts) -> list[str]:
    said = [
        f"{hold['resource']}: {hold['outcome']}" + (f" ({hold['said']})" if hold["said"] else "")
        for hold in facts.held
        if hold["outcome"] != Outcome.VERIFIED
    ]
    said += [
        f"{'; '.join(c['summary'] for c in step['plan']['changes'])}: {step['state']} {step['said']}".rstrip()
        for step in facts.steps
        if step["state"] in ("refused", "drifted")
    ]
    said += [f"{run['id']}: {run['said']}" for run in facts.runs if run["state"] == "failed"]
    return said


def _wanted(facts: Facts) -> list[str]:
    return [
        f"{ask['tier']} by {ask['expires']:%H:%M:%S} UTC: "
        f"{'; '.join(c['summary'] for c in ask['plan']['changes'])[:80]}"
        f"  responder approvals show {ask['id']}"
        for ask in sorted(facts.open_asks, key=lambda ask: ask["expires"])
    ]


def _listed(head: str, said: Sequence[str], *, most: int = _MOST) -> list[str]:
    lines = [*said[:most], *([f"and {len(said) - most} more"] if len(said) > most else [])]
    return [f"{head if not n else '':<7} {line}" for n, line in enumerate(lines)]


def _more(all_of: Sequence[str]) -> str:
    return f" and {len(all_of) - _MOST} more" if len(all_of) > _MOST else ""
