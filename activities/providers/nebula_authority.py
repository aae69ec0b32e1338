"""
The authority of a Nebula mesh: it signs a host's new public key for what the present certificate says.

Only public halves come and go. What the new certificate may say is taken from the present one as the
authority itself reads it, after its signature was checked there: a host cannot ask for more than it has.
"""

import json
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from activities.shell import Completed, Shell, first_line
from responder.errors import Unreachable
from responder.incident import Frozen
from responder.mesh import Fingerprint, MeshAuthority

_CHECK = """
set -eu
t=$(mktemp -d); trap 'rm -rf -- "$t"' EXIT
cat > "$t/host.crt"
"$1" verify -ca "$2" -crt "$t/host.crt" 1>&2
"$1" print -json -path "$t/host.crt"
"""
_SIGN = """
set -eu
t=$(mktemp -d); trap 'rm -rf -- "$t"' EXIT
cat > "$t/host.pub"
"$@" -in-pub "$t/host.pub" -out-crt "$t/host.crt" 1>&2
cat -- "$t/host.crt"
"""


class Shown(Frozen):
    """A certificate as `nebula-cert print -json` shows it."""

    fingerprint: Fingerprint
    name: str
    addresses: tuple[str, ...]
    groups: tuple[str, ...]
    subnets: tuple[str, ...]
    not_after: datetime


def shown(text: str) -> Shown:
    """What `nebula-cert print -json` printed of one certificate. Raises `ValueError`."""
    found: Any = json.loads(text)
    # One object a certificate; newer releases print a list of them.
    one: Any = found[0] if isinstance(found, list) and found else found
    try:
        details = one["details"]
        return Shown(
            fingerprint=one["fingerprint"],
            name=details["name"],
            addresses=tuple(details["ips"] or ()),
            groups=tuple(details["groups"] or ()),
            subnets=tuple(details["subnets"] or ()),
            not_after=TypeAdapter(datetime).validate_python(details["notAfter"]),
        )
    except (LookupError, TypeError) as error:
        raise ValueError(f"expected a version 1 certificate of Nebula, found {error}") from error


class Authority:
    """Where certificates of the mesh are signed."""

    def __init__(self, shell: Shell, settings: MeshAuthority) -> None:
        self._shell = shell
        self._settings = settings

    async def sign(self, host: str, name: str, present: str, public: str) -> str:
        """
        A certificate (PEM) for the key *public* that says what *present* says.

        Raises `RuntimeError` if *present* is not a valid certificate of this authority with this
        *name*, or nebula-cert refuses to sign.
        """
        said = await self._shell.run(
            "sh", "-c", _CHECK, "sh",
            self._settings.nebula_cert, str(self._settings.certificate),
            stdin=present,
        )  # fmt: skip
        ca = self._settings.certificate
        if said.status:
            raise RuntimeError(
                f"{host}: expected its certificate to be signed by {ca} and valid, found: "
                f"{_reason(said)}; the old certificate goes on"
            )
        try:
            old = shown(said.out)
        except ValueError as error:
            raise Unreachable(f"{host}: its certificate cannot be read: {error}") from error
        if old.name != name or len(old.addresses) != 1:
            raise RuntimeError(
                f"{host}: expected a certificate of {name} with one address, found {old.name} with "
                f"{', '.join(old.addresses) or 'none'}; the old certificate goes on"
            )
        said = await self._shell.run("sh", "-c", _SIGN, "sh", *self._words(old), stdin=public)
        if said.status:
            raise RuntimeError(
                f"{host}: {ca}: nothing was signed: {_reason(said)}; the old certificate goes on"
            )
        return said.out

    def _words(self, old: Shown) -> tuple[str, ...]:
        groups = ("-groups", ",".join(old.groups)) if old.groups else ()
        subnets = ("-subnets", ",".join(old.subnets)) if old.subnets else ()
        return (
            self._settings.nebula_cert, "sign",
            "-ca-crt", str(self._settings.certificate), "-ca-key", str(self._settings.key),
            "-duration", f"{int(self._settings.duration.total_seconds())}s",
            "-name", old.name, "-ip", old.addresses[0], *groups, *subnets,
        )  # fmt: skip


def _reason(said: Completed) -> str:
    return first_line(said).removeprefix("Error: ")
