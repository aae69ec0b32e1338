"""
Every role against every route of the real app: what is not listed here is a fault, and so is an answer.

A new route needs a row in `ROUTES`; a permission that a role gains or loses needs a change of `ROLES`.
"""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import update
from starlette.applications import Starlette
from starlette.routing import Route

from responder.api.app import ENDPOINTS, make_app, make_parts
from responder.api.parts import Parts
from responder.api.route import CSRF
from responder.people import sessions, tokens
from responder.people.permissions import Permission
from responder.settings import Settings
from responder.store.sessions import tokens as token_rows
from tests.databases import hasty
from tests.e2e.runner import free_ports

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANYBODY: Final = "anybody"  # nothing in it is anybody's secret
OWN_CHECK: Final = "its own check"  # a signature, a secret path, a password, a cookie
READ, WRITE, DECIDE = "incidents:read", "incidents:write", "approvals:decide"
FACTORS, PEOPLE = "factors:write", "people:write"

ROUTES: Final[dict[str, str]] = {
    # -- the API
    "GET /api/incidents": READ,
    "GET /api/incidents/{incident}": READ,
    "POST /api/incidents/{incident}/ack": WRITE,
    "POST /api/incidents/{incident}/close": WRITE,
    "POST /api/incidents/{incident}/chain": WRITE,
    "POST /api/incidents/{incident}/take": WRITE,
    "POST /api/incidents/{incident}/notes": WRITE,
    "POST /api/incidents/{incident}/priority": WRITE,
    "POST /api/incidents/{incident}/pause": WRITE,
    "POST /api/incidents/{incident}/resume": WRITE,
    "POST /api/incidents/{incident}/close/challenge": WRITE,
    "POST /api/incidents/{incident}/duties/{regime}": WRITE,
    "POST /api/incidents/{incident}/unmute": PEOPLE,
    "GET /api/leases": READ,
    "POST /api/leases/end": "leases:write",
    "POST /api/leases/extend": "leases:write",
    "POST /api/leases/challenge": "leases:write",
    "GET /api/asks": READ,
    "GET /api/asks/{ask}": READ,
    "POST /api/asks/{ask}/decisions": DECIDE,
    "POST /api/asks/{ask}/challenge": DECIDE,
    "POST /api/asks/{ask}/break-glass": DECIDE,
    "POST /api/asks/{ask}/break-glass/challenge": DECIDE,
    "POST /api/asks/{ask}/edit": DECIDE,
    "POST /api/approvals/{ask}/revoke": DECIDE,
    "GET /api/approvals/stamps": READ,
    "GET /api/approvals/reviews": READ,
    "POST /api/approvals/reviews/{review}": "pages:take",
    "POST /api/pause": "runner:pause",
    "POST /api/resume": "runner:pause",
    "POST /api/plans": "plans:draw",
    "GET /api/messages": READ,
    "GET /api/pages": READ,
    "POST /api/pages/{page}/ack": "pages:take",
    "GET /api/oncall": READ,
    "GET /api/oncall/preflight": READ,
    "POST /api/oncall/overrides": "oncall:write",
    "POST /api/oncall/overrides/{override}/withdraw": "oncall:write",
    "GET /api/keys": READ,
    "POST /api/keys/rotate": WRITE,
    "GET /api/schedules": READ,
    "GET /api/intake": "intake:read",
    "GET /api/audit": "audit:read",
    "GET /api/audit/verification": "audit:read",
    # -- people
    "GET /api/people/{name}/factors": FACTORS,
    "POST /api/people/{name}/challenge": FACTORS,
    "POST /api/people/{name}/ticket": PEOPLE,
    "POST /api/people/{name}/factor": FACTORS,
    "POST /api/people/{name}/backup-codes": FACTORS,
    "POST /api/people/{name}/passkeys/options": FACTORS,
    "POST /api/people/{name}/passkeys": FACTORS,
    "POST /api/people/{name}/passkeys/remove": FACTORS,
    "GET /api/people/{name}/access": FACTORS,
    "POST /api/people/{name}/token": FACTORS,
    "POST /api/people/{name}/tokens/revoke": FACTORS,
    "POST /api/people/{name}/sessions/end": FACTORS,
    "POST /api/people/{name}/sign-out": FACTORS,
    "POST /api/token-keys/rotate": PEOPLE,
    "GET /api/me": OWN_CHECK,
    # -- the console
    "GET /": READ,
    "GET /incidents/{incident}": READ,
    "GET /incidents/{incident}/evidence": "evidence:read",
    "POST /incidents/{incident}/take": WRITE,
    "POST /incidents/{incident}/notes": WRITE,
    "POST /incidents/{incident}/priority": WRITE,
    "POST /incidents/{incident}/pause": WRITE,
    "POST /incidents/{incident}/resume": WRITE,
    "POST /incidents/{incident}/duties": WRITE,
    "POST /incidents/{incident}/close": WRITE,
    "POST /pages/{page}/take": "pages:take",
    "GET /runner": READ,
    "POST /runner/pause": "runner:pause",
    "POST /runner/resume": "runner:pause",
    "GET /asks": READ,
    "GET /asks/{ask}": READ,
    "POST /asks/{ask}/decisions": DECIDE,
    "POST /asks/{ask}/edit": DECIDE,
    "POST /asks/{ask}/break-glass": DECIDE,
    "POST /asks/{ask}/revoke": DECIDE,
    "POST /asks/{ask}/review": "pages:take",
    "GET /leases": READ,
    "POST /leases/end": "leases:write",
    "POST /leases/extend": "leases:write",
    "GET /oncall": READ,
    "GET /me": FACTORS,
    "POST /me/passkeys/remove": FACTORS,
    "POST /me/sessions/end": FACTORS,
    "POST /me/token": FACTORS,
    "GET /events": READ,
    # -- signing in and out
    "GET /login": ANYBODY,
    "POST /login": OWN_CHECK,
    "POST /login/challenge": OWN_CHECK,
    "POST /logout": OWN_CHECK,
    "GET /login/oidc": OWN_CHECK,
    "GET /login/oidc/callback": OWN_CHECK,
    # -- what others send, and what anybody may read
    "POST /webhooks/{source}": OWN_CHECK,
    "POST /slack/interactions": OWN_CHECK,
    "POST /slack/commands": OWN_CHECK,
    "POST /slack/events": OWN_CHECK,
    "OPTIONS /codec/{secret}/{verb}": OWN_CHECK,
    "POST /codec/{secret}/{verb}": OWN_CHECK,
    "GET /feeds/{name}.txt": OWN_CHECK,
    "GET /.well-known/jwks.json": ANYBODY,
    "GET /.well-known/token-keys.json": ANYBODY,
    "GET /healthz": ANYBODY,
    "GET /readyz": ANYBODY,
    "GET /metrics": ANYBODY,
    "GET /static/{file}": ANYBODY,
    "GET /favicon.ico": ANYBODY,
}
_READS: Final = {READ, "audit:read", "intake:read"}
ROLES: Final[dict[str, set[str]]] = {
    "admin": {permission.value for permission in Permission},
    "operator": {
        *_READS, WRITE, DECIDE, FACTORS, "leases:write", "plans:draw", "pages:take", "oncall:write",
        "runner:pause", "evidence:read",
    },
    "viewer": {*_READS, FACTORS, "pages:take"},
    "api_user": {READ, "intake:read", "plans:draw"},
    "nothing": set(),
}  # fmt: skip
_STREAMS: Final = {"/events"}
_UNAUTHORIZED, _FORBIDDEN, _SEE_OTHER = 401, 403, 303


