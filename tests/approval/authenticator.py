"""
An authenticator and the browser before it, in software, by W3C WebAuthn level 2.

It does what they do and no more: section 6.1 authenticator data, 6.3.2 making a credential, 6.3.3 an
assertion, 6.5.1.1 the COSE key of ES256, 8.7 attestation "none", 5.8.1 the client data. What a test
makes differ is named, so that everything else stays right.
"""

import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40  # section 6.1's flags UP, UV and AT
_AAGUID = bytes(16)
_ES256, _EC2, _P256 = -7, 2, 1  # RFC 9053


@dataclass
class Authenticator:
    """One device with one owner; *origin* is where its browser is."""

    origin: str
    counts: bool = True
    """Whether it counts its signatures, as security keys do; passkeys that are synchronised do not."""
    flags: int = PRESENT | VERIFIED
    count: int = 0
    keys: dict[str, tuple[ec.EllipticCurvePrivateKey, str, bytes]] = field(default_factory=dict)

    def create(self, options: dict[str, Any], **changed: Any) -> dict[str, Any]:
        """`navigator.credentials.create()`, as its `toJSON()` says it."""
        assert {"type": "public-key", "alg": _ES256} in options["pubKeyCredParams"]
        assert not {one["id"] for one in options["excludeCredentials"]} & set(self.keys)
        credential, key = secrets.token_bytes(32), ec.generate_private_key(ec.SECP256R1())
        host, handle = options["rp"]["id"], base64url_to_bytes(options["user"]["id"])
        self.keys[bytes_to_base64url(credential)] = (key, host, handle)
        attested = _AAGUID + struct.pack(">H", len(credential)) + credential + _cose(key)
        data = self._data(changed.pop("rp_id", host), ATTESTED) + attested
        statement = {"fmt": "none", "attStmt": {}, "authData": data}
        return self._credential(credential) | {
            "response": {
                "clientDataJSON": self._client("webauthn.create", options, changed),
                "attestationObject": bytes_to_base64url(cbor2.dumps(statement)),
                "transports": ["internal"],
            }
        }

    def get(self, options: dict[str, Any], **changed: Any) -> dict[str, Any]:
        """`navigator.credentials.get()`, as its `toJSON()` says it."""
        [name] = [one["id"] for one in options["allowCredentials"] if one["id"] in self.keys][:1]
        key, host, handle = self.keys[name]
        assert host == options["rpId"], "a browser offers no other site's credentials"
        data = self._data(changed.pop("rp_id", host), 0)
        client = self._client("webauthn.get", options, changed)
        signed = data + hashlib.sha256(base64url_to_bytes(client)).digest()
        return self._credential(base64url_to_bytes(name)) | {
            "response": {
                "clientDataJSON": client,
                "authenticatorData": bytes_to_base64url(data),
                "signature": bytes_to_base64url(key.sign(signed, ec.ECDSA(SHA256()))),
                "userHandle": bytes_to_base64url(handle),
            }
        }

    def _data(self, host: str, more: int) -> bytes:
        self.count += self.counts
        return hashlib.sha256(host.encode()).digest() + struct.pack(
            ">BI", self.flags | more, self.count
        )

    def _client(self, kind: str, options: dict[str, Any], changed: dict[str, Any]) -> str:
        made = {"type": kind, "challenge": options["challenge"], "origin": self.origin}
        return bytes_to_base64url(json.dumps({**made, "crossOrigin": False, **changed}).encode())

    @staticmethod
    def _credential(credential: bytes) -> dict[str, Any]:
        name = bytes_to_base64url(credential)
        return {
            "id": name, "rawId": name, "type": "public-key", "clientExtensionResults": {},
            "authenticatorAttachment": "platform",
        }  # fmt: skip


def _cose(key: ec.EllipticCurvePrivateKey) -> bytes:
    public = key.public_key().public_numbers()
    x, y = (number.to_bytes(32, "big") for number in (public.x, public.y))
    return cbor2.dumps({1: _EC2, 3: _ES256, -1: _P256, -2: x, -3: y})
