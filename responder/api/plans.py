"""Plans that nobody carries out: what a change would do, asked by a person."""

from typing import Any

from pydantic import Field
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.exceptions import TimeoutError as TimedOut

from responder.api.route import Call, Problem, Routes
from responder.approval.orders import sign_order
from responder.contract import Request
from responder.errors import Refused
from responder.incident import Frozen, Priority
from responder.people.person import Permission

routes = Routes()


class Wish(Frozen):
    """What somebody would like to see the plan of."""

    requests: tuple[Request, ...] = Field(min_length=1, max_length=200)
    incident: str | None = None
    priority: Priority = Priority.P2


@routes.post("/api/plans", Permission.PLANS_DRAW)
async def draw_plan(call: Call) -> dict[str, Any]:
    """The plan of some actions: before and after at every point, blast radius, tier, ruling."""
    wish = await call.body(Wish)
    served, now = call.served, call.served.store.now()
    try:
        actions = [served.kinds.action(request) for request in wish.requests]
    except Refused as refused:
        raise Problem(422, refused.message) from refused
    signed = sign_order(
        served.signer,
        call.person.name,
        wish.requests,
        incident=wish.incident,
        priority=wish.priority,
        now=now,
    )
    try:
        plan = await served.link.preview(signed)
    except WorkflowFailureError as error:
        raise _problem(error) from error
    needs = served.policy.tiers.needs.get(plan.tier)
    return {
        "plan": plan.model_dump(mode="json"),
        "digest": plan.digest,
        "needs": None if needs is None else needs.model_dump(mode="json"),
        "permissions": {type(action).__name__: action.permissions for action in actions},
    }


def _problem(error: WorkflowFailureError) -> Problem:
    cause: BaseException | None = error.cause
    if isinstance(cause, ActivityError):
        cause = cause.cause
    match cause:
        case ApplicationError(message=message):
            return Problem(422, message)
        case TimedOut():
            return Problem(503, "no worker drew the plan in time; nothing was changed")
    return Problem(503, f"the plan was not drawn: {cause}; nothing was changed")
