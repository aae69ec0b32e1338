"""
A SCIM service in memory, over real HTTP on loopback: it refuses what RFC 7644 does not allow.

A double that checks requests against RFC 7643 and RFC 7644. Nothing here was compared with a
vendor's service, and what vendors do beside the RFCs is not in it.
"""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

MEDIA_TYPE = "application/scim+json"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
TOKEN = "an-unguessable-token"
# RFC 7644 section 3.4.2.2, of which only `attribute eq "JSON string"` is understood here.
_FILTER = re.compile(r"^([A-Za-z][A-Za-z0-9._-]*) ([A-Za-z]+) (.+)$")


class Fault(Exception):
    """A request that is refused: section 3.12."""

    def __init__(self, status: int, detail: str, kind: str = "", **headers: str) -> None:
        super().__init__(detail)
        self.status, self.detail, self.kind, self.headers = status, detail, kind, headers


@dataclass
class User:
    """One user's resource."""

    id: str
    name: str
    active: bool = True
    version: int = 1


@dataclass
class Service:
    """What the service holds, what came to it, and what is wrong with it."""

    url: str = ""
    users: dict[str, User] = field(default_factory=dict)
    versions: bool = True  # whether it has entity tags (section 3.14)
    requests: list[tuple[str, str]] = field(default_factory=list)
    refusals: list[Fault] = field(default_factory=list)  # the next answers, first of all
    next_time: list[Callable[[], None]] = field(default_factory=list)  # what happens after a search
    lost: int = 0  # that many changes are made and not answered
    answer: Any = None  # instead of the next search's

    def add(self, name: str, *, id: str = "", active: bool = True) -> User:  # noqa: A002 - SCIM's word
        """One more user."""
        user = User(id or f"id-{len(self.users) + 1}", name, active)
        self.users[user.id] = user
        return user

    def reset(self) -> None:
        """Be as at the start."""
        fresh = Service(url=self.url)
        vars(self).update(vars(fresh))

    @property
    def changes(self) -> int:
        """How many requests asked for a change."""
        return sum(method == "PATCH" for method, _ in self.requests)

    async def search(self, request: Request) -> Response:
        """GET /Users: section 3.4.2."""
        self._admit(request)
        match = _FILTER.match(request.query_params.get("filter", ""))
        if not match or match[2].lower() != "eq" or match[1].lower() != "username":
            raise Fault(400, "the filter is not understood", "invalidFilter")
        try:
            wanted = json.loads(match[3])
        except ValueError:
            raise Fault(400, "what is compared with is not JSON", "invalidFilter") from None
        if not isinstance(wanted, str):
            raise Fault(400, "userName is a string", "invalidFilter")
        found = [u for u in self.users.values() if u.name.casefold() == wanted.casefold()]
        body = {
            "schemas": [LIST],
            "totalResults": len(found),
            "Resources": [self._shown(user) for user in found],
        }
        if self.answer is not None:
            body, self.answer = self.answer, None
        happens, self.next_time = self.next_time, []
        for one in happens:
            one()
        return JSONResponse(body, media_type=MEDIA_TYPE)

    async def patch(self, request: Request) -> Response:
        """PATCH /Users/{id}: section 3.5.2."""
        self._admit(request)
        kind = request.headers.get("content-type", "").partition(";")[0]
        if kind != MEDIA_TYPE:
            raise Fault(415, f"expected {MEDIA_TYPE}, found {kind}")
        user = self.users.get(request.path_params["id"])
        if user is None:
            raise Fault(404, f"Resource {request.path_params['id']} not found")
        tag = request.headers.get("if-match")
        if self.versions and tag is None:
            raise Fault(428, "expected If-Match: this service has versions")
        if tag is not None and tag != f'W/"{user.version}"':
            raise Fault(412, "the resource has changed")
        try:
            body = await request.json()
        except ValueError:
            raise Fault(400, "not JSON", "invalidSyntax") from None
        for value in _values(body):
            user.active, user.version = value, user.version + 1
        if self.lost:
            self.lost -= 1
            raise Fault(504, "the answer was lost on the way")
        return JSONResponse(
            self._shown(user), media_type=MEDIA_TYPE, headers={"ETag": f'W/"{user.version}"'}
        )

    def _admit(self, request: Request) -> None:
        self.requests.append((request.method, str(request.url.path)))
        if self.refusals:
            raise self.refusals.pop(0)
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise Fault(401, "Authorization failure", WWW_Authenticate="Bearer")
        if MEDIA_TYPE not in request.headers.get("accept", ""):
            raise Fault(406, f"expected Accept: {MEDIA_TYPE}")

    def _shown(self, user: User) -> dict[str, Any]:
        meta: dict[str, Any] = {"resourceType": "User", "location": f"{self.url}/Users/{user.id}"}
        if self.versions:
            meta["version"] = f'W/"{user.version}"'
        return {
            "schemas": [USER],
            "id": user.id,
            "userName": user.name,
            "active": user.active,
            "meta": meta,
        }


def _values(body: dict[str, Any]) -> list[bool]:
    """What a PatchOp would make of `active`: section 3.5.2."""
    if body.get("schemas") != [PATCH] or set(body) != {"schemas", "Operations"}:
        raise Fault(400, "expected the schema of a PatchOp and its Operations", "invalidSyntax")
    for operation in body["Operations"]:
        if operation.get("op") not in ("add", "remove", "replace"):
            raise Fault(400, f"op is {operation.get('op')}", "invalidSyntax")
        if operation.get("path") != "active":
            raise Fault(400, f"path is {operation.get('path')}", "invalidPath")
        if not isinstance(operation.get("value"), bool):
            raise Fault(400, "active is true or false", "invalidValue")
    return [operation["value"] for operation in body["Operations"]]


async def _refused(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, Fault)
    body = {"schemas": [ERROR], "status": str(fault.status), "detail": fault.detail}
    if fault.kind:
        body["scimType"] = fault.kind
    headers = {name.replace("_", "-"): value for name, value in fault.headers.items()}
    return JSONResponse(body, fault.status, headers, media_type=MEDIA_TYPE)


@contextmanager
def serving() -> Iterator[Service]:
    """A service on loopback, until the end of the block."""
    service = Service()
    app = Starlette(
        routes=[
            Route("/scim/v2/Users", service.search, methods=["GET"]),
            Route("/scim/v2/Users/{id:path}", service.patch, methods=["PATCH"]),
        ],
        exception_handlers={Fault: _refused},
    )
    listening = socket.create_server(("127.0.0.1", 0))
    service.url = f"http://127.0.0.1:{listening.getsockname()[1]}/scim/v2"
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", loop="asyncio"))
    thread = threading.Thread(target=server.run, args=([listening],), name="scim", daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield service
    server.should_exit = True
    thread.join(5)
    listening.close()
