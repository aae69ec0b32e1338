"""`/ir`: the verbs of the card for whoever would rather type, each by the same function as the API's."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from difflib import get_close_matches
from typing import NamedTuple

from sqlalchemy import select

from responder.api.parts import Parts
from responder.approval.enrolment import Factor
from responder.approval.lease_drawing import Wish
from responder.approval.pausing import pause_runner, resume_runner
from responder.errors import Refused
from responder.people.person import Permission, Person
from responder.policy.leases import LeaseKind
from responder.slack import deciding, leases, modals
from responder.slack.blocks import Json, section
from responder.slack.buttons import mint, pressed
from responder.slack.card import Offer, card
from responder.slack.heard import Heard
from responder.slack.reading import Look
from responder.slack.reply import Reply
from responder.slack.wording import Code, Lines, Prose, bold, line
from responder.standing.whole import whole
from responder.steering import Steering
from responder.store.tables import incidents

_SPANS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days"}
_SPAN = re.compile(r"^(\d{1,5})(m|min|h|d)$", re.ASCII)
_MOST_LISTED = 15
_LONGEST_NOTE, _LONGEST_REASON = 3_000, 300


class Said(NamedTuple):
    """A command as it was typed: whose, and the words after the verb."""

    parts: Parts
    reply: Reply
    person: Person
    words: tuple[str, ...]

    @property
    def rest(self) -> str:
        """What follows the incident."""
        return " ".join(self.words[1:])

    @property
    def steering(self) -> Steering:
        """What changes an incident's course."""
        return Steering(self.parts.store, self.parts.kinds, self.parts.policy)


async def run(parts: Parts, reply: Reply, person: Person, heard: Heard) -> None:
    """Do what was typed after `/ir`. Raises `Refused` in one line."""
    typed = heard.payload.get("text")
    verb, *words = (typed if isinstance(typed, str) else "").split() or ["help"]
    command = COMMANDS.get(verb.lower())
    if command is None:
        near = get_close_matches(verb.lower(), COMMANDS, n=1, cutoff=0.5)
        meant = f"did you mean /ir {near[0]}? " if near else ""
        raise Refused(f"there is no /ir {verb[:30]}: {meant}/ir help lists what there is")
    await command.does(Said(parts, reply, person, tuple(words)))


async def _status(said: Said) -> None:
    said.person.must(Permission.INCIDENTS_READ)
    now, origin = said.parts.store.now(), said.parts.settings.api.origin
    if said.words:
        found = await _found(said)
        drawn = card(found, now, origin)
        await said.reply.say(drawn.text, drawn.blocks)
        return
    async with said.parts.store.reading() as tx:
        query = select(incidents).where(incidents.c.closed.is_(None))
        rows = (
            await tx.execute(query.order_by(incidents.c.priority, incidents.c.opened))
        ).mappings()
        opened = rows.all()
    if not opened:
        await said.reply.say("No incident is open")
        return
    shown = [
        line(bold(str(row["priority"])), " ", Code(row["id"], 80), " ", Prose(row["title"], 90), " · ",
             Prose(row["status"], 60), " · ", Prose(row["owner"] or "nobody owns it", 60))
        for row in opened[:_MOST_LISTED]
    ]  # fmt: skip
    if rest := len(opened) - len(shown):
        shown.append(line(f"… and {rest} more: {origin}/"))
    await said.reply.say(f"{len(opened)} open incidents", [section(Lines(shown))])


async def _approve(said: Said) -> None:
    await _decide(said, modals.APPROVE)


async def _deny(said: Said) -> None:
    await _decide(said, modals.DENY)


async def _decide(said: Said, action: str) -> None:
    """A form with the plan, even where a click on the card would do: nobody decides what they do not see."""
    said.person.must(Permission.APPROVALS_DECIDE)
    found = await _found(said)
    look = Look(found, said.parts.store.now())
    if look.waiting is None:
        raise Refused(f"nothing was done: nothing of {look.id} waits for a decision")
    offer = Offer(action, str(look.waiting["id"]), str(look.waiting["digest"]))
    async with said.parts.store.transaction() as tx:
        ids = await mint(tx, look.id, [offer], said.parts.store.now())
        row = await pressed(tx, ids[action])
    await deciding.pressed(said.parts, said.reply, said.person, row, sure=False)


async def _take(said: Said) -> None:
    said.person.must(Permission.INCIDENTS_WRITE)
    incident = await _incident(said)
    before = await said.steering.take(incident, said.person)
    whose = f", from {before}" if before and before != said.person.name else ""
    await said.reply.say(f"{incident} is yours now{whose}")


