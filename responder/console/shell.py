"""What stands around every page: who is signed in, where one can go, and what does not work now."""

from typing import Any

from sqlalchemy import func, select
from starlette.responses import HTMLResponse, Response

from responder.api.parts import Parts
from responder.api.route import Call
from responder.console.events import Pulse
from responder.console.health import Health
from responder.console.rendering import environment
from responder.console.who import session, someone
from responder.people.person import Permission
from responder.store.tables import asks

PLACES = (
    ("/", "Board", "board"),
    ("/asks", "Asks", "ask"),
    ("/leases", "Leases", "lease"),
    ("/oncall", "On call", "people"),
    ("/me", "Me", "person"),
)
# What was done just now: a page says it by its key, so that no link can put words on a page.
DONE = {
    "approved": "Your approval is recorded.",
    "denied": "Your denial is recorded: nothing of it will be done.",
    "reported": "Your denial is recorded, and the security team is told that you did not expect this ask.",
    "taken": "The incident is yours.",
    "noted": "Your note is kept.",
    "undone": "The lease ends now; the undo is verified.",
    "extended": "The lease is extended.",
    "asked": "Recorded: it needs more people, who are asked now.",
    "revoked": "Your approval is taken back.",
    "removed": "The passkey is removed.",
    "registered": "The passkey is registered.",
    "ended": "That session has ended.",
    "signed-out": "You are signed out.",
}


class Room:
    """What the console keeps in one process of `serve`."""

    def __init__(self, parts: Parts) -> None:
        self.health = Health(parts)
        self.pulse = Pulse(parts.store, self.health.state)


def room(call: Call) -> Room:
    """The console's own parts, made when the first page is asked for."""
    state = call.request.app.state
    if not hasattr(state, "console"):
        state.console = Room(call.served)
    found: Room = state.console
    return found


async def render(
    call: Call,
    template: str,
    *,
    status: int = 200,
    trouble: str = "",
    here: str = "",
    **context: Any,  # noqa: ANN401 - what its template shows
) -> Response:
    """A page with everything around it; *trouble* is what was refused just now, *here* where the page is."""
    person = someone(call)
    signed_in: dict[str, Any] = {"waiting": 0, "notices": []}
    if person is not None and person.may(Permission.INCIDENTS_READ):
        async with call.served.store.reading() as tx:
            query = select(func.count()).where(
                asks.c.state == "open", asks.c.expires > call.served.store.now()
            )
            signed_in["waiting"] = (await tx.execute(query)).scalar_one()
            signed_in["notices"] = await room(call).health.notices(tx)
    given = session(call)
    around = {
        "person": person,
        "may": person.may if person else lambda _: False,
        "Permission": Permission,
        "csrf": given.csrf if given else "",
        "now": call.served.store.now(),
        "places": PLACES,
        "path": call.request.url.path,
        # Where the page is read again; one that only says what went wrong is not.
        "here": here or (call.request.url.path if call.request.method == "GET" else ""),
        "done": DONE.get(call.request.query_params.get("done", ""), ""),
        "trouble": trouble,
    }
    page = environment().get_template(template).render(around | signed_in | context)
    return HTMLResponse(page, status)
