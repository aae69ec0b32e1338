"""The one reply under a card: every action with its before and after, every target, notes, and the number of T3."""

import json
from collections.abc import Iterator
from datetime import datetime

from responder.slack.blocks import Json, Rendered, context, divider, message, section
from responder.slack.reading import Group, Look, Row, lasting, moment, utc
from responder.slack.wording import (
    Code,
    Line,
    Lines,
    Names,
    Piece,
    Prose,
    bold,
    length,
    line,
    lines,
    link,
)

_GROUPS, _NOTES, _ASKS = 12, 5, 5
_STATE = 160


def thread(incident: Row, now: datetime, link: str) -> Rendered:
    """
    The details of *incident* at *now*; *link* is the origin of the console, which has all of them.

    The number of a T3 ask is in its blocks only: what notifications show never has it.
    """
    look = Look(incident, now)
    blocks: list[Json] = [*_number(look), *_plan(look, link), *_holds(look), *_others(look)]
    blocks += _notes(look)
    blocks.append(context(_end(look, link), block_id="end"))
    said = f"Details of {incident.get('priority', '')} {look.id}: the plan with before and after, and notes"
    return message(blocks, said)


def _number(look: Look) -> list[Json]:
    ask = look.waiting
    if ask is None or ask.get("number") is None:
        return []
    number = line(
        bold(f"Number  {int(ask['number'])}"),
        "\nType it with your approval: who has read this plan has seen it.",
    )
    return [section(number, block_id="number"), divider()]


def _plan(look: Look, link: str) -> list[Json]:
    groups = look.groups
    if not groups:
        return [section(line("Nothing is planned."), block_id="plan")]
    ask = look.waiting
    asked: list[Piece | str] = []
    if ask is not None:
        asked = [" · ask ", Code(ask.get("id", ""))]
    made: list[Json] = [
        section(line(bold("Plan"), " ", Code(look.digest[:12] or "-"), *asked), block_id="plan")
    ]
    room = 5_600 // min(len(groups), _GROUPS)
    made += [section(_Change(number, one), most=min(room, 2_900)) for number, one in
             enumerate(groups[:_GROUPS], 1)]  # fmt: skip
    if (rest := len(groups) - _GROUPS) > 0:
        made.append(section(line(f"… and {rest} more actions: ", _console(look, link))))
    return made


class _Change:
    """One line of a plan in full: targets, then what each point holds and would hold."""

    def __init__(self, number: int, group: Group) -> None:
        self._number, self._group = number, group

    def within(self, most: int) -> str:
        group = self._group
        lasts = f" for {lasting(group.lasts)}" if group.lasts else ""
        ending = lasts if group.reversible else f"{lasts} · *cannot be undone*"
        many = len(group.targets) > 1
        named: list[Piece | str] = [" ", Code(group.targets[0], most // 4)] if group.targets else []
        about: list[Piece | str] = [f" {len(group.targets)}"] if many else named
        head = line(f"*{self._number}.* ", Prose(group.verb, 40), *about, ending).within(most // 3)
        states = lines(_states(group), most // 3, more="more states")
        if not many:
            return f"{head}\n{states}"
        names = Names(group.targets).within(most - length(head) - length(states) - 2)
        return f"{head}\n{names}\n{states}"


def _states(group: Group) -> Iterator[Line]:
    """What stands where now, and what would: the same before and after at several points is one line."""
    found: dict[tuple[str, str], list[str]] = {}
    for point in group.points:
        known = point.get("known", True)
        before = _shown(point.get("before")) if known else "it did not answer"
        after = _shown(point.get("after")) if known else "once it does"
        found.setdefault((before, after), []).append(str(point.get("point", "")))
    for (before, after), names in found.items():
        points = list(dict.fromkeys(names))
        pieces: list[Piece | str] = [
            "at ",
            Names(points, 8, 300, plain=True),
            ": ",
            Code(before, _STATE),
        ]
        if before == after:
            yield line(*pieces, " already")
        else:
            yield line(*pieces, " → ", Code(after, _STATE))


def _shown(state: object) -> str:
    """A state as people read it."""
    if isinstance(state, bool):
        return "yes" if state else "no"
    if state is None:
        return "nothing"
    return state if isinstance(state, str) else json.dumps(state, ensure_ascii=False, default=str)


def _holds(look: Look) -> list[Json]:
    held = look.live
    if not held:
        return []
    counted: dict[str, list[str]] = {}
    for hold in held:
        counted.setdefault(str(hold.get("outcome", "?")), []).append(str(hold.get("resource", "?")))
    said = [
        line(f"{len(names)} ", Prose(outcome), ": ", Names(names, 10))
        for outcome, names in sorted(counted.items())
    ]
    ends = [until for hold in held if (until := moment(hold.get("until"))) is not None]
    back = [line(f"The first reverts itself at {utc(min(ends), look.now)}.")] if ends else []
    return [section(Lines([line(bold("Held")), *said, *back]), most=900, block_id="held")]


def _others(look: Look) -> list[Json]:
    """What came of the asks, the one on the card apart."""
    shown = [ask for ask in look.rows("asks") if ask is not look.waiting][-_ASKS:]
    said = [
        line(
            Code(ask.get("id", "?")), " ", Prose(str(ask.get("tier", ""))), " · ",
            Prose(ask.get("progress") or ask.get("state") or "?"),
        )
        for ask in shown
    ]  # fmt: skip
    return [section(Lines([line(bold("Asks")), *said]), most=700, block_id="asks")] if said else []


def _notes(look: Look) -> list[Json]:
    notes = look.rows("notes")
    said = [_note(note, look.now) for note in notes[-_NOTES:]]
    earlier = len(notes) - len(said)
    if earlier > 0:
        said.insert(0, line(f"{earlier} earlier notes are in the console"))
    return (
        [section(Lines([line(bold("Notes")), *said]), most=1_200, block_id="notes")] if said else []
    )


def _note(note: Row, now: datetime) -> Line:
    at = moment(note.get("at"))
    when = f"{utc(at, now)} " if at is not None else ""
    return line(when, Prose(note.get("by") or "?", 60), ": ", Prose(note.get("text", ""), 400))


def _end(look: Look, origin: str) -> Line:
    ask = look.waiting
    command = f" · `responder approvals show {ask.get('id')}`" if ask is not None else ""
    return line(_console(look, origin), command or f" · `responder incidents show {look.id}`")


def _console(look: Look, origin: str) -> Piece:
    return link(f"{origin}/incidents/{look.id}", "everything in the console")
