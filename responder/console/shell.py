"""What stands around every page: who is signed in, where one can go, and what does not work now."""

import secrets
from typing import Any

from sqlalchemy import func, select
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from responder.api.parts import Parts
from responder.api.route import Call
from responder.approval import passkeys
from responder.console.events import Pulse
from responder.console.health import Health
from responder.console.once import Once
from responder.console.rendering import environment
from responder.console.trouble import Trouble, refusal
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
    "broken": "You approved it alone. The CISO is paged with your reason, and somebody else reviews it.",
    "edited": "That ask has ended. The plan is drawn anew with your changes, and everybody is asked about it.",
    "reviewed": "Your review is recorded.",
    "prioritised": "Its priority is changed: the clocks run anew, and the chain of it is told.",
    "clock-paused": "The clock stands still; it goes on by itself.",
    "clock-on": "The clock goes on.",
    "duty": "Written down. What is owed, and by when, stands under “Reports owed”.",
    "reported-duty": "Marked as reported.",
    "closed": "It is closed. What it holds stays in force until each lease ends.",
    "closed-undone": "It is closed as a false positive. What it held is being undone, newest first.",
    "closed-asked": "It is closed. Undoing what it held needs more people, who are asked now.",
    "paged": "The page is yours.",
    "paused": "The runner is paused: nothing new is done.",
    "goes-on": "The runner goes on.",
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
        self.once = Once()
        self.pulse = Pulse(parts.store, self.health.state)


def room(request: Request) -> Room:
    """The console's own parts, made when the first page is asked for."""
    state = request.app.state
    if not hasattr(state, "console"):
        state.console = Room(state.parts)
    found: Room = state.console
    return found


async def render(
    call: Call,
    template: str,
    *,
    status: int = 200,
    trouble: Trouble | str = "",
    here: str = "",
    **context: Any,  # noqa: ANN401 - what its template shows
) -> Response:
    """A page with everything around it; *trouble* is what was refused just now, *here* where the page is."""
    person = someone(call)
    signed_in: dict[str, Any] = {"waiting": 0, "notices": [], "keys": 0}
    if person is not None and person.may(Permission.INCIDENTS_READ):
        async with call.served.store.reading() as tx:
            if person.may(Permission.APPROVALS_DECIDE):
                mine = await passkeys.of(tx, person.name)
                signed_in["keys"] = sum(one.stopped is None for one in mine)
            query = select(func.count()).where(
                asks.c.state == "open", asks.c.expires > call.served.store.now()
            )
            signed_in["waiting"] = (await tx.execute(query)).scalar_one()
            signed_in["notices"] = await room(call.request).health.notices(tx)
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
        "trouble": refusal(trouble) if isinstance(trouble, str) and trouble else trouble,
        # Of every form that is shown, so that sending it twice is seen to be one sending.
        "once": lambda: secrets.token_urlsafe(12),
    }
    page = environment().get_template(template).render(around | signed_in | context)
    return HTMLResponse(page, status)
