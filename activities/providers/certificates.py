"""
A certificate and its key in files of a host, renewed there, and shown over TLS.

Both files are replaced by renames, the key first: a certificate that is in its file has its key beside
it. Two renames are not one, so a user that reads at that very moment may see a new key with the old
certificate until it is told to reload. The pair before stands beside as `.replacing` until the new one
is shown to be in use, and as `.previous` from then on, until the next renewal.
"""

import asyncio
import base64
from datetime import datetime
from typing import cast

from cryptography import x509
from pydantic import JsonValue

from activities.authority import Authority, is_of, make_key, pem_of, request_for, serial_for
from activities.certificates import Renewal
from activities.profile import Profile, Proof
from activities.providers.certificate_readings import (
    InFile,
    fingerprint,
    read_file,
    read_served,
    server_name,
)
from activities.shell import Shell, first_line
from responder.certificates import ManagedCertificate
from responder.contract import Found
from responder.errors import Drifted, Refused, Unreachable

PROFILE = Profile(
    name="certificates in files of a host",
    answers=("RenewCertificate",),
    changes="the certificate's and the key's file, each by a rename, with owner and group kept; the key's mode is "
    "0600, or 0640 where its group could read it before. The pair before stands beside as `.previous`",
    permissions=(
        "root, or the owner of both files and their folders: sh, find, awk, base64, mktemp, mv, cp",
        "the reload command of the settings",
    ),
    verified="the certificate in the file is the new one, and so is the one that the server shows over TLS, if "
    "`served` says where; else only the file is proved",
    undone="not: the certificate before is valid until it expires. A new one that is not shown over TLS is replaced "
    "by the pair before at once",
    proof=Proof.REAL,
    against="a TLS server on a host, over SSH, that reloads at a signal. Not tried: a server of before TLS 1.3 that "
    "demands a certificate of its clients shows nothing to the runner",
)

_SETTLE = 5.0  # seconds that a server has to show what it was told to reload
_LOOK = 0.25
_CHANGED, _NO_PAIR = 75, 78
_UNFIT = {
    76: "to be regular files",
    77: "in folders that only the account of the runner can write to",
}
# Certificate, key, and the SHA-256 of the certificate's file as it was read; both new ones by stdin.
# In a folder that others can write to, a planted link would have us write elsewhere.
_INSTALL = """
set -eu
umask 077
for f in "$1" "$2"; do
  if [ -L "$f" ] || [ ! -f "$f" ]; then exit 76; fi
  d=$(dirname -- "$f")
  [ -n "$(find "$d" -maxdepth 0 -user "$(id -u)" ! -perm /022)" ] || exit 77
done
c=$(mktemp -- "$1.XXXXXX")
k=$(mktemp -- "$2.XXXXXX")
trap 'rm -f -- "$c" "$k"' EXIT
base64 -d | CERT=$c KEY=$k awk '/BEGIN CERTIFICATE/ {o = 1} {print > (o ? ENVIRON["CERT"] : ENVIRON["KEY"])}'
[ -s "$c" ]
[ -s "$k" ]
chown --reference="$1" -- "$c"
chmod --reference="$1" -- "$c"
chown --reference="$2" -- "$k"
chmod --reference="$2" -- "$k"
chmod u=rw,g-wx,o= -- "$k"
if [ ! -f "$2.replacing" ] || ! cmp -s -- "$1.replacing" "$1"; then
  for f in "$2" "$1"; do
    b=$(mktemp -- "$f.XXXXXX")
    cp -p -- "$f" "$b"
    mv -T -- "$b" "$f.replacing"
  done
fi
now=$(sha256sum < "$1")
[ "${now%% *}" = "$3" ] || exit 75
sync -- "$c" "$k"
mv -T -- "$k" "$2"
mv -T -- "$c" "$1" || { mv -T -- "$2.replacing" "$2"; exit 1; }
"""
_PUT_BACK = """
set -eu
[ -f "$1.replacing" ] || exit 78
if [ -f "$2.replacing" ]; then mv -T -- "$2.replacing" "$2"; fi
mv -T -- "$1.replacing" "$1"
"""
_SETTLED = """
set -eu
for f in "$2" "$1"; do
  if [ -f "$f.replacing" ]; then mv -T -- "$f.replacing" "$f.previous"; fi
done
"""


