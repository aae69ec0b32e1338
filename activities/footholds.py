"""What a stolen credential may have left behind to come back by; read, never changed."""

from datetime import datetime

from pydantic import AwareDatetime, Field

from activities.access_keys import User
from responder.contract import Lookup
from responder.incident import Frozen, Name


class Foothold(Frozen):
    """One thing in an account of a cloud that lets somebody in, and what makes it suspect."""

    what: str = Field(description="What it is: `access key AKIA… of ben`.")
    why: str = Field(
        description="Why it is named: `made`, `trusts …`, or the call that changed it."
    )
    at: datetime | None = Field(default=None, description="When; none where AWS does not say.")

    def __str__(self) -> str:
        return f"{self.what}: {self.why}" + (f" at {self.at:%Y-%m-%d %H:%M} UTC" if self.at else "")


class Swept(Frozen):
    """What a sweep found, and what it could not look at: that is unknown, and not clean."""

    found: tuple[Foothold, ...] = ()
    unseen: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Both, a line each."""
        return [*map(str, self.found), *(f"not looked at: {one}" for one in self.unseen)]


class Footholds(Lookup[Swept]):
    """
    What was made or changed in an account since a moment that lets somebody in again.

    That is access keys and users made since, of anybody; policies of the user itself; roles made
    since or that trust the user or another account; and whatever of this the user changed.
    """

    cloud: Name = Field(description="The account, by its name under `inventory.clouds`.")
    user: User = Field(description="Whose credential is in other hands.")
    since: AwareDatetime = Field(description="From when on it may have been used by others.")

    def __str__(self) -> str:
        return f"footholds in {self.cloud} since {self.since:%Y-%m-%d %H:%M:%S %Z}, through {self.user}"
