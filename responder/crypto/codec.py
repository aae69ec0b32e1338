"""Temporal's payloads, encrypted: Temporal holds ciphertext, and workers accept nothing else."""

import dataclasses
from collections.abc import Sequence

import structlog
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
)

from responder.crypto.keyring import KeyRing, Tampered

log = structlog.get_logger(__name__)

ENCODING = b"binary/encrypted-aes256gcm"
_PURPOSE = "temporal-payload"


class Unencrypted(ValueError):
    """A payload came that our codec did not write."""


class SealedPayloads(PayloadCodec):
    """AES-256-GCM over each whole payload; the key's id travels in clear beside it."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self.seal(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """
        What was sealed, opened; what a stranger wrote, replaced by nothing.

        Raising for a stranger's payload would have Temporal try the workflow's task again for ever:
        one forged signal could stop an incident. As nothing, it is a signal with an argument that
        no handler takes. A key that is missing here is our own fault, and does raise: it is tried
        again until the key is back.
        """
        opened = []
        for payload in payloads:
            try:
                opened.append(self.open(payload))
            except (Unencrypted, Tampered) as error:
                log.warning("payload_refused", said=str(error)[:200])
                opened.append(Payload(metadata={"encoding": b"binary/null"}))
        return opened

    def seal(self, payload: Payload) -> Payload:
        """One payload, sealed."""
        key, sealed = self._ring.seal(payload.SerializeToString(), purpose=_PURPOSE)
        return Payload(
            metadata={"encoding": ENCODING, "encryption-key-id": key.encode()}, data=sealed
        )

    def open(self, payload: Payload) -> Payload:
        """One payload, opened. Raises `Unencrypted` for what did not come sealed."""
        if payload.metadata.get("encoding") != ENCODING:
            raise Unencrypted(
                f"a payload with encoding {payload.metadata.get('encoding', b'')!r} came where only "
                f"{ENCODING!r} is accepted; it was not read"
            )
        key = payload.metadata.get("encryption-key-id", b"").decode("ascii", "replace")
        return Payload.FromString(self._ring.open(key, payload.data, purpose=_PURPOSE))


def sealed_converter(ring: KeyRing) -> DataConverter:
    """Pydantic values in, ciphertext out; failure messages and stack traces are sealed as well."""
    return dataclasses.replace(
        pydantic_data_converter,
        payload_codec=SealedPayloads(ring),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
