"""
The card of an incident: at most nine blocks and 3,000 characters of what one person must know.

Pure: the same incident at the same moment is the same card, so an edit that changes nothing is none.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from responder.approval.requesting import in_words
from responder.slack.blocks import (
    Json,
    Rendered,
    actions,
    button,
    context,
    header,
    link_button,
    message,
    option,
    overflow,
    section,
)
from responder.slack.facts import GAP, Facts, Plan
from responder.slack.reading import Group, Look, Row, left, moment, points_of, utc
from responder.slack.thread import thread
from responder.slack.wording import Code, Line, Piece, Prose, bold, fitting, harmless, line

__all__ = ["Offer", "asks_for_more", "card", "offers", "spoken", "thread"]

_STATE, _WHY, _PLAN, _FACTS, _SMALL = 300, 420, 900, 900, 280
_SPOKEN = 4
_MENU = {"report": "Deny and report…", "take": "Take over"}


class Offer(NamedTuple):
    """A button that a card offers: what it does, to which ask or incident, of which plan."""

    action: str
    ask: str
    digest: str


def offers(incident: Row, now: datetime) -> tuple[Offer, ...]:
    """The buttons that the card of *incident* has at *now*, in their order."""
    look = Look(incident, now)
    ask = look.waiting
    if ask is not None:
        about = (str(ask.get("id", "")), str(ask.get("digest", "")))
        some = [Offer(action, *about) for action in ("approve", "deny", "report")]
        return (*some, *([] if look.closed else [Offer("take", "", "")]))
    some = [] if look.closed or look.owner else [Offer("take", "", "")]
    return (*some, *([Offer("undo", "", "")] if look.live else []))


def card(
    incident: Row, now: datetime, link: str, buttons: Mapping[str, str] | None = None
) -> Rendered:
    """
    The card of *incident*, as `responder.standing.whole` tells it, at *now*.

    *link* is the origin of the console. *buttons* are the ids that the store minted for the card's
    `offers`, by action; a button without one is not drawn.
    """
    look = Look(incident, now)
    title = f"{incident.get('priority', '')} · {look.id} · {harmless(incident.get('title', ''))}"
    drawn = [
        header(title, block_id="title"),
        section(_state(look), most=_STATE, block_id="state"),
        section(_why(look), most=_WHY, block_id="why"),
        section(Plan(look), most=_PLAN, block_id="plan"),
        section(Facts(look), most=_FACTS, block_id="facts"),
        context(_small(look), most=_SMALL, block_id="print"),
    ]
    row = _buttons(look, link, buttons or {})
    return message([*drawn, actions(row, block_id="do")] if row else drawn, spoken(look))


def spoken(look: Look) -> str:
    """The card in one breath: who, what and where, for notifications and screen readers."""
    incident = look.incident
    ask = look.waiting
    what = _what(look) or "nothing is planned"
    points = points_of(look.plans)
    where = ", ".join(points[:5]) + (f" and {len(points) - 5} more" if len(points) > 5 else "")  # noqa: PLR2004
    seen = incident.get("indicators") or {}
    about = [str(n) for kind in ("hosts", "networks", "accounts") for n in seen.get(kind) or []]
    where = where or ", ".join(about[:5]) or str(incident.get("subject") or "no place is named")
    who = f"{ask.get('requester') or 'a playbook'} asks; " if ask is not None else ""
    if ask is not None and (named := in_words(ask)):
        who = f"asked for by {named}; "
    who += f"owner {look.owner}" if look.owner else "nobody owns it yet"
    state = " · ".join(filter(None, (look.state[1], look.beside)))
    if (until := moment((ask or {}).get("expires"))) is not None:
        state += f", to decide by {utc(until, look.now)}"
    parts = (
        f"{incident.get('priority', '')} {look.id}: {fitting(incident.get('title', ''), 150)}",
        fitting(state, 150),
        # What is only blanks or marks that are not shown leaves nothing to read out.
        f"What: {fitting(what, 250) or 'it has no readable name'}",
        f"Where: {fitting(where, 120) or 'it has no readable name'}",
        f"Who: {fitting(who, 120)}",
    )
    return ". ".join(parts) + "."


def _state(look: Look) -> Line:
    """Where it stands, in words first; this line is edited in place."""
    word, said = look.state
    ask = look.waiting
    if ask is None or word == "recorded":
        more: list[Piece | str] = []
        if word == "contained" and look.live:
            good = sum(hold.get("outcome") == "verified" for hold in look.live)
            more = [f" · verified at {good} of {len(look.live)} points"]
        if look.beside:
            more += [" · ", Prose(look.beside, 120)]
        return line("*", Prose(said or word), "*", *more)
    expires = moment(ask.get("expires"))
    until = ""
    if expires is not None:
        until = f" · {left(expires - look.now)} to decide (by {utc(expires, look.now)})"
    also = f" · {look.also_waiting} more wait, see the thread" if look.also_waiting else ""
    return line("*", Prose(said), "*", f"{until}{also}")


def _why(look: Look) -> Line:
    incident = look.incident
    reasons = dict.fromkeys(str(plan.get("reason") or "") for plan in look.plans)
    said = "; ".join(reason for reason in reasons if reason)
    sources = sorted({str(alert.get("source", "")) for alert in look.rows("alerts")})
    found = str(incident.get("category") or "incident").replace("_", " ")
    told = f" · told by {len(sources)} source{'s' * (len(sources) != 1)}: " if sources else ""
    pieces: list[Piece | str] = [bold("Why"), GAP, Prose(found, 80)]
    pieces += [" · ", Prose(said, 200)] if said else []
    return line(*pieces, told, *([Prose(", ".join(sources), 100)] if sources else []))


def _small(look: Look) -> Line:
    """Small print: exactly which plan, by which code, of which tier."""
    run = (look.rows("runs") or [{}])[-1]
    plan = (look.plans or [{}])[-1]
    playbook = plan.get("playbook") or run.get("playbook")
    pieces: list[Piece | str] = []
    if look.digest:
        pieces += ["plan ", Code(look.digest[:12]), " · "]
    if playbook:
        code = str(plan.get("code") or run.get("code") or "?")
        pieces += ["playbook ", Prose(playbook, 80), " (", Prose(code[:7]), ") · "]
    if look.waiting is not None:
        pieces += ["tier ", Prose(look.waiting.get("tier", ""), 10), " · "]
    return line(*pieces, "/ir help")


def _buttons(look: Look, link: str, ids: Mapping[str, str]) -> list[Json]:
    """At most two large buttons for what is to be decided; everything else is in the menu."""
    row: list[Json] = []
    menu: list[Json] = []
    for offer in offers(look.incident, look.now):
        value = ids.get(offer.action)
        if value is None:
            continue
        if offer.action == "report" or (offer.action == "take" and look.waiting is not None):
            menu.append(option(_MENU[offer.action], value))
        else:
            row.append(_large(look, offer.action, value))
    details = f"{link}/incidents/{look.id}"
    if look.waiting is None:
        row.append(link_button("Details", action="details", url=details))
    else:
        menu.append(option("Details", "details", url=details))
    runbook = str(look.incident.get("runbook") or "")
    if runbook.startswith("https://"):
        menu.append(option("Runbook", "runbook", url=runbook))
    return [*row, overflow(menu, action="more")] if menu else row


def _large(look: Look, action: str, value: str) -> Json:
    words, about = {
        "approve": ("Approve", f"Approve for {look.id}: {_what(look)}"),
        "deny": ("Deny…", f"Deny for {look.id}: {_what(look)}"),
        "take": ("Take it", f"Take {look.id}: you own it"),
        "undo": ("Undo…", f"Undo what {look.id} changed"),
    }[action]
    if action == "approve" and look.waiting is not None and asks_for_more(look.waiting):
        words = "Approve…"
    primary = action in ("approve", "take")
    return button(words, action=action, value=value, primary=primary, about=about)


def asks_for_more(ask: Row) -> bool:
    """Whether approving *ask* takes more than a click: a code, or on T3 the number as well."""
    needs = ask.get("needs") or {}
    wanted = needs.get("number_match")
    number = wanted if wanted is not None else ask.get("tier") == "T3"
    return bool(needs.get("stepped_up") or number)


def _what(look: Look) -> str:
    some = [_said(group) for group in look.groups[:_SPOKEN]]
    rest = len(look.groups) - len(some)
    return harmless("; ".join([*some, *([f"and {rest} more actions"] if rest > 0 else [])]))


def _said(group: Group) -> str:
    """A line of a plan for the ear."""
    if len(group.targets) > 1:
        some = ", ".join(group.targets[:3])
        rest = len(group.targets) - 3
        return f"{group.verb} {len(group.targets)}: {some}" + (
            f" and {rest} more" if rest > 0 else ""
        )
    return " ".join([group.verb, *group.targets])
