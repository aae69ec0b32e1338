"""
A host's key revocation list (ssh-keygen(1), KEY REVOCATION LISTS), which sshd reads at every sign-in.

A list that cannot be read has sshd refuse every key, so a new one is made beside it, asked whether it
holds the key, and only then renamed into its place.
"""

from datetime import datetime

from pydantic import JsonValue

from activities.profile import Profile, Proof
from activities.providers import ssh_sessions, sshd
from activities.public_keys import parse_line
from activities.shell import Shell, first_line
from activities.ssh_keys import Trust
from responder.contract import Found
from responder.errors import Unreachable

_ASK = """
[ -f "$1" ] || exit 74
k=$(mktemp) || exit 1
trap 'rm -f -- "$k"' EXIT
cat > "$k"
ssh-keygen -Q -f "$1" "$k"
"""
_ADD = """
set -eu
k=$(mktemp)
t=$(mktemp -- "$(dirname -- "$1")/.responder.XXXXXX")
trap 'rm -f -- "$k" "$t"' EXIT
cat > "$k"
cat -- "$1" > "$t"
chown --reference="$1" -- "$t"; chmod --reference="$1" -- "$t"
if [ -s "$1" ]; then ssh-keygen -q -k -u -f "$t" "$k"; else ssh-keygen -q -k -f "$t" "$k"; fi
if ssh-keygen -Q -f "$t" "$k" > /dev/null; then echo "the new list does not hold the key" >&2; exit 1; fi
sync -- "$t"
mv -T -- "$t" "$1"
"""
_MISSING = 74

PROFILE = Profile(
    name="key revocation list of a host",
    answers=("RevokeSshKey",),
    changes="the key in the list that sshd's RevokedKeys names, by a rename; sessions that it opened are ended",
    permissions=(
        "root: sshd -T",
        "ssh-keygen -k -u, -Q",
        "ps",
        "kill",
        "read the journal or auth.log",
    ),
    verified="`ssh-keygen -Q` says that the list holds it, and no session of the key is left open",
    undone="not: a revoked key is never trusted again",
    proof=Proof.REAL,
    against="sshd of a host, judged by sign-ins and open sessions",
)


class RevokedKey:
    """Whether a host's sshd refuses one key to every account."""

    expires_by_itself = False

    def __init__(self, shell: Shell, host: str, key: str) -> None:
        self._shell = shell
        self._key = f"{key}\n"
        parsed = parse_line(key)
        self._fingerprint = "" if parsed is None else parsed.fingerprint
        self.name = f"krl/{host}/{self._fingerprint}"

    async def read(self) -> Found[Trust]:
        path = await self._path()
        said = await self._shell.run("sh", "-c", _ASK, "sh", path, stdin=self._key)
        if said.status == _MISSING:
            raise Unreachable(
                f"{self.name}: sshd reads revoked keys from {path}, and there is no such file: it lets no "
                "key in at all"
            )
        # The exit status is not zero for a revoked key and for a fault alike: the words decide.
        if said.status == 0 and said.out.rstrip().endswith(": ok"):
            return Found(state=Trust.TRUSTED, record={"list": path})
        if not said.out.rstrip().endswith(": REVOKED"):
            raise Unreachable(f"{self.name}: ssh-keygen -Q could not say: {first_line(said)}")
        found = await ssh_sessions.sessions_of(self._shell, self._fingerprint, None)
        return Found(
            state=Trust.LINGERING if found.of_key else Trust.REFUSED, record={"list": path}
        )

    async def write(
        self, state: Trust, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        if state is not Trust.REFUSED:
            raise RuntimeError(f"{self.name}: a revoked key is never trusted again; make a new one")
        if (await self.read()).state is Trust.TRUSTED:
            path = await self._path()
            said = await self._shell.run("sh", "-c", _ADD, "sh", path, stdin=self._key)
            if said.status:
                raise RuntimeError(f"{self.name}: {path} was not changed: {first_line(said)}")
        found = await ssh_sessions.sessions_of(self._shell, self._fingerprint, None)
        await ssh_sessions.end(self._shell, found, unknown=False)

    async def _path(self) -> str:
        path = (await sshd.effective(self._shell, self.name)).get("revokedkeys", "none")
        if path == "none":
            raise Unreachable(
                f"{self.name}: sshd has no RevokedKeys there; set it and reload sshd, or remove the key "
                "from each account"
            )
        return path
