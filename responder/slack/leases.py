"""Undoing and extending from Slack: what would become of which lease, shown before it is asked for."""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from responder.api.parts import Parts
from responder.approval.lease_check import change_of
from responder.approval.lease_drawing import Drawn, Wish, draw
from responder.approval.leasing import Proof
from responder.errors import Refused
from responder.people.person import Permission, Person
from responder.policy.leases import LeaseKind
from responder.slack import modals
from responder.slack.buttons import mint
from responder.slack.card import Offer
from responder.slack.deciding import one_line
from responder.slack.reading import Look
from responder.slack.reply import Reply
from responder.standing.whole import whole
from responder.store.rows import Row


async def ask(parts: Parts, reply: Reply, person: Person, wish: Wish) -> None:
    """Show what *wish* would do, in a modal that asks for what it takes. Raises `Refused`."""
    person.must(Permission.LEASES_WRITE)
    drawn = await _drawn(parts, wish)
    # What is sent off names this row, and the row names exactly what was shown.
    offer = Offer(_action(wish), "", drawn.change.digest)
    async with parts.store.transaction() as tx:
        ids = await mint(tx, drawn.change.incident, [offer], parts.store.now())
    if not await reply.modal(await _form(parts, drawn, ids[offer.action])):
        await reply.say(
            f"Nothing was recorded: Slack took too long to open the form. Type it again, or: responder leases "
            f"list --incident {drawn.change.incident}"
        )


async def ask_to_undo(parts: Parts, reply: Reply, person: Person, row: Row) -> None:
    """Somebody pressed Undo on the card of an incident."""
    await ask(parts, reply, person, Wish(kind=LeaseKind.END, incident=row["incident"]))


async def submitted(
    parts: Parts, reply: Reply, person: Person, row: Row, typed: Mapping[str, str]
) -> None:
    """Somebody sent the modal off: what was shown is asked for, and nothing else."""
    person.must(Permission.LEASES_WRITE)
    wish = _wish(row, typed.get("reason", ""))
    drawn = await _drawn(parts, wish)
    if drawn.change.digest != row["digest"]:
        raise Refused(
            f"nothing was recorded: what {row['incident']} holds has changed since this was shown; look again"
        )
    proof = Proof(code=typed.get("code", "").replace(" ", "")[:64])
    try:
        found = await parts.leasing.request(wish, person, proof, method="slack")
    except Refused as refused:
        turn = f"-{secrets.token_hex(4)}"
        again = await _form(parts, drawn, row["id"], wrong=one_line(refused), turn=turn)
        if not await reply.modal(again):
            await reply.say(f"Not recorded: {one_line(refused)}")
        return
    change = change_of(found)
    if found["state"] == "approved" and change is not None:
        await parts.lease_delivery.tell(change.resources)
    done = {LeaseKind.END: "What it held is being undone", LeaseKind.EXTEND: "It is held longer"}
    waits = f"It waits for one more person: ask {found['id']}"
    said = done[wish.kind] if found["state"] == "approved" else waits
    await reply.say(f"Recorded. {said}; the card says what comes of it")


async def _drawn(parts: Parts, wish: Wish) -> Drawn:
    async with parts.store.reading() as tx:
        drawn = await draw(tx, parts.kinds, parts.policy, wish, parts.store.now())
    if drawn is None:
        raise Refused(f"nothing was done: nothing live is held by {wish.named}")
    return drawn


async def _form(
    parts: Parts, drawn: Drawn, button: str, *, wrong: str = "", turn: str = ""
) -> dict[str, Any]:
    now, change = parts.store.now(), drawn.change
    async with parts.store.reading() as tx:
        found = await whole(tx, change.incident, now)
    if found is None:
        raise Refused(f"there is no incident {change.incident}")
    needs = parts.policy.tiers.asked(change.tier)
    shown: dict[str, Any] = {
        "id": "", "state": "open", "digest": change.digest, "plan": drawn.plan.model_dump(mode="json"),
        "tier": change.tier, "needs": needs.model_dump(mode="json") | {"number_match": False},
        "kind": change.kind, "subject": change.model_dump(mode="json"),
    }  # fmt: skip
    look = Look(found | {"asks": [shown]}, now)
    kind = modals.UNDO if change.kind is LeaseKind.END else modals.EXTEND
    stepped_up = bool(needs.stepped_up)
    return modals.lease(look, kind, button, stepped_up=stepped_up, wrong=wrong, turn=turn)


def _action(wish: Wish) -> str:
    if wish.kind is LeaseKind.END:
        return modals.UNDO
    assert wish.lasts is not None
    return f"{modals.EXTEND} {int(wish.lasts.total_seconds())}"


def _wish(row: Row, reason: str) -> Wish:
    """What the row of a modal names."""
    action, _, seconds = str(row["action"]).partition(" ")
    if action == modals.EXTEND:
        lasts = timedelta(seconds=int(seconds))
        return Wish(kind=LeaseKind.EXTEND, incident=row["incident"], lasts=lasts, reason=reason)
    return Wish(kind=LeaseKind.END, incident=row["incident"], reason=reason)
