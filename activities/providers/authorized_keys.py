"""
One key of one account, in the authorized_keys files that sshd itself names.

A file is replaced by one rename, by whoever owns its folder: as root inside a folder of a user, a
link planted there would have us write elsewhere. Owner, group and mode are kept; ACLs are not. What
sshd learns elsewhere (AuthorizedKeysCommand, certificates of a CA) is not in these files: where it is
used, nothing is claimed.
"""

import base64
import hashlib
from datetime import UTC, datetime
from typing import TypedDict, cast

from pydantic import JsonValue

from activities.profile import Profile, Proof
from activities.providers import ssh_sessions, sshd
from activities.public_keys import parse_line
from activities.shell import Shell, first_line
from activities.ssh_keys import Trust
from responder.contract import Found
from responder.errors import Drifted, Unreachable
from responder.incident import Frozen

_READ = """
for f in "$@"; do
  if [ -L "$f" ]; then echo link
  elif [ -f "$f" ]; then echo "file $(base64 -w0 < "$f")" || exit 1
  elif [ -e "$f" ]; then echo other
  else echo none
  fi
  stat -c %U -- "$(dirname -- "$f")" 2>/dev/null || echo -
done
"""
_REPLACE = """
set -eu
d=$(dirname -- "$1")
[ -d "$d" ] || mkdir -m 700 -- "$d"
t=$(mktemp -- "$d/.responder.XXXXXX")
trap 'rm -f -- "$t"' EXIT
base64 -d > "$t"
if [ -L "$1" ]; then exit 76
elif [ -f "$1" ]; then
  now=$(sha256sum < "$1"); now=${now%% *}
  chown --reference="$1" -- "$t"; chmod --reference="$1" -- "$t"
else now=none; chmod 600 -- "$t"
fi
[ "$now" = "$2" ] || exit 75
if [ "$3" = remove ]; then rm -f -- "$1"; else sync -- "$t"; mv -T -- "$t" "$1"; fi
"""
_CHANGED, _LINK = 75, 76

_PERMISSIONS = (
    "root: sshd -T",
    "getent passwd",
    "runuser",
    "ps",
    "kill",
    "read the journal or auth.log",
)
_VERIFIED = "the files that `sshd -T` names are read, and no session of the key is left open"
PROFILES = (
    Profile(
        name="authorized_keys of a host",
        answers=("RemoveSshKey",),
        changes="the key's lines in the files that sshd names, by a rename; sessions that it opened are ended, and "
        "those of the account whose key the log does not tell",
        permissions=_PERMISSIONS,
        verified=_VERIFIED,
        undone="each line is put back where it stood. Nothing there ends it: without the runner it stays",
        proof=Proof.REAL,
        against="sshd of a host, judged by sign-ins and open sessions",
    ),
    Profile(
        name="authorized_keys of a host",
        answers=("AddSshKey",),
        changes="one line at the end of the first file that sshd names, by a rename",
        permissions=_PERMISSIONS,
        verified="the files that `sshd -T` names are read",
        undone="the line is taken out, with the file if it was not there; sessions that it opened are ended. Nothing "
        "there ends it: without the runner it stays",
        proof=Proof.REAL,
        against="sshd of a host, judged by sign-ins and open sessions",
    ),
)


class _Line(TypedDict):
    at: int
    line: str


class _File(Frozen):
    """A file as it was read; *content* is None where there is none."""

    path: str
    owner: str
    content: str | None

    @property
    def lines(self) -> list[str]:
        return (self.content or "").splitlines(keepends=True)

    @property
    def digest(self) -> str:
        if self.content is None:
            return "none"
        return hashlib.sha256(self.content.encode(errors="surrogateescape")).hexdigest()

    def of(self, fingerprint: str) -> list[_Line]:
        return [
            {"at": at, "line": line}
            for at, line in enumerate(self.lines)
            if (key := parse_line(line)) and key.fingerprint == fingerprint
        ]


