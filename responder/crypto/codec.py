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

from responder.crypto.keyring import KeyRing, Tampered, UnknownKey, is_key_id

log = structlog.get_logger(__name__)

ENCODING = b"binary/encrypted-aes256gcm"
_PURPOSE = "temporal-payload"
_MOST_REPORTED = 64  # a stranger can name a new key in every payload, and the log is not theirs


class Unencrypted(ValueError):
    """A payload came that our codec did not write."""


class SealedPayloads(PayloadCodec):
    """AES-256-GCM over each whole payload; the key's id travels in clear beside it."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._reported: set[str] = set()

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self.seal(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """
        What was sealed, opened; what a stranger wrote, replaced by nothing.

        Raising would have Temporal try the workflow's task again for ever: one forged signal could
        stop an incident. As nothing, it is a signal with an argument that no handler takes.

        What names a key that is not in the ring may be a stranger's, or ours while a key is missing
        here. It stays sealed, and no converter takes it: a signal with it is dropped, anything that
        a workflow asked for fails that workflow's task, which is tried again until the key is back.
        """
        opened = []
        for payload in payloads:
            try:
                opened.append(self.open(payload))
            except UnknownKey as error:
                self._report(_key_of(payload), error)
                opened.append(payload)
            except (Unencrypted, Tampered) as error:
                log.warning("payload_refused", said=str(error)[:200])
                opened.append(Payload(metadata={"encoding": b"binary/null"}))
        return opened

    def _report(self, key: str, error: UnknownKey) -> None:
        """Say that a key is missing: an error, and once, if it has the form of our own ids."""
        if not is_key_id(key):
            log.warning("payload_refused", said=str(error)[:200])
        elif key not in self._reported and len(self._reported) < _MOST_REPORTED:
            self._reported.add(key)
            log.error("payload_key_missing", key=key, said=str(error)[:200])

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
        return Payload.FromString(self._ring.open(_key_of(payload), payload.data, purpose=_PURPOSE))


def _key_of(payload: Payload) -> str:
    return payload.metadata.get("encryption-key-id", b"").decode("ascii", "replace")


def sealed_converter(ring: KeyRing) -> DataConverter:
    """Pydantic values in, ciphertext out; failure messages and stack traces are sealed as well."""
    return dataclasses.replace(
        pydantic_data_converter,
        payload_codec=SealedPayloads(ring),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
