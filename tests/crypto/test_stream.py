from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.crypto.keyring import KeyRing, Tampered, UnknownKey
from responder.crypto.stream import CHUNK, MAGIC, open_stream, seal_stream
from responder.errors import StateError

RING = KeyRing.fresh()
SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5)


def sealed(clear: bytes, *, purpose: str = "a file", piece: int = 10_000) -> bytes:
    pieces = (clear[i : i + piece] for i in range(0, len(clear), piece))
    return b"".join(seal_stream(RING, pieces, purpose=purpose))


def opened(kept: bytes, *, ring: KeyRing = RING, purpose: str = "a file") -> bytes:
    return b"".join(
        open_stream(ring, (kept[i : i + 777] for i in range(0, len(kept), 777)), purpose=purpose)
    )


def parts(kept: bytes) -> tuple[bytes, list[bytes]]:
    """The header and the sealed chunks."""
    length = len(MAGIC) + 2 + int.from_bytes(kept[len(MAGIC) : len(MAGIC) + 2], "big")
    body = kept[length:]
    return kept[:length], [body[i : i + CHUNK + 16] for i in range(0, len(body), CHUNK + 16)]


@pytest.mark.parametrize("size", SIZES)
def test_what_was_sealed_opens_again(size: int) -> None:
    clear = bytes(i % 251 for i in range(size))
    kept = sealed(clear)
    assert opened(kept) == clear
    assert clear[:40] not in kept or not clear[:40].strip(b"\0")
    assert kept != sealed(clear), "the same clear text was sealed to the same bytes"


@given(clear=st.binary(max_size=300), pieces=st.lists(st.integers(1, 50), max_size=20))
def test_the_sizes_that_bytes_come_in_do_not_matter(clear: bytes, pieces: list[int]) -> None:
    def cut(data: bytes) -> Iterator[bytes]:
        for size in pieces:
            yield data[:size]
            data = data[size:]
        yield data

    kept = b"".join(seal_stream(RING, cut(clear), purpose="x"))
    assert b"".join(open_stream(RING, cut(kept), purpose="x")) == clear


@given(at=st.integers(0, 2 * CHUNK), flip=st.integers(1, 255))
def test_no_byte_can_be_changed(at: int, flip: int) -> None:
    kept = bytearray(sealed(bytes(2 * CHUNK)))
    kept[at % len(kept)] ^= flip
    with pytest.raises(StateError):  # `Tampered`, or a header that names no key of ours
        opened(bytes(kept))


def test_chunks_cannot_be_moved_repeated_left_out_or_cut_off() -> None:
    header, chunks = parts(sealed(bytes(3 * CHUNK + 5)))
    one, two, three, four = chunks
    assert opened(header + b"".join(chunks)) == bytes(3 * CHUNK + 5)
    for wrong in (
        [two, one, three, four], [one, one, two, three, four], [one, three, four],
        [one, two, three], [one], [], [four], [one, two, three, four, four], [one, two, three, four[:-1]],
    ):  # fmt: skip
        with pytest.raises(Tampered, match="changed, moved or cut off"):
            opened(header + b"".join(wrong))


def test_a_chunk_of_another_stream_does_not_fit() -> None:
    header, chunks = parts(sealed(bytes(2 * CHUNK)))
    _, others = parts(sealed(bytes(2 * CHUNK)))
    with pytest.raises(Tampered, match="chunk 1 of what was sealed"):
        opened(header + chunks[0] + others[1])


def test_it_opens_only_for_its_purpose_and_with_its_key() -> None:
    kept = sealed(b"what", purpose="this file")
    with pytest.raises(Tampered):
        opened(kept, purpose="that file")
    with pytest.raises(UnknownKey):
        opened(
            kept,
            ring=KeyRing({"k-20260101-000000": bytes(32)}, "k-20260101-000000"),
            purpose="this file",
        )
    ring = RING.rotated()
    assert opened(kept, ring=ring, purpose="this file") == b"what"


@pytest.mark.parametrize(
    "junk", [b"", b"x", MAGIC, MAGIC + b"\0", MAGIC + b"\xff\xff" + b"x" * 99, b"y" * 5000]
)
def test_what_is_no_sealed_stream_is_told(junk: bytes) -> None:
    with pytest.raises(StateError, match=r"begin|key"):
        opened(junk)
