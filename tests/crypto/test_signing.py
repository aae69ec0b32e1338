from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import JsonValue

from responder.crypto.signing import Signer, Verifier
from responder.errors import StateError

DOCUMENT: JsonValue = {"ask": "a1", "approve": True, "factors": ["token", "totp"], "reason": "é"}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Where the two halves are kept."""
    return tmp_path / "approvals.key", tmp_path / "approvals.pub"


def test_what_was_signed_holds_with_the_public_half_alone(files: tuple[Path, Path]) -> None:
    signature = Signer.at(*files).sign(DOCUMENT)
    assert Verifier.at(files[1]).holds(DOCUMENT, signature)
    assert files[0].stat().st_mode & 0o777 == 0o600


def test_the_order_of_keys_does_not_matter_and_everything_else_does(
    files: tuple[Path, Path],
) -> None:
    signer = Signer.at(*files)
    assert isinstance(DOCUMENT, dict)
    signature = signer.sign(DOCUMENT)
    holds = signer.verifier.holds
    assert holds(dict(reversed(DOCUMENT.items())), signature)
    changes: tuple[dict[str, JsonValue], ...] = (
        {"approve": False},
        {"approve": 1},
        {"factors": ["totp", "token"]},
        {"x": None},
    )
    for change in changes:
        assert not holds({**DOCUMENT, **change}, signature)
    assert not holds([DOCUMENT], signature)


@pytest.mark.parametrize("signature", ["", "00" * 64, "zz", "é", "0", "00" * 63, "00" * 65])
def test_what_is_not_a_signature_does_not_hold(files: tuple[Path, Path], signature: str) -> None:
    assert not Signer.at(*files).verifier.holds(DOCUMENT, signature)


def test_a_document_that_cannot_be_canonical_does_not_hold(files: tuple[Path, Path]) -> None:
    signer = Signer.at(*files)
    signature = signer.sign(DOCUMENT)
    documents: tuple[JsonValue, ...] = ({"x": float("nan")}, {"x": 2**60}, "\ud800")
    for document in documents:
        assert not signer.verifier.holds(document, signature)


def test_a_start_keeps_the_key_and_restores_a_lost_public_half(files: tuple[Path, Path]) -> None:
    signature = Signer.at(*files).sign(DOCUMENT)
    files[1].unlink()
    assert Signer.at(*files).verifier.holds(DOCUMENT, signature)
    assert Verifier.at(files[1]).holds(DOCUMENT, signature)


def test_another_key_s_signature_does_not_hold(files: tuple[Path, Path], tmp_path: Path) -> None:
    other = Signer.at(tmp_path / "other.key", tmp_path / "other.pub")
    assert not Signer.at(*files).verifier.holds(DOCUMENT, other.sign(DOCUMENT))


def test_files_that_hold_something_else_are_state_errors(files: tuple[Path, Path]) -> None:
    private, public = files
    curve = generate_private_key(SECP256R1())
    private.write_bytes(curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        curve.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(StateError, match="not an Ed25519 private key"):
        Signer.at(private, public)
    with pytest.raises(StateError, match="not an Ed25519 public key"):
        Verifier.at(public)
    private.write_text("not a key")
    public.write_text("not a key")
    with pytest.raises(StateError, match="cannot be read"):
        Signer.at(private, public)
    with pytest.raises(StateError, match="cannot be read"):
        Verifier.at(public)
    public.unlink()
    with pytest.raises(StateError, match="cannot be read"):
        Verifier.at(public)
