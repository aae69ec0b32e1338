"""What an identity provider must supply: an account's state, and its sessions if it knows of any."""

from datetime import datetime
from typing import Protocol

from activities.accounts import AccountState, Sessions
from responder.contract import Resource


class IdentityProvider(Protocol):
    """A place where accounts live."""

    def account(self, name: str) -> Resource[AccountState]:
        """Whether the account *name* may sign in there."""
        ...

    def sessions(self, name: str, before: datetime) -> Resource[Sessions] | None:
        """What *name* opened there before a moment; None where sessions cannot be ended."""
        ...

    async def close(self) -> None:
        """Let go of kept connections."""
        ...
