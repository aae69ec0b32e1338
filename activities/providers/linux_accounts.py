"""
Accounts of a Linux host's own /etc/passwd: their expiry in /etc/shadow, and their processes.

An account is disabled by its expiry (shadow(5), chage(1)) and by nothing else: sshd asks for that
with and without PAM, and so does every service whose PAM stack has an account phase, for keys as
well as for passwords. The lock of the password is left alone: with one item there is one truth, and
the line is byte for byte the same after the undo. What asks for a password only, and never for the
account, is therefore not stopped.
"""

import re
from datetime import UTC, datetime

from pydantic import JsonValue

from activities.accounts import AccountState, Sessions
from activities.profile import Profile, Proof
from activities.shell import Completed, Shell, first_line
from responder.contract import Found
from responder.errors import Drifted, Unreachable
from responder.incident import Frozen

_OURS = "1"  # 2 January 1970; usermod(8) names it, because 0 is read in two ways (shadow(5))
_DAY = 86400
# What can be the name of a local account at all; useradd(8)'s own rule is stricter than its history.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?")
_FIRST_OF_A_PERSON = (
    1000  # UID_MIN of login.defs(5): below it are services, whose processes are not sessions
)
_MISSING = 2  # getent(1): one or more keys could not be found
# The password's hash never leaves the host: only the fields 1 and 8 are printed.
_READ = """\
date +%s || exit
entry=$(getent -s files passwd -- "$1"); status=$?
[ $status -eq 0 ] || { [ $status -eq 2 ] && echo absent && exit 0; exit 1; }
echo "$entry" | cut -d: -f1,3
getent -s files shadow -- "$1" | cut -d: -f1,8
"""
_LIST = 'ps -o pid=,etimes=,stat= -U "$1" -u "$1"\n'
# More than once: what is being ended may start something on its way.
_END = """\
for round in 1 2 3 4 5; do
    found=
    while read -r pid age stat; do
        case $stat in Z*|'') continue ;; esac
        [ "$age" -ge "$2" ] || continue
        found=1; kill -KILL "$pid"
    done <<END
$(ps -o pid=,etimes=,stat= -U "$1" -u "$1")
END
    [ "$found" ] || exit 0
    sleep 0.1
done 2>/dev/null
true
"""

PROFILES = (
    Profile(
        name="accounts of a Linux host",
        answers=("DisableAccount",),
        changes="the account's expiry in /etc/shadow, and nothing else; never uid 0, nor the account that the "
        "runner signs in with",
        permissions=("root: getent -s files passwd, shadow", "chage -E"),
        verified="the expiry is read from /etc/shadow and compared with the host's own day",
        undone="the expiry that was found is set again, if it is still ours. Nothing there ends it: without the "
        "runner it stays",
        proof=Proof.REAL,
        against="accounts of a host over SSH, judged by who can sign in",
    ),
    Profile(
        name="accounts of a Linux host",
        answers=("RevokeSessions",),
        changes="the account's processes that began before a moment are killed; services (uid under 1000) are refused",
        permissions=("root: getent -s files passwd, shadow", "ps", "kill"),
        verified="processes are listed: none of before the moment is left",
        undone="not: the person signs in again",
        proof=Proof.REAL,
        against="sessions on a host over SSH",
    ),
)


class _Entry(Frozen):
    uid: int
    expires: str
    """The field as it is written: days since 1970, or nothing."""
    today: int
    """The host's own day."""

    @property
    def state(self) -> AccountState:
        """Disabled from the day after its expiry on: then sshd and PAM agree."""
        days = int(self.expires) if self.expires.isdigit() else 0
        return AccountState.DISABLED if 0 < days < self.today else AccountState.ENABLED


class LinuxAccounts:
    """The accounts that one Linux host has for itself; *own* is the one the runner signs in with."""

    def __init__(self, shell: Shell, host: str, *, own: str) -> None:
        self._shell, self._host, self._own = shell, host, own

    def account(self, name: str) -> "LinuxAccount":
        """Whether *name* may sign in there."""
        return LinuxAccount(self._shell, self._host, name, own=self._own)

    def sessions(self, name: str, before: datetime) -> "LinuxSessions":
        """The processes of *name* there that began before a moment."""
        return LinuxSessions(self.account(name), self._shell, before)

    async def close(self) -> None:
        """The shell is closed by who opened it."""


