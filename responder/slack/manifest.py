"""
The app's manifest: what Slack is to allow this program, which is what it uses and nothing more.

Source: docs.slack.dev/reference/app-manifest.
"""

from typing import Any, Literal

# Each with what needs it.
SCOPES = {
    "chat:write": "cards, their threads, answers to one person",
    "commands": "/ir",
    "users:read": "whether who clicks is a guest or was deactivated",
}
LOOKING_BACK = {
    "channels:history": "a card whose posting had no answer is looked for",
    "groups:history": "the same, in a private channel",
}
APP_SCOPES = ("connections:write",)  # of the app-level token, for Socket Mode
COMMAND = "/ir"


def scopes(*, look_back: bool) -> tuple[str, ...]:
    """The bot's scopes."""
    return (*SCOPES, *(LOOKING_BACK if look_back else ()))


def manifest(
    mode: Literal["socket", "http"], origin: str, *, look_back: bool = False
) -> dict[str, Any]:
    """The manifest; *origin* is where Slack reaches this program, in the mode http."""
    over_http = mode == "http"
    command: dict[str, Any] = {
        "command": COMMAND,
        "description": "Incidents: see them, take them, decide",
        "usage_hint": "status | approve INC | deny INC | take INC | help",
        "should_escape": False,
    }
    interactivity: dict[str, Any] = {"is_enabled": True}
    if over_http:
        command["url"] = f"{origin}/slack/commands"
        interactivity["request_url"] = f"{origin}/slack/interactions"
    return {
        "display_information": {
            "name": "responder",
            "description": "Incident response: what is planned, who approves it, what was done.",
        },
        "features": {
            "bot_user": {"display_name": "responder", "always_online": True},
            "slash_commands": [command],
        },
        "oauth_config": {"scopes": {"bot": list(scopes(look_back=look_back))}},
        "settings": {
            "interactivity": interactivity,
            "org_deploy_enabled": False,
            "socket_mode_enabled": not over_http,
            "token_rotation_enabled": False,
        },
    }
