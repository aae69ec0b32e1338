"""Which SSH keys a host accepts: one key of one account, or one key for everybody."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints, field_validator

from activities.public_keys import FINGERPRINT, parse_line
from responder.contract import Action
from responder.incident import Indicators, Name
from responder.policy.tiers import Tier

# What useradd(8) allows, and dots and capitals, which other tools allow. No comma, no blank: the
# name is a part of `sshd -C user=…`.
User = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,31}$")]


class Mode(StrEnum):
    """The order of a rotation: revoke first and then restore, or replace first and then revoke."""

    EMERGENCY = "emergency"
    PLANNED = "planned"


class Trust(StrEnum):
    """How far an account lets a key in."""

    TRUSTED = "trusted"
    LINGERING = "refused, but sessions of it are open"
    REFUSED = "refused"


class SshKeyAction(Action[Trust]):
    """What is common to changes of one key of one account."""

    tier: ClassVar[Tier] = Tier.T2
    permissions: ClassVar[tuple[str, ...]] = ("root or sudo: sshd -T, ps, kill, runuser",)
    d3fend: ClassVar[str] = "D3-CRO"  # Credential Rotation

    host: Name = Field(description="The host's name in the inventory.")
    user: User = Field(description="The account on that host.")
    mode: Mode = Field(default=Mode.EMERGENCY, description="Which order this is a step of.")
    lasts: timedelta | None = Field(
        default=None, gt=timedelta(0), description="How long it is held; none: until it is ended."
    )

    def lapsed(self, state: Trust) -> Trust:
        # A session that was open when we came is over, and nobody brings it back.
        return Trust.REFUSED if state is Trust.LINGERING else state

    def touches(self) -> Indicators:
        return Indicators(hosts=(self.host,), accounts=(self.user,))


class RemoveSshKey(SshKeyAction):
    """Have one account no longer let one key in, and end the sessions that it opened."""

    d3fend: ClassVar[str] = "D3-CR"  # Credential Revocation

    fingerprint: str = Field(pattern=FINGERPRINT, description="As `ssh-keygen -l` prints it.")

    def desired(self, before: Trust) -> Trust:
        return Trust.REFUSED

    def __str__(self) -> str:
        return f"{self.mode}: remove key {self.fingerprint} of {self.user} on {self.host} and end its sessions"


class AddSshKey(SshKeyAction):
    """Have one account let one more key in."""

    mode: Mode = Field(default=Mode.PLANNED, description="Which order this is a step of.")
    key: str = Field(
        max_length=4096, description="An authorized_keys line: `ssh-ed25519 AAAA… name`."
    )

    @field_validator("key")
    @classmethod
    def _one_key(cls, value: str) -> str:
        if "\n" in value or "\r" in value or parse_line(value) is None:
            raise ValueError("expected one line with one public key, as `ssh-ed25519 AAAA… name`")
        return value.strip()

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint."""
        parsed = parse_line(self.key)
        return "" if parsed is None else parsed.fingerprint

    def desired(self, before: Trust) -> Trust:
        return Trust.TRUSTED

    def __str__(self) -> str:
        return f"{self.mode}: add key {self.fingerprint} for {self.user} on {self.host}"


class RevokeSshKey(Action[Trust]):
    """Put a key on a host's revocation list: no account there lets it in, and it is never taken off."""

    reversible: ClassVar[bool] = False
    tier: ClassVar[Tier] = Tier.T3
    permissions: ClassVar[tuple[str, ...]] = ("root or sudo: sshd -T, ssh-keygen -k -u, ps, kill",)
    d3fend: ClassVar[str] = "D3-CR"  # Credential Revocation

    host: Name = Field(description="The host's name in the inventory.")
    key: str = Field(max_length=4096, description="The public key: `ssh-ed25519 AAAA… name`.")

    @field_validator("key")
    @classmethod
    def _bare(cls, value: str) -> str:
        parsed = None if "\n" in value or "\r" in value else parse_line(value)
        if parsed is None or parsed.options:
            raise ValueError("expected one public key without options, as `ssh-ed25519 AAAA… name`")
        return value.strip()

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint."""
        parsed = parse_line(self.key)
        return "" if parsed is None else parsed.fingerprint

    def desired(self, before: Trust) -> Trust:
        return Trust.REFUSED

    def touches(self) -> Indicators:
        return Indicators(hosts=(self.host,))

    def __str__(self) -> str:
        return f"{Mode.EMERGENCY}: revoke key {self.fingerprint} on {self.host} for every account"
