"""Signatures made with a key's versions, checked with the published set alone."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import SecretBytes

from responder.crypto.jwks import PublishedKeys, signing_key
from responder.crypto.keyring import KeyRing
from responder.errors import StateError
from responder.secrets.contract import version_for
from responder.secrets.material import make
from responder.secrets.sealed import SealedSecrets

KEY = "jwt-signing-key"
RETENTION = timedelta(days=90)
START = datetime(2026, 3, 1, 2, tzinfo=UTC)
V1, V2 = version_for("one", KEY), version_for("two", KEY)


def integer(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def checks(published: dict[str, Any], kid: str, signature: bytes, text: bytes) -> bool:
    for key in published["keys"]:
        if key["kid"] == kid:
            public = RSAPublicNumbers(integer(key["e"]), integer(key["n"])).public_key()
            try:
                public.verify(signature, text, PKCS1v15(), SHA256())
            except InvalidSignature:
                return False
            return True
    return False


async def test_no_signature_is_ever_unknown_during_a_rotation(tmp_path: Path) -> None:
    now = START
    ring = KeyRing.fresh()
    store = SealedSecrets(tmp_path, lambda: ring, now=lambda: now)

    async def published() -> dict[str, Any]:
        return await PublishedKeys(store, [(KEY, RETENTION)]).key_set(now)

    async def sign() -> bytes:
        pem = (await store.get(KEY)).get_secret_value()
        return signing_key(pem, KEY).sign(b"token", PKCS1v15(), SHA256())

    await store.put(KEY, V1, make("rsa", 2048))
    await store.promote(KEY, V1)
    old = await sign()
    await store.put(KEY, V2, make("rsa", 2048))
    early = await published()  # what a verifier may still have when V2 begins to sign
    await store.promote(KEY, V2)
    new = await sign()
    assert checks(early, V2, new, b"token")
    assert checks(await published(), V1, old, b"token")
    assert not checks(await published(), V1, new, b"token")
    now = START + RETENTION
    assert [key["kid"] for key in (await published())["keys"]] == [V2]
    assert {key["alg"] for key in early["keys"]} == {"RS256"}
    assert not any({"d", "p", "q", "dp", "dq", "qi"} & set(key) for key in early["keys"])


async def test_a_revoked_version_is_no_longer_published(tmp_path: Path) -> None:
    ring = KeyRing.fresh()
    store = SealedSecrets(tmp_path, lambda: ring)
    await store.put(KEY, V1, make("rsa", 2048))
    await store.promote(KEY, V1)
    await store.revoke(KEY, V1)
    assert await PublishedKeys(store, [(KEY, RETENTION)]).key_set(datetime.now(UTC)) == {"keys": []}


async def test_the_store_is_asked_at_most_every_ten_seconds(tmp_path: Path) -> None:
    ring = KeyRing.fresh()
    store = SealedSecrets(tmp_path, lambda: ring)
    published = PublishedKeys(store, [(KEY, RETENTION)])
    assert await published.key_set(START) == {"keys": []}
    await store.put(KEY, V1, make("rsa", 2048))
    assert await published.key_set(START + timedelta(seconds=9)) == {"keys": []}
    found: Any = await published.key_set(START + timedelta(seconds=10))
    assert [key["kid"] for key in found["keys"]] == [V1]


@pytest.mark.parametrize("kind", ["rsa", "aes"])
def test_a_size_that_is_no_standard_one_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match="found 1024"):
        make(kind, 1024)


def test_what_is_no_rsa_key_is_said_without_being_quoted() -> None:
    with pytest.raises(StateError) as told:
        signing_key(make("aes", 256).get_secret_value(), KEY)
    assert str(told.value) == f"{KEY}: expected an RSA key in PEM and found something else"
    assert isinstance(make("rsa", 2048), SecretBytes)
