"""
Blocking with nftables: kernel sets whose elements end by themselves, dropped before conntrack.

One set holds single addresses; each prefix length in use has a set of its own, matched under its
mask (`ip saddr & 255.255.255.0 @net4_24`). So a network and an address inside it are two elements
that never touch each other, where nft's interval sets refuse overlaps.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network

from pydantic import JsonValue

from activities.block import name_of
from activities.profile import Profile, Proof
from activities.providers.flows import END_FLOWS
from activities.shell import Completed, Shell, first_line
from responder.contract import Found
from responder.errors import Unreachable
from responder.incident import Network

# Before conntrack (-200) and so before any `ct state established accept`: netfilter's hook order.
_PRIORITY = -300
_SIDES = (("prerouting", "saddr"), ("output", "daddr"))
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_TAG = re.compile(r"[^A-Za-z0-9_.:/-]")
_LONGEST_TAG = 60
# nft's own words only. A missing binary or namespace is "No such file or directory" as well, and
# then nothing is known.
_ABSENT = re.compile(
    r"^(?:\S+: )?Error: (?:Could not process rule: )?No such file or directory", re.MULTILINE
)
# What one write does there is done under one lock, so that no set is taken away as empty while
# another write fills it. Where there is no flock, empty sets are left standing.
_LOCKED = """\
PATH="$PATH:/usr/sbin:/sbin" lock=/var/run/responder-nft.lock nft=$1
alone() { command -v flock && (: >>"$lock"); } >/dev/null 2>&1
"""
_READ = """\
nft=$1
"$nft" get element $2 $3 "{ $4 }" || exit
for hook in prerouting output; do "$nft" list chain $2 "$3_$hook" || true; done
"""
_ADD = f"""\
{_LOCKED}
if alone; then flock "$lock" "$nft" -f - || exit; else "$nft" -f - || exit; fi
network=$2
{END_FLOWS}"""
_REMOVE = f"""\
{_LOCKED}
table=$2 set=$3
tidy() {{
    "$nft" -f - || return
    case "$("$nft" list set $table $set)" in *'elements = '*) return ;; esac
    "$nft" "delete chain $table ${{set}}_prerouting; delete chain $table ${{set}}_output;
        delete set $table $set"
    [ "$("$nft" list table $table | wc -l)" -gt 2 ] || "$nft" delete table $table
}}
if alone; then {{ flock 9 && tidy; }} 9>>"$lock"; else "$nft" -f -; fi
"""

PROFILE = Profile(
    name="nftables",
    answers=("Block",),
    changes="an element in a set of its own table, and the rules that drop by the set, before conntrack; "
    "ends connections that are open",
    permissions=("nft -f, get, list, delete", "flock", "ss -K", "conntrack -D"),
    verified="the element and both rules are read from the kernel",
    undone="the element is deleted, then the set, the rules and the table that it leaves empty; the "
    "kernel ends it by itself",
    proof=Proof.REAL,
    against="a firewall in a namespace over SSH and by commands on this machine, judged by packets",
)


class NftablesBlock:
    """One network at one Linux firewall: whether it is dropped there."""

    expires_by_itself = True

    def __init__(self, shell: Shell, network: Network, *, point: str, table: str, nft: str) -> None:
        self._shell = shell
        self._network = network
        self._table = f"inet {table}"
        self._nft = nft
        self._family = "4" if isinstance(network, IPv4Network) else "6"
        single = network.num_addresses == 1
        self._set = f"hosts{self._family}" if single else f"net{self._family}_{network.prefixlen}"
        self._element = str(network.network_address)
        self._where = f"element {self._table} {self._set}"
        self.name = f"block/{point}/{name_of(network)}"
        self._added = False

    async def read(self) -> Found[bool]:
        if self._added and (found := await self._read_at_once()) is not None:
            return found
        words = ("sh", "-c", _READ, "sh", self._nft, self._table, self._set, self._element)
        said = await self._shell.run(*words)
        if said.status == 0:
            return Found(state=self._is_hooked(said.out), expires=expires(said.out))
        if is_absent(said):
            return Found(state=False)
        raise Unreachable(f"{self.name}: nft could not say: {first_line(said)}")

    async def _read_at_once(self) -> Found[bool] | None:
        """
        All three by one nft, for what was just added; None if it finds anything missing.

        What is missing is asked for one by one, since nft 1.0.6 does not find a chain in every order
        of commands: it is found after other chains and before an element.
        """
        chains = "; ".join(f"list chain {self._table} {self._set}_{hook}" for hook, _ in _SIDES)
        said = await self._shell.run(
            self._nft, f"{chains}; get {self._where} {{ {self._element} }}"
        )
        if said.status or not self._is_hooked(said.out):
            return None
        return Found(state=True, expires=expires(said.out))

    async def write(
        self, state: bool, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        if state:
            await self._add(until, tag)
        else:
            await self._remove()

    async def _add(self, until: datetime | None, tag: str) -> None:
        # Added, deleted and added in one transaction: right whether or not it was there, and its
        # timeout is the new one on kernels that would keep the old.
        timed = f" timeout {seconds_until(until)}s" if until else ""
        comment = f' comment "{plain(tag)}"' if tag else ""
        script = (
            f"{self._ruleset()}"
            f"add {self._where} {{ {self._element} }}\n"
            f"delete {self._where} {{ {self._element} }}\n"
            f"add {self._where} {{ {self._element}{timed}{comment} }}\n"
        )
        words = ("sh", "-c", _ADD, "sh", self._nft, str(self._network))
        said = await self._shell.run(*words, stdin=script)
        self._added = said.status == 0
        if said.status:
            raise RuntimeError(
                f"nft could not add {self._element} in {self._table} {self._set}: "
                f"{first_line(said)}"
            )

    async def _remove(self) -> None:
        script = (
            f"add {self._where} {{ {self._element} }}\ndelete {self._where} {{ {self._element} }}\n"
        )
        self._added = False
        words = ("sh", "-c", _REMOVE, "sh", self._nft, self._table, self._set)
        said = await self._shell.run(*words, stdin=script)
        if said.status and not is_absent(said):
            raise RuntimeError(
                f"nft could not delete {self._element} in {self._table} {self._set}: "
                f"{first_line(said)}"
            )

    def _is_hooked(self, text: str) -> bool:
        """Whether the rules that drop by the set are there: an element alone drops nothing."""
        return all(
            re.search(rf"hook {hook} [^}}]* {side} [^}}]*@{self._set} counter [^}}]* drop\n", text)
            for hook, side in _SIDES
        )

    def _ruleset(self) -> str:
        """The set, and the two chains that drop by it; safe to load again."""
        kind, word = ("ipv4_addr", "ip") if self._family == "4" else ("ipv6_addr", "ip6")
        mask = "" if self._network.num_addresses == 1 else f"and {self._network.netmask} "
        lines = [
            f"add table {self._table}",
            f"add set {self._table} {self._set} {{ type {kind}; flags timeout; counter; }}",
        ]
        for hook, side in _SIDES:
            chain = f"{self._table} {self._set}_{hook}"
            hooked = f"type filter hook {hook} priority {_PRIORITY}; policy accept;"
            lines += [
                f"add chain {chain} {{ {hooked} }}",
                f"flush chain {chain}",
                f"add rule {chain} {word} {side} {mask}@{self._set} counter drop",
            ]
        return "\n".join(lines) + "\n"


def is_absent(said: Completed) -> bool:
    """Whether nft itself said that there is no such element, set or table."""
    return said.status == 1 and _ABSENT.search(said.err) is not None


def plain(tag: str) -> str:
    """*tag* with nothing in it that could end nft's quotes."""
    return _TAG.sub("_", tag)[:_LONGEST_TAG]


def seconds_until(until: datetime) -> int:
    """How long is left, in nft's whole seconds; never none, which would mean for ever."""
    left = math.ceil((until - datetime.now(UTC)).total_seconds())
    return max(left, 1)


def expires(text: str) -> datetime | None:
    """When an element ends by itself, from nft's text: its JSON output lacks `get element`."""
    match = re.search(r"expires ([0-9a-z]+)", re.sub(r'"[^"]*"', "", text))
    if match is None:
        return None
    parts = re.findall(r"(\d+)(ms|d|h|m|s)", match.group(1))
    return datetime.now(UTC) + timedelta(seconds=sum(int(n) * _UNITS[unit] for n, unit in parts))
