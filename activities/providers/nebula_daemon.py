"""
A Nebula daemon on its host: which configuration it runs, and giving it another, over a shell.

Whether the daemon tears live tunnels down (`pki.disconnect_invalid`) is settled when it starts and not
by SIGHUP (seen with 1.6.1), and it does not say which list it has loaded. So what we know of the
daemon that runs now is noted in `/run/responder/nebula`, by its process id and start time: gone with
the next boot, and meaningless to any other daemon.
"""

import base64
import hashlib
import re
from collections.abc import Sequence

from activities.shell import Shell, first_line
from responder.errors import Unreachable
from responder.incident import Frozen
from responder.mesh import NebulaNode

# Release notes of Nebula v1.8.0: "pki.disconnect_invalid will now default to true".
_DISCONNECTS_SINCE = (1, 8, 0)
# The kernel's boot time is known to the second (`btime` in proc_stat(5)).
_ROUNDING = 1
DISCONNECTS = "disconnects"
_CONFLICT = 75  # sysexits.h: EX_TEMPFAIL
_REFUSED = 65  # sysexits.h: EX_DATAERR

_READ = r"""
config=$1 nebula=$2
real=$(readlink -f -- "$config") && [ -f "$real" ] && [ -r "$real" ] || {
  echo "$config cannot be read" >&2; exit 1; }
echo "sha256 $(sha256sum < "$real" | cut -c1-64)"
echo "changed $(stat -c %Z -- "$real")"
echo "version $("$nebula" -version 2>/dev/null | tr -dc '0-9.')"
hz=$(getconf CLK_TCK) boot=$(sed -n 's/^btime //p' /proc/stat)
for place in /proc/[0-9]*; do
  [ "$(cat "$place/comm" 2>/dev/null)" = nebula ] || continue
  set -- $(sed 's/.*) //' "$place/stat" 2>/dev/null)
  [ $# -ge 20 ] || continue
  echo "daemon ${place#/proc/} ${20} $((boot + ${20} / hz)) $(tr '\0' ' ' < "$place/cmdline")"
  sed 's/^/note /' "/run/responder/nebula/${place#/proc/}.${20}" 2>/dev/null
done
echo config
base64 < "$real"
"""

_WRITE = r"""
config=$1 expected=$2 nebula=$3 pid=$4 start=$5 first=$6 then=$7 log=$8 proof=$9
real=$(readlink -f -- "$config") || exit 1
notes=/run/responder/nebula note=/run/responder/nebula/$pid.$start
umask 077; mkdir -p "$notes" || exit 1
exec 9> "$notes/lock"; flock -w 5 9 || exit 75
[ "$(sha256sum < "$real" | cut -c1-64)" = "$expected" ] || exit 75
new=$(dirname -- "$real")/.responder-$$.yml
trap 'rm -f -- "$new"' EXIT
cp -p -- "$real" "$new" && cat > "$new" || exit 1
said=$("$nebula" -test -config "$new" 2>&1) || { echo "$said" | tail -n 1 >&2; exit 65; }
[ -z "$pid" ] || printf '%s' "$first" > "$note" || exit 1
cmp -s -- "$new" "$real" || { mv -f -- "$new" "$real" && sync -- "$real" || exit 1; }
[ -n "$pid" ] || exit 0
[ "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)" = "$start" ] || exit 75
from=1; [ -z "$log" ] || from=$(($(stat -c %s -- "$log") + 1))
kill -HUP "$pid" || exit 75
if [ -n "$log" ]; then
  tries=0
  until tail -c "+$from" -- "$log" | grep -qiE -e "$proof"; do
    tries=$((tries + 1)); [ $tries -lt 30 ] || { echo "$log does not tell of a reload" >&2; exit 1; }
    sleep 0.1
  done
fi
sleep 0.2
[ "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)" = "$start" ] || {
  echo "the daemon ended at the reload" >&2; exit 1; }
printf '%s' "$then" > "$note"
"""


