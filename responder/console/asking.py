"""The asks of a page, before the person who looks: what they can do about them, and that they looked."""

from typing import Any, Final

from sqlalchemy import select

from responder.api.route import Call
from responder.approval.decision import GLASS_REASON, GLASS_TIERS
from responder.approval.requesting import barred, may_approve, never_alone, why_barred
from responder.approval.stamps import opened, was_opened
from responder.console import views
from responder.people.approver_rights import About
from responder.people.person import Permission, Person, Role
from responder.standing.whole import Row, plain
from responder.store.noticing import reviews

# How long a plan may be held instead, as forms offer it: ISO 8601 and words.
LENGTHS: Final = {
    "PT30M": "30 minutes",
    "PT1H": "1 hour",
    "PT4H": "4 hours",
    "PT8H": "8 hours",
    "P1D": "a day",
    "P7D": "a week",
}


async def before(call: Call, rows: list[Row]) -> list[Row]:
    """
    The asks as they are shown to the caller.

    That an approver has an open ask before them is noted the first time: a decision sooner than
    anybody can read is counted from then.
    """
    served, who = call.served, call.person
    now = served.store.now()
    within = served.policy.execute_within
    shown = [views.ask(row, now, within) | {"barred": _barred(call, row)} for row in rows]
    waiting = [one["id"] for one in shown if one["open"]]
    if not waiting or not who.may(Permission.APPROVALS_DECIDE):
        return shown
    async with served.store.reading() as tx:
        unseen = [ask for ask in waiting if not await was_opened(tx, ask, who.name)]
    if unseen:
        async with served.store.transaction() as tx:
            for ask in unseen:
                await opened(tx, ask, who.name, now)
    return shown


def _barred(call: Call, ask: Row) -> str:
    """Why the caller, who asked for it, may not approve it, and who may; empty for everybody else."""
    name = call.person.name
    if name not in barred(ask):
        return ""
    others = may_approve(call.served.people, ask, About.of(ask, ask.get("about")))
    return why_barred(ask, name, others)


async def ways(call: Call, ask: Row) -> dict[str, Any]:
    """What else than approving and denying the caller can do about one ask, as its page shows it."""
    served, who = call.served, call.person
    rules = served.settings.approvals.break_glass
    given = [one for one in ask["decisions"] if one["approve"] and not one["revoked"]]
    others = {one["principal"] for one in given} - {who.name}
    decides = who.may(Permission.APPROVALS_DECIDE)
    async with served.store.reading() as tx:
        query = select(reviews).where(reviews.c.ask == ask["id"])
        review = (await tx.execute(query)).mappings().one_or_none()
    return {
        "lengths": LENGTHS,
        "glass": rules
        if decides
        and ask["open"]
        and ask["tier"] in GLASS_TIERS
        and rules.may(who)
        and who.name not in never_alone(ask)
        and len(others) + 1 < ask["needs"]["people"]
        else None,
        "least_reason": GLASS_REASON,
        "editable": decides and ask["open"] and ask["step"] is not None,
        "mine": decides
        and ask["state"] in ("open", "approved")
        and any(one["principal"] == who.name for one in given),
        "review": plain(review) if review is not None else None,
        "reviews": review is not None
        and review["done"] is None
        and may_review(who, review["person"], rules.page),
    }


def may_review(who: Person, broke: str, team: str) -> bool:
    """Whether *who* is one who reviews the glass that *broke* broke; the service has the last word."""
    of_team = team.casefold() in (name.casefold() for name in who.teams)
    return (
        who.may(Permission.PAGES_TAKE)
        and who.name != broke
        and (of_team or Role.ADMIN in who.roles)
    )
