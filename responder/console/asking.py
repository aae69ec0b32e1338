"""The asks of a page, before the person who looks: what they can approve with, and that they looked."""

from responder.api.route import Call
from responder.approval import passkeys
from responder.approval.stamps import opened, was_opened
from responder.console import views
from responder.people.person import Permission
from responder.standing.whole import Row


async def before(call: Call, rows: list[Row]) -> list[Row]:
    """
    The asks as they are shown to the caller.

    That an approver has an open ask before them is noted the first time: a decision sooner than
    anybody can read is counted from then.
    """
    served, who = call.served, call.person
    now = served.store.now()
    shown = [views.ask(row, now, served.policy.execute_within) for row in rows]
    waiting = [one["id"] for one in shown if one["open"]]
    if not waiting or not who.may(Permission.APPROVALS_DECIDE):
        return [one | {"passkeys": 0} for one in shown]
    async with served.store.reading() as tx:
        usable = sum(one.stopped is None for one in await passkeys.of(tx, who.name))
        unseen = [ask for ask in waiting if not await was_opened(tx, ask, who.name)]
    if unseen:
        async with served.store.transaction() as tx:
            for ask in unseen:
                await opened(tx, ask, who.name, now)
    return [one | {"passkeys": usable} for one in shown]
