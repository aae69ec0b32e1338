"""
What sshd on a host logs of sign-ins: `LogLevel VERBOSE`, by a drop-in file of ours (sshd_config(5)).

A configuration that sshd itself does not take is never left: another sign-in may be the only way in.
Sessions that are open keep the level they began with. Nothing here ends by itself.
"""

from datetime import datetime

from pydantic import JsonValue

from activities.monitoring import Monitoring
from activities.profile import Profile, Proof
from activities.providers.sshd import effective
from activities.shell import Completed, Shell, first_line
from responder.contract import Found
from responder.errors import Drifted, Unreachable

# First in its folder, because of several values sshd takes the first.
_FILE = "/etc/ssh/sshd_config.d/00-responder.conf"
_OURS = "# Made by responder, and taken away again when its lease ends.\nLogLevel VERBOSE\n"
_THOROUGH = ("VERBOSE", "DEBUG", "DEBUG1", "DEBUG2", "DEBUG3")
_OTHERS, _NOT_TAKEN, _NO_PLACE = 3, 4, 5
_RELOAD = """\
reload() {
    if [ -d /run/systemd/system ]; then
        for unit in ssh.service sshd.service; do
            systemctl is-active --quiet $unit && { systemctl reload $unit; return; }
        done
        return 0 # started for each connection: the next one reads the file
    fi
    kill -HUP "$(cat /run/sshd.pid)"
}
PATH=$PATH:/usr/sbin:/sbin file=$1 ours=$(cat; echo .) ours=${ours%.}
is_ours() { [ "$(cat "$file"; echo .)" = "$ours." ]; }
"""
# Under another name first: what does not end in .conf is not read by anybody.
_RAISE = f"""\
{_RELOAD}
[ -d "${{file%/*}}" ] || exit {_NO_PLACE}
if [ -e "$file" ]; then is_ours || exit {_OTHERS}; fi
umask 022 && printf %s "$ours" >"$file.new" && mv "$file.new" "$file" || exit 1
sshd -t && sshd -T -C user=root,host=localhost,addr=127.0.0.1 | grep -qi '^loglevel VERBOSE$' ||
    {{ rm -f "$file"; exit {_NOT_TAKEN}; }}
reload
"""
_LOWER = f"""\
{_RELOAD}
[ -e "$file" ] || exit 0
is_ours || exit {_OTHERS}
rm -f "$file" && sshd -t && reload
"""

PROFILE = Profile(
    name="OpenSSH sshd",
    answers=("RaiseMonitoring",),
    changes="one file of its own among sshd's drop-ins, `LogLevel VERBOSE`; sshd is reloaded, and sessions that "
    "are open keep their level",
    permissions=(
        "write /etc/ssh/sshd_config.d",
        "sshd -t, -T",
        "systemctl reload ssh, or kill -HUP",
    ),
    verified="`sshd -T` says the level that it goes by",
    undone="the file is deleted if it is still ours, and sshd is reloaded. Nothing there ends it: without the "
    "runner it stays",
    proof=Proof.REAL,
    against="an sshd of the lab without systemd, judged by what it logs of a sign-in; a reload by systemd was not run",
)


class SshdLogLevel:
    """Whether sshd on one host logs sign-ins in detail."""

    expires_by_itself = False

    def __init__(self, shell: Shell, host: str) -> None:
        self._shell = shell
        self.name = f"sshd-log/{host}"

    async def read(self) -> Found[Monitoring]:
        level = (await effective(self._shell, self.name)).get("loglevel", "").upper()
        if not level:
            raise Unreachable(f"{self.name}: sshd -T does not say at which level it logs")
        state = Monitoring.RAISED if level in _THOROUGH else Monitoring.NORMAL
        return Found(state=state, record={"level": level})

    async def write(
        self,
        state: Monitoring,
        *,
        key: str,
        until: datetime | None,
        tag: str,
        record: JsonValue = None,
    ) -> None:
        script = _RAISE if state is Monitoring.RAISED else _LOWER
        said = await self._shell.run("sh", "-c", script, "sh", _FILE, stdin=_OURS)
        if said.status == _OTHERS and state is Monitoring.NORMAL:
            raise Drifted(
                f"{self.name}: expected our own {_FILE}, found another; it was left alone"
            )
        if said.status:
            raise RuntimeError(f"{self.name}: {_why(said)}")


def _why(said: Completed) -> str:
    return {
        _OTHERS: f"expected no {_FILE} but ours, found another; nothing was changed",
        _NO_PLACE: f"expected the folder of {_FILE}, found none; nothing was changed",
        _NOT_TAKEN: f"expected sshd to go by {_FILE}, found that it does not (is there an `Include` "
        "of that folder, before any LogLevel?); nothing was changed",
    }.get(said.status, f"could not be done: {first_line(said)}")
