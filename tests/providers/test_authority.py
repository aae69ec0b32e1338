"""What a local authority signs, and what it will not; judged by OpenSSL and by a path verifier."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from pydantic import ValidationError

from activities.authority import (
    LocalAuthority,
    is_of,
    make_key,
    pem_of,
    request_for,
    serial_for,
)
from responder import certificates as settings
from responder.certificates import CertificateRotation, ManagedCertificate
from responder.errors import Refused
from responder.secrets.contract import version_for
from tests.providers.tls_server import make_authority

RENEWAL = version_for("INC-2026-0001", "web-tls")
FACTS: dict[str, Any] = {
    "name": "web-tls",
    "host": "web",
    "certificate": "/etc/ssl/web.pem",
    "key": "/etc/ssl/web.key",
    "common_name": "web.example.com",
    "dns": ["web.example.com"],
    "addresses": ["198.51.100.10", "2001:db8:100::10"],
}
DAYS = timedelta(days=90)


def wanted(**other: Any) -> ManagedCertificate:
    return ManagedCertificate.model_validate(FACTS | other)


def issue(files: settings.LocalAuthority, one: ManagedCertificate) -> bytes:
    request = request_for(one, make_key(one.algorithm))
    return LocalAuthority(files).issue(request, serial=serial_for(RENEWAL), lifetime=DAYS)


@pytest.mark.parametrize("algorithm", ["ec-p256", "rsa-2048"])
@pytest.mark.parametrize("usage", ["server", "client"])
def test_what_it_signs_is_accepted_for_its_names_and_its_use_only(
    tmp_path: Path, algorithm: str, usage: str
) -> None:
    files = make_authority(tmp_path)
    pem = issue(files, wanted(algorithm=algorithm, usage=usage))
    (tmp_path / "leaf.pem").write_bytes(pem)
    verify = ("openssl", "verify", "-x509_strict", "-CAfile", str(files.certificate))
    for purpose, good in (("sslserver", usage == "server"), ("sslclient", usage == "client")):
        words = (*verify, "-purpose", purpose, str(tmp_path / "leaf.pem"))
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) is good, done.stderr
    [leaf] = x509.load_pem_x509_certificates(pem)
    store = Store([x509.load_pem_x509_certificate(files.certificate.read_bytes())])
    if usage == "server":
        for name in ("web.example.com", "www.example.com"):
            verifier = PolicyBuilder().store(store).build_server_verifier(x509.DNSName(name))
            if name == "web.example.com":
                assert verifier.verify(leaf, [])[0] == leaf
            else:
                with pytest.raises(VerificationError):
                    verifier.verify(leaf, [])
    left = leaf.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(0) <= DAYS - left < timedelta(minutes=1)
    assert isinstance(leaf.public_key(), rsa.RSAPublicKey) is algorithm.startswith("rsa")


def test_a_serial_number_names_its_renewal_and_is_never_used_twice(tmp_path: Path) -> None:
    made = {serial_for(RENEWAL) for _ in range(50)}
    assert len(made) == 50
    assert all(is_of(one, RENEWAL) and 0 < one < 1 << 159 for one in made)
    assert not any(is_of(one, version_for("INC-2026-0002", "web-tls")) for one in made)
    [leaf] = x509.load_pem_x509_certificates(issue(make_authority(tmp_path), wanted()))
    assert is_of(leaf.serial_number, RENEWAL)


def test_nobody_asks_his_way_to_being_an_authority(tmp_path: Path) -> None:
    key = make_key("ec-p256")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "web.example.com")])
    basic = x509.BasicConstraints(ca=True, path_length=None)
    asked = x509.CertificateSigningRequestBuilder().subject_name(name)
    request = asked.add_extension(basic, critical=True).sign(key, hashes.SHA256())
    pem = LocalAuthority(make_authority(tmp_path)).issue(
        request.public_bytes(serialization.Encoding.PEM),
        serial=serial_for(RENEWAL),
        lifetime=DAYS,
    )
    found = x509.load_pem_x509_certificate(pem).extensions
    assert found.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_what_it_cannot_sign_is_refused_with_why(tmp_path: Path) -> None:
    good = make_authority(tmp_path)
    LocalAuthority(good).check(DAYS)
    folders = [tmp_path / name for name in ("old", "leaf", "other")]
    for one in folders:
        one.mkdir()
    old, leaf = make_authority(folders[0], days=30), make_authority(folders[1], ca=False)
    cases = [
        (old, "expected an authority that is valid until"),
        (leaf, "CA:TRUE"),
        (good.model_copy(update={"key": leaf.key}), "expected the key of"),
        (good.model_copy(update={"key": tmp_path / "none"}), "cannot be read: FileNotFoundError"),
    ]
    for files, said in cases:
        with pytest.raises(Refused, match=said):
            LocalAuthority(files).check(DAYS)
    good.key.chmod(0o640)
    with pytest.raises(Refused, match="expected mode 0600, found 0640"):
        LocalAuthority(good).check(DAYS)


def test_a_key_is_not_shown_by_accident() -> None:
    value = pem_of(make_key("ec-p256"))
    assert "PRIVATE" not in f"{value} {value!r}"
    assert b"PRIVATE KEY" in value.get_secret_value()


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"certificate": "ssl/web.pem"}, "expected an absolute path"),
        ({"key": "/etc/../web.key"}, "expected an absolute path"),
        ({"key": FACTS["certificate"]}, "expected two files"),
        ({"dns": [], "addresses": []}, "expected dns or addresses"),
        ({"dns": ["web;reboot"]}, "should match pattern"),
        ({"reload": [""]}, "at least 1 character"),
        ({"lifetime": "P30D"}, "longer than renew_before"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    tmp_path: Path, facts: dict[str, Any], said: str
) -> None:
    authority = {"certificate": tmp_path / "ca.pem", "key": tmp_path / "ca-key.pem"}
    with pytest.raises(ValidationError, match=said):
        CertificateRotation.model_validate(
            {"authority": authority, "certificates": [FACTS | facts]}
        )


def test_certificates_need_an_authority_and_files_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="expected an authority"):
        CertificateRotation.model_validate({"certificates": [FACTS]})
    authority = {"certificate": tmp_path / "ca.pem", "key": tmp_path / "ca-key.pem"}
    twice = [FACTS, FACTS | {"name": "other"}]
    with pytest.raises(ValidationError, match="two certificates have one file"):
        CertificateRotation.model_validate({"authority": authority, "certificates": twice})
    plan = CertificateRotation.model_validate({"authority": authority, "certificates": [FACTS]})
    assert plan.standing == {"RenewCertificate": ("web-tls",)}
    assert plan.model_copy(update={"approval": "ask"}).standing == {}
