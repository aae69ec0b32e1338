"""Who looks at a page, and what proves that a form came from one of ours."""

from responder.api.route import Call
from responder.people.person import Person
from responder.people.sessions import Session


def someone(call: Call) -> Person | None:
    """Who is signed in; None on a page for everybody."""
    return call._person  # noqa: SLF001 - a page for everybody has none, and that is no error here


def session(call: Call) -> Session | None:
    """The browser's session; None for a token's bearer and on a page for everybody."""
    return call.session
