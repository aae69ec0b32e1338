"""
Who signs certificates, and the key and request that are made for one.

The authority sees a signing request (PKCS #10, RFC 2986) and never the private key.
"""

import ipaddress
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pydantic import SecretBytes

from responder import certificates as settings
from responder.errors import Refused

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
CaKey = SigningKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
_SKEW = timedelta(minutes=5)  # that clocks of peers may be behind ours
_NAMED = 11  # bytes of a serial number that name its renewal
_RANDOM = 8  # 64 bits from a CSPRNG (CA/Browser Forum Baseline Requirements, 7.1)
_OTHERS = 0o077
_USAGES = {
    "server": (ExtendedKeyUsageOID.SERVER_AUTH,),
    "client": (ExtendedKeyUsageOID.CLIENT_AUTH,),
    "both": (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
}


class Authority(Protocol):
    """Signs certificates."""

    def check(self, lifetime: timedelta) -> None:
        """Raise `Refused`, with why, if it could not sign one that is valid for *lifetime* now."""
        ...

    def issue(self, request: bytes, *, serial: int, lifetime: timedelta) -> bytes:
        """The certificate for a signing request (PEM), and after it those that peers need beside it."""
        ...


def serial_for(renewal: str) -> int:
    """
    A new serial number of *renewal*: 11 bytes that name it, 8 random ones.

    Unique for each certificate although a retry may issue another for the same renewal, positive,
    and within the 20 octets of RFC 5280 (4.1.2.2).
    """
    return int.from_bytes(UUID(renewal).bytes[:_NAMED] + secrets.token_bytes(_RANDOM))


def is_of(serial: int, renewal: str) -> bool:
    """Whether *serial* was made for *renewal*."""
    return serial >> (8 * _RANDOM) == int.from_bytes(UUID(renewal).bytes[:_NAMED])


def make_key(algorithm: str) -> SigningKey:
    """A new private key: `ec-p256`, `rsa-2048` or `rsa-3072`."""
    kind, _, size = algorithm.partition("-")
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=int(size))
    return ec.generate_private_key(ec.SECP256R1())


def pem_of(key: SigningKey) -> SecretBytes:
    """The key as its file holds it."""
    return SecretBytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def request_for(wanted: settings.ManagedCertificate, key: SigningKey) -> bytes:
    """The signing request for a certificate of the settings (PEM)."""
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in wanted.dns]
    names += [x509.IPAddress(ipaddress.ip_address(str(one))) for one in wanted.addresses]
    made = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted.common_name)])
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    usage = x509.ExtendedKeyUsage(_USAGES[wanted.usage])
    request = made.add_extension(usage, critical=False).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


class LocalAuthority:
    """An authority whose key is a file here; read for each certificate, so a new one is used at once."""

    def __init__(self, files: settings.LocalAuthority) -> None:
        self._files = files

    def check(self, lifetime: timedelta) -> None:
        self._open(datetime.now(UTC) + lifetime)

    def issue(self, request: bytes, *, serial: int, lifetime: timedelta) -> bytes:
        asked = x509.load_pem_x509_csr(request)
        if not asked.is_signature_valid:
            raise Refused("the signing request is not signed by its own key; nothing was issued")
        now = datetime.now(UTC).replace(microsecond=0)
        key, chain = self._open(now + lifetime)
        public = asked.public_key()
        encipher = isinstance(public, rsa.RSAPublicKey)  # RSA key exchange of TLS 1.2
        made = (
            x509.CertificateBuilder()
            .subject_name(asked.subject)
            .issuer_name(chain[0].subject)
            .public_key(public)
            .serial_number(serial)
            .not_valid_before(max(now - _SKEW, chain[0].not_valid_before_utc))
            .not_valid_after(now + lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(encipher=encipher), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(_authority_identifier(chain[0]), critical=False)
        )
        # Only these two are taken from the request: nobody asks his way to being an authority.
        for kind in (x509.SubjectAlternativeName, x509.ExtendedKeyUsage):
            try:
                wanted = asked.extensions.get_extension_for_class(kind)
            except x509.ExtensionNotFound:
                continue
            made = made.add_extension(wanted.value, critical=False)
        edwards = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
        signed = made.sign(key, None if edwards else hashes.SHA256())
        # A root is left out: peers that trust it have it (RFC 8446, 4.4.2).
        beside = [one for one in chain if one.subject != one.issuer]
        return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (signed, *beside))

    def _open(self, until: datetime) -> tuple[CaKey, list[x509.Certificate]]:
        """The key and the certificates, if they can sign what is valid *until* then."""
        path = self._files.key
        try:
            mode = path.stat().st_mode
            key = serialization.load_pem_private_key(path.read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            raise Refused(
                f"the authority's key {path} cannot be read: {type(error).__name__}"
            ) from error
        if mode & _OTHERS:
            raise Refused(
                f"the authority's key {path}: expected mode 0600, found {mode & 0o777:04o}; others than "
                "its owner could sign"
            )
        chain = _chain(self._files.certificate)
        if not isinstance(key, CaKey) or key.public_key() != chain[0].public_key():
            raise Refused(f"{path}: expected the key of {self._files.certificate}, found another")
        if not _may_sign(chain[0]):
            raise Refused(
                f"{self._files.certificate}: expected an authority's certificate (CA:TRUE)"
            )
        if chain[0].not_valid_after_utc < until:
            raise Refused(
                f"{self._files.certificate}: expected an authority that is valid until {until:%Y-%m-%d}, "
                f"found one until {chain[0].not_valid_after_utc:%Y-%m-%d}; renew it first"
            )
        return key, chain


def _chain(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Refused(
            f"the authority's certificate {path} cannot be read: {type(error).__name__}"
        ) from error


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _authority_identifier(certificate: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """As the authority's own certificate names its key (RFC 5280, 4.2.1.1)."""
    try:
        own = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        key = certificate.public_key()
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)  # type: ignore[arg-type]
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)


def _key_usage(*, encipher: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=encipher,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