async def _note(said: Said) -> None:
    said.person.must(Permission.INCIDENTS_WRITE)
    incident = await _incident(said)
    if len(said.rest) > _LONGEST_NOTE:
        raise Refused(
            f"expected a note of at most {_LONGEST_NOTE} characters, found {len(said.rest)}"
        )
    await said.steering.note(incident, said.person, said.rest, is_update=False)
    await said.reply.say(f"Noted on {incident}: everybody sees it in the thread and in the console")


async def _extend(said: Said) -> None:
    said.person.must(Permission.LEASES_WRITE)
    incident = await _incident(said)
    wish = Wish(kind=LeaseKind.EXTEND, incident=incident, lasts=_span(said.rest))
    await leases.ask(said.parts, said.reply, said.person, wish)


async def _undo(said: Said) -> None:
    said.person.must(Permission.LEASES_WRITE)
    wish = Wish(kind=LeaseKind.END, incident=await _incident(said))
    await leases.ask(said.parts, said.reply, said.person, wish)


async def _pause(said: Said) -> None:
    said.person.must(Permission.RUNNER_PAUSE)
    reason = " ".join(said.words)[:_LONGEST_REASON] or "said in Slack without a reason"
    await pause_runner(said.parts.store, said.person.name, reason)
    await said.reply.say(
        "Paused: nothing new is done until /ir resume with a code. What is leased is still undone in time"
    )


async def _resume(said: Said) -> None:
    said.person.must(Permission.RUNNER_PAUSE)
    parts = said.parts
    # A code is good once: what stands in Slack afterwards proves nothing any more.
    proof, origin = Factor(code="".join(said.words)[:64]), parts.settings.api.origin
    rules = parts.settings.approvals
    await resume_runner(parts.store, parts.deliveries, origin, said.person, proof, rules)
    await said.reply.say("Resumed: what was approved and is still in time goes on")


async def _help(said: Said) -> None:
    shown = [
        line(Code(f"/ir {verb} {command.takes}".strip()), " ", command.what)
        for verb, command in COMMANDS.items()
    ]
    await said.reply.say("What /ir can do: " + ", ".join(COMMANDS), [section(Lines(shown))])


class Command(NamedTuple):
    """One verb: what does it, what it takes, and what it does."""

    does: Callable[[Said], Awaitable[None]]
    takes: str
    what: str


COMMANDS: dict[str, Command] = {
    "status": Command(_status, "[INC]", "what is open, or the card of one incident"),
    "approve": Command(_approve, "INC", "read what waits, and approve it"),
    "deny": Command(_deny, "INC", "read what waits, and deny it"),
    "take": Command(_take, "INC", "make it yours, whoever has it"),
    "note": Command(_note, "INC TEXT", "write a note that everybody sees"),
    "extend": Command(_extend, "INC 2h", "hold what it holds for longer"),
    "undo": Command(_undo, "INC", "undo what it holds, now"),
    "pause": Command(_pause, "[REASON]", "nothing new is done; undoing goes on"),
    "resume": Command(_resume, "CODE", "go on, with a code of your second factor"),
    "help": Command(_help, "", "this"),
}


async def _found(said: Said) -> Json:
    """The incident that was named, whole."""
    name = await _incident(said)
    async with said.parts.store.reading() as tx:
        found = await whole(tx, name, said.parts.store.now())
    if found is None:
        raise Refused(f"there is no incident {name}")
    return found


async def _incident(said: Said) -> str:
    """The incident that was named: its number, or the end of it that is nobody else's."""
    if not said.words:
        raise Refused(
            "expected the number of an incident, such as INC-2026-0042; /ir status lists them"
        )
    wanted = said.words[0].strip().upper()
    async with said.parts.store.reading() as tx:
        query = select(incidents.c.id, incidents.c.closed).order_by(incidents.c.opened.desc())
        rows = (await tx.execute(query.limit(5_000))).all()
    names = [row.id for row in rows]
    if (exact := next((name for name in names if name.upper() == wanted), None)) is not None:
        return str(exact)
    if wanted.isascii() and wanted.isdigit():
        ends = [r for r in rows if r.id.rpartition("-")[2].lstrip("0") == wanted.lstrip("0")]
        best = [r for r in ends if r.closed is None] or ends
        if len(best) == 1:
            return str(best[0].id)
    near = get_close_matches(wanted, names, n=1, cutoff=0.6)
    meant = f": did you mean {near[0]}?" if near else "; /ir status lists what is open"
    raise Refused(f"there is no incident {said.words[0][:40]}{meant}")


def _span(text: str) -> timedelta:
    """How much longer: 30m, 2h, 1d."""
    found = _SPAN.match(text.replace(" ", "").lower())
    if found is None or not int(found[1]):
        raise Refused(f"expected how much longer, such as 30m, 2h or 1d, found {text[:40]!r}")
    return timedelta(**{_SPANS[found[2]]: int(found[1])})
