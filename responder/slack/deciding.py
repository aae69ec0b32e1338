"""
Deciding an ask from Slack: a click where a click is enough, a modal where more is needed.

Slack is a place to decide in, not a way around anything: every decision goes through
`Approvals.decide`, with the digest of the plan that the card showed, as from everywhere else.
"""

import secrets
from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy import select

from responder.api.parts import Parts
from responder.approval import stamps
from responder.approval.requesting import barred, may_approve, why_barred
from responder.approval.service import Verdict
from responder.errors import Refused
from responder.people.approver_rights import About
from responder.people.person import Permission, Person
from responder.slack import modals
from responder.slack.card import asks_for_more
from responder.slack.reading import Look
from responder.slack.reply import Reply
from responder.standing.whole import whole
from responder.store.rows import Row
from responder.store.tables import asks, decisions, incidents

log = structlog.get_logger(__name__)
_METHOD = "slack"


async def pressed(parts: Parts, reply: Reply, person: Person, row: Row, *, sure: bool) -> None:
    """
    Somebody pressed Approve, Deny, or Deny and report.

    *sure*: the plan was before them, so a click may decide. Raises `Refused`.
    """
    ask = await _open(parts, person, row)
    if row["action"] == modals.APPROVE and person.name in barred(ask):
        # Before a form that could only come to nothing.
        others = may_approve(parts.people, ask, About.of(ask))
        raise Refused(f"nothing was recorded: {why_barred(ask, person.name, others)}")
    if row["action"] == modals.APPROVE and sure and not asks_for_more(ask):
        await reply.say(await _decide(parts, person, row, approve=True))
        return
    look = await _look(parts, row)
    await stamps.look(parts.store, ask["id"], person)
    if not await reply.modal(_form(parts, look, row)):
        await reply.say(
            f"Nothing was recorded: Slack took too long to open the form. Press it again, or decide in the "
            f"console: {parts.settings.api.origin}/asks/{ask['id']}"
        )


async def submitted(
    parts: Parts, reply: Reply, person: Person, row: Row, typed: Mapping[str, str]
) -> None:
    """Somebody sent the modal of *row* off. What was wrong is said above the same fields, emptied."""
    try:
        await _open(parts, person, row)
        number = _number(typed["number"]) if typed.get("number") else None
        said = await _decide(
            parts,
            person,
            row,
            approve=row["action"] == modals.APPROVE,
            report=row["action"] == modals.REPORT,
            code=typed.get("code", "").replace(" ", ""),
            number=number,
            reason=typed.get("reason", ""),
        )
    except Refused as refused:
        if await ended(parts, row["ask"]) is not None or row["action"] != modals.APPROVE:
            raise
        look = await _look(parts, row)
        turn = f"-{secrets.token_hex(4)}"  # other fields than before, so that they are empty
        if not await reply.modal(_form(parts, look, row, wrong=one_line(refused), turn=turn)):
            await reply.say(f"Not recorded: {one_line(refused)}")
        return
    await reply.say(said)


async def ended(parts: Parts, ask: str) -> str | None:
    """Who ended an ask, and when; None if it still waits."""
    async with parts.store.reading() as tx:
        found = (await tx.execute(select(asks).where(asks.c.id == ask))).mappings().one_or_none()
        query = select(decisions.c.principal, decisions.c.approve, decisions.c.document)
        query = query.where(decisions.c.ask == ask, decisions.c.revoked.is_(None))
        given = (await tx.execute(query.order_by(decisions.c.id))).mappings().all()
    if found is None:
        return "there is no such ask any more"
    if found["state"] == "open":
        over = parts.store.now() >= found["expires"]
        return f"its time was over at {found['expires']:%H:%M} UTC" if over else None
    at = f" at {found['decided']:%H:%M} UTC" if found["decided"] else ""
    match found["state"]:
        case "approved":
            names = " and ".join(one["principal"] for one in given if one["approve"])
            return f"{names or 'somebody'} approved it{at}"
        case "denied":
            who = next((one["principal"] for one in given if not one["approve"]), None)
            return f"{who} denied it{at}" if who else f"it ended with its incident{at}"
        case "expired":
            return f"its time was over{at}"
        case "revoked":
            return f"its approval was taken back{at}"
        case "edited":
            return f"its plan was edited{at}, and asked for anew"
    return f"it is {found['state']}{at}"


async def _open(parts: Parts, person: Person, row: Row) -> Row:
    """The ask of a button, if it still waits for exactly the plan that the card showed."""
    person.must(Permission.APPROVALS_DECIDE)
    if (said := await ended(parts, row["ask"])) is not None:
        raise Refused(f"nothing was recorded: {said}")
    async with parts.store.reading() as tx:
        query = select(asks, incidents.c.category, incidents.c.priority).join(incidents)
        ask = (await tx.execute(query.where(asks.c.id == row["ask"]))).mappings().one()
    if ask["digest"] != row["digest"]:
        raise Refused(
            "nothing was recorded: the plan has changed since this card was drawn. Look again at the card "
            f"of {row['incident']}, which shows plan {ask['digest'][:12]} by now"
        )
    return ask


async def _look(parts: Parts, row: Row) -> Look:
    """The incident with this ask alone: what the modal is about, whatever else waits."""
    now = parts.store.now()
    async with parts.store.reading() as tx:
        found = await whole(tx, row["incident"], now)
    if found is None:
        raise Refused(f"there is no incident {row['incident']}")
    return Look(found | {"asks": [one for one in found["asks"] if one["id"] == row["ask"]]}, now)


def _form(parts: Parts, look: Look, row: Row, *, wrong: str = "", turn: str = "") -> dict[str, Any]:
    if row["action"] == modals.APPROVE:
        ask = look.ask or {}
        origin = parts.settings.api.origin
        return modals.approval(look, ask, row["id"], origin, wrong=wrong, turn=turn)
    report = row["action"] == modals.REPORT
    return modals.denial(look, row["id"], report=report, wrong=wrong, turn=turn)


async def _decide(parts: Parts, person: Person, row: Row, *, approve: bool, **more: Any) -> str:  # noqa: ANN401 - fields of a verdict
    verdict = Verdict(approve=approve, digest=row["digest"], **more)
    try:
        decided = await parts.approvals.decide(row["ask"], person, verdict, method=_METHOD)
    except Refused:
        # Somebody may have been quicker: then say who, rather than that it is over.
        if (said := await ended(parts, row["ask"])) is not None:
            raise Refused(f"nothing was recorded: {said}") from None
        raise
    await _tell(parts, decided["run"])
    if not approve:
        told = "; security and the CISO are told" if more.get("report") else ""
        return f"Recorded: you denied it{told}. Nothing was done by it"
    if decided["state"] == "open":
        return "Recorded: you approved it. It waits for one more person"
    return "Recorded: you approved it. The card says what comes of it"


async def _tell(parts: Parts, run: str) -> None:
    try:
        await parts.link.tell(run)
    except Exception as error:  # noqa: BLE001 - Temporal is away: the nudger delivers it until it is picked up
        log.info("run_not_told_at_once", run=run, error=type(error).__name__)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4):  # noqa: PLR2004 - the field's own limit
        raise Refused("expected the ask's number, two digits from the thread under the card")
    return int(text)


def one_line(error: BaseException) -> str:
    """What went wrong, without the hints that are for a terminal."""
    said = str(getattr(error, "message", error))
    return " ".join(said.partition("\n")[0].split())
