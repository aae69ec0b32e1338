"""
The RSA keys that sign API tokens: one signs, an older one verifies until its last token has ended.

They are the runner's own and in its state folder, for `serve` alone. The signing keys that the runner
rotates for others (`key_rotation`) are workers' work, and no token signed with one lets anybody in.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from responder.crypto.keyring import write_private
from responder.errors import StateError

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

BITS: Final = 2048  # NIST SP 800-131A: the least for RSA signatures
ALGORITHM: Final = "RS256"


@dataclass(frozen=True)
class _Kept:
    private: str  # PEM
    public: str
    until: datetime | None  # None: it signs


class TokenKeys:
    """The keys kept at *path*; another process may rotate them, which is seen by the file's time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._active = ""
        self._kept: dict[str, _Kept] = {}
        self._public: dict[str, RSAKey] = {}

    def make_missing(self) -> None:
        """Make the first key if there is none; that takes a fraction of a second."""
        if not self._path.exists():
            kid, key = _fresh()
            self._save(kid, {kid: key})

    def signing(self) -> tuple[str, "RSAKey"]:
        """The id and the private half of the key that signs."""
        from joserfc.jwk import RSAKey  # noqa: PLC0415 - a third of a second, only with tokens

        self.make_missing()
        self._look()
        return self._active, RSAKey.import_key(self._kept[self._active].private)

    def verifying(self, kid: str, now: datetime) -> "RSAKey | None":
        """The public half of that key, if its signatures are accepted at *now*; parsed once."""
        if kid not in self._kept and self._path.exists():
            self._look()
        kept = self._kept.get(kid)
        if kept is None or (kept.until is not None and kept.until <= now):
            return None
        if kid not in self._public:
            from joserfc.jwk import RSAKey  # noqa: PLC0415 - see above

            self._public[kid] = RSAKey.import_key(kept.public)
        return self._public[kid]

    def accepted(self, now: datetime) -> list[str]:
        """The ids of the keys whose signatures are accepted at *now*, the one that signs first."""
        self.make_missing()
        self._look()
        older = [
            kid for kid, kept in self._kept.items() if kept.until is not None and kept.until > now
        ]
        return [self._active, *sorted(older, reverse=True)]

    def key_set(self, now: datetime) -> dict[str, Any]:
        """The public halves (RFC 7517), for whoever checks a token of ours elsewhere."""
        keys = []
        for kid in self.accepted(now):
            if key := self.verifying(kid, now):
                public = key.as_dict(private=False)
                keys.append({**public, "kid": kid, "use": "sig", "alg": ALGORITHM})
        return {"keys": keys}

    def rotate(self, now: datetime, until: datetime) -> str:
        """Sign with a new key from now on; the old one verifies until *until*. Returns the new id."""
        self.make_missing()
        self._look()
        kid, key = _fresh()
        old = self._kept[self._active]
        kept = {
            **self._kept,
            self._active: _Kept(old.private, old.public, until),
            kid: key,
        }
        self._save(kid, {k: v for k, v in kept.items() if v.until is None or v.until > now})
        self._look()
        return kid

    def _look(self) -> None:
        """Read the file again if it is another one than the last time."""
        try:
            found = self._path.stat()
            if self._seen == (found.st_mtime_ns, found.st_ino):
                return
            whole = json.loads(self._path.read_text())
            kept = {kid: _read(one) for kid, one in whole["keys"].items()}
            active = next(kid for kid in kept if kid == whole["active"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
            raise StateError(
                f"the keys of API tokens {self._path} cannot be read: {type(error).__name__}: "
                f"{error}\n\nhint: restore the file, or remove it: every token ends, and new ones are signed"
            ) from error
        self._active, self._kept = active, kept
        self._public = {kid: key for kid, key in self._public.items() if kid in kept}
        self._seen = (found.st_mtime_ns, found.st_ino)

    def _save(self, active: str, kept: Mapping[str, _Kept]) -> None:
        keys = {
            kid: {
                "private": one.private,
                "public": one.public,
                "until": one.until.isoformat() if one.until else None,
            }
            for kid, one in kept.items()
        }
        write_private(self._path, json.dumps({"active": active, "keys": keys}, indent=1).encode())


def _read(one: Mapping[str, Any]) -> _Kept:
    until = one["until"]
    return _Kept(
        one["private"], one["public"], None if until is None else datetime.fromisoformat(until)
    )


def _fresh() -> tuple[str, _Kept]:
    from joserfc.jwk import RSAKey  # noqa: PLC0415 - see above

    key = RSAKey.generate_key(BITS)
    kept = _Kept(key.as_pem(private=True).decode(), key.as_pem(private=False).decode(), None)
    return f"t-{secrets.token_hex(6)}", kept