@dataclass
class Answer:
    """What came back."""

    status: int
    text: str = ""
    location: str = ""

    @property
    def good(self) -> bool:
        """A 2xx."""
        return 200 <= self.status < 300

    @property
    def unknown(self) -> bool:
        """Nobody is signed in: 401, or the way to the login page."""
        return self.status == _UNAUTHORIZED or (
            self.status == _SEE_OTHER and self.location.startswith("/login")
        )


@dataclass
class World:
    """The app with its real parts, and somebody of every kind."""

    app: Starlette
    parts: Parts
    client: httpx.AsyncClient
    headers: dict[str, dict[str, str]] = field(default_factory=dict)

    async def ask(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        """One request; a stream that goes on has let its caller in."""
        filled = re.sub(r"\{\w+\}", "nobody-there", path)
        body: dict[str, Any] = {} if method in ("GET", "HEAD", "OPTIONS") else {"json": {}}
        asking = self.client.request(method, filled, headers=headers, **body)
        try:
            async with asyncio.timeout(0.5 if path in _STREAMS else 30):
                got = await asking
        except TimeoutError:
            assert path in _STREAMS, f"{method} {path} did not answer"
            return Answer(200)
        return Answer(got.status_code, got.text, got.headers.get("location", ""))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    state = tmp_path_factory.mktemp("matrix")
    shutil.copy(sqlite_template, state / "responder.sqlite")
    api, temporal, ui = free_ports(3)
    people: list[dict[str, Any]] = [{"name": role, "roles": [role]} for role in ROLES]
    people.append({"name": "gone", "roles": ["admin"], "active": False})
    given: dict[str, Any] = {
        "state": state,
        "api": {"port": api},
        "temporal": {"port": temporal, "ui_port": ui},
        "people": people,
        "roles": {"nothing": {"permissions": []}},
        "protect_surroundings": False,
    }
    parts = await make_parts(Settings(**given))
    hasty(parts.store)
    app = make_app(parts)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://responder") as client:
        made = World(app, parts, client)
        await _sign_in(made)
        yield made
    await parts.store.close()


async def _sign_in(world: World) -> None:
    store, keys = world.parts.store, world.parts.token_keys

    def bearer(token: str) -> dict[str, str]:
        return {"authorization": f"Bearer {token}"}

    expired = await tokens.issue(store, keys, "admin")
    async with store.transaction() as tx:
        await tx.execute(update(token_rows).values(expires=store.now() - timedelta(seconds=1)))
    revoked = await tokens.issue(store, keys, "admin")
    assert await tokens.revoke_all(store, "admin") == 1
    for name in (*ROLES, "gone"):
        world.headers[name] = bearer(await tokens.issue(store, keys, name))
    world.headers |= {"expired": bearer(expired), "revoked": bearer(revoked)}
    good = world.headers["admin"]["authorization"].removeprefix("Bearer ")
    world.headers["forged"] = bearer(good[:-8] + "AAAAAAAA")
    world.headers["nobody"] = {}
    origin = world.parts.settings.api.origin
    cookie = sessions.cookie_name(origin)
    signed_in = {"method": "password", "factors": ("password", "totp"), "agent": "a test"}
    ring = world.parts.deliveries
    for name in ("admin", "nothing", "gone"):
        token = await sessions.begin(store, ring, name, **signed_in)  # type: ignore[arg-type]
        session = await sessions.holder(store, ring, token)
        assert session is not None
        held = {"cookie": f"{cookie}={token}"}
        world.headers |= {
            f"{name}'s browser": held | {"origin": origin, CSRF: session.csrf},
            f"{name}'s browser without CSRF value": held | {"origin": origin},
            f"{name}'s browser with another's CSRF value": held
            | {"origin": origin, CSRF: "x" * 64},
            f"{name}'s browser on another page": held
            | {"origin": "https://203.0.113.9", CSRF: session.csrf},
            f"{name}'s browser without origin": held | {CSRF: session.csrf},
        }


def of(needs: str) -> list[str]:
    """The routes that need that."""
    return [route for route, needed in ROUTES.items() if needed == needs]


def guarded() -> list[tuple[str, str, str]]:
    """Every route that needs a permission: method, path, permission."""
    found = [(*route.split(" ", 1), needs) for route, needs in ROUTES.items()]
    return [(m, p, needs) for m, p, needs in found if needs not in (ANYBODY, OWN_CHECK)]


async def test_every_route_has_a_row_and_every_row_a_route() -> None:
    declared = {
        f"{one.method} {one.path}": one.permission.value if one.permission else None
        for one in ENDPOINTS
    }

    assert sorted(declared.keys() - ROUTES) == [], "served, and no row says who may"
    assert sorted(ROUTES.keys() - declared) == [], "listed, and not served"
    wrong = {
        route: (needs, ROUTES[route])
        for route, needs in declared.items()
        if needs != ROUTES[route] and not (needs is None and ROUTES[route] in (ANYBODY, OWN_CHECK))
    }
    assert wrong == {}


async def test_nothing_is_served_that_is_not_declared(world: World) -> None:
    served = {
        (method, route.path)
        for route in world.app.routes
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD"  # Starlette's, for every GET; tried below
    }

    assert len(world.app.routes) == len(ENDPOINTS)
    assert served == {(one.method, one.path) for one in ENDPOINTS}


async def test_every_permission_is_needed_by_some_route_and_given_to_some_role() -> None:
    assert {needs for _, _, needs in guarded()} == {one.value for one in Permission}
    assert set().union(*ROLES.values()) == {one.value for one in Permission}


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_gets_in_where_it_may_and_nowhere_else(world: World, role: str) -> None:
    wrong = []
    for method, path, needs in guarded():
        answer = await world.ask(method, path, world.headers[role])
        turned_away = answer.status == _FORBIDDEN and f"{role} may not {needs}" in answer.text
        if turned_away is (needs in ROLES[role]) or answer.unknown:
            wrong.append((method, path, needs, answer))
        if answer.good and needs not in ROLES[role]:
            wrong.append((method, path, "an unexpected 2xx", answer))

    assert wrong == []


@pytest.mark.parametrize(
    "who", ["nobody", "forged", "expired", "revoked", "gone", "gone's browser"]
)
async def test_whoever_is_not_known_gets_in_nowhere(world: World, who: str) -> None:
    wrong = [
        (method, path, answer)
        for method, path, _ in guarded()
        if not (answer := await world.ask(method, path, world.headers[who])).unknown
    ]

    assert wrong == []


@pytest.mark.parametrize(
    "how", ["without CSRF value", "with another's CSRF value", "on another page", "without origin"]
)
async def test_a_browser_changes_nothing_unless_a_page_of_ours_asks(world: World, how: str) -> None:
    headers, wrong = world.headers[f"admin's browser {how}"], []
    for method, path, _ in guarded():
        answer = await world.ask(method, path, headers)
        refused = answer.status == _FORBIDDEN and "expected" in answer.text
        if refused is (method == "GET") or answer.unknown:
            wrong.append((method, path, answer))

    assert wrong == []


async def test_a_browser_that_is_signed_in_may_what_its_person_may(world: World) -> None:
    wrong = []
    for method, path, needs in guarded():
        lets = await world.ask(method, path, world.headers["admin's browser"])
        stops = await world.ask(method, path, world.headers["nothing's browser"])
        if lets.unknown or f"admin may not {needs}" in lets.text:
            wrong.append((method, path, lets))
        if stops.status != _FORBIDDEN or f"nothing may not {needs}" not in stops.text:
            wrong.append((method, path, stops))

    assert wrong == []


async def test_no_other_method_gets_in(world: World) -> None:
    wrong = []
    declared = {(one.method, one.path) for one in ENDPOINTS}
    for path in {path for _, path in declared}:
        for method in ("HEAD", "POST", "GET", "PUT", "PATCH", "DELETE", "OPTIONS"):
            read = method == "HEAD" and ROUTES.get(f"GET {path}") in (ANYBODY, OWN_CHECK)
            if (method, path) in declared or read:
                continue
            answer = await world.ask(method, path, world.headers["nobody"])
            if answer.good:
                wrong.append((method, path, answer))

    assert wrong == []


async def test_what_checks_by_itself_lets_nobody_in_for_nothing(world: World) -> None:
    wrong = []
    for route in of(OWN_CHECK):
        method, path = route.split(" ", 1)
        for who in ("nobody", "forged", "gone", "nothing's browser without CSRF value"):
            if route == "GET /api/me" and who.startswith("nothing"):
                continue  # who they are is theirs to read
            answer = await world.ask(method, path, world.headers[who])
            if answer.good:
                wrong.append((route, who, answer))

    assert wrong == []


async def test_everybody_may_ask_who_they_are(world: World) -> None:
    for role, permissions in ROLES.items():
        answer = await world.client.get("/api/me", headers=world.headers[role])
        assert answer.status_code == 200
        assert set(answer.json()["may"]) == permissions
        assert answer.json()["session"] is None

    answer = await world.client.get("/api/me", headers=world.headers["admin's browser"])
    assert answer.json()["session"]["csrf"] == world.headers["admin's browser"][CSRF]


async def test_what_anybody_may_read_needs_no_name(world: World) -> None:
    for route in of(ANYBODY):
        method, path = route.split(" ", 1)
        answer = await world.ask(method, path, world.headers["nobody"])
        assert not answer.unknown, route
        assert answer.status != _FORBIDDEN, route