class RenewedCertificate:
    """How far one renewal of one certificate is."""

    expires_by_itself = False
    reads_within = 10.0  # seconds: a file over SSH, and a handshake

    def __init__(
        self, shell: Shell, wanted: ManagedCertificate, authority: Authority, renewal: str
    ) -> None:
        self._shell, self._wanted, self._authority = shell, wanted, authority
        self._renewal = renewal
        self.name = f"certificate/{wanted.host}/{wanted.name}/{renewal}"

    async def read(self) -> Found[Renewal]:
        found = await read_file(self._shell, self.name, self._wanted)
        record = _record(found.certificate)
        if not self._made(found):
            # What cannot be signed is said before anybody is asked.
            await asyncio.to_thread(self._authority.check, self._wanted.lifetime)
            return Found(state=Renewal.DUE, record=record)
        used = not found.replacing and await self._shown() in {None, fingerprint(found.certificate)}
        return Found(state=Renewal.RENEWED if used else Renewal.INSTALLED, record=record)

    async def write(
        self,
        state: Renewal,
        *,
        key: str,
        until: datetime | None,
        tag: str,
        record: JsonValue = None,
    ) -> None:
        if state is not Renewal.RENEWED:
            raise RuntimeError(f"{self.name}: nothing here makes a renewal {state}")
        found = await read_file(self._shell, self.name, self._wanted)
        if not self._made(found):
            before = _record(found.certificate)
            if isinstance(record, dict) and record != before:
                raise Drifted(
                    f"{self.name}: expected the certificate {record.get('serial')}, found "
                    f"{before['serial']} that somebody else put there; it was left as it is"
                )
            await self._install(found)
            found = await read_file(self._shell, self.name, self._wanted)
        await self._take_into_use(fingerprint(found.certificate))

    def _made(self, found: InFile) -> bool:
        return is_of(found.certificate.serial_number, self._renewal)

    def _issue(self) -> bytes:
        """A new key, and after it its certificate: for one file each on the host, and nowhere else."""
        key = make_key(self._wanted.algorithm)
        signed = self._authority.issue(
            request_for(self._wanted, key),
            serial=serial_for(self._renewal),
            lifetime=self._wanted.lifetime,
        )
        return pem_of(key).get_secret_value() + signed

    async def _install(self, found: InFile) -> None:
        pair = base64.b64encode(await asyncio.to_thread(self._issue)).decode()
        said = await self._shell.run(
            "sh", "-c", _INSTALL, "sh", *self._paths, found.digest, stdin=pair
        )
        files = " and ".join(self._paths)
        if said.status == _CHANGED:
            raise Unreachable(f"{self.name}: its file was changed in this moment; trying again")
        if said.status in _UNFIT:
            raise Refused(
                f"{self.name}: expected {files} {_UNFIT[said.status]}; nothing was changed"
            )
        if said.status:
            raise RuntimeError(f"{self.name}: {files} could not be replaced: {first_line(said)}")

    async def _take_into_use(self, new: str) -> None:
        """Have the new pair used; put the one before back where it is not."""
        fault = await self._reload() or await self._not_shown(new)
        if not fault:
            said = await self._shell.run("sh", "-c", _SETTLED, "sh", *self._paths)
            if said.status:
                raise Unreachable(
                    f"{self.name}: the pair before was not set aside: {first_line(said)}"
                )
            return
        said = await self._shell.run("sh", "-c", _PUT_BACK, "sh", *self._paths)
        if said.status:
            why = "there is none" if said.status == _NO_PAIR else first_line(said)
            left = f"the pair before could not be put back ({why}): the new one is in the files"
            raise RuntimeError(f"{self.name}: {fault}; {left}")
        left = "the pair before was put back and reloaded"
        before = fingerprint((await read_file(self._shell, self.name, self._wanted)).certificate)
        if again := await self._reload() or await self._not_shown(before):
            left = f"the pair before was put back, but {again}"
        raise RuntimeError(f"{self.name}: {fault}; {left}")

    async def _reload(self) -> str:
        """Have its user read the files again; returns what went wrong, or nothing."""
        if not self._wanted.reload:
            return ""
        said = await self._shell.run(*self._wanted.reload)
        return f"{self._wanted.reload[0]} failed: {first_line(said)}" if said.status else ""

    async def _not_shown(self, expected: str) -> str:
        """Wait until *expected* is shown over TLS; returns what is shown instead, or nothing."""
        give_up = asyncio.get_running_loop().time() + _SETTLE
        while True:
            try:
                shown = await self._shown()
                fault = f"expected {expected[:16]}… at {self._wanted.served}, found {(shown or '')[:16]}…"
            except Unreachable as error:
                shown, fault = "", f"expected {expected[:16]}… over TLS; {error.message}"
            if shown in {None, expected}:
                return ""
            if asyncio.get_running_loop().time() > give_up:
                return fault
            await asyncio.sleep(_LOOK)

    async def _shown(self) -> str | None:
        """The fingerprint that is shown over TLS; None where it is not said where."""
        if self._wanted.served is None:
            return None
        name = server_name(self._wanted)
        return fingerprint(await read_served(self.name, self._wanted.served, name))

    @property
    def _paths(self) -> tuple[str, str]:
        return str(self._wanted.certificate), str(self._wanted.key)


def _record(certificate: x509.Certificate) -> dict[str, JsonValue]:
    """What proves a certificate; nothing of its key."""
    made = {
        "serial": f"{certificate.serial_number:x}",
        "fingerprint": fingerprint(certificate),
        "not_after": certificate.not_valid_after_utc.isoformat(),
    }
    return cast("dict[str, JsonValue]", made)
