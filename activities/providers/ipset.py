"""
Blocking with iptables and ipset, for Linux without nftables: kernel sets whose entries end alone.

One hash:net set a family holds networks of every length. Each length is looked up by itself, so a
network and an address inside it are two entries, each with its own end. A set alone drops nothing:
a chain of ours drops by it, hooked first into `raw`, which is before conntrack (iptables(8)).
`iptables` may be either kind, `iptables-nft` or `iptables-legacy`; which one is a setting.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, ip_network

from pydantic import JsonValue

from activities.block import name_of
from activities.profile import Profile, Proof
from activities.providers.flows import END_FLOWS
from activities.providers.nftables import plain, seconds_until
from activities.shell import Completed, Shell, first_line
from responder.contract import Found
from responder.errors import Unreachable
from responder.incident import Network
from responder.policy.networks import overlap

LONGEST = 2147483
"""Seconds that an entry of an ipset may be kept, 24.8 days: ipset(8), `timeout`."""

# What one write does there is done under one lock, so that no set is taken away as empty while
# another write fills it. Where there is no flock, empty sets and their rules are left standing.
_PROLOGUE = """\
PATH="$PATH:/usr/sbin:/sbin" lock=/var/run/responder-ipset.lock
ipset=$1 iptables=$2 set=$3 in=$4 out=$5 network=$6
raw() { "$iptables" -w -t raw "$@"; }
alone() { command -v flock && (: >>"$lock"); } >/dev/null 2>&1
"""
# Not `ipset test`: it says that an address is there when only a network around it is.
_READ = """\
listed=$("$ipset" save "$set") || exit
printf '%s\\n' "$listed" | grep -F -e "add $set $network " -e ' nomatch'
raw -S
"""
# A chain that is not exactly ours is made so; a jump that is not the first is put there.
_ADD = """\
hook() {
    raw -N "$2" 2>/dev/null
    drop="-A $2 -m set --match-set $set $3 -j DROP"
    if [ "$(raw -S "$2" | sed 1d)" != "$drop" ]; then
        raw -F "$2" && raw $drop || return
    fi
    jump="-A $1 -j $2"
    if [ "$(raw -S "$1" | grep -m1 '^-A ')" != "$jump" ]; then
        raw -I "$1" 1 -j "$2" || return
        # By its number, from the end: by its words the new one would go, and a gap be left.
        while at=$(raw -S "$1" | grep '^-A ' | grep -nFx -e "$jump" | sed '1d;s/:.*//' | tail -n 1)
            [ -n "$at" ]; do raw -D "$1" "$at" || return; done
    fi
}
fill() {
    "$ipset" create "$set" hash:net family "$7" timeout 0 comment -exist &&
        "$ipset" add "$set" "$network" timeout "$8" comment "$9" -exist &&
        hook PREROUTING "$in" src && hook OUTPUT "$out" dst
}
if alone; then { flock 9 && fill "$@"; } 9>>"$lock" || exit; else fill "$@" || exit; fi
"""
_REMOVE = """\
tidy() {
    case "$("$ipset" save "$set")" in *"
add "*) return ;; esac
    raw -D PREROUTING -j "$in"; raw -F "$in"; raw -X "$in"
    raw -D OUTPUT -j "$out"; raw -F "$out"; raw -X "$out"
    "$ipset" destroy "$set"
} 2>/dev/null
empty() { "$ipset" del "$set" "$network" -exist || exit; }
if alone; then { flock 9 && empty && tidy; } 9>>"$lock"; else empty; fi
true
"""

PROFILE = Profile(
    name="iptables and ipset",
    answers=("Block",),
    changes="an entry in a hash:net set of its own, and a chain that drops by the set, first in raw; ends "
    "connections that are open",
    permissions=(
        "ipset create, add, del, save, destroy",
        "iptables and ip6tables -t raw",
        "flock",
        "ss -K",
        "conntrack -D",
    ),
    verified="the entry is read from the kernel, and that the rules are the first a packet meets",
    undone="the entry is deleted, then the chains and the set that it leaves empty; the kernel ends it by "
    "itself, after 24 days at the latest",
    proof=Proof.REAL,
    against="a firewall in a namespace over SSH, judged by packets",
)


@dataclass(frozen=True)
class Programs:
    """What to call on the firewall, by path."""

    ipset: str
    iptables: str
    ip6tables: str


class IpsetBlock:
    """One network at one Linux firewall with iptables and ipset: whether it is dropped there."""

    expires_by_itself = True

    def __init__(
        self, shell: Shell, network: Network, *, point: str, prefix: str, programs: Programs
    ) -> None:
        self._shell = shell
        self._network = network
        v4 = isinstance(network, IPv4Network)
        self._family = "inet" if v4 else "inet6"
        self._ipset = programs.ipset
        self._iptables = programs.iptables if v4 else programs.ip6tables
        self._set = f"{prefix}{4 if v4 else 6}"
        self._chains = (f"{prefix}_in", f"{prefix}_out")
        # As `ipset save` writes it: one address without its prefix length.
        self._entry = name_of(network)
        self.name = f"block/{point}/{name_of(network)}"

    async def read(self) -> Found[bool]:
        said = await self._run(_READ, self._entry)
        if is_absent(said):
            return Found(state=False)
        if said.status:
            raise Unreachable(f"{self.name}: expected its set and rules: {first_line(said)}")
        lines = said.out.splitlines()
        entries = [line for line in lines if line.startswith(f"add {self._set} ")]
        for entry in entries:
            exempt = entry.split()[2]
            if entry.endswith(" nomatch") and overlap(self._network, ip_network(exempt)):
                said_so = f"{self._set} exempts {exempt} (nomatch), which is not ours"
                raise Unreachable(f"{self.name}: {said_so}: not all of it is dropped")
        ours = [entry for entry in entries if entry.split()[2] == self._entry]
        if not ours:
            return Found(state=False)
        # What is listed and not hooked is not dropped, yet it has an end: so an undo removes it.
        return Found(state=self._is_hooked(lines), expires=_expires(ours[0]))

    async def write(
        self, state: bool, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        if not state:
            said = await self._run(_REMOVE, self._entry)
            if said.status and not is_absent(said):
                raise RuntimeError(
                    f"ipset could not delete {self._entry} in {self._set}: {first_line(said)}"
                )
            return
        seconds = seconds_until(until) if until else 0
        if seconds > LONGEST:
            raise RuntimeError(
                f"{self.name}: expected an end within {LONGEST} s, which is the longest that ipset "
                f"keeps an entry, found {seconds} s; nothing was changed"
            )
        comment = plain(tag).lstrip("-")  # which would begin an option
        words = (str(self._network), self._family, str(seconds), comment)
        said = await self._run(_ADD + END_FLOWS, *words)
        if said.status:
            raise RuntimeError(
                f"{self._set} could not be made to drop {self._entry}: {first_line(said)}"
            )

    async def _run(self, script: str, network: str, *more: str) -> Completed:
        words = (self._ipset, self._iptables, self._set, *self._chains, network, *more)
        return await self._shell.run("sh", "-c", _PROLOGUE + script, "sh", *words)

    def _is_hooked(self, lines: list[str]) -> bool:
        """Whether the rules that drop by the set are the first that a packet meets."""
        hooks = (("PREROUTING", self._chains[0], "src"), ("OUTPUT", self._chains[1], "dst"))
        return all(
            _first(lines, hook) == f"-A {hook} -j {chain}"
            and _first(lines, chain) == f"-A {chain} -m set --match-set {self._set} {side} -j DROP"
            for hook, chain, side in hooks
        )


def is_absent(said: Completed) -> bool:
    """Whether ipset itself said that there is no such set."""
    return said.status == 1 and "The set with the given name does not exist" in said.err


def _first(lines: list[str], chain: str) -> str:
    """The first rule of *chain* as `iptables -S` writes it; empty if there is none."""
    return next((line for line in lines if line.startswith(f"-A {chain} ")), "")


def _expires(entry: str) -> datetime | None:
    """When an entry ends by itself, from its line of `ipset save`; a timeout of 0 is for ever."""
    words = entry.split()
    seconds = int(words[words.index("timeout") + 1]) if "timeout" in words else 0
    return datetime.now(UTC) + timedelta(seconds=seconds) if seconds else None
