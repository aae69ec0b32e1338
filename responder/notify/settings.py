"""The channels by which people are reached, and which messages take which of them, as settings."""

from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from responder.incident import Frozen, Name

MAIL = "mail"  # the channel that the setting `mail` describes


class Mail(Frozen):
    """Where messages to people are mailed."""

    kind: Literal["mail"] = Field(default="mail", description="Mail, by SMTP.")
    host: str = Field(description="The SMTP server.")
    port: int = Field(default=587, ge=1, le=65535, description="The SMTP server's port.")
    sender: str = Field(description="The From address.")
    starttls: bool = Field(default=True, description="Refuse to send without TLS.")
    user: str | None = Field(default=None, description="Whom to sign in as; none: nobody.")
    password: SecretStr | None = Field(default=None, description="The password of `user`.")


class PagerDuty(Frozen):
    """A PagerDuty service, by its Events API v2 integration."""

    kind: Literal["pagerduty"] = Field(default="pagerduty", description="PagerDuty Events v2.")
    routing_key: SecretStr = Field(description="The integration key of the service.")
    url: str = Field(
        default="https://events.pagerduty.com/v2/enqueue", description="The Events API."
    )


class Webhook(Frozen):
    """Anything that takes JSON over HTTPS and checks a Standard Webhooks signature."""

    kind: Literal["webhook"] = Field(default="webhook", description="A signed webhook.")
    url: str = Field(description="Where to post.", pattern=r"^https?://")
    secret: SecretStr = Field(
        description="The signing secret: base64, with or without `whsec_` before it.",
    )


class Chat(Frozen):
    """The incident's card in Slack, as the setting `slack` describes it."""

    kind: Literal["slack"] = Field(default="slack", description="The cards in Slack.")


Channel = Annotated[Mail | PagerDuty | Webhook | Chat, Field(discriminator="kind")]


class Route(Frozen):
    """Which channels messages for some audience try, in order: the next one if one does not take it."""

    audience: str = Field(
        default="*", description="A team's or person's name, with `*` for any part of it."
    )
    loud: bool | None = Field(
        default=None, description="Only what must not wait (true), only the rest, or both (none)."
    )
    channels: tuple[Name, ...] = Field(min_length=1, description="Names of channels, best first.")

    def carries(self, audience: str, *, loud: bool) -> bool:
        """Whether a message takes this route."""
        wanted = self.loud is None or self.loud == loud
        return wanted and fnmatchcase(audience.casefold(), self.audience.casefold())


class Notify(Frozen):
    """Channels by name, and routes; the first route that fits is taken."""

    channels: dict[Name, Channel] = Field(default={}, description="How people are reached.")
    routes: tuple[Route, ...] = Field(
        default=(), description="The first that fits is taken; none fits: every channel, in order."
    )

    def faults(self, mail: Mail | None, *, slack: bool = False) -> list[str]:
        """What does not fit together, in words."""
        known = {*self.channels, *([MAIL] if mail else [])}
        faults = [
            f"notify.routes: {name} is no channel; known: {', '.join(sorted(known)) or 'none'}"
            for route in self.routes
            for name in route.channels
            if name not in known
        ]
        if mail and MAIL in self.channels:
            faults.append("notify.channels: `mail` is described by the setting `mail` already")
        chats = [name for name, channel in self.channels.items() if isinstance(channel, Chat)]
        if chats and not slack:
            faults.append(
                f"notify.channels: {chats[0]} is Slack, and the setting `slack` is missing"
            )
        return faults
