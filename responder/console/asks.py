"""The asks: what would change from what to what, and deciding it."""

import asyncio

from starlette.responses import Response

from responder.api.route import Call, Problem
from responder.approval.service import Verdict
from responder.console import filling, looking, views
from responder.console.asking import before, ways
from responder.console.pages import Pages, see
from responder.console.paths import fields, local
from responder.console.shell import render
from responder.console.trouble import Trouble, refusal
from responder.errors import Refused
from responder.people.person import Permission

routes = Pages()

_TELL_SECONDS = 2.0


@routes.get("/asks", Permission.INCIDENTS_READ)
async def list_asks(call: Call) -> Response:
    """What waits for a person, the next to end first; below, what ended last."""
    served, now = call.served, call.served.store.now()
    within = served.policy.execute_within
    async with served.store.reading() as tx:
        waiting = [views.ask(row, now, within) for row in await looking.some_asks(tx, ended=False)]
        ended = [views.ask(row, now, within) for row in await looking.some_asks(tx, ended=True)]
    ended = [one for one in waiting if not one["open"]] + ended
    waiting = [one for one in waiting if one["open"]]
    return await render(call, "asks.html", title="Asks", waiting=waiting, ended=ended)


@routes.get("/asks/{ask}", Permission.INCIDENTS_READ)
async def show_ask(call: Call) -> Response:
    """One ask, with the form that decides it."""
    return await show(call)


@routes.post("/asks/{ask}/decisions", Permission.APPROVALS_DECIDE)
async def decide_ask(call: Call) -> Response:
    """Approve or deny, by the same service as the API; what it refuses is said on the page."""
    given, ask = await fields(call.request), call.path("ask")
    try:
        verdict = verdict_of(given)
        decided = await call.served.approvals.decide(ask, call.person, verdict, method="console")
    except Refused as refused:
        return await show(call, refusal(refused.message, "Nothing was decided."), given)
    await tell(call, decided["run"])
    done = "approved" if decided["state"] == "approved" else "asked"
    if not verdict.approve:
        done = "reported" if given.get("verdict") == "report" else "denied"
    back = local(given.get("back", ""), f"/asks/{ask}")
    return see(f"{back}?done={done}")


def verdict_of(given: dict[str, str]) -> Verdict:
    """What a form says. Raises `Refused` where it says nothing that can be decided by."""
    passkey = filling.passkey(given)
    said = given.get("verdict", "approve" if passkey else "")
    if said not in ("approve", "deny", "report"):
        raise Refused("expected approve, deny or report; nothing was recorded")
    number = given.get("number", "").strip()
    return Verdict(
        approve=said == "approve",
        code=filling.code(given),
        passkey=passkey,
        number=int(number) if number.isascii() and number.isdigit() and len(number) <= 4 else None,  # noqa: PLR2004 - two digits are expected
        reason=filling.reason(given),
        digest=given.get("digest", ""),
        report=said == "report",
    )


async def show(
    call: Call, trouble: Trouble | None = None, given: dict[str, str] | None = None
) -> Response:
    """The ask as it is now, with what was refused just now and what was typed."""
    async with call.served.store.reading() as tx:
        row = await looking.one_ask(tx, call.path("ask"))
    if row is None:
        raise Problem(404, f"there is no ask {call.path('ask')}")
    (one,) = await before(call, [row])
    return await render(
        call,
        "ask.html",
        status=403 if trouble else 200,
        trouble=trouble or "",
        here=f"/asks/{one['id']}",
        title=f"{one['tier']} ask · {one['incident']}",
        ask=one,
        incident=views.incident(row["about"]),
        typed=given or {},
        **await ways(call, one),
    )


async def tell(call: Call, run: str) -> None:
    """Have the run look at once; the nudger delivers it where Temporal is away."""
    try:
        async with asyncio.timeout(_TELL_SECONDS):
            await call.served.link.tell(run)
    except Exception:  # noqa: BLE001 - it is recorded, and delivered until it is picked up
        return
