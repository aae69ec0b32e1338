"""One thing that somebody did in Slack: a button, a modal or a command, proved to come from Slack."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from responder.incident import Frozen

Kind = Literal["button", "modal", "command"]
_KINDS: dict[str, Kind] = {"block_actions": "button", "view_submission": "modal"}


class Heard(Frozen):
    """
    What Slack says that somebody did; *payload* is all of it, as Slack's documentation names the parts.

    It was acknowledged before anybody looked at it, and it is handed on once however often Slack
    sends it. Who *user* is to us, and whether they may, is not known yet.
    """

    kind: Kind
    key: str
    payload: dict[str, Any]
    team: str
    user: str
    enterprise: str = ""
    app: str = ""
    channel: str = ""
    response_url: str = ""
    trigger_id: str = ""

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> "Heard | None":
        """What a payload says, of an interaction or a command; None for a kind that nobody answers."""
        if "command" in payload:
            return cls._command(payload)
        kind = _KINDS.get(_text(payload.get("type")))
        if kind is None:
            return None
        user, team = _part(payload, "user"), _part(payload, "team")
        urls = payload.get("response_urls")
        first = urls[0] if isinstance(urls, list) and urls and isinstance(urls[0], dict) else {}
        return cls(
            kind=kind,
            key=_key(payload),
            payload=dict(payload),
            # Of the user: in a channel that is shared with another workspace it is not that of `team`.
            team=_text(user.get("team_id")) or _text(team.get("id")),
            user=_text(user.get("id")),
            enterprise=_text(_part(payload, "enterprise").get("id")),
            app=_text(payload.get("api_app_id")),
            channel=_text(_part(payload, "channel").get("id")),
            response_url=_text(payload.get("response_url")) or _text(first.get("response_url")),
            trigger_id=_text(payload.get("trigger_id")),
        )

    @classmethod
    def _command(cls, payload: Mapping[str, Any]) -> "Heard":
        return cls(
            kind="command",
            key=_key(payload),
            payload=dict(payload),
            team=_text(payload.get("team_id")),
            user=_text(payload.get("user_id")),
            enterprise=_text(payload.get("enterprise_id")),
            app=_text(payload.get("api_app_id")),
            channel=_text(payload.get("channel_id")),
            response_url=_text(payload.get("response_url")),
            trigger_id=_text(payload.get("trigger_id")),
        )


def _key(payload: Mapping[str, Any]) -> str:
    """What a repetition has too: the trigger id, made by Slack for each thing done, else all of it."""
    trigger = _text(payload.get("trigger_id"))
    if trigger:
        return f"trigger/{trigger}"[:128]
    whole = json.dumps(dict(payload), sort_keys=True).encode()
    return f"body/{hashlib.sha256(whole).hexdigest()}"


def _part(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = payload.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
