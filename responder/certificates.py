"""Certificates that are renewed before they expire: which, where they are, and who signs them. Pure."""

from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from responder.cron import Cron
from responder.incident import Frozen, Name
from responder.policy.segments import Address

# A DNS name as RFC 1123 (2.1) has it, with one wildcard label at most (RFC 6125, 6.4.3).
DnsName = Annotated[
    str,
    StringConstraints(
        pattern=r"^(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$",
        max_length=253,
    ),
]


def _plain(path: PurePosixPath) -> PurePosixPath:
    """Refuse a path that is not absolute, or that steps back: it is a file's own name on a host."""
    if not path.is_absolute() or ".." in path.parts or "\n" in str(path):
        raise ValueError(f"expected an absolute path without `..`, found {path}")
    return path


RemotePath = Annotated[PurePosixPath, AfterValidator(_plain)]


class Served(Frozen):
    """Where a certificate is shown over TLS."""

    address: str = Field(
        min_length=1, description="Host name or address, as the runner reaches it."
    )
    port: int = Field(default=443, ge=1, le=65535, description="Its port.")
    server_name: DnsName | None = Field(
        default=None, description="The name asked for (SNI); none: the first of `dns`."
    )

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


class ManagedCertificate(Frozen):
    """An X.509 certificate with its key, in files of a host."""

    name: Name = Field(
        pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$", description="What incidents and people call it."
    )
    host: Name = Field(description="The host it is on, by its name in the inventory.")
    certificate: RemotePath = Field(description="Its file there (PEM).")
    key: RemotePath = Field(description="The file of its private key there (PEM, not encrypted).")
    reload: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = Field(
        default=(),
        description="The command that has its user read both files again, word by word: "
        "`[systemctl, reload, nginx]`; none: its user reads them when it needs them.",
    )
    usage: Literal["server", "client", "both"] = Field(
        default="server", description="What it is for: its extended key usage."
    )
    common_name: str = Field(
        min_length=1,
        max_length=64,
        description="Its subject's common name (RFC 5280, ub-common-name).",
    )
    dns: tuple[DnsName, ...] = Field(default=(), description="DNS names it is valid for.")
    addresses: tuple[Address, ...] = Field(default=(), description="Addresses it is valid for.")
    algorithm: Literal["ec-p256", "rsa-2048", "rsa-3072"] = Field(
        default="ec-p256", description="The kind of key that is made for it."
    )
    lifetime: timedelta = Field(
        default=timedelta(days=90),
        gt=timedelta(0),
        description="How long a new one is valid: `90d`.",
    )
    served: Served | None = Field(
        default=None, description="Where it is shown over TLS; none: only its file can be proved."
    )

    @model_validator(mode="after")
    def _whole(self) -> "ManagedCertificate":
        if self.certificate == self.key:
            raise ValueError(f"{self.name}: expected two files, found {self.key} twice")
        if self.usage != "client" and not self.dns and not self.addresses:
            raise ValueError(
                f"{self.name}: expected dns or addresses, found neither; clients ignore a server's "
                "common name (RFC 9525, 2)"
            )
        return self


class LocalAuthority(Frozen):
    """A certification authority whose key is a file that the worker can read."""

    certificate: Path = Field(
        description="Its certificate (PEM); others after it are those it was signed by."
    )
    key: Path = Field(
        description="Its private key (PEM, not encrypted), readable by its owner alone."
    )


class CertificateRotation(Frozen):
    """Which certificates are renewed by plan, when, and who signs them."""

    schedule: str = Field(
        default="0 2 * * 0", description="When it is looked, as a crontab says it."
    )
    time_zone: str = Field(default="UTC", description="The schedule's time zone.")
    renew_before: timedelta = Field(
        default=timedelta(days=30),
        gt=timedelta(0),
        description="How long before its expiry: `30d`.",
    )
    authority: LocalAuthority | None = Field(default=None, description="Who signs them.")
    certificates: tuple[ManagedCertificate, ...] = Field(
        default=(), description="The certificates."
    )
    approval: Literal["standing", "ask"] = Field(
        default="standing",
        description="`standing`: who writes this approves these renewals in advance; `ask`: two people "
        "approve each.",
    )

    @property
    def standing(self) -> dict[str, tuple[str, ...]]:
        """What is approved in advance: the certificate before it is valid until it expires."""
        names = tuple(one.name for one in self.certificates)
        return {"RenewCertificate": names} if names and self.approval == "standing" else {}

    def certificate(self, name: str) -> ManagedCertificate | None:
        """The certificate of this name."""
        return next((one for one in self.certificates if one.name == name), None)

    @model_validator(mode="after")
    def _whole(self) -> "CertificateRotation":
        Cron(expression=self.schedule, time_zone=self.time_zone)
        names = [one.name for one in self.certificates]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two certificates are named {', '.join(twice)}")
        files = [
            (one.host, path) for one in self.certificates for path in (one.certificate, one.key)
        ]
        if shared := sorted(
            {f"{path} of {host}" for host, path in files if files.count((host, path)) > 1}
        ):
            raise ValueError(f"two certificates have one file: {', '.join(shared)}")
        if self.certificates and self.authority is None:
            raise ValueError("expected an authority that signs the certificates, found none")
        for one in self.certificates:
            if one.lifetime <= self.renew_before:
                raise ValueError(
                    f"{one.name}: expected a lifetime longer than renew_before "
                    f"({self.renew_before.days} days), found {one.lifetime.days} days"
                )
        return self
