"""The board: every open incident with its clocks, the most urgent first."""

from starlette.responses import Response

from responder.api.route import Call
from responder.console import looking, views
from responder.console.needs import needs
from responder.console.pages import Pages
from responder.console.shell import render
from responder.people.person import Permission

routes = Pages()

_MOST_NEEDS = 8  # what is more than a person can do at once is on the board below


@routes.get("/", Permission.INCIDENTS_READ)
async def board(call: Call) -> Response:
    """Open incidents, what waits for a decision, and the clocks."""
    served, now = call.served, call.served.store.now()
    async with served.store.reading() as tx:
        rows = await looking.open_incidents(tx)
    shown = [
        views.incident(row)
        | {
            "clocks": [views.clock(one, now) for one in row["clocks"]],
            "asks": [
                one
                for one in (views.ask(a, now, served.policy.execute_within) for a in row["asks"])
                if one["open"]
            ],
        }
        for row in rows
    ]
    wanted = await needs(call, shown)
    return await render(
        call,
        "board.html",
        title="Board",
        incidents=shown,
        needs=wanted[:_MOST_NEEDS],
        more=max(0, len(wanted) - _MOST_NEEDS),
    )
