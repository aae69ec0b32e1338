"""
Isolating a host on the switch or hypervisor it hangs on, where root on the host reaches nothing.

Rules of nft's `bridge` family drop every frame of the host's port, MAC address and addresses but the
flows it keeps, and the ARP (RFC 826) and neighbour discovery (RFC 4861) these need. There is no
conntrack: flows are told by address and port. Frames with a VLAN tag match none of them and are
dropped. What was open stands still and would go on after the undo: it is the host's own side that
ends it, or a reboot (nft's `reject` for this family needs a kernel option that not all have).
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from ipaddress import IPv6Network, ip_network

from pydantic import JsonValue

from activities.isolate import Filter
from activities.profile import Profile, Proof
from activities.providers.nft_flows import rules, way_back
from activities.providers.nft_lease import CONFIRM, LeasedTable
from activities.shell import Shell
from responder.contract import Found
from responder.errors import Unreachable
from responder.incident import Network
from responder.policy.segments import Address, Flow
from responder.switches import SwitchPort

_PRIORITY = -310  # before every priority that nft has a name for in this family (dstnat is -300)
_SETS = {"ports": "ifname", "macs": "ether_addr", "v4": "ipv4_addr", "v6": "ipv6_addr"}
_TARGET = 64  # RFC 4861, sections 4.3 and 4.4: where the target stands, in bits
_LINK_LOCAL = "fe80::/10"

PROFILE = Profile(
    name="switch or hypervisor with nftables",
    answers=("Isolate",),
    changes="a table of its own in the bridge family, which drops every frame of the host's port, MAC address and "
    "addresses but the flows that are kept; what was open stands still and is not ended",
    permissions=("nft -f, -j list", "read /sys/class/net"),
    verified="the elements of its lease and the drop in each chain are read from the kernel, and that the port is "
    "still on a bridge there",
    undone="the table is deleted; the kernel ends it by itself, and after half a minute if the runner does not "
    "get back in",
    proof=Proof.REAL,
    against="a Linux bridge in a namespace over SSH, judged by packets, whatever root on the host does",
)


class BridgeIsolation:
    """One host's place on one switch: open, or isolated."""

    expires_by_itself = True

    def __init__(
        self,
        shell: Shell,
        switch: str,
        port: SwitchPort,
        addresses: Sequence[Address],
        flows: Sequence[Flow],
        *,
        gateways: Sequence[Address] = (),
        nft: str = "/usr/sbin/nft",
        confirm: timedelta = CONFIRM,
    ) -> None:
        self._shell = shell
        self._switch = switch
        self._port = port
        self._addresses = addresses
        self._flows = flows
        self._gateways = gateways
        self.name = f"switch/{switch}/{port.host}"
        self._where = f"bridge {_table_of(port.host)}"
        self._table = LeasedTable(
            shell,
            self.name,
            nft=nft,
            table=self._where,
            lease=self._lease(),
            chains=("from_port", "to_port"),
            confirm=confirm,
        )

    async def read(self) -> Found[Filter]:
        await self._find_port()
        return await self._table.read()

    async def write(
        self, state: Filter, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        if state is Filter.OPEN:
            await self._table.open()
            return
        if not self._addresses or not way_back(self._flows):
            raise RuntimeError(
                f"{self.name}: expected the host's addresses and a way back in for SSH, found "
                f"{', '.join(map(str, self._addresses)) or 'no address'} and "
                f"{'; '.join(map(str, self._flows)) or 'no flow'}; nothing was changed"
            )
        await self._table.isolate(self._rules(), until, tag)

    async def _find_port(self) -> None:
        """Raise `Unreachable` if the host's port is not on a bridge here: it may have moved."""
        if self._port.interface is None:
            return
        interface = self._port.interface
        said = await self._shell.run("test", "-e", f"/sys/class/net/{interface}/brport")
        if said.status:
            raise Unreachable(
                f"{self.name}: expected port {interface} on a bridge of {self._switch}, found none; "
                "the host may have moved"
            )

    def _lease(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {name: [] for name in _SETS}
        if self._port.interface is not None:
            found["ports"].append(f'"{self._port.interface}"')
        if self._port.mac is not None:
            found["macs"].append(self._port.mac)
        for address in self._addresses:
            found[f"v{address.version}"].append(str(address))
        return found

    def _rules(self) -> str:
        leaving = [
            *rules(self._flows, to_host=False, host=self._addresses),
            *self._neighbours(to_host=False),
        ]
        arriving = [
            *rules(self._flows, to_host=True, host=self._addresses),
            *self._neighbours(to_host=True),
        ]
        of_host = ("iifname @ports", "ether saddr @macs", "ip saddr @v4", "ip6 saddr @v6")
        for_host = ("ip daddr @v4", "ip6 daddr @v6")
        from_port = [
            *leaving,
            *arriving,
            *(f"{frame} counter drop" for frame in (*of_host, "arp saddr ip @v4", *for_host)),
        ]
        to_port = [
            *arriving,
            "oifname @ports counter drop",
            "ether daddr @macs counter drop",
        ]
        lines = [f"add table {self._where}"]
        lines += [
            f"add set {self._where} {name} {{ type {kind}; flags timeout; }}"
            for name, kind in _SETS.items()
        ]
        for chain, hook, said in (
            ("from_port", "prerouting", from_port),
            ("to_port", "postrouting", to_port),
        ):
            where = f"{self._where} {chain}"
            hooked = f"type filter hook {hook} priority {_PRIORITY}; policy accept;"
            lines += [
                f"add chain {where} {{ {hooked} }}",
                f"flush chain {where}",
                *(f"add rule {where} {rule}" for rule in said),
            ]
        return "\n".join(lines) + "\n"

    def _neighbours(self, *, to_host: bool) -> Iterator[str]:
        """ARP and neighbour discovery between the host and whom it may still talk to."""
        peers = [
            *(network for flow in self._flows for network in flow.networks),
            *(ip_network(gateway) for gateway in self._gateways),
        ]
        own, others = _of(self._addresses, 4), _of(peers, 4)
        if own and others:
            sender, target = (others, own) if to_host else (own, others)
            yield f"arp saddr ip {{ {sender} }} arp daddr ip {{ {target} }} accept"
        own, others = _of(self._addresses, 6), _of(peers, 6)
        if not own or not others:
            return
        asked = [ip_network(a) for a in self._addresses] if to_host else peers
        answered = peers if to_host else [ip_network(a) for a in self._addresses]
        sender = others if to_host else own
        for kind, targets in (("solicit", asked), ("advert", answered)):
            for network in targets:
                if isinstance(network, IPv6Network):
                    yield (
                        f"ip6 saddr {{ {sender}, {_LINK_LOCAL} }} "
                        f"icmpv6 type nd-neighbor-{kind} {_target(network)} accept"
                    )


def _table_of(host: str) -> str:
    """A table of its own for each host, told apart even if nft cannot write their names."""
    readable = re.sub(r"[^a-z0-9]", "_", host.lower())[:40]
    return f"responder_{readable}_{hashlib.sha256(host.encode()).hexdigest()[:8]}"


def _of(these: Iterable[Address | Network], version: int) -> str:
    return ", ".join(dict.fromkeys(str(one) for one in these if one.version == version))


def _target(network: IPv6Network) -> str:
    """The target of a solicitation or an advertisement, which nft 1.0.6 has no name for."""
    if network.prefixlen == 0:
        return ""
    value = int(network.network_address) >> (128 - network.prefixlen)
    return f"@th,{_TARGET},{network.prefixlen} {value:#x}"