class Conflict(Exception):
    """The configuration or the daemon is another than was read: read again."""


class Running(Frozen):
    """A daemon that runs."""

    pid: str
    start: str  # ticks since boot: with the process id it names one process
    began: int  # seconds since 1970, to the second
    command: str
    notes: tuple[str, ...]


class Node(Frozen):
    """What was read on one host of the mesh."""

    text: str
    sha256: str
    changed: int
    version: tuple[int, ...]
    daemon: Running | None

    @property
    def as_started(self) -> bool:
        """Whether the file is still the one that the daemon was started with."""
        return self.daemon is not None and self.changed <= self.daemon.began + _ROUNDING

    @property
    def disconnects_by_default(self) -> bool:
        """What this version does if the configuration does not say."""
        return self.version >= _DISCONNECTS_SINCE


async def read_node(shell: Shell, name: str, node: NebulaNode) -> Node:
    """The configuration and the daemon. Raises `Unreachable` if they cannot be told."""
    said = await shell.run("sh", "-c", _READ, "sh", str(node.config), node.nebula)
    if said.status:
        raise Unreachable(f"{name}: {first_line(said)}")
    head, _, encoded = said.out.partition("\nconfig\n")
    raw = base64.b64decode(encoded)
    facts: dict[str, str] = {}
    daemons: list[Running] = []
    for line in head.splitlines():
        key, _, value = line.partition(" ")
        match key:
            case "daemon":
                pid, start, began, command = (*value.split(" ", 3), "")[:4]
                daemons.append(
                    Running(pid=pid, start=start, began=int(began), command=command, notes=())
                )
            case "note":
                notes = (*daemons[-1].notes, value)
                daemons[-1] = daemons[-1].model_copy(update={"notes": notes})
            case _:
                facts[key] = value
    if hashlib.sha256(raw).hexdigest() != facts.get("sha256"):
        raise Unreachable(f"{name}: {node.config} changed while it was read")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise Unreachable(f"{name}: {node.config} is not UTF-8: {error}") from error
    return Node(
        text=text,
        sha256=facts["sha256"],
        changed=int(facts["changed"]),
        version=tuple(int(n) for n in re.findall(r"\d+", facts.get("version", ""))),
        daemon=_ours(name, node, daemons),
    )


async def write_node(
    shell: Shell,
    name: str,
    node: NebulaNode,
    found: Node,
    text: str,
    *,
    notes: tuple[Sequence[str], Sequence[str]],
    proof: str,
) -> None:
    """
    Give the daemon *text* as its configuration: tested, swapped in whole, reloaded by SIGHUP.

    *notes* is what is known of the daemon before the reload and after it. Raises `Conflict` if the
    file or the daemon is no longer what was *found*.
    """
    daemon = found.daemon
    said = await shell.run(
        "sh", "-c", _WRITE, "sh", str(node.config), found.sha256, node.nebula,
        daemon.pid if daemon else "", daemon.start if daemon else "",
        *("".join(f"{line}\n" for line in lines) for lines in notes),
        str(node.log or ""), proof,
        stdin=text,
    )  # fmt: skip
    if said.status == _CONFLICT:
        raise Conflict(name)
    if said.status == _REFUSED:
        raise RuntimeError(
            f"{name}: nebula refuses the configuration with the entry in it, and it was not changed: "
            f"{first_line(said)}"
        )
    if said.status:
        raise RuntimeError(f"{name}: {first_line(said)}")


def _ours(name: str, node: NebulaNode, daemons: Sequence[Running]) -> Running | None:
    """The daemon of this configuration; None if none runs at all."""
    if not daemons:
        return None
    path = re.escape(str(node.config))
    mine = [one for one in daemons if re.search(rf" --?config[= ]{path}(?: |$)", one.command)]
    if len(mine) != 1:
        found = "; ".join(f"{one.pid}: {one.command.strip()}" for one in daemons)
        raise Unreachable(
            f"{name}: expected one nebula daemon with -config {node.config}, found {found}"
        )
    return mine[0]
