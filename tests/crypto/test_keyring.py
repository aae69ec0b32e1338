import base64
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.crypto.keyring import KeyRing, write_private
from responder.errors import StateError

RING = KeyRing({"old": b"o" * 32, "new": b"n" * 32}, "new")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.text("abc/|", min_size=1, max_size=10))
def test_what_was_sealed_opens_for_its_purpose(clear: bytes, purpose: str) -> None:
    assert RING.open_whole(RING.seal_whole(clear, purpose=purpose), purpose=purpose) == clear


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40), st.data())
def test_a_changed_bit_anywhere_never_opens(clear: bytes, data: st.DataObject) -> None:
    sealed = bytearray(RING.seal_whole(clear, purpose="totp/ana"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(StateError):
        RING.open_whole(bytes(sealed), purpose="totp/ana")


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=80))
def test_bytes_that_were_never_sealed_are_a_state_error(junk: bytes) -> None:
    with pytest.raises(StateError):
        RING.open_whole(junk, purpose="totp/ana")


@pytest.mark.parametrize("length", range(33))
def test_a_sealed_value_that_was_cut_short_never_opens(length: int) -> None:
    sealed = RING.seal_whole(b"secret", purpose="totp/ana")
    with pytest.raises(StateError):
        RING.open_whole(sealed[:length], purpose="totp/ana")


def test_what_was_sealed_for_one_person_does_not_open_for_another() -> None:
    sealed = RING.seal_whole(b"secret", purpose="totp/ana")
    with pytest.raises(StateError, match="was changed since"):
        RING.open_whole(sealed, purpose="totp/ben")


def test_a_sealed_value_does_not_open_under_another_key_s_name() -> None:
    key, sealed = RING.seal(b"secret", purpose="p")
    assert key == "new"
    with pytest.raises(StateError):
        RING.open("old", sealed, purpose="p")


def test_a_key_that_is_not_in_the_ring_is_named() -> None:
    with pytest.raises(StateError, match=r"key 'k-9' is not in the key ring: \['new', 'old'\]"):
        RING.open("k-9", b"", purpose="p")


def test_equal_values_are_sealed_differently() -> None:
    assert len({RING.seal_whole(b"x", purpose="p") for _ in range(50)}) == 50


def test_a_rotated_ring_seals_with_the_new_key_and_opens_the_old() -> None:
    sealed = RING.seal_whole(b"x", purpose="p")
    rotated = RING.rotated()
    assert rotated.active not in RING.ids
    assert rotated.open_whole(sealed, purpose="p") == b"x"
    with pytest.raises(StateError):
        RING.open_whole(rotated.seal_whole(b"x", purpose="p"), purpose="p")


def test_a_ring_is_kept_for_this_user_alone_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ring.json"
    made = KeyRing.at(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    again = KeyRing.at(path)
    assert (again.ids, again.active) == (made.ids, made.active)
    assert again.open_whole(made.seal_whole(b"x", purpose="p"), purpose="p") == b"x"


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "null", "7", '"x"', "{}", '{"keys": {}, "active": "a"}',
        '{"keys": [], "active": "a"}', '{"keys": {"a": "not base64!"}, "active": "a"}',
        '{"keys": {"a": 7}, "active": "a"}',
        json.dumps({"keys": {"a": base64.b64encode(b"short").decode()}, "active": "a"}),
        '{"keys": {"a": ""}, "active": "b"}',
    ],
)  # fmt: skip
def test_a_ring_that_cannot_be_read_is_a_state_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ring.json"
    path.write_text(content)
    with pytest.raises(StateError, match="key ring"):
        KeyRing.load(path)
    assert path.read_text() == content


def test_a_private_file_is_replaced_as_a_whole_and_never_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    before = os.umask(0)
    try:
        write_private(path, b"one")
        write_private(path, b"two")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["secret"]  # noqa: PTH208 - names are what is asked


def test_a_ring_remembers_when_its_keys_were_retired_and_which_are_past_their_retention(
    tmp_path: Path,
) -> None:
    march, april = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
    month = timedelta(days=30)
    first = KeyRing.fresh()
    ring = first.rotated(march).rotated(april)
    ring.save(tmp_path / "ring.json")
    ring = KeyRing.load(tmp_path / "ring.json")
    assert ring.retired[first.active] == march
    assert ring.past(month, march + month - timedelta(seconds=1)) == []
    assert ring.past(month, april) == [first.active]
    left = ring.without(ring.past(month, april))
    assert first.active not in left.ids
    assert ring.active not in ring.past(month, april + 100 * month)
    with pytest.raises(StateError, match="is not in the key ring"):
        left.open_whole(first.seal_whole(b"x", purpose="p"), purpose="p")
