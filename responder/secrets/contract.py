"""
What a store of secrets promises.

A secret is a name with versions. The caller chooses a version's id (a UUID), so that a retry finds
what it made before. Stages are those of AWS Secrets Manager ("Secret version staging labels"), and
one more: REVOKED, which nobody may accept any longer although it has not been destroyed yet.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Protocol
from uuid import NAMESPACE_URL, uuid5

from pydantic import Field, SecretBytes, StringConstraints

from responder.errors import ResponderError
from responder.incident import Frozen

SecretName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}(/[a-z0-9][a-z0-9_.-]{0,62}){0,3}$")
]
VersionId = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
]


class Stage(StrEnum):
    """What a version of a secret is for."""

    ABSENT = "absent"
    PENDING = "pending"
    CURRENT = "current"
    PREVIOUS = "previous"
    REVOKED = "revoked"
    DESTROYED = "destroyed"


ACCEPTED = frozenset({Stage.PENDING, Stage.CURRENT, Stage.PREVIOUS})


class Version(Frozen):
    """One version of a secret; never its value."""

    id: VersionId
    stage: Stage
    made: datetime = Field(description="When it was put there; UTC.")
    replaced: datetime | None = Field(
        default=None, description="When it ceased to be current; its retention counts from here."
    )

    def kept_until(self, retention: timedelta) -> datetime | None:
        """Until when it must still be accepted; None while it was never replaced."""
        return None if self.replaced is None else self.replaced + retention


class NotStaged(ResponderError):
    """A version is not in the stage that a change of it starts from; nothing was changed."""


class SecretStore(Protocol):
    """
    Versions of secrets.

    Every method raises `Unreachable` when what the store holds cannot be known, and `NotStaged`
    when a version is not where the change starts from.
    """

    async def put(self, secret: str, version: str, value: SecretBytes) -> bool:
        """Keep *value* as a PENDING *version*; False if the version was there: its value stays."""
        ...

    async def get(self, secret: str, version: str | None = None) -> SecretBytes:
        """The value of *version*, or of the current one."""
        ...

    async def promote(self, secret: str, version: str) -> None:
        """Make *version* current; what was current is PREVIOUS from now on."""
        ...

    async def revoke(self, secret: str, version: str) -> None:
        """Let nobody accept *version* any longer."""
        ...

    async def destroy(self, secret: str, version: str, *, retention: timedelta) -> None:
        """Destroy the value of a version that is revoked, or was replaced *retention* ago."""
        ...

    async def versions(self, secret: str) -> tuple[Version, ...]:
        """All versions, oldest first; empty if there is no such secret."""
        ...


def version_for(occasion: str, secret: str) -> str:
    """The version that *occasion* (an incident) makes of *secret*: a retry asks for the same one."""
    return str(uuid5(NAMESPACE_URL, f"responder:{occasion}:{secret}"))


def undestroyable(found: Version, retention: timedelta, now: datetime) -> str:
    """Why *found* may not be destroyed at *now*; empty if it may."""
    match found.stage:
        case Stage.REVOKED | Stage.DESTROYED:
            return ""
        case Stage.PREVIOUS:
            until = found.kept_until(retention)
            if until is not None and until <= now:
                return ""
            return (
                f"it is accepted until {until:%Y-%m-%d %H:%M} UTC"
                if until
                else "its age is unknown"
            )
        case _:
            return f"it is {found.stage}"
