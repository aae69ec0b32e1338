"""Making new key material: what it is, how large, and how it is written."""

import os
from typing import Literal

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretBytes

from responder.rotation import SIZES

Kind = Literal["rsa", "aes"]
_EXPONENT = 65537  # NIST SP 800-56B rev. 2, section 6.2: an odd exponent above 2**16


def make(kind: Kind, size: int) -> SecretBytes:
    """A new key of *size* bits: PKCS #8 PEM for RSA, the bytes themselves for AES."""
    if size not in SIZES[kind]:
        raise ValueError(f"expected a size of {SIZES[kind]} bits for {kind}, found {size}")
    if kind == "aes":
        return SecretBytes(os.urandom(size // 8))
    key = rsa.generate_private_key(public_exponent=_EXPONENT, key_size=size)
    return SecretBytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
