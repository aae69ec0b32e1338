"""
Isolating a Linux node with its own packet filter, which the kernel itself ends.

The drop rules apply only while the set `lease` has its two elements, and those have timeouts: with
everything of ours dead the node comes back by itself. The change is commit-confirmed the same
way: it is first made for half a minute, and extended only after the runner has come back in.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue

from activities.isolate import Filter
from activities.providers.nftables import is_absent, plain, seconds_until
from activities.shell import Completed, Shell, first_line
from responder.contract import Found
from responder.errors import Unreachable
from responder.incident import Frozen
from responder.inventory import Address, Isolation

_TABLE = "inet responder_isolation"
_PRIORITY = -10  # before the base filter (0): what it accepts does not get that far
_CONFIRM = timedelta(seconds=30)
_HOOKS = ("input", "output", "forward")
_FAMILIES = ("ipv4", "ipv6")
_LEASED = f"element {_TABLE} lease {{ {', '.join(_FAMILIES)} }}"
_NEIGHBOURS = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
_ANSWERING = "tcp flags & (syn | ack) != syn"
_LOOPBACK = ("127.0.0.0/8", "::1/128")


class _Look(Frozen):
    found: Found[Filter]
    comment: str = ""


class NftIsolation:
    """The packet filter of one Linux node: open, or isolated."""

    expires_by_itself = True

    def __init__(
        self,
        shell: Shell,
        host: str,
        isolation: Isolation,
        *,
        nft: str = "/usr/sbin/nft",
        confirm: timedelta = _CONFIRM,
    ) -> None:
        self._shell = shell
        self._isolation = isolation
        self._nft = nft
        self._confirm = confirm
        self.name = f"filter/{host}"

    async def read(self) -> Found[Filter]:
        return (await self._look()).found

    async def write(
        self, state: Filter, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        if state is Filter.OPEN:
            await self._load(f"add table {_TABLE}\ndelete table {_TABLE}\n", "open")
            return
        if not self._isolation.management:
            raise RuntimeError(
                f"{self.name}: inventory.isolation.management is empty; nothing could come back in"
            )
        rules = self._rules()
        # Which rules stand is written beside the lease: extending it must not touch them.
        mark = hashlib.sha256(rules.encode()).hexdigest()[:12]
        comment = f"{plain(tag)} {mark}"
        look = await self._look()
        if look.found.state is Filter.ISOLATED and look.comment.endswith(f" {mark}"):
            renewed = await self._renew(until, comment)
        else:
            trial = datetime.now(UTC) + self._confirm
            make_room = f"add {_LEASED}\ndelete {_LEASED}\n"
            await self._load(rules + make_room + _lease(trial, comment), "isolate")
            await self._shell.close()  # come back in through the new rules, or not at all
            await self._end_flows()
            renewed = await self._renew(until, comment)
        if not renewed:
            raise Unreachable(
                f"{self.name}: the isolation ended before it was confirmed; it is open"
            )

    async def _look(self) -> _Look:
        said = await self._shell.run(self._nft, "-j", "list", "table", *_TABLE.split())
        if is_absent(said):
            return _Look(found=Found(state=Filter.OPEN))
        if said.status:
            raise self._silent(said)
        try:
            return _seen(json.loads(said.out)["nftables"])
        except (ValueError, LookupError, TypeError) as error:
            raise self._silent(said) from error

    async def _load(self, script: str, what: str) -> None:
        said = await self._shell.run(self._nft, "-f", "-", stdin=script)
        if said.status:
            raise RuntimeError(f"{self.name}: nft could not {what}: {first_line(said)}")

    async def _renew(self, until: datetime | None, comment: str) -> bool:
        """Replace a lease that still runs; False if it had ended, and then nothing is isolated."""
        script = f"delete {_LEASED}\n{_lease(until, comment)}"
        said = await self._shell.run(self._nft, "-f", "-", stdin=script)
        if said.status and not is_absent(said):
            raise RuntimeError(f"{self.name}: nft could not confirm: {first_line(said)}")
        return said.status == 0

    async def _end_flows(self) -> None:
        """Reset what was connected: stalled flows would come back to life at the undo."""
        allowed = (*self._isolation.management, *self._isolation.evidence)
        kept = [*_LOOPBACK, *(f"{address}/{address.max_prefixlen}" for address in allowed)]
        spared = " and ".join(f"not dst {network}" for network in kept)
        # The state filter must come before the expression: reversed, ss kills nothing.
        await self._shell.run("ss", "-tuK", "state", "connected", spared)

    def _rules(self) -> str:
        management, evidence = self._isolation.management, self._isolation.evidence
        # The collector's port may answer, but not open: anybody could send from port 22.
        allowed = {
            "input": [
                "iif lo accept",
                *_accepts("saddr", management, "tcp dport 22"),
                *_accepts("saddr", evidence, f"tcp sport 22 {_ANSWERING}"),
            ],
            "output": [
                "oif lo accept",
                *_accepts("daddr", management, "tcp sport 22"),
                *_accepts("daddr", evidence, "tcp dport 22"),
            ],
            "forward": [],
        }
        lines = [
            f"add table {_TABLE}",
            f"add set {_TABLE} lease {{ typeof meta nfproto; flags timeout; }}",
        ]
        for hook in _HOOKS:
            chain = f"{_TABLE} {hook}"
            hooked = f"type filter hook {hook} priority {_PRIORITY}; policy accept;"
            rules = [
                *allowed[hook],
                _NEIGHBOURS,
                "meta nfproto != @lease accept",
                "counter drop",
            ]
            lines += [
                f"add chain {chain} {{ {hooked} }}",
                f"flush chain {chain}",
                *(f"add rule {chain} {rule}" for rule in rules),
            ]
        return "\n".join(lines) + "\n"

    def _silent(self, said: Completed) -> Unreachable:
        return Unreachable(f"{self.name}: nft could not say: {first_line(said)}")


def _lease(until: datetime | None, comment: str) -> str:
    timed = f" timeout {seconds_until(until)}s" if until else ""
    elements = ", ".join(f'{family}{timed} comment "{comment}"' for family in _FAMILIES)
    return f"add element {_TABLE} lease {{ {elements} }}\n"


def _accepts(side: str, addresses: Sequence[Address], port: str) -> list[str]:
    return [
        f"{'ip' if address.version == 4 else 'ip6'} {side} {address} {port} accept"  # noqa: PLR2004 - IP version
        for address in addresses
    ]


def _seen(listed: Sequence[dict[str, Any]]) -> _Look:
    """What nft's JSON shows: isolated only if both leases run and every hook still drops."""
    rules = [entry["rule"] for entry in listed if "rule" in entry]
    dropping = {rule["chain"] for rule in rules if any("drop" in part for part in rule["expr"])}
    leases = [
        element.get("elem", {}) if isinstance(element, dict) else {}
        for entry in listed
        for element in entry.get("set", {}).get("elem", ())
    ]
    if len(leases) != len(_FAMILIES) or not dropping.issuperset(_HOOKS):
        return _Look(found=Found(state=Filter.OPEN))
    left = [lease["expires"] for lease in leases if "expires" in lease]
    ends = datetime.now(UTC) + timedelta(seconds=min(left)) if left else None
    comment = str(leases[0].get("comment", ""))
    return _Look(found=Found(state=Filter.ISOLATED, expires=ends), comment=comment)
