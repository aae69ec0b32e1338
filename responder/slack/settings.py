"""How Slack is reached, and which of its workspaces, apps and channels are ours."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints, model_validator

from responder.errors import ConfigurationError
from responder.incident import Frozen, Priority

Channel = Annotated[str, StringConstraints(pattern=r"^[CG][A-Z0-9]{2,20}$")]


class SlackSettings(Frozen):
    """One app in one workspace. Each token stands here or, better, in a file of its own."""

    mode: Literal["socket", "http"] = Field(
        default="socket",
        description="How Slack tells of clicks: over a WebSocket that we open, or by requests to us.",
    )
    bot_token: SecretStr | None = Field(default=None, description="The bot token, `xoxb-…`.")
    bot_token_file: Path | None = Field(default=None, description="A file with the bot token.")
    app_token: SecretStr | None = Field(
        default=None, description="The app-level token, `xapp-…`, for the mode socket."
    )
    app_token_file: Path | None = Field(default=None, description="A file with the app token.")
    signing_secret: SecretStr | None = Field(
        default=None, description="The app's signing secret, for the mode http."
    )
    signing_secret_file: Path | None = Field(
        default=None, description="A file with the signing secret."
    )
    team: str = Field(
        pattern=r"^T[A-Z0-9]{2,20}$",
        description="The one workspace that is listened to: T0123ABCD.",
    )
    app: str = Field(
        pattern=r"^A[A-Z0-9]{2,20}$", description="The one app that is listened to: A0123ABCD."
    )
    enterprise: str = Field(
        default="",
        pattern=r"^(E[A-Z0-9]{2,20})?$",
        description="The organisation, in Enterprise Grid.",
    )
    channel: Channel = Field(description="Where cards are posted: C0123ABCD. The app is a member.")
    channels: dict[Priority, Channel] = Field(
        default={}, description="Other channels for incidents of some priorities."
    )
    runbook: str | None = Field(
        default=None,
        pattern=r"^https://[^\s|<>]+$",
        description="Where people find what to do, linked from each card; `{category}` in it is the incident's: "
        "https://wiki.example.com/runbooks/{category}. None: no link.",
    )
    look_back: bool = Field(
        default=False,
        description="Look in the channel for a card whose posting had no answer, before posting it "
        "again. Needs the scopes channels:history and groups:history, which can read what people write.",
    )
    base_url: str = Field(
        default="https://slack.com/api/", pattern=r"^https?://\S+/$", description="The Web API."
    )

    @model_validator(mode="after")
    def _with_what_its_mode_needs(self) -> Self:
        needed = {"bot_token": "always"}
        needed |= (
            {"app_token": "in the mode socket"}
            if self.mode == "socket"
            else {"signing_secret": "in the mode http"}
        )
        for name in ("bot_token", "app_token", "signing_secret"):
            given = [n for n in (name, f"{name}_file") if getattr(self, n) is not None]
            if len(given) > 1:
                raise ValueError(f"{name} is given twice: set either it or {name}_file")
            if name in needed and not given:
                raise ValueError(f"{name} or {name}_file is needed {needed[name]}")
        return self

    def runbook_of(self, category: str) -> str:
        """Where the runbook for incidents of *category* is; empty if nobody said."""
        return (self.runbook or "").replace("{category}", category)

    def channel_of(self, priority: str) -> str:
        """Where the card of an incident of that priority goes."""
        return self.channels.get(Priority(priority), self.channel)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names by which Slack is reached: the Web API, the socket, the answers to a click."""
        host = urlsplit(self.base_url).hostname or ""
        if host != "slack.com":
            return (host,)
        return (host, "wss-primary.slack.com", "wss-backup.slack.com", "hooks.slack.com")

    def secret(self, name: Literal["bot_token", "app_token", "signing_secret"]) -> str:
        """A token's or the signing secret's text. Raises `ConfigurationError` if its file cannot be read."""
        given: SecretStr | None = getattr(self, name)
        if given is not None:
            return given.get_secret_value().strip()
        file: Path | None = getattr(self, f"{name}_file")
        if file is None:
            raise ConfigurationError(
                f"slack.{name}: expected it or slack.{name}_file, found neither"
            )
        try:
            return file.expanduser().read_text().strip()
        except OSError as error:
            raise ConfigurationError(f"slack.{name}_file: {file}: {error.strerror}") from error
