"""Keep an account from signing in for a while, and end what it has open."""

import unicodedata
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AfterValidator, AwareDatetime, Field

from responder.contract import Action
from responder.incident import Indicators, Name
from responder.policy.tiers import Tier


def _plainly_written(value: str) -> str:
    """An account as one reads it: no controls, no invisible or reversed writing, no spaces around."""
    odd = [c for c in value if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    if odd or value != value.strip():
        raise ValueError(
            f"expected an account's name, found {value!r}: it has spaces around it or characters "
            "that nobody sees"
        )
    return value


Account = Annotated[Name, AfterValidator(_plainly_written)]


class AccountState(StrEnum):
    """Whether an account may sign in."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    ABSENT = "absent"
    """There is none of that name."""


class Sessions(StrEnum):
    """What there is of the sessions that began before a given moment."""

    OPEN = "open"
    ENDED = "ended"


class DisableAccount(Action[AccountState]):
    """
    Let an account sign in no more, wherever it lives; its state is whether it may.

    What it has open stays open: `RevokeSessions` ends that. An account that a provider should have
    and has not is a failure to contain, not a success.
    """

    tier: ClassVar[Tier] = Tier.T2
    permissions: ClassVar[tuple[str, ...]] = (
        "SCIM: GET /Users, PATCH /Users/{id}",
        "chage -E",
        "getent -s files shadow",
    )
    d3fend: ClassVar[str] = "D3-AL"  # Account Locking

    account: Account = Field(description="The account, as its provider spells it.")
    lasts: timedelta | None = Field(
        default=timedelta(hours=24),
        gt=timedelta(0),
        description="How long it is held; none: until a person ends it.",
    )

    def desired(self, before: AccountState) -> AccountState:
        return AccountState.DISABLED

    def touches(self) -> Indicators:
        return Indicators(accounts=(self.account,))

    def __str__(self) -> str:
        return f"disable account {self.account}"


class RevokeSessions(Action[Sessions]):
    """
    End every session of an account that began before a moment; what begins later is left alone.

    Without that moment an attempt that is repeated would end the session of the person who has
    signed in again meanwhile. Sessions cannot be given back: the person signs in again.
    """

    reversible: ClassVar[bool] = False
    recovers: ClassVar[bool] = True
    try_for: ClassVar[timedelta] = timedelta(minutes=15)
    tier: ClassVar[Tier] = Tier.T2
    permissions: ClassVar[tuple[str, ...]] = ("ps", "kill")
    d3fend: ClassVar[str] = "D3-ST"  # Session Termination

    account: Account = Field(description="The account, as its provider spells it.")
    before: AwareDatetime = Field(description="Sessions that began before this moment end.")

    def desired(self, before: Sessions) -> Sessions:
        return Sessions.ENDED

    def touches(self) -> Indicators:
        return Indicators(accounts=(self.account,))

    def __str__(self) -> str:
        return f"end the sessions of {self.account} from before {self.before:%Y-%m-%d %H:%M:%S %Z}"
