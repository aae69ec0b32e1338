"""What a card says about an incident, line by line: the plan, what it touches, the clocks, what it needs."""

from datetime import datetime
from typing import Final

from responder.approval.requesting import in_words, needs_others, of_lease
from responder.slack.reading import (
    Group,
    Look,
    Row,
    about,
    lasting,
    left,
    moment,
    paused_until,
    utc,
)
from responder.slack.wording import Code, Line, Names, Piece, Prose, bold, clock, line, lines

GAP: Final = "\u2003"  # an em space: a label stands apart from what it labels
_PLAN_LINES = 6
_CLOCK_LINES = 3


class Plan:
    """The actions, numbered; what does not fit is counted."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def within(self, most: int) -> str:
        groups = self._look.groups
        label = bold("Not done" if self._look.nothing_done else "Plan")
        if len(groups) == 1:
            return line(label, GAP, *told(groups[0])).within(most)
        if not groups:
            return self._none().within(most)
        shown = [line(f"{number}. ", *told(one)) for number, one in enumerate(groups, 1)]
        rest = len(shown) - _PLAN_LINES
        some = [line(label), *shown[:_PLAN_LINES]]
        if rest > 0:
            some.append(line(f"… and {rest} more actions, all of them in the thread"))
        return lines(some, most)

    def _none(self) -> Line:
        if self._look.rows("runs"):
            return line(bold("Plan"), GAP, "nothing to change so far")
        category = Code(self._look.incident.get("category") or "this", 80)
        return line(
            bold("Plan"), GAP, "*No playbook answers* ", category, "; a person must contain it"
        )


def told(group: Group) -> list[Piece | str]:
    """One action, or several of one kind: what is done to whom, where and for how long."""
    pieces: list[Piece | str] = [Prose(group.verb, 40), " "]
    if len(group.targets) > 1:
        pieces += [f"{len(group.targets)}: ", Names(group.targets, 6, 150)]
    elif group.targets:
        pieces.append(Code(group.targets[0], 110))
    if group.names:
        pieces += [" at ", Names(group.names, 5, 110, plain=True)]
    lasts = f" for {lasting(group.lasts)}" if group.lasts else ""
    return [*pieces, lasts if group.reversible else f"{lasts} · *cannot be undone*"]


class Facts:
    """Blast, clocks, what is needed, who owns it: a line each."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def within(self, most: int) -> str:
        look = self._look
        return lines([*_blast(look), *_clocks(look), *_needs(look), _owner(look)], most)


def _blast(look: Look) -> list[Line]:
    if not look.groups or look.nothing_done:
        return []
    counts = {"hosts": 0, "networks": 0, "accounts": 0}
    protected: list[str] = []
    for plan in look.plans:
        blast = plan.get("blast") or {}
        counts = {name: n + int(blast.get(name) or 0) for name, n in counts.items()}
        protected += [str(name) for name in blast.get("protected") or []]
    said = [f"{n} {name[:-1] if n == 1 else name}" for name, n in counts.items() if n]
    pieces: list[Piece | str] = [bold("Blast"), GAP, " · ".join(said or ["nothing"]), " · "]
    if protected:
        pieces += [f"*{len(protected)} protected*: ", Names(protected, 3, 120)]
    else:
        pieces.append("0 protected")
    return [line(*pieces, _goes_back(look))]


def _goes_back(look: Look) -> str:
    """When what is changed goes back by itself, or that it does not."""
    if look.waiting is None:
        ends = [until for hold in look.live if (until := moment(hold.get("until"))) is not None]
        if not ends:
            return ""
        some = "the first reverts itself" if len(set(ends)) > 1 else "reverts itself"
        return f" · {some} at {utc(min(ends), look.now)}"
    match look.waiting.get("kind"):
        case "end":
            return " · undone as soon as it is approved"
        case "extend":
            until = moment((look.waiting.get("subject") or {}).get("until"))
            return f" · reverts itself at {utc(until, look.now)} then" if until is not None else ""
    lasts = {group.lasts for group in look.groups if group.reversible}
    if None in lasts:
        return " · stays until somebody ends it"
    longest = max((one for one in lasts if one is not None), default=None)
    if longest is None:
        return ""
    return f" · reverts itself about {utc(about(look.now + longest), look.now)}"


def _clocks(look: Look) -> list[Line]:
    """The next clock to strike, and every one that has struck already."""
    running: list[tuple[datetime, Row]] = [] if look.closed else [
        (due, row) for row in look.clocks if (due := moment(row.get("due"))) is not None
    ]  # fmt: skip
    late = [_late(look, due, row) for due, row in running if due <= look.now]
    if late or not running:
        return late[:_CLOCK_LINES]
    before: list[Piece | str] = []
    (due, row), *others = running
    if row.get("clock") == "acknowledge" and others and paused_until(row, look.now) is None:
        before = [f"take it in {left(due - look.now)} · "]
        due, row = others[0]
    if (still := paused_until(row, look.now)) is not None:
        paused = f" · its clock is paused until {utc(still, look.now)}"
        return [line(bold("SLA"), GAP, *before, _name(row), paused)]
    until = f" in {left(due - look.now)} (due {utc(due, look.now)} · "
    return [line(bold("SLA"), GAP, *before, _name(row), until, clock(due), " your time)")]


def _late(look: Look, due: datetime, row: Row) -> Line:
    by = f" is *LATE* by {left(look.now - due)} (was due {utc(due, look.now)} · "
    return line(bold("SLA"), GAP, _name(row), by, clock(due), " your time)")


def _name(row: Row) -> Prose:
    name = str(row.get("clock", ""))
    return Prose("take it" if name == "acknowledge" else name.replace("_", " "), 40)


def _needs(look: Look) -> list[Line]:
    ask = look.waiting
    if ask is None:
        return []
    needs = ask.get("needs") or {}
    people, stepped_up = int(needs.get("people") or 1), int(needs.get("stepped_up") or 0)
    said = "1 person" if people == 1 else f"{people} different people"
    if stepped_up:
        of = "" if people == 1 else f", {stepped_up} of them"
        said += f"{of} with a code or passkey"
    wanted = needs.get("number_match")
    if wanted or (wanted is None and ask.get("tier") == "T3"):
        said += " · and the number from the thread"
    given = [str(one.get("principal")) for one in ask.get("decisions") or [] if one.get("approve")]
    by: list[Piece | str] = [" · approved by ", Prose(", ".join(given), 100)] if given else []
    return [line(bold("Needs"), GAP, said, *by), *_asked(ask)]


def _asked(ask: Row) -> list[Line]:
    """Who asked for it, where a person did, and what that means for them."""
    if not (named := in_words(ask)):
        return []
    if of_lease(ask):
        then = "that was the first decision; somebody else gives the next"
    elif needs_others(ask):
        then = "somebody else approves it"
    else:
        then = ""
    said: list[Piece | str] = [bold("Asked for"), GAP, "by ", Prose(named, 150)]
    return [line(*said, f" · {then}" if then else "")]


def _owner(look: Look) -> Line:
    return line(bold("Owner"), GAP, Prose(look.owner, 80) if look.owner else "nobody yet")
