"""Who is on call now, and whom each priority's chain reaches."""

from starlette.responses import Response

from responder.api.route import Call
from responder.console.pages import Pages
from responder.console.shell import render
from responder.people.person import Permission
from responder.people.standing_in import in_force

routes = Pages()


@routes.get("/oncall", Permission.INCIDENTS_READ)
async def on_call_now(call: Call) -> Response:
    """Every roster's turn, and every chain with the people it would reach now."""
    served, now = call.served, call.served.store.now()
    async with served.store.reading() as tx:
        overrides = await in_force(tx, now)
    reach, rosters = served.reach, served.settings.oncall
    chains = [
        {
            "priority": priority,
            "targets": targets,
            "levels": [
                {"name": level, "reached": reach.of(level, now, overrides)}
                for level in targets.escalates_to
            ],
        }
        for priority, targets in served.policy.sla.items()
    ]
    return await render(
        call,
        "oncall.html",
        title="On call",
        shifts=[rosters.shift(roster, now, overrides) for roster in rosters.rosters],
        chains=chains,
        approvers=reach.of("approvers", now, overrides),
    )
