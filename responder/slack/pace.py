"""
How fast Slack may be spoken to: one message a second and channel, and what its 429 answers ask for.

Sources: docs.slack.dev/apis/web-api/rate-limits (chat.postMessage: about one message a second and
channel, short bursts above it are not promised; chat.update: tier 3, 50 a minute and workspace;
429 with Retry-After in seconds, for the one method).
"""

import time
from collections.abc import Callable

_POST_EVERY = 1.0  # seconds, of a channel
_EDIT_EVERY = 60 / 50  # seconds, of the workspace
_EDITS = "chat.update"
_PACED = frozenset({"chat.postMessage", _EDITS})


class Pace:
    """When each method may be called next, for each channel."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next: dict[tuple[str, str], float] = {}
        self._until: dict[tuple[str, str], float] = {}

    def wait(self, method: str, channel: str = "") -> float:
        """Seconds until *method* may be called for *channel*; 0: now."""
        now = self._clock()
        at = max(
            self._until.get((method, channel), now), self._next.get(_lane(method, channel), now)
        )
        return max(0.0, at - now)

    def calls(self, method: str, channel: str = "") -> None:
        """Note that *method* is called now, so that the next call waits its turn."""
        if method in _PACED:
            every = _EDIT_EVERY if method == _EDITS else _POST_EVERY
            self._next[_lane(method, channel)] = self._clock() + every

    def turn(self, method: str, channel: str = "") -> float:
        """Take the next free turn; seconds until it comes."""
        wait = self.wait(method, channel)
        if method in _PACED:
            every = _EDIT_EVERY if method == _EDITS else _POST_EVERY
            self._next[_lane(method, channel)] = self._clock() + wait + every
        return wait

    def stopped(self, method: str, channel: str, seconds: float) -> None:
        """Slack said 429: *method* rests for *channel* as long as it asks."""
        self._until[method, channel] = self._clock() + seconds


def _lane(method: str, channel: str) -> tuple[str, str]:
    return (method, "") if method == _EDITS else (method, channel)
