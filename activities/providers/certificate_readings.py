"""A certificate as its file on a host holds it, and as a server shows it over TLS."""

import asyncio
import base64
import hashlib
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from activities.shell import Shell, first_line
from responder.certificates import ManagedCertificate, Served
from responder.errors import Refused, Unreachable
from responder.incident import Frozen

_CONNECT = 3.0  # seconds
_READ = """
if [ -L "$1" ]; then echo link
elif [ -f "$1" ]; then
  if [ -f "$1.replacing" ]; then echo replacing; else echo settled; fi
  base64 -w0 < "$1"
elif [ -e "$1" ]; then echo other
else echo none
fi
"""


class InFile(Frozen):
    """A certificate as its file holds it."""

    content: bytes
    replacing: bool = False
    """Whether the pair before it stands beside because it is not shown to be in use yet."""

    @property
    def certificate(self) -> x509.Certificate:
        """The first of the file: what comes after it are those it was signed by."""
        return x509.load_pem_x509_certificates(self.content)[0]

    @property
    def digest(self) -> str:
        """SHA-256 of the file, hex."""
        return hashlib.sha256(self.content).hexdigest()


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate's DER, hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


async def read_file(shell: Shell, where: str, wanted: ManagedCertificate) -> InFile:
    """
    The certificate in its file.

    Raises `Unreachable` if that cannot be known, `Refused` if the file is not one to be renewed.
    """
    path = str(wanted.certificate)
    said = await shell.run("sh", "-c", _READ, "sh", path)
    what, _, content = said.out.partition("\n")
    if said.status or what not in {"link", "other", "none", "replacing", "settled"}:
        raise Unreachable(f"{where}: {path} cannot be read: {first_line(said)}")
    if what in {"link", "other", "none"}:
        raise Refused(
            f"{where}: expected a certificate in a regular file at {path}, found {what}; the first one is "
            "put there by a person; nothing was changed"
        )
    found = InFile(content=base64.b64decode(content), replacing=what == "replacing")
    try:
        fingerprint(found.certificate)
    except ValueError as error:
        raise Refused(
            f"{where}: expected a certificate (PEM) in {path}, found something else; nothing was changed"
        ) from error
    return found


async def read_served(where: str, served: Served, name: str | None) -> x509.Certificate:
    """The certificate that is shown over TLS. Raises `Unreachable`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Nothing is sent or believed: what is shown is compared with what was installed.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(_CONNECT):
            _, writer = await asyncio.open_connection(
                served.address, served.port, ssl=context, server_hostname=name or ""
            )
    except (OSError, TimeoutError) as error:
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        raise Unreachable(f"{where}: {served} shows no certificate: {said}") from error
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return x509.load_der_x509_certificate(shown)


def server_name(wanted: ManagedCertificate) -> str | None:
    """The name to ask a server for (SNI)."""
    named = wanted.served.server_name if wanted.served else None
    return named or next((name for name in wanted.dns if not name.startswith("*")), None)
