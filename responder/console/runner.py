"""Pausing the whole runner, and letting it go on."""

from typing import Any

from sqlalchemy import select
from starlette.responses import Response

from responder.api.route import Call
from responder.approval.enrolment import Factor, Purpose
from responder.approval.pausing import pause_runner, resume_runner
from responder.console import filling
from responder.console.pages import Pages, see
from responder.console.paths import fields
from responder.console.shell import render
from responder.console.trouble import Trouble, refusal
from responder.errors import Refused
from responder.people.person import Permission
from responder.store.tables import settings_now

routes = Pages()


@routes.get("/runner", Permission.INCIDENTS_READ)
async def show_runner(call: Call) -> Response:
    """Whether anything new is done, and the button that stops it."""
    return await _show(call)


@routes.post("/runner/pause", Permission.RUNNER_PAUSE)
async def pause_all(call: Call) -> Response:
    """Let nothing new be done from now on; what is leased is still undone in time."""
    given = await fields(call.request)
    try:
        state = await _state(call)
        said = f"{state['by']} has paused it already: {state['reason']}"
        filling.expect(not state["paused"], said)
        why = filling.reason(given)
        filling.expect(bool(why), "expected a reason, which everybody who looks reads; found none")
        await pause_runner(call.served.store, call.person.name, why)
    except Refused as refused:
        return await _show(call, refusal(refused.message, "Your pause was not recorded."), given)
    return see("/runner?done=paused")


@routes.post("/runner/resume", Permission.RUNNER_PAUSE)
async def resume_all(call: Call) -> Response:
    """Go on; a pause that somebody made since the page was shown stays."""
    given = await fields(call.request)
    try:
        state = await _state(call)
        said = "the runner is not paused: somebody let it go on before you"
        filling.expect(state["paused"], said)
        said = f"it is another pause by now, by {state['by']}: {state['reason']}"
        filling.expect(given.get("seen", "") == state["seen"], said)
        proof = Factor(code=filling.code(given), passkey=filling.passkey(given))
        served = call.served
        origin, rules = served.settings.api.origin, served.settings.approvals
        await resume_runner(served.store, served.deliveries, origin, call.person, proof, rules)
    except Refused as refused:
        return await _show(call, refusal(refused.message, "Nothing was changed."), given)
    return see("/runner?done=goes-on")


async def _state(call: Call) -> dict[str, Any]:
    async with call.served.store.reading() as tx:
        query = select(settings_now).where(settings_now.c.name == "paused")
        row = (await tx.execute(query)).mappings().one_or_none()
    value: dict[str, Any] = row["value"] if row is not None else {}
    return {
        "paused": bool(value.get("paused")),
        "by": value.get("by", ""),
        "reason": value.get("reason", ""),
        "since": row["changed"] if row is not None else None,
        "seen": row["changed"].isoformat() if row is not None else "",
    }


async def _show(
    call: Call, trouble: Trouble | None = None, given: dict[str, str] | None = None
) -> Response:
    return await render(
        call,
        "runner.html",
        status=403 if trouble else 200,
        trouble=trouble or "",
        here="/runner",
        title="Runner",
        state=await _state(call),
        purpose=Purpose.RESUME,
        proof=call.served.settings.approvals.proof_to_resume,
        typed=given or {},
    )
