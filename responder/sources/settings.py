"""What the settings say about one source: who it is, how it proves it and how to read it."""

import base64
import binascii
from collections import defaultdict
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from responder.incident import Category, Frozen, Severity
from responder.sources.path import check_path

Kind = Literal["wazuh", "guardduty", "alertmanager", "generic"]

WEBHOOK_SECRET_PREFIX = "whsec_"  # noqa: S105 - a marker, not a secret
SHORTEST_SECRET = 24


def _webhook_secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix(WEBHOOK_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(WEBHOOK_SECRET_PREFIX) or len(key) < SHORTEST_SECRET:
        raise ValueError(
            f"expected {WEBHOOK_SECRET_PREFIX} and the base64 of at least {SHORTEST_SECRET} bytes"
        )
    return secret


def _plain_secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if len(text) < SHORTEST_SECRET or not (text.isascii() and text.isprintable()):
        raise ValueError(f"expected at least {SHORTEST_SECRET} printable ASCII characters")
    return secret


WebhookSecret = Annotated[SecretStr, AfterValidator(_webhook_secret)]
PlainSecret = Annotated[SecretStr, AfterValidator(_plain_secret)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class _Private(Frozen):
    # A fault in the settings must not print the secret that has it.
    model_config = ConfigDict(hide_input_in_errors=True)


class StandardWebhooks(_Private):
    """Signed as Standard Webhooks says: the id, the time and the body, HMAC-SHA256 (`v1`)."""

    scheme: Literal["standard_webhooks"] = Field(
        default="standard_webhooks", description="By the Standard Webhooks specification."
    )
    secrets: tuple[WebhookSecret, ...] = Field(
        min_length=1, max_length=8, description="`whsec_…`; several while one is being replaced."
    )


class HmacHeader(_Private):
    """Signed with an HMAC in a header, as GitHub, Grafana and PagerDuty do."""

    scheme: Literal["hmac"] = Field(default="hmac", description="By an HMAC of the body.")
    header: HeaderName = Field(description="The header with the signature in hexadecimal.")
    prefix: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9=_-]{0,32}$",
        description="What precedes each signature: `sha256=`.",
    )
    algorithm: Literal["sha256"] = Field(default="sha256", description="The HMAC's hash.")
    secrets: tuple[PlainSecret, ...] = Field(
        min_length=1, max_length=8, description="Several while one is being replaced."
    )
    timestamp_header: HeaderName | None = Field(
        default=None,
        description="The header with the time in seconds; the signed text is then `<time>:<body>`.",
    )
    delivery_header: HeaderName | None = Field(
        default=None,
        description="The header with the sender's delivery id. No such signature covers it.",
    )


class Bearer(_Private):
    """A token in `Authorization: Bearer …`; the body is not signed."""

    scheme: Literal["bearer"] = Field(default="bearer", description="By a bearer token.")
    tokens: tuple[PlainSecret, ...] = Field(
        min_length=1, max_length=8, description="Several while one is being replaced."
    )


class ApiKeyHeader(_Private):
    """A fixed value in a header, as EventBridge API destinations send; the body is not signed."""

    scheme: Literal["header"] = Field(default="header", description="By a fixed header.")
    name: HeaderName = Field(description="The header's name.")
    values: tuple[PlainSecret, ...] = Field(
        min_length=1, max_length=8, description="Its whole value; several while replacing one."
    )


Auth = Annotated[
    StandardWebhooks | HmacHeader | Bearer | ApiKeyHeader, Field(discriminator="scheme")
]

Path = Annotated[str, AfterValidator(check_path)]


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Paths = Annotated[tuple[Path, ...], BeforeValidator(_several), Field(max_length=16)]


class FieldPaths(Frozen):
    """Where a generic sender keeps each fact, as paths; `$.` starts at the top of the body."""

    alerts: Path | None = Field(
        default=None, description="Where the alerts are, if a delivery has several: `alerts[]`."
    )
    id: Paths = Field(default=(), description="The stable key; none: the alert's SHA-256.")
    title: Paths = Field(default=(), description="One line for people.")
    rule: Paths = Field(default=(), description="The detection that fired.")
    severity: Paths = Field(default=(), description="How bad it is.")
    occurred: Paths = Field(default=(), description="When it happened.")
    techniques: Paths = Field(default=(), description="MITRE ATT&CK technique ids.")
    category: Paths = Field(default=(), description="A category of ours.")
    networks: Paths = Field(default=(), description="Addresses that the attack comes from.")
    hosts: Paths = Field(default=(), description="Our machines.")
    accounts: Paths = Field(default=(), description="Our accounts.")
    over: Paths = Field(default=(), description="What says that the condition has ended.")
    over_values: tuple[str, ...] = Field(
        default=("resolved", "closed", "fixed", "ok"), description="The words that say so."
    )


class Defaults(Frozen):
    """What holds where the sender says nothing."""

    title: str = Field(default="", max_length=500, description="One line for people.")
    rule: str = Field(default="", max_length=255, description="The detection that fired.")
    severity: Severity | None = Field(default=None, description="How bad it is.")
    category: Category | None = Field(default=None, description="A category of ours.")


class SourceSettings(_Private):
    """One configured source; its name is the key it has under `sources`."""

    kind: Kind = Field(description="Which sender's format it speaks.")
    auth: Auth = Field(description="How it proves who it is.")
    mapping: FieldPaths | None = Field(default=None, description="Only and always for `generic`.")
    severity_map: dict[str, Severity] = Field(
        default={}, description="The sender's words or numbers for severity; generic, alertmanager."
    )
    defaults: Defaults = Field(
        default=Defaults(), description="Where the sender is silent; generic, alertmanager."
    )

    @model_validator(mode="after")
    def _consistent(self) -> "SourceSettings":
        generic = self.kind == "generic"
        if generic != (self.mapping is not None):
            raise ValueError(
                "a generic source needs a mapping" if generic else f"{self.kind} takes no mapping"
            )
        if self.mapping and not self.mapping.severity and self.defaults.severity is None:
            raise ValueError("a generic source needs mapping.severity or defaults.severity")
        if self.kind in ("wazuh", "guardduty") and (
            self.severity_map or self.defaults != Defaults()
        ):
            raise ValueError(f"{self.kind} takes neither severity_map nor defaults")
        return self

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        """Everything it may authenticate with."""
        match self.auth:
            case Bearer(tokens=secrets) | ApiKeyHeader(values=secrets):
                return secrets
            case StandardWebhooks(secrets=secrets) | HmacHeader(secrets=secrets):
                return secrets


def shared_secrets(sources: Mapping[str, SourceSettings]) -> list[str]:
    """A fault for each secret that several sources have: one could then speak for another."""
    owners: dict[str, list[str]] = defaultdict(list)
    for name, source in sources.items():
        for secret in {secret.get_secret_value() for secret in source.secrets}:
            owners[secret].append(name)
    return [
        f"sources {' and '.join(names)} have the same secret; each needs its own"
        for names in owners.values()
        if len(names) > 1
    ]
