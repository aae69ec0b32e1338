"""
The public halves of a signing key's versions, as a JSON Web Key Set (RFC 7517).

A pending version is published before anything is signed with it, and a previous one for as long
as its retention: verifiers that read the set now and then meet no signature that they cannot check.
"""

import asyncio
import base64
from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import JsonValue

from responder.errors import StateError
from responder.secrets.contract import ACCEPTED, SecretStore, Version

ALGORITHM = "RS256"
MAX_AGE = timedelta(minutes=10)  # for which a verifier may keep a set: its Cache-Control
_REFRESH = timedelta(seconds=10)


def published(versions: Sequence[Version], retention: timedelta, now: datetime) -> list[Version]:
    """The versions whose signatures are accepted at *now*, oldest first."""
    return [
        one
        for one in versions
        if one.stage in ACCEPTED and ((until := one.kept_until(retention)) is None or until > now)
    ]


def signing_key(pem: bytes, secret: str) -> RSAPrivateKey:
    """The private key that *pem* holds. Raises `StateError` for anything but RSA."""
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError):  # its own words may quote the key
        raise StateError(f"{secret}: expected an RSA key in PEM and found something else") from None
    if not isinstance(key, RSAPrivateKey):
        raise StateError(f"{secret}: expected an RSA key, found {type(key).__name__}")
    return key


class PublishedKeys:
    """The set of every accepted version of some secrets; asked of the store at most every 10 seconds."""

    def __init__(self, store: SecretStore, secrets: Sequence[tuple[str, timedelta]]) -> None:
        self._store = store
        self._secrets = secrets
        self._public: dict[str, JsonValue] = {}
        self._set: dict[str, JsonValue] | None = None
        self._until: datetime | None = None
        self._one_at_a_time = asyncio.Lock()

    async def key_set(self, now: datetime) -> dict[str, JsonValue]:
        """The set as it is at *now*. Anybody may ask for it, so it costs little."""
        async with self._one_at_a_time:
            if self._set is None or self._until is None or now >= self._until:
                self._set = {
                    "keys": [k for one in self._secrets for k in await self._of(*one, now)]
                }
                self._until = now + _REFRESH
            return self._set

    async def _of(self, secret: str, retention: timedelta, now: datetime) -> list[JsonValue]:
        found = []
        for version in published(await self._store.versions(secret), retention, now):
            if version.id not in self._public:
                pem = (await self._store.get(secret, version.id)).get_secret_value()
                key = await asyncio.to_thread(signing_key, pem, secret)
                self._public[version.id] = _public(key, version.id)
            found.append(self._public[version.id])
        return found


def _public(key: RSAPrivateKey, version: str) -> dict[str, JsonValue]:
    """RFC 7518 section 6.3.1: modulus and exponent, big-endian, base64url without padding."""
    numbers = key.public_key().public_numbers()
    return {
        "kty": "RSA",
        "use": "sig",
        "alg": ALGORITHM,
        "kid": version,
        "n": _number(numbers.n),
        "e": _number(numbers.e),
    }


def _number(value: int) -> str:
    octets = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
