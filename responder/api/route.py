"""
How a route is declared: method, path and the one permission it requires, in one line.

Starlette directly, not FastAPI: importing that costs a fifth of the start of `serve`, see
docs/decisions. What no route declares is not served, and a route without a permission says so
by the word `PUBLIC`.
"""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from responder.api.parts import Parts
from responder.console.paths import fields
from responder.people import sessions, tokens
from responder.people.person import Permission, Person
from responder.people.sessions import Session
from responder.settings import fault

Model = TypeVar("Model", bound=BaseModel)
PUBLIC: Final = None
CSRF: Final = "X-CSRF-Token"
_LARGEST_BODY = 64 * 1024
_CHANGES_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})


class Problem(Exception):
    """Answer with this status and one line."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Call:
    """One request: who calls, what they sent, and the parts to work with."""

    def __init__(self, request: Request, person: Person | None) -> None:
        self.request = request
        self.served: Parts = request.app.state.parts
        self._person = person

    @property
    def person(self) -> Person:
        """The caller, whose permission was checked."""
        if self._person is None:
            raise Problem(401, "expected a signed-in caller")
        return self._person

    @property
    def session(self) -> Session | None:
        """The browser's session that the caller is signed in with; None for a bearer of a token."""
        found: Session | None = getattr(self.request.state, "session", None)
        return found

    def path(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def flag(self, name: str) -> bool:
        """A query parameter that is true or false."""
        return self.request.query_params.get(name, "false").lower() in ("true", "1", "yes")

    def number(self, name: str, default: int, *, most: int) -> int:
        """A query parameter that is a whole number from 1 to *most*."""
        text = self.request.query_params.get(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004 - fits in 32 bits
            raise Problem(
                422, f"{name}: expected a whole number from 1 to {most}, found {text[:20]!r}"
            )
        return min(max(int(text), 1), most)

    async def body(self, model: type[Model]) -> Model:
        """The body as *model*; 422 with the first fault if it is not."""
        raw = await self.raw(_LARGEST_BODY)
        try:
            return model.model_validate_json(raw or b"{}")
        except ValidationError as error:
            raise Problem(
                422, fault(error.errors(include_input=False)[0] | {"input": ""})
            ) from error

    async def raw(self, largest: int) -> bytes:
        """The body's bytes, counted while they come in; those that were read for a form are kept."""
        if (kept := getattr(self.request.state, "form", None)) is not None:
            return bytes(kept)
        chunks: list[bytes] = []
        size = 0
        async for chunk in self.request.stream():
            size += len(chunk)
            if size > largest:
                raise Problem(413, f"expected at most {largest} bytes")
            chunks.append(chunk)
        return b"".join(chunks)


Handler = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True)
class Endpoint:
    """One route as it is declared."""

    method: str
    path: str
    permission: Permission | None
    handler: Handler

    @property
    def route(self) -> Route:
        """The route as Starlette serves it."""

        async def serve(request: Request) -> Response:
            person = None
            if self.permission is not None:
                person = await caller(request)
                if not person.may(self.permission):
                    raise Problem(403, f"{person.name} may not {self.permission}")
            answer = await self.handler(Call(request, person))
            return answer if isinstance(answer, Response) else JSONResponse(answer)

        return Route(self.path, serve, methods=[self.method], name=self.handler.__name__)


@dataclass
class Routes:
    """The routes of one module."""

    declared: list[Endpoint] = field(default_factory=list)

    def get(self, path: str, permission: Permission | None) -> Callable[[Handler], Handler]:
        """Declare a GET."""
        return self._declare("GET", path, permission)

    def post(self, path: str, permission: Permission | None) -> Callable[[Handler], Handler]:
        """Declare a POST."""
        return self._declare("POST", path, permission)

    def options(self, path: str, permission: Permission | None) -> Callable[[Handler], Handler]:
        """Declare an OPTIONS."""
        return self._declare("OPTIONS", path, permission)

    def _declare(
        self, method: str, path: str, permission: Permission | None
    ) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            self.declared.append(Endpoint(method, path, permission, handler))
            return handler

        return declare


async def caller(request: Request) -> Person:
    """
    Who calls, by their bearer token or, without one, by their browser's session.

    Raises `Problem`: 401 if that is nobody we know, 403 for a change that a session asks for
    without its CSRF value or from another origin.
    """
    served: Parts = request.app.state.parts
    if "authorization" in request.headers:
        name = await _bearer(request, served)
    else:
        session = await _signed_in(request, served)
        name = session.principal if session else None
    person = served.people.find(name) if name is not None else None
    if person is None or not person.active:
        raise Problem(
            401,
            "expected `Authorization: Bearer …` with a token of an active person, or a browser that "
            "is signed in",
        )
    return person


async def _bearer(request: Request, served: Parts) -> str | None:
    scheme, _, token = request.headers["authorization"].partition(" ")
    return (
        await tokens.holder(served.store, served.token_keys, token)
        if scheme.lower() == "bearer"
        else None
    )


async def _signed_in(request: Request, served: Parts) -> Session | None:
    origin = served.settings.api.origin
    cookie = request.cookies.get(sessions.cookie_name(origin))
    session = await sessions.holder(served.store, served.deliveries, cookie) if cookie else None
    if session is None:
        return None
    if request.method not in _CHANGES_NOTHING:
        from_page(request, origin)
        sent = request.headers.get(CSRF) or await _form_value(request)
        if not hmac.compare_digest(sent.encode(), session.csrf.encode()):
            raise Problem(403, f"expected {CSRF} with this session's value; nothing was changed")
    request.state.session = session
    return session


def from_page(request: Request, origin: str) -> None:
    """Raises `Problem` unless the browser says that a page of *origin* sent this."""
    if (found := request.headers.get("origin")) != origin:
        raise Problem(403, f"expected a page of {origin}, found {(found or 'no Origin')[:80]}")


async def _form_value(request: Request) -> str:
    """The field of a plain HTML form; the body is kept, so that the handler can read it again."""
    length = request.headers.get("content-length", "")
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return ""
    if not (length.isascii() and length.isdigit()) or int(length) > _LARGEST_BODY:
        return ""
    return (await fields(request)).get(CSRF, "")
