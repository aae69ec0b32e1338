"""Ed25519 signatures (RFC 8032) over canonical JSON: serve holds the private key, workers do not."""

from pathlib import Path

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from pydantic import JsonValue

from responder.crypto.keyring import write_private
from responder.errors import StateError


class Signer:
    """The private half: only the approval service has it."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def at(cls, private: Path, public: Path) -> "Signer":
        """The key kept at *private*, made with its *public* half if there is none."""
        if not private.exists():
            key = Ed25519PrivateKey.generate()
            write_private(
                private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            )
        try:
            loaded = load_pem_private_key(private.read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:  # TypeError: it wants a password
            raise StateError(
                f"the approval service's key {private} cannot be read: {error}"
            ) from error
        if not isinstance(loaded, Ed25519PrivateKey):
            raise StateError(
                f"{private} holds a {type(loaded).__name__}, not an Ed25519 private key"
            )
        pem = loaded.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        if not public.exists() or public.read_bytes() != pem:
            write_private(public, pem)
        return cls(loaded)

    def sign(self, document: JsonValue) -> str:
        """The signature over *document*, in hex."""
        return self._key.sign(rfc8785.dumps(document)).hex()

    @property
    def verifier(self) -> "Verifier":
        """The public half."""
        return Verifier(self._key.public_key())


class Verifier:
    """The public half: enough to check a decision, not to make one."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key

    @classmethod
    def at(cls, public: Path) -> "Verifier":
        """The key kept at *public*."""
        try:
            loaded = load_pem_public_key(public.read_bytes())
        except (OSError, ValueError) as error:
            raise StateError(
                f"the approval service's public key {public} cannot be read: {error}"
            ) from error
        if not isinstance(loaded, Ed25519PublicKey):
            raise StateError(f"{public} holds a {type(loaded).__name__}, not an Ed25519 public key")
        return cls(loaded)

    def holds(self, document: JsonValue, signature: str) -> bool:
        """Whether *signature* is the approval service's over exactly *document*."""
        try:
            self._key.verify(bytes.fromhex(signature), rfc8785.dumps(document))
        except (InvalidSignature, ValueError):
            return False
        return True
