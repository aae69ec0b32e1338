"""The settings of the processes themselves: what they listen on, which Temporal they use, how they log."""

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

from pydantic import Field, IPvAnyNetwork, SecretStr

from responder.incident import Frozen


class Connections(Frozen):
    """How many clients may be connected to the API, and how long each may take."""

    most: int = Field(
        default=1000,
        ge=2,
        description="Connections at once; for one more, the one that has been waited for longest is closed.",
    )
    most_of_one: int = Field(
        default=100,
        ge=1,
        description="Of these, from one address (IPv6: from one /64); `api.proxies` may have any number.",
    )
    requests: int = Field(
        default=500,
        ge=1,
        description="Requests that are worked on at once; one more is answered with 503.",
    )
    head: timedelta = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        description="How long a request's line and headers may take.",
    )
    body: timedelta = Field(
        default=timedelta(seconds=20),
        gt=timedelta(0),
        description="How long its body may take after that.",
    )
    idle: timedelta = Field(
        default=timedelta(seconds=15),
        gt=timedelta(0),
        description="How long a connection stays open for the next request.",
    )
    unread: timedelta = Field(
        default=timedelta(seconds=30),
        gt=timedelta(0),
        description="How long a client may read nothing of what is being sent to it.",
    )


class Api(Frozen):
    """Where webhooks, the API and the feeds are served."""

    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="The port to listen on.")
    largest_body: int = Field(default=256 * 1024, gt=0, description="Bytes a webhook may carry.")
    codec: Literal["loopback", "token", "off"] = Field(
        default="loopback",
        description="Who may have Temporal's payloads decoded: this machine by an unguessable path, "
        "bearers of a token that may read incidents, or nobody.",
    )

    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s]+$",
        description="Where people's browsers find it, such as https://responder.example.com; passkeys are "
        "bound to its host. None: http://localhost with the port.",
    )
    proxies: tuple[IPvAnyNetwork, ...] = Field(
        default=(IPv4Network("127.0.0.1/32"), IPv6Network("::1/128")),
        description="Proxies in front of it: they are believed in who calls (`X-Forwarded-For`), and may "
        "have any number of connections.",
    )
    connections: Connections = Connections()

    @property
    def origin(self) -> str:
        """What stands before every link that people are given, and what passkeys are bound to."""
        return self.public_url or f"http://localhost:{self.port}"

    @property
    def url(self) -> str:
        """Where a client on this machine finds it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


class TemporalSettings(Frozen):
    """Which Temporal keeps the order of things."""

    address: str | None = Field(
        default=None, description="host:port of a Temporal frontend; none: one is run embedded."
    )
    namespace: str = Field(default="responder", description="The namespace to use.")
    port: int = Field(default=7233, description="The embedded server's port.")
    ui_port: int = Field(default=8233, description="The embedded server's web page's port.")
    task_queue: str = Field(default="responder", description="The workers' task queue.")
    reconcile_every: timedelta = Field(
        default=timedelta(seconds=30),
        ge=timedelta(seconds=1),
        description="How often the store is compared with what runs there.",
    )
    watch_every: timedelta = Field(
        default=timedelta(seconds=10),
        ge=timedelta(seconds=1),
        le=timedelta(seconds=15),
        description="How often its workflows are looked at for what a stranger did there; every open "
        "one is read within three rounds, so that the alarm comes within 60 seconds.",
    )
    tls_ca: Path | None = Field(default=None, description="CA certificates to trust (PEM).")
    tls_cert: Path | None = Field(default=None, description="Our client certificate (PEM).")
    tls_key: Path | None = Field(default=None, description="The client certificate's key (PEM).")
    tls_name: str | None = Field(default=None, description="The server's name to verify.")
    api_key: SecretStr | None = Field(default=None, description="Temporal Cloud's API key.")

    @property
    def target(self) -> str:
        """Where to connect."""
        return self.address or f"127.0.0.1:{self.port}"


class Log(Frozen):
    """How the program says what it does."""

    form: Literal["auto", "console", "json"] = Field(
        default="auto",
        description="Coloured for a person, JSON for a machine; auto looks at the terminal.",
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least that is said."
    )
