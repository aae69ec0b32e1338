"""A certification authority of the tests, and a real TLS server that reads its files again at SIGHUP."""

import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from activities.authority import LocalAuthority, make_key, pem_of, request_for, serial_for
from responder import certificates as settings
from responder.secrets.contract import version_for

# Words: certificate, key, port, a file for its pid. Each connection gets one line and ends.
SERVER = """
import os, signal, socket, ssl, sys
cert, key, port, pid = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
def load(*_):
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        print(error, file=sys.stderr)
load()
signal.signal(signal.SIGHUP, load)
listening = socket.create_server(("", int(port)))
open(pid, "w").write(str(os.getpid()))
while True:
    plain, _ = listening.accept()
    plain.settimeout(2)
    try:
        with context.wrap_socket(plain, server_side=True) as one:
            one.sendall(b"here\\n")
    except (OSError, ssl.SSLError):
        pass
"""

SIGNS = x509.KeyUsage(
    digital_signature=False,
    key_encipherment=False,
    content_commitment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def make_authority(
    folder: Path, *, days: int = 3650, ca: bool = True, subject: str = "Test CA"
) -> settings.LocalAuthority:
    """An authority in files of *folder*."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(SIGNS, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = settings.LocalAuthority(certificate=folder / "ca.pem", key=folder / "ca-key.pem")
    files.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files.key.touch(mode=0o600)
    files.key.write_bytes(pem_of(key).get_secret_value())
    return files


def pair_for(
    files: settings.LocalAuthority, wanted: settings.ManagedCertificate, *, days: int
) -> tuple[str, str]:
    """A certificate that is valid for *days* more, and its key, as files hold them."""
    key = make_key(wanted.algorithm)
    signed = LocalAuthority(files).issue(
        request_for(wanted, key),
        serial=serial_for(version_for("INC-2026-0000", wanted.name)),
        lifetime=timedelta(days=days),
    )
    return signed.decode(), pem_of(key).get_secret_value().decode()


def handshake(files: settings.LocalAuthority, address: str, port: int) -> x509.Certificate:
    """What a client that trusts the authority gets for `web.example.com`, verified."""
    context = ssl.create_default_context(cafile=str(files.certificate))
    with (
        socket.create_connection((address, port), 3) as plain,
        context.wrap_socket(plain, server_hostname="web.example.com") as one,
    ):
        shown = one.getpeercert(binary_form=True)
    assert shown
    return x509.load_der_x509_certificate(shown)
