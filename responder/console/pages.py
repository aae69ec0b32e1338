"""
How a page is declared: as the API's routes are, answering HTML with the headers a page needs.

Whoever is not signed in is sent to the login and back; what is refused is a line on a page.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from responder.api.route import Call, Endpoint, Handler, Problem, caller
from responder.console.once import key_of
from responder.console.paths import login_for
from responder.errors import Refused
from responder.people.person import Permission

log = structlog.get_logger(__name__)

# Nothing inline, nothing from elsewhere, in nobody's frame (CSP level 3, OWASP's strict policy).
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    # Not `no-referrer`: with that, a form's own Origin would be sent as null (Fetch, 3.2).
    "referrer-policy": "same-origin",
    "permissions-policy": "publickey-credentials-get=(self), publickey-credentials-create=(self), "
    "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
SEE_OTHER: Final = 303
_BROKEN: Final = "The store or Temporal did not answer; nothing was lost. Try again in a moment."
_TITLES: Final = {403: "Refused", 404: "Not found", 503: "Not now"}


@dataclass(frozen=True)
class Page(Endpoint):
    """One page, or one form of a page."""

    @property
    def route(self) -> Route:
        """The page as Starlette serves it."""
        inner = super().route.endpoint

        async def show(request: Request) -> Response:
            try:
                answer = await _once(request, inner)
            except Problem as problem:
                answer = await _trouble(request, problem.status, problem.detail)
            except Refused as refused:
                answer = await _trouble(request, 403, refused.message)
            except Exception as error:  # noqa: BLE001 - a page says it; the log says what it was
                log.error(
                    "page_failed",
                    path=request.url.path,
                    error=f"{type(error).__name__}: {error}"[:500],
                )
                answer = await _trouble(request, 503, _BROKEN)
            return _guarded(answer)

        return Route(self.path, show, methods=[self.method], name=self.handler.__name__)


@dataclass
class Pages:
    """The pages of one module."""

    declared: list[Endpoint] = field(default_factory=list)

    def get(self, path: str, permission: Permission | None) -> Callable[[Handler], Handler]:
        """Declare a page."""
        return self._declare("GET", path, permission)

    def post(self, path: str, permission: Permission | None) -> Callable[[Handler], Handler]:
        """Declare what a form of a page is sent to."""
        return self._declare("POST", path, permission)

    def _declare(
        self, method: str, path: str, permission: Permission | None
    ) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            self.declared.append(Page(method, path, permission, handler))
            return handler

        return declare


async def stray(request: Request, status: int) -> Response:
    """To a browser that asks for what there is not: a page that says so."""
    return _guarded(await _trouble(request, status, "There is no such page here."))


async def _once(request: Request, work: Callable[[Request], Awaitable[Response]]) -> Response:
    key = await key_of(request)
    if not key:
        return await work(request)
    from responder.console.shell import room  # noqa: PLC0415 - it needs this module's routes

    return await room(request).once.answer(key, lambda: work(request))


def wants_page(request: Request) -> bool:
    """Whether it is a browser that asks, for something to read."""
    return request.method == "GET" and "text/html" in request.headers.get("accept", "")


def see(path: str) -> Response:
    """Send the browser on to a page of ours, with GET."""
    return RedirectResponse(path, SEE_OTHER)


def _guarded(answer: Response) -> Response:
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    answer.headers.setdefault("cache-control", "no-store")
    return answer


async def _trouble(request: Request, status: int, said: str) -> Response:
    """The page that says what went wrong, or the way to the login."""
    if status == 401:  # noqa: PLR2004 - nobody is signed in
        return see(await login_for(request))
    from responder.console.shell import render  # noqa: PLC0415 - it needs this module's routes

    person = None
    if said != _BROKEN:
        with suppress(Problem):  # a form that was not ours, or nobody
            person = await caller(request)
    title = _TITLES.get(status, "That did not work")
    call = Call(request, person)
    return await render(call, "problem.html", status=status, title=title, said=said)
