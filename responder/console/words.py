"""The audit's entries and an incident's rows as sentences. Pure: rows in, words out."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from responder.console.rendering import moment, span, without
from responder.incident import Frozen

Row = dict[str, Any]


class Told(Frozen):
    """One line of a timeline."""

    at: str
    mark: str  # which symbol stands before it: good, bad, ask, person, plain
    said: str
    more: str = ""
    actor: str = ""


def _plain(text: str) -> str:
    return text.replace("_", " ")


def _last(entry: Row) -> str:
    """What of an incident an entry is about: its clock, or its duty."""
    return "the " + str(entry["subject"]).partition(" ")[2].replace("-", " ")


def _why(data: Row) -> str:
    return str(data.get("reason") or "")


def _received(_: Row, data: Row) -> tuple[str, str, str]:
    joined = "joined this incident" if data.get("joined") else "opened this incident"
    return "plain", f"An alert {joined}: {data.get('title', '')}", str(data.get("severity", ""))


def _decided(entry: Row, data: Row) -> tuple[str, str, str]:
    verb, mark = ("approved", "good") if data.get("approve") else ("denied", "bad")
    how = ", ".join(map(str, data.get("factors") or ()))
    why = f"“{data['reason']}”" if data.get("reason") else ""
    return mark, f"{entry['actor']} {verb} {entry['subject']}", " · ".join(filter(None, (why, how)))


def _outcome(entry: Row, data: Row) -> tuple[str, str, str]:
    good = data.get("outcome") == "verified"
    said = f"{entry['subject']} read back: {data.get('outcome')}"
    return "good" if good else "bad", said, str(data.get("said") or "")


def _undo(entry: Row, data: Row) -> tuple[str, str, str]:
    by = ", ".join(map(str, data.get("ended_by") or ())) or "time"
    return "plain", f"Undoing {entry['subject']}", f"ended by {by}"


def _planned(_: Row, data: Row) -> tuple[str, str, str]:
    said = f"Planned ({data.get('tier')}, {data.get('ruling')}): {data.get('plan')}"
    return "plain", said, without(str(data.get("reason") or ""), str(data.get("plan")))


_SAY: Final[dict[str, Callable[[Row, Row], tuple[str, str, str]]]] = {
    "received": _received,
    "decided": _decided,
    "outcome": _outcome,
    "undo": _undo,
    "planned": _planned,
    "run": lambda _, d: ("plain", f"The playbook {d.get('playbook')} began", ""),
    "asked": lambda e, d: ("ask", f"People were asked: {e['subject']} ({d.get('tier')})", ""),
    "intent": lambda _, d: (
        "plain", f"Carrying out: {'; '.join(map(str, d.get('do') or ()))}",
        f"at {', '.join(map(str, d.get('at') or ()))}",
    ),
    "contained": lambda _, d: (
        "good", f"Contained, {span(float(d.get('after_seconds') or 0))} after it was opened", "",
    ),
    "acknowledged": lambda e, _: ("person", f"{e['actor']} took the incident", ""),
    "taken": lambda e, d: (
        "person", f"{e['actor']} took the incident",
        f"from {d['from']}" if d.get("from") else "",
    ),
    "breached": lambda e, d: (
        "bad", f"A clock was breached: {e['subject'].partition(' ')[2]}", f"told {d.get('to')}",
    ),
    "escalated": lambda _, d: ("bad", f"Escalated to {d.get('to')}", ""),
    "expired": lambda e, _: ("bad", f"Nobody decided {e['subject']} in time; nothing was done", ""),
    "revoked": lambda e, d: (
        "bad", f"{e['actor']} took back {d.get('decided_by')}'s approval of {e['subject']}",
        str(d.get("reason") or ""),
    ),
    "refused": lambda _, d: ("bad", "Policy refused it", str(d.get("said") or "")),
    "drifted": lambda _, d: ("bad", "The world changed since the plan", str(d.get("said") or "")),
    "drift": lambda e, d: ("bad", f"{e['subject']} drifted", str(d.get("said") or "")),
    "hold ended": lambda e, d: ("person", f"{e['actor']} ended {d.get('summary')}", str(d.get("resource") or "")),
    "announced": lambda e, d: ("plain", f"{e['subject']} was told: {d.get('subject')}", ""),
    "closed": lambda e, d: ("person", f"{e['actor']} closed it as {_plain(str(d.get('resolution')))}", ""),
    "run ended": lambda _, d: (
        "bad" if d.get("failed") else "plain",
        "The playbook failed" if d.get("failed") else "The playbook ended", str(d.get("said") or ""),
    ),
    "paged": lambda _, d: ("ask", f"{d.get('role')} was paged: {d.get('subject')}", ""),
    "unanswered": lambda _, d: ("bad", f"Nobody of {d.get('role')} answered the page", ""),
    "looked up": lambda e, _: ("plain", f"Looked up: {e['subject']}", ""),
    "forged": lambda _, d: ("bad", "Work that was not ours was refused", str(d.get("said") or "")),
    "edited": lambda e, d: ("person", f"{e['actor']} edited {e['subject']}; it is asked anew", _why(d)),
    "glass broken": lambda e, d: ("bad", f"{e['actor']} broke the glass for {e['subject']}", _why(d)),
    "reprioritised": lambda e, d: (
        "person", f"{e['actor']} made it {d.get('to')}" + (f", it was {d['from']}" if d.get("from") else ""), _why(d),
    ),
    "glass reviewed": lambda e, d: (
        "good" if d.get("verdict") == "justified" else "bad",
        f"{e['actor']} found the broken glass {d.get('verdict')}", str(d.get("reason") or ""),
    ),
    "page acknowledged": lambda e, d: ("person", f"{e['actor']} took the page of {d.get('role')}", ""),
    "paused": lambda e, d: (
        "person", f"{e['actor']} paused {_last(e)} until {moment(d['until']):%H:%M:%S} UTC" if d.get("until")
        else f"{e['actor']} paused the runner", str(d.get("reason") or ""),
    ),
    "goes on": lambda e, _: ("person", f"{e['actor']} let {_last(e)} go on", ""),
    "duty": lambda e, _: ("person", f"{e['actor']} began a duty to report: {_last(e)}", ""),
    "reported": lambda e, d: ("good", f"{e['actor']} reported {_last(e)}", str(d.get("reference") or "")),
    "hold extended": lambda e, d: ("person", f"{e['actor']} extended {d.get('summary')}", str(d.get("resource") or "")),
    "note": lambda e, d: ("person", f"{e['actor']} noted", str(d.get("text") or d.get("note") or "")),
}  # fmt: skip


def told(entry: Row) -> Told:
    """One entry of the audit as a line; what has no words of its own is said by its kind."""
    data = entry.get("data") or {}
    say = _SAY.get(entry["kind"])
    if say is not None:
        mark, said, more = say(entry, data)
    else:
        mark, said = "plain", f"{_plain(entry['kind']).capitalize()}: {entry['subject']}"
        more = str(data.get("said") or data.get("reason") or "")
    return Told(at=entry["at"], mark=mark, said=said, more=more, actor=entry["actor"])


def about(indicators: Row) -> str:
    """What an incident points at, in one line."""
    networks = [
        str(one).removesuffix("/128" if ":" in str(one) else "/32")
        for one in indicators.get("networks", ())
    ]
    named = [*networks, *indicators.get("hosts", ()), *indicators.get("accounts", ())]
    return ", ".join(named) or "nothing named"


def story(found: Row) -> list[str]:
    """What happened so far and why, in a few sentences."""
    alerts = found["alerts"]
    sources = sorted({one["source"] for one in alerts})
    count = f"{len(alerts)} alert{'s' * (len(alerts) != 1)}"
    came = f" {count} from {' and '.join(sources)} say so." if alerts else ""
    said = [
        (
            f"{_plain(found['category']).capitalize()} since {moment(found['began']):%H:%M:%S} UTC, "
            f"about {about(found['indicators'])}.{came}"
        )
    ]
    if not found["runs"]:
        said.append("No playbook answers this category: a person must contain it.")
    for run in found["runs"]:
        again = "" if run["number"] == 1 else " again, on what was new"
        ended = f" It ended: {run['said']}." if run["said"] else ""
        said.append(f"The playbook {run['playbook']} answered{again}.{ended}")
    said += _steps(found["steps"])
    if found["closed"]:
        said.append(f"It is closed: {_plain(found['resolution'] or '')}.")
    elif found["contained"]:
        said.append(f"It has been contained since {moment(found['contained']):%H:%M:%S} UTC.")
    return said


_STEP: Final = {
    "planned": "is planned",
    "asked": "waits for approval",
    "carrying": "is being carried out",
    "done": "was carried out",
    "denied": "was denied: nothing was changed",
    "expired": "was not decided in time: nothing was changed",
    "refused": "was refused: nothing was changed",
    "drifted": "was stopped, as the world had changed",
    "revoked": "was taken back before it began",
}


def _steps(steps: Sequence[Row]) -> list[str]:
    said = []
    for step in sorted(steps, key=lambda one: str(one["planned"])):
        plan = step["plan"]
        what = "; ".join(change["summary"] for change in plan["changes"]) or "nothing to change"
        became = _STEP.get(step["state"], step["state"])
        why = f" Why: {without(plan['reason'], what)}." if plan.get("reason") else ""
        more = f" {step['said']}" if step["said"] else ""
        said.append(f"“{what}” ({plan['tier']}) {became}.{why}{more}")
    return said
