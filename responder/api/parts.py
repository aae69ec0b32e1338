"""What the routes work with, and who is calling."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request

from responder.approval.service import Approvals
from responder.crypto.keyring import KeyRing
from responder.intake.drain import Drain
from responder.people import tokens
from responder.people.person import Directory, Permission, Person
from responder.policy.judge import Policy
from responder.reconcile import Reconciler
from responder.settings import Settings
from responder.store import Store
from responder.telemetry import Metrics
from responder.temporal import Link


@dataclass
class Parts:
    """The parts of `serve`, put together once."""

    settings: Settings
    store: Store
    deliveries: KeyRing
    payloads: KeyRing
    people: Directory
    policy: Policy
    approvals: Approvals
    link: Link
    drain: Drain
    reconciler: Reconciler
    metrics: Metrics
    codec_path: str
    ready: dict[str, Any] = field(default_factory=dict)


def parts(request: Request) -> Parts:
    """The application's parts."""
    found: Parts = request.app.state.parts
    return found


Served = Annotated[Parts, Depends(parts)]


async def caller(request: Request, served: Served) -> Person:
    """Who calls, by their bearer token; 401 if nobody we know."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    name = await tokens.holder(served.store, token) if scheme.lower() == "bearer" else None
    person = served.people.find(name) if name is not None else None
    if person is None or not person.active:
        raise HTTPException(401, "expected `Authorization: Bearer …` with a token of an active person")
    return person


class Allowed:
    """A dependency: the caller, who must hold one permission."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, person: Annotated[Person, Depends(caller)]) -> Person:
        if not person.may(self.permission):
            raise HTTPException(403, f"{person.name} may not {self.permission}")
        return person


def require_permission(permission: Permission) -> Any:  # noqa: ANN401 - FastAPI's marker
    """The caller if they hold *permission*; otherwise 403. What no route requires is not served."""
    return Depends(Allowed(permission))


MayRead = Annotated[Person, require_permission(Permission.INCIDENTS_READ)]
MayWrite = Annotated[Person, require_permission(Permission.INCIDENTS_WRITE)]
MayDecide = Annotated[Person, require_permission(Permission.APPROVALS_DECIDE)]
MayEndLeases = Annotated[Person, require_permission(Permission.LEASES_WRITE)]
MayReadAudit = Annotated[Person, require_permission(Permission.AUDIT_READ)]
MayReadIntake = Annotated[Person, require_permission(Permission.INTAKE_READ)]
MayPause = Annotated[Person, require_permission(Permission.RUNNER_PAUSE)]
MayWritePeople = Annotated[Person, require_permission(Permission.PEOPLE_WRITE)]
