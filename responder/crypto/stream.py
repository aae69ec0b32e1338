"""
Sealing what is too large to hold in memory: AES-256-GCM over chunks, each bound to its place.

The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and
its Nonce-Reuse Misuse-Resistance", CRYPTO 2015): a chunk's nonce is its number and whether it is
the last, so that chunks cannot be changed, moved, repeated, left out, or cut off at the end. Every
stream has a key of its own, which the key ring seals into the header; no nonce meets a key twice.

    header   MAGIC, length of the sealed key (2 bytes, big-endian), the sealed key
    chunk    CHUNK bytes of clear text and a tag of 16; the last one is shorter or as long
"""

from collections.abc import Iterable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from responder.crypto.keyring import KeyRing, Tampered

MAGIC = b"responder sealed stream 1\n"
CHUNK = 65536  # bytes of clear text in a chunk
_TAG = 16  # bytes
_COUNTER = 11  # bytes of the 12-byte nonce; the twelfth says whether the chunk is the last
_LENGTH = 2  # bytes


def seal_stream(ring: KeyRing, chunks: Iterable[bytes], *, purpose: str) -> Iterator[bytes]:
    """*chunks*, sealed for *purpose*; whatever sizes they come in, one chunk is held at a time."""
    key = AESGCM.generate_key(256)
    sealed_key = ring.seal_whole(key, purpose=purpose)
    header = MAGIC + len(sealed_key).to_bytes(_LENGTH, "big") + sealed_key
    yield header
    cipher = AESGCM(key)
    for number, (chunk, last) in enumerate(_framed(chunks, CHUNK)):
        yield cipher.encrypt(_nonce(number, last=last), chunk, header)


def open_stream(ring: KeyRing, sealed: Iterable[bytes], *, purpose: str) -> Iterator[bytes]:
    """
    What `seal_stream` sealed, chunk by chunk.

    Raises `Tampered` at the first chunk that does not belong where it stands, also if the end is
    missing; what was yielded before that is what was sealed there. Raises `UnknownKey` as the ring does.
    """
    pieces = _Pieces(sealed)
    start = pieces.take(len(MAGIC) + _LENGTH)
    if start[: len(MAGIC)] != MAGIC or len(start) < len(MAGIC) + _LENGTH:
        raise Tampered(f"bytes kept for {purpose} do not begin as a sealed stream does")
    sealed_key = pieces.take(int.from_bytes(start[len(MAGIC) :], "big"))
    header = start + sealed_key
    cipher = AESGCM(ring.open_whole(sealed_key, purpose=purpose))
    for number, (chunk, last) in enumerate(_framed(pieces, CHUNK + _TAG)):
        try:
            yield cipher.decrypt(_nonce(number, last=last), chunk, header)
        except (InvalidTag, ValueError) as error:
            raise Tampered(
                f"chunk {number} of what was sealed for {purpose} was changed, moved or cut off"
            ) from error


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(_COUNTER, "big") + (b"\x01" if last else b"\x00")


def _framed(chunks: Iterable[bytes], size: int) -> Iterator[tuple[bytes, bool]]:
    """The bytes of *chunks* in pieces of *size*, and whether each is the last; nothing is one piece."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) > size:
            yield bytes(held[:size]), False
            del held[:size]
    yield bytes(held), True


class _Pieces:
    """Bytes that come in pieces, of which the first few are asked for by number."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = b""

    def take(self, size: int) -> bytes:
        """The next *size* bytes, or fewer if there are no more."""
        while len(self._held) < size and (piece := next(self._pieces, None)) is not None:
            self._held += piece
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def __iter__(self) -> Iterator[bytes]:
        held, self._held = self._held, b""
        yield held
        yield from self._pieces
