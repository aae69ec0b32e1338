"""The login: a name and a password with a second factor, or the provider that the settings name."""

from typing import Final

from starlette.responses import Response

from responder.api.route import PUBLIC, Call
from responder.approval import passkeys
from responder.console.pages import Pages
from responder.console.paths import local
from responder.console.shell import render
from responder.console.trouble import Trouble
from responder.errors import Refused

routes = Pages()

# What was refused comes back as a word, so that no link can put sentences of its own on the login.
_NOBODY: Final = "Nobody is signed in."
_TROUBLE: Final = {
    "refused": Trouble(
        what=_NOBODY,
        why="That name, password and second factor do not go together.",
        now="Try again.",
    ),
    "locked": Trouble(
        what=_NOBODY,
        why="There were too many tries in a while.",
        now="Wait five minutes, then try again.",
    ),
    "no-factor": Trouble(
        what=_NOBODY,
        why="You have no second factor yet, and a password alone lets nobody in.",
        now="Ask an admin for a ticket, and set one up with it.",
        command="responder people ticket NAME",
    ),
}


@routes.get("/login", PUBLIC)
async def login(call: Call) -> Response:
    """The page to sign in on; afterwards it leads back to where somebody wanted to go."""
    settings, query = call.served.settings, call.request.query_params
    by_passkey = True
    try:
        passkeys.must_be_usable(settings.api.origin)
    except Refused:
        by_passkey = False
    return await render(
        call,
        "login.html",
        title="Sign in",
        trouble=_TROUBLE.get(query.get("trouble", ""), ""),
        on=local(query.get("next", "")),
        by_passkey=by_passkey,
        passwords=settings.login.passwords,
        provider=settings.login.oidc,
    )
