"""
Marks: how what we send to Temporal is told from what a stranger sends.

Nothing is believed for having a mark; without one the alarm is raised. The key is one of its own,
since whoever has the key of the payloads is just who is looked for.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from responder.crypto.keyring import write_private
from responder.errors import StateError

HEADER = "responder-mark"
# A call is tried again for seconds, and clocks of two machines differ; a mark that is older was kept.
FRESH = timedelta(minutes=10)

_VERSION = "v1"
_LONGEST = 200  # characters
_KEY = 32  # bytes, as many as SHA-256 gives: RFC 2104 section 3
# What Temporal puts behind the id of a workflow that a schedule starts.
_OCCASION = re.compile(r"-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")


class BadMark(ValueError):
    """What has this mark, or none, was not sent by us."""


class Marks:
    """HMAC-SHA256 (RFC 2104) over purpose, workflow id, time and a nonce."""

    def __init__(self, key: bytes, since: datetime) -> None:
        self._key = key
        self.since = since

    @classmethod
    def load(cls, path: Path) -> "Marks":
        """The key kept at *path*. Raises `StateError` if it cannot be read."""
        try:
            kept = json.loads(path.read_text())
            key, since = base64.b64decode(kept["key"]), datetime.fromisoformat(kept["since"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StateError(f"the key of marks {path} cannot be read: {error}") from error
        if len(key) < _KEY or since.tzinfo is None:
            raise StateError(f"the key of marks {path}: expected {_KEY} bytes and a time with zone")
        return cls(key, since)

    @classmethod
    def at(cls, path: Path) -> "Marks":
        """The key kept at *path*; a new one is made if there is none, and from then on all is marked."""
        if not path.exists():
            kept = {
                "key": base64.b64encode(secrets.token_bytes(_KEY)).decode(),
                "since": datetime.now(UTC).isoformat(),
            }
            write_private(path, json.dumps(kept, indent=1).encode())
        return cls.load(path)

    def make(self, purpose: str, workflow_id: str) -> str:
        """A mark for one call."""
        at, nonce = str(time.time_ns() // 1_000_000), secrets.token_hex(12)
        return self._written(purpose, workflow_id, at, nonce)

    def make_standing(self, workflow_id: str) -> str:
        """The mark that a schedule puts on every workflow it starts: always the same."""
        return self._written("schedule", workflow_id, "0", "0")

    def judge(
        self, mark: str, purposes: tuple[str, ...], workflow_id: str, at: datetime | None
    ) -> str:
        """
        The nonce of a good mark on what happened to *workflow_id* at a time; empty for a schedule's.

        Without a time its age is not judged. Raises `BadMark`, saying what is wrong with it.
        """
        parts = mark.split(".") if 0 < len(mark) <= _LONGEST else []
        if len(parts) != 5:  # noqa: PLR2004 - version, purpose, time, nonce, digest
            raise BadMark("it has no mark of ours")
        _, purpose, made, nonce, _ = parts
        about = _OCCASION.sub("", workflow_id) if purpose == "schedule" else workflow_id
        good = self._written(purpose, about, made, nonce)
        if not hmac.compare_digest(good.encode(), mark.encode()):
            raise BadMark("its mark is forged, or was made for something else")
        if purpose not in purposes:
            raise BadMark(f"its mark was made for a {purpose}")
        if purpose == "schedule":
            return ""
        if at is not None and abs(at - datetime.fromtimestamp(int(made) / 1000, UTC)) > FRESH:
            raise BadMark("its mark was made at another time: it was kept, or a clock is wrong")
        return nonce

    def _written(self, purpose: str, workflow_id: str, at: str, nonce: str) -> str:
        said = f"{_VERSION}\n{purpose}\n{at}\n{nonce}\n{workflow_id}".encode()
        digest = hmac.new(self._key, said, hashlib.sha256).hexdigest()
        return f"{_VERSION}.{purpose}.{at}.{nonce}.{digest}"
