"""The asks: what would change from what to what, and deciding it."""

import asyncio
import json
from typing import Any

from starlette.responses import Response

from responder.api.route import Call, Problem
from responder.approval.service import Verdict
from responder.console import looking, views
from responder.console.asking import before
from responder.console.pages import Pages, see
from responder.console.paths import fields, local
from responder.console.shell import render
from responder.errors import Refused
from responder.people.person import Permission

routes = Pages()

_TELL_SECONDS = 2.0
_LONGEST_CODE, _LONGEST_REASON = 64, 300


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
    return await _show(call)


@routes.post("/asks/{ask}/decisions", Permission.APPROVALS_DECIDE)
async def decide_ask(call: Call) -> Response:
    """Approve or deny, by the same service as the API; what it refuses is said on the page."""
    given, ask = await fields(call.request), call.path("ask")
    verdict = verdict_of(given)
    try:
        decided = await call.served.approvals.decide(ask, call.person, verdict, method="console")
    except Refused as refused:
        return await _show(call, trouble=refused.message, status=403, given=given)
    await _tell(call, decided["run"])
    done = "approved" if decided["state"] == "approved" else "asked"
    if not verdict.approve:
        done = "reported" if given.get("verdict") == "report" else "denied"
    back = local(given.get("back", ""), f"/asks/{ask}")
    return see(f"{back}?done={done}")


def verdict_of(given: dict[str, str]) -> Verdict:
    """What a form says. Raises `Problem` where it says nothing that can be decided by."""
    passkey = _passkey(given.get("passkey", ""))
    said = given.get("verdict", "approve" if passkey else "")
    if said not in ("approve", "deny", "report"):
        raise Problem(422, "expected approve, deny or report; nothing was recorded")
    number = given.get("number", "").strip()
    return Verdict(
        approve=said == "approve",
        code=given.get("code", "").replace(" ", "")[:_LONGEST_CODE],
        passkey=passkey,
        number=int(number) if number.isascii() and number.isdigit() and len(number) <= 4 else None,  # noqa: PLR2004 - two digits are expected
        reason=given.get("reason", "").strip()[:_LONGEST_REASON],
        digest=given.get("digest", ""),
        report=said == "report",
    )


def _passkey(text: str) -> dict[str, Any] | None:
    """What the browser's authenticator answered, as the page's script put it into the form."""
    try:
        found = json.loads(text) if text else None
    except ValueError:
        found = None
    return found if isinstance(found, dict) else None


async def _show(
    call: Call, *, trouble: str = "", status: int = 200, given: dict[str, str] | None = None
) -> Response:
    async with call.served.store.reading() as tx:
        row = await looking.one_ask(tx, call.path("ask"))
    if row is None:
        raise Problem(404, f"there is no ask {call.path('ask')}")
    (one,) = await before(call, [row])
    return await render(
        call,
        "ask.html",
        status=status,
        trouble=trouble,
        here=f"/asks/{one['id']}",
        title=f"{one['tier']} ask · {one['incident']}",
        ask=one,
        incident=views.incident(row["about"]),
        reason=(given or {}).get("reason", ""),
    )


async def _tell(call: Call, run: str) -> None:
    """Have the run look at once; the nudger delivers it where Temporal is away."""
    try:
        async with asyncio.timeout(_TELL_SECONDS):
            await call.served.link.tell(run)
    except Exception:  # noqa: BLE001 - it is recorded, and delivered until it is picked up
        return
