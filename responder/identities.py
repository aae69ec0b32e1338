"""Where accounts live: identity providers, and hosts with accounts of their own, as settings name them."""

from fnmatch import fnmatchcase
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from responder.incident import Frozen, Name


class _Accounts(Frozen):
    accounts: tuple[Name, ...] = Field(
        default=("*",),
        description="Which accounts live there, as shell patterns such as `*@example.com`.",
    )

    def has(self, account: str) -> bool:
        """Whether *account* is one that lives there."""
        return any(fnmatchcase(account.casefold(), one.casefold()) for one in self.accounts)


class ScimIdentities(_Accounts):
    """An identity provider that speaks SCIM 2.0 (RFC 7643 and RFC 7644)."""

    kind: Literal["scim"] = Field(default="scim", description="SCIM 2.0.")
    name: Name = Field(description="The provider's name, as shown in plans.")
    base_url: str = Field(description="Where its `/Users` is, such as `https://…/scim/v2`.")
    token_file: Path | None = Field(
        default=None, description="A file whose content is the bearer token; read at each use."
    )
    token_env: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Instead of it, the environment variable that holds the token.",
    )
    ca_file: Path | None = Field(
        default=None, description="CA certificates to trust there (PEM); none: the usual ones."
    )

    @field_validator("base_url")
    @classmethod
    def _kept_secret_on_the_way(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.username or parts.password or parts.query or parts.fragment or not parts.hostname:
            raise ValueError("expected https://host/path, with no user, query or fragment in it")
        if parts.scheme == "http" and _is_loopback(parts.hostname):
            return value.rstrip("/")
        if parts.scheme != "https":
            raise ValueError("expected https: the token would travel in the clear")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _has_one_token(self) -> "ScimIdentities":
        if (self.token_file is None) == (self.token_env is None):
            raise ValueError(f"{self.name}: expected one of token_file and token_env")
        return self


class HostIdentities(_Accounts):
    """The accounts of a Linux host of the inventory: those in its own /etc/passwd."""

    kind: Literal["host"] = Field(default="host", description="A Linux host's own accounts.")
    name: Name = Field(description="The host's name in the inventory.")


Identities = Annotated[ScimIdentities | HostIdentities, Field(discriminator="kind")]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