class AuthorizedKey:
    """Whether one account lets one key in."""

    expires_by_itself = False

    def __init__(
        self, shell: Shell, host: str, user: str, fingerprint: str, *, line: str | None = None
    ) -> None:
        self._shell = shell
        self._user = user
        self._fingerprint = fingerprint
        self._line = line
        self.name = f"ssh-key/{host}/{user}/{fingerprint}"

    async def read(self) -> Found[Trust]:
        files = await self._files()
        record: JsonValue = {
            one.path: None
            if one.content is None
            else [cast("JsonValue", found) for found in one.of(self._fingerprint)]
            for one in files
        }
        if any(one.of(self._fingerprint) for one in files):
            return Found(state=Trust.TRUSTED, record=record)
        open_now = await ssh_sessions.sessions_of(self._shell, self._fingerprint, self._user)
        if open_now.of_key or open_now.unknown:
            # They end by themselves at some time: none is brought back by an undo.
            return Found(state=Trust.LINGERING, expires=datetime.now(UTC), record=record)
        return Found(state=Trust.REFUSED, record=record)

    async def write(
        self, state: Trust, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        files = await self._files()
        kept = cast("dict[str, list[_Line] | None]", record or {})
        if state is Trust.TRUSTED:
            await self._put_back(files, kept)
            return
        for one in files:
            mine = {found["at"] for found in one.of(self._fingerprint)}
            if not mine:
                continue
            left = "".join(line for at, line in enumerate(one.lines) if at not in mine)
            was_there = kept.get(one.path, []) is not None
            await self._replace(one, left, remove=not left and not was_there)
        found = await ssh_sessions.sessions_of(self._shell, self._fingerprint, self._user)
        await ssh_sessions.end(self._shell, found, unknown=True)

    async def _put_back(self, files: list[_File], kept: dict[str, list[_Line] | None]) -> None:
        wanted = {path: lines for path, lines in kept.items() if lines}
        if not wanted and self._line is not None and files:
            wanted = {files[0].path: [{"at": len(files[0].lines), "line": f"{self._line}\n"}]}
        by_path = {one.path: one for one in files}
        lost = [path for path in wanted if path not in by_path]
        for path, missing in wanted.items():
            if path not in by_path or by_path[path].of(self._fingerprint):
                continue
            lines = by_path[path].lines
            for found in sorted(missing, key=lambda one: one["at"]):
                lines.insert(min(found["at"], len(lines)), found["line"])
            # What had no line end because it was the last must have one if it no longer is.
            ended = [line if line.endswith("\n") else f"{line}\n" for line in lines[:-1]]
            await self._replace(by_path[path], "".join((*ended, *lines[-1:])))
        if lost:
            raise Drifted(
                f"{self.name}: expected {', '.join(lost)} among sshd's key files, found none"
            )
        if not wanted:
            raise Drifted(
                f"{self.name}: expected the line that was there before, found none written down"
            )

    async def _files(self) -> list[_File]:
        config = await sshd.effective(self._shell, self.name, self._user)
        for keyword in ("authorizedkeyscommand", "trustedusercakeys"):
            if config.get(keyword, "none") != "none":
                raise Unreachable(
                    f"{self.name}: sshd also asks {keyword} ({config[keyword]}); whether it lets the key "
                    "in cannot be known from files"
                )
        account = await sshd.account(self._shell, self.name, self._user)
        if account is None:
            return []
        paths = sshd.key_files(config, account)
        if not paths:
            return []
        said = await self._shell.run("sh", "-c", _READ, "sh", *paths)
        rows = said.out.splitlines()
        if said.status or len(rows) != 2 * len(paths):
            raise Unreachable(f"{self.name}: its files cannot be read: {first_line(said)}")
        return [self._file(path, *rows[2 * i : 2 * i + 2]) for i, path in enumerate(paths)]

    def _file(self, path: str, what: str, owner: str) -> _File:
        kind, _, content = what.partition(" ")
        if kind in ("link", "other"):
            raise Unreachable(f"{self.name}: expected a regular file at {path}, found {kind}")
        text = (
            base64.b64decode(content).decode(errors="surrogateescape") if kind == "file" else None
        )
        return _File(
            path=path, owner=self._user if owner in ("-", "UNKNOWN") else owner, content=text
        )

    async def _replace(self, one: _File, content: str, *, remove: bool = False) -> None:
        who = () if one.owner == "root" else ("runuser", "-u", one.owner, "--")
        raw = content.encode(errors="surrogateescape")
        words = (
            *who,
            "sh",
            "-c",
            _REPLACE,
            "sh",
            one.path,
            one.digest,
            "remove" if remove else "keep",
        )
        said = await self._shell.run(*words, stdin=base64.b64encode(raw).decode())
        if said.status in (_CHANGED, _LINK):
            raise Unreachable(f"{self.name}: {one.path} was changed in this moment; trying again")
        if said.status:
            raise RuntimeError(f"{self.name}: {one.path} could not be replaced: {first_line(said)}")
