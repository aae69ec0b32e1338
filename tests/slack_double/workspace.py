"""The state of the double: a workspace with channels, messages, people, one app, and its limits."""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

BOT_SCOPES = ("chat:write", "commands", "users:read")
_BURST, _POST_EVERY = 3, 1.0
_EDITS, _EDIT_WINDOW = 50, 60.0


@dataclass
class User:
    """Somebody in the workspace, or a stranger in a channel shared with another one."""

    id: str
    name: str
    team: str = "T0LAB"
    deleted: bool = False
    guest: bool = False
    bot: bool = False

    @property
    def info(self) -> Json:
        """What users.info says."""
        return {
            "id": self.id,
            "team_id": self.team,
            "name": self.name,
            "deleted": self.deleted,
            "is_bot": self.bot,
            "is_restricted": self.guest,
            "is_ultra_restricted": False,
            "profile": {"real_name": self.name},
            "tz": "Europe/Berlin",
        }


@dataclass
class Channel:
    """A channel and what is written in it, by `ts`."""

    id: str
    member: bool = True
    private: bool = False
    archived: bool = False
    messages: dict[str, Json] = field(default_factory=dict)
    tokens: float = _BURST
    filled: float = field(default_factory=time.monotonic)

    def take(self) -> bool:
        """Whether one more message may be posted now."""
        now = time.monotonic()
        self.tokens = min(_BURST, self.tokens + (now - self.filled) / _POST_EVERY)
        self.filled = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass
class Url:
    """A response_url."""

    channel: str
    ts: str
    user: str
    made: float = field(default_factory=time.monotonic)
    used: int = 0


@dataclass
class Workspace:
    """Everything that the double knows."""

    team: str = "T0LAB"
    app: str = "A0LAB"
    bot_token: str = "xoxb-lab-bot"
    app_token: str = "xapp-lab-app"
    signing_secret: str = "0123456789abcdef0123456789abcdef"
    scopes: tuple[str, ...] = BOT_SCOPES
    app_scopes: tuple[str, ...] = ("connections:write",)
    channels: dict[str, Channel] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    views: dict[str, Json] = field(default_factory=dict)
    triggers: dict[str, tuple[float, str]] = field(default_factory=dict)
    urls: dict[str, Url] = field(default_factory=dict)
    private: list[Json] = field(default_factory=list)
    responses: list[Json] = field(default_factory=list)
    calls: list[tuple[str, Json]] = field(default_factory=list)
    answers: list[tuple[str, int, Json, dict[str, str]]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    delay: float = 0.0
    edits: deque[float] = field(default_factory=deque)
    counter: int = 0

    def ts(self) -> str:
        """The next message's `ts`, unique."""
        self.counter += 1
        return f"{int(time.time())}.{self.counter:06d}"

    def may_edit(self) -> bool:
        """Whether one more chat.update may be made now."""
        now = time.monotonic()
        while self.edits and now - self.edits[0] > _EDIT_WINDOW:
            self.edits.popleft()
        if len(self.edits) >= _EDITS:
            return False
        self.edits.append(now)
        return True

    def message(self, channel: str, ts: str) -> Json:
        """One message."""
        return self.channels[channel].messages[ts]
