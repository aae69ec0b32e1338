"""A ring of AES-256 keys with ids: one is active, the older ones still open what they sealed."""

import base64
import json
import os
import re
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from responder.errors import StateError

_NONCE = 12  # bytes, NIST SP 800-38D section 8.2
_ID_LENGTH = 64


class Tampered(StateError):
    """Sealed bytes were changed since, or were never sealed with that key."""


class UnknownKey(StateError):
    """Sealed bytes name a key that is not in the ring: it is missing here, or never was ours."""


class KeyRing:
    """AES-256-GCM (NIST SP 800-38D) with random 96-bit nonces and the key id as bound data."""

    def __init__(
        self, keys: dict[str, bytes], active: str, retired: dict[str, datetime] | None = None
    ) -> None:
        if active not in keys:
            raise StateError(f"the key ring's active key {active!r} is not in it: {sorted(keys)}")
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}
        self._keys = keys
        self.active = active
        self.retired = {name: at for name, at in (retired or {}).items() if name in keys}

    @property
    def ids(self) -> list[str]:
        """The ids of all keys, sorted."""
        return sorted(self._keys)

    @classmethod
    def fresh(cls) -> "KeyRing":
        """A ring of one new key, named by the day."""
        name, key = _fresh_key()
        return cls({name: key}, name)

    def rotated(self, now: datetime | None = None) -> "KeyRing":
        """This ring with one more key, which is active; everything sealed before still opens."""
        name, key = _fresh_key()
        at = now or datetime.now(UTC)
        retired = {**dict.fromkeys(self._keys, at), **self.retired}
        return KeyRing({**self._keys, name: key}, name, retired)

    def past(self, retention: timedelta, now: datetime) -> list[str]:
        """The ids of keys that ceased to be active *retention* ago or longer, sorted."""
        old = [name for name, at in self.retired.items() if at + retention <= now]
        return sorted(name for name in old if name != self.active)

    def without(self, names: list[str]) -> "KeyRing":
        """This ring without some keys: what is still sealed by them is lost."""
        left = {name: key for name, key in self._keys.items() if name not in names}
        return KeyRing(left, self.active, self.retired)

    @classmethod
    def load(cls, path: Path) -> "KeyRing":
        """The ring kept at *path*."""
        try:
            kept = json.loads(path.read_text())
            keys = {name: base64.b64decode(key) for name, key in kept["keys"].items()}
            retired = {
                name: datetime.fromisoformat(at) for name, at in kept.get("retired", {}).items()
            }
            return cls(keys, kept["active"], retired)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StateError(f"the key ring {path} cannot be read: {error}") from error

    def save(self, path: Path) -> None:
        """Keep the ring at *path*, readable by this user only, replaced as a whole."""
        kept = {name: base64.b64encode(key).decode() for name, key in self._keys.items()}
        retired = {name: at.isoformat() for name, at in self.retired.items()}
        whole = {"active": self.active, "keys": kept, "retired": retired}
        write_private(path, json.dumps(whole, indent=1).encode())

    @classmethod
    def at(cls, path: Path) -> "KeyRing":
        """The ring kept at *path*; a new one is made if there is none."""
        if not path.exists():
            cls.fresh().save(path)
        return cls.load(path)

    def seal(self, clear: bytes, *, purpose: str) -> tuple[str, bytes]:
        """The active key's id, and *clear* sealed for *purpose*."""
        nonce = os.urandom(_NONCE)
        bound = f"{purpose}|{self.active}".encode()
        return self.active, nonce + self._ciphers[self.active].encrypt(nonce, clear, bound)

    def open(self, key: str, sealed: bytes, *, purpose: str) -> bytes:
        """What was sealed. Raises `UnknownKey`, or `Tampered` for another purpose or a changed byte."""
        if key not in self._ciphers:
            raise UnknownKey(
                f"key {key!r} is not in the key ring: {self.ids}; put it back to read this"
            )
        bound = f"{purpose}|{key}".encode()
        try:
            return self._ciphers[key].decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)
        except (InvalidTag, ValueError) as error:  # too short even for a nonce
            raise Tampered(f"what key {key!r} sealed for {purpose} was changed since") from error

    def seal_whole(self, clear: bytes, *, purpose: str) -> bytes:
        """Sealed bytes that carry their key's id in front."""
        key, sealed = self.seal(clear, purpose=purpose)
        return bytes([len(key)]) + key.encode() + sealed

    def open_whole(self, sealed: bytes, *, purpose: str) -> bytes:
        """What `seal_whole` sealed."""
        length = sealed[0] if sealed else 0
        if not 0 < length <= _ID_LENGTH:
            raise StateError(f"bytes kept for {purpose} do not begin with a key id")
        key = sealed[1 : 1 + length].decode("ascii", "replace")
        return self.open(key, sealed[1 + length :], purpose=purpose)


def key_of(sealed: bytes) -> str:
    """The id of the key that `seal_whole` sealed with."""
    return sealed[1 : 1 + (sealed[0] if sealed else 0)].decode("ascii", "replace")


def is_key_id(text: str) -> bool:
    """Whether *text* has the form of the ids that rings give their keys."""
    return re.fullmatch(r"k-\d{8}-[0-9a-f]{6}", text) is not None


def _fresh_key() -> tuple[str, bytes]:
    return f"k-{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(3)}", secrets.token_bytes(32)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only this user can read, all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
