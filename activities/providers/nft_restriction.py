"""
Restricting with nftables: set elements that carry their own limit, and end by themselves.

An element of a set may hold a stateful `limit` of its own (nft(8), SET STATEMENT and STATEFUL
OBJECTS): a packet that matches the element goes on in the rule only when it is over that limit, and
is dropped there. So one rule serves every network of a prefix length, each at its own rate. As with
blocks, each prefix length has its own sets: a /24 and a /32 in it never touch each other.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from typing import Any

from pydantic import JsonValue

from activities.block import name_of
from activities.profile import Profile, Proof
from activities.providers.nftables import is_absent, plain, seconds_until
from activities.restrict import Limits
from activities.shell import Completed, Shell, first_line
from responder.contract import Found
from responder.errors import Unreachable
from responder.incident import Frozen, Network

# Which of our sets holds which limit, in what unit, and the hook's priority (nft(8): raw is -300,
# conntrack comes at -200). Packets are counted before connection tracking, so that established
# flows are slowed as well, and after blocks (-300); what is new is known only after it.
_KINDS = {
    "packets_per_second": ("packets", "second", -290, ""),
    "connections_per_minute": ("connections", "minute", -190, "ct state new "),
}
# One write at a time: without that, one that takes the empty table away could take what another has
# just put there. The nft binary itself is the lock file: it is there, and nobody else locks it.
_LOCKED = """\
PATH="$PATH:/usr/sbin:/sbin"; exec 9<"$1" && flock -w 5 9 || exit 75
"""
_ADD = f'{_LOCKED}"$1" -f - 9<&-\n'
_REMOVE = f"""\
{_LOCKED}"$1" -f - 9<&- || exit
case "$("$1" list table $2 9<&-)" in *'elements = '*) ;; *) "$1" delete table $2 9<&- ;; esac
"""

PROFILE = Profile(
    name="nftables",
    answers=("Restrict",),
    changes="elements that carry a limit, in sets of its own, and the rules that drop what is over it",
    permissions=("nft -f, -j list, delete", "flock"),
    verified="the element with its limit, and the rule that drops by its set, are read from the kernel",
    undone="the element is deleted, or the limit that was found is set again with its comment, and the table goes "
    "when no set has any left; the kernel ends it by itself",
    proof=Proof.REAL,
    against="a firewall in a namespace over SSH, judged by packets",
)


class _Limit(Frozen):
    """One limit as nft's JSON shows it."""

    field: str
    rate: int
    expires: float | None
    comment: str