class LinuxAccount:
    """One account of one host: whether it has expired."""

    expires_by_itself = False

    def __init__(self, shell: Shell, host: str, account: str, *, own: str) -> None:
        self._shell, self._own = shell, own
        self.account = account
        self.name = f"account/{host}/{account}"

    async def read(self) -> Found[AccountState]:
        entry = await self.entry()
        if entry is None:
            return Found(state=AccountState.ABSENT)
        return Found(state=entry.state, record={"expires": entry.expires})

    async def write(
        self, state: AccountState, *, key: str, until: datetime | None, tag: str, record: JsonValue
    ) -> None:
        entry = await self.touchable()
        if entry.state is state:
            return
        if state is AccountState.DISABLED:
            await self._expire(_OURS)
            return
        before = record.get("expires") if isinstance(record, dict) else None
        if not isinstance(before, str):
            raise TypeError(f"{self.name}: expected the expiry that was found at first in {record}")
        if state is AccountState.ABSENT or entry.expires != _OURS:
            raise Drifted(
                f"{self.name}: expected the expiry {_OURS} that was set here, found "
                f"{entry.expires!r}; it was left as it is"
            )
        await self._expire(before or "-1")

    async def touchable(self) -> _Entry:
        """The account, if it may be touched at all; nothing is changed where it may not."""
        entry = await self.entry()
        if entry is None:
            found = "none"
        elif entry.uid == 0:
            found = "one with uid 0"
        elif self.account == self._own:
            found = "the one that the runner signs in with"
        else:
            return entry
        raise RuntimeError(
            f"{self.name}: expected an account that may be disabled, found {found}; "
            "nothing was changed"
        )

    async def entry(self) -> _Entry | None:
        """The account as its host has it; None if there is none."""
        if not _NAME.fullmatch(self.account):
            return None
        said = await self._shell.run("sh", "-c", _READ, "sh", self.account)
        lines = said.out.splitlines()
        if said.status == 0 and lines[1:] == ["absent"]:
            return None
        fields = [line.split(":") for line in lines[1:]]
        if said.status or [len(one) for one in fields] != [2, 2]:
            raise Unreachable(
                f"{self.name}: expected its lines of /etc/passwd and /etc/shadow, found "
                f"{len(fields)} of them: {first_line(said)}"
            )
        (name, uid), (shadowed, expires) = fields
        if {name, shadowed} != {self.account}:  # getent takes a number for a uid
            return None
        return _Entry(uid=int(uid), expires=expires, today=int(lines[0]) // _DAY)

    async def _expire(self, value: str) -> None:
        said = await self._shell.run("chage", "-E", value, "--", self.account)
        if said.status:
            raise RuntimeError(f"{self.name}: chage could not: {first_line(said)}")


class LinuxSessions:
    """What an account has open on one host: its processes that began before a moment."""

    expires_by_itself = False

    def __init__(self, account: LinuxAccount, shell: Shell, before: datetime) -> None:
        self._account, self._shell = account, shell
        self._before = before.astimezone(UTC)
        # Each moment is a thing of its own: a later one asks for more.
        self.name = f"sessions{account.name.removeprefix('account')}/{self._before:%Y%m%dT%H%M%SZ}"

    async def read(self) -> Found[Sessions]:
        if await self._account.entry() is None:
            return Found(state=Sessions.ENDED)
        said = await self._shell.run("sh", "-c", _LIST, "sh", self._account.account)
        if said.status and (said.status != 1 or said.err.strip()):
            raise self._silent(said)
        rows = [line.split() for line in said.out.splitlines()]
        try:
            old = [row for row in rows if row[2][0] != "Z" and int(row[1]) >= self._age()]
        except (LookupError, ValueError) as error:
            raise self._silent(said) from error
        return Found(state=Sessions.OPEN if old else Sessions.ENDED)

    async def write(
        self, state: Sessions, *, key: str, until: datetime | None, tag: str, record: JsonValue
    ) -> None:
        if state is Sessions.OPEN:
            raise Drifted(f"{self.name}: sessions cannot be opened again; the person signs in")
        entry = await self._account.touchable()
        if entry.uid < _FIRST_OF_A_PERSON:
            raise RuntimeError(
                f"{self.name}: expected a person's account, found uid {entry.uid} of a service, "
                "whose processes are no sessions; nothing was changed"
            )
        words = ("sh", "-c", _END, "sh", self._account.account, str(self._age()))
        said = await self._shell.run(*words)
        if said.status:
            raise self._silent(said)

    def _age(self) -> int:
        """How many seconds old a session is that began at the moment; never less than none."""
        return max(int((datetime.now(UTC) - self._before).total_seconds()), 0)

    def _silent(self, said: Completed) -> Unreachable:
        return Unreachable(f"{self.name}: ps could not say: {first_line(said)}")