class NftRestriction:
    """What one network may send through one Linux firewall."""

    expires_by_itself = True

    def __init__(
        self,
        shell: Shell,
        network: Network,
        *,
        point: str,
        table: str = "responder_restriction",
        nft: str = "/usr/sbin/nft",
    ) -> None:
        self._shell = shell
        self._network = network
        self._table = f"inet {table}"
        self._nft = nft
        self._family = "4" if isinstance(network, IPv4Network) else "6"
        self._element = str(network.network_address)
        self.name = f"restrict/{point}/{name_of(network)}"

    async def read(self) -> Found[Limits]:
        said = await self._shell.run(self._nft, "-j", "list", "table", *self._table.split())
        if is_absent(said):
            return Found(state=Limits())
        if said.status:
            raise self._silent(said)
        try:
            limits = list(self._limits(json.loads(said.out)["nftables"]))
        except (ValueError, LookupError, TypeError) as error:
            raise self._silent(said) from error
        left = [limit.expires for limit in limits if limit.expires is not None]
        ends = datetime.now(UTC) + timedelta(seconds=min(left)) if left else None
        state = Limits.model_validate({limit.field: limit.rate for limit in limits})
        # Whose a limit was is part of what stood there: an undo that lowers it again says so again.
        comments: dict[str, JsonValue] = {one.field: one.comment for one in limits if one.comment}
        return Found(state=state, expires=ends, record={"comments": comments} if comments else None)

    async def write(
        self,
        state: Limits,
        *,
        key: str,
        until: datetime | None,
        tag: str,
        record: JsonValue = None,
    ) -> None:
        lines: list[str] = []
        for field in _KINDS:
            rate: int | None = getattr(state, field)
            said_by = tag or _comment(record, field)
            lines += (
                self._without(field) if rate is None else self._with(field, rate, until, said_by)
            )
        words = _REMOVE if state == Limits() else _ADD
        said = await self._shell.run(
            "sh", "-c", words, "sh", self._nft, self._table, stdin="\n".join(lines) + "\n"
        )
        if said.status and not (state == Limits() and is_absent(said)):
            raise RuntimeError(
                f"{self.name}: expected {state!r}, but nft could not: {first_line(said)}"
            )

    def _set(self, field: str) -> str:
        single = self._network.num_addresses == 1
        where = f"hosts{self._family}" if single else f"net{self._family}_{self._network.prefixlen}"
        return f"{_KINDS[field][0]}_{where}"

    def _with(self, field: str, rate: int, until: datetime | None, tag: str) -> list[str]:
        """The set, the rule that drops what is over an element's limit, and the element, anew."""
        _, unit, priority, only = _KINDS[field]
        name = self._set(field)
        word = "ip" if self._family == "4" else "ip6"
        mask = "" if self._network.num_addresses == 1 else f"and {self._network.netmask} "
        timed = f" timeout {seconds_until(until)}s" if until else ""
        comment = f' comment "{plain(tag)}"' if tag else ""
        # As much at once as in a whole second or minute, and no more: nft's own default is 5.
        limit = f"limit rate over {rate}/{unit} burst {rate} packets"
        where = f"element {self._table} {name}"
        hooked = f"type filter hook prerouting priority {priority}; policy accept;"
        return [
            *self._set_itself(field),
            f"add chain {self._table} {name} {{ {hooked} }}",
            f"flush chain {self._table} {name}",
            f"add rule {self._table} {name} {only}{word} saddr {mask}@{name} counter drop",
            f"add {where} {{ {self._element} }}",
            f"delete {where} {{ {self._element} }}",
            f"add {where} {{ {self._element} {limit}{timed}{comment} }}",
        ]

    def _without(self, field: str) -> list[str]:
        """The element gone; its set is made first, because what is missing cannot be deleted from."""
        where = f"element {self._table} {self._set(field)}"
        return [
            *self._set_itself(field),
            f"add {where} {{ {self._element} }}",
            f"delete {where} {{ {self._element} }}",
        ]

    def _set_itself(self, field: str) -> tuple[str, str]:
        """The table and the set, made if they are missing."""
        unit = _KINDS[field][1]
        kind = "ipv4_addr" if self._family == "4" else "ipv6_addr"
        # The set's own limit only says of what kind its elements' limits are.
        holds = f"type {kind}; flags timeout; limit rate over 1/{unit};"
        name = f"{self._table} {self._set(field)}"
        return f"add table {self._table}", f"add set {name} {{ {holds} }}"

    def _limits(self, listed: list[dict[str, Any]]) -> Iterator[_Limit]:
        """This network's limits that are in force: an element without its rule drops nothing."""
        dropping = {
            str(rule["chain"])
            for rule in (entry["rule"] for entry in listed if "rule" in entry)
            if any("drop" in part for part in rule["expr"])
        }
        sets: Mapping[str, Any] = {
            entry["set"]["name"]: entry["set"] for entry in listed if "set" in entry
        }
        for field, (_, unit, _, _) in _KINDS.items():
            name = self._set(field)
            for element in sets.get(name, {}).get("elem", ()):
                inner = element["elem"] if isinstance(element, dict) else {}
                if inner.get("val") != self._element or name not in dropping:
                    continue
                limit = inner["limit"]
                if limit["per"] != unit or not limit.get("inv"):
                    raise ValueError(f"{name} limits in a way that is not ours: {limit}")
                yield _Limit(
                    field=field,
                    rate=limit["rate"],
                    expires=inner.get("expires"),
                    comment=inner.get("comment", ""),
                )

    def _silent(self, said: Completed) -> Unreachable:
        line = re.sub(r"\s+", " ", first_line(said))
        return Unreachable(f"{self.name}: nft could not say: {line}")


def _comment(record: JsonValue, field: str) -> str:
    """What stood at a limit before the first hold."""
    comments = record.get("comments") if isinstance(record, dict) else None
    return str(comments.get(field, "")) if isinstance(comments, dict) else ""
