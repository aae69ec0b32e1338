"""Isolating a Linux node with its own packet filter; root on the node can undo it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import JsonValue

from activities.isolate import Filter
from activities.profile import Profile, Proof
from activities.providers.nft_flows import rules, way_back
from activities.providers.nft_lease import CONFIRM, LeasedTable
from activities.shell import Shell
from responder.contract import Found
from responder.policy.segments import Flow

_TABLE = "inet responder_isolation"
_PRIORITY = -10  # before the base filter (0): what it accepts does not get that far
_HOOKS = ("input", "output", "forward")
_FAMILIES = ("ipv4", "ipv6")
_NEIGHBOURS = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
_LOOPBACK = ("127.0.0.0/8", "::1/128")

PROFILE = Profile(
    name="the host's own nftables",
    answers=("Isolate",),
    changes="a table of its own before the base filter that drops all but loopback and the flows that are kept; "
    "ends connections that are open. Root on the host can flush it",
    permissions=("nft -f, -j list", "ss -K"),
    verified="the elements of its lease and the drop in each chain are read from the kernel, over a connection "
    "that came in under the new rules",
    undone="the table is deleted; the kernel ends it by itself, and after half a minute if the runner does not "
    "get back in",
    proof=Proof.REAL,
    against="hosts in namespaces over SSH, judged by packets from every side",
)


class NftIsolation:
    """The packet filter of one Linux node: open, or isolated."""

    expires_by_itself = True

    def __init__(
        self,
        shell: Shell,
        host: str,
        flows: Sequence[Flow],
        *,
        nft: str = "/usr/sbin/nft",
        confirm: timedelta = CONFIRM,
    ) -> None:
        self._shell = shell
        self._flows = flows
        self.name = f"filter/{host}"
        self._table = LeasedTable(
            shell,
            self.name,
            nft=nft,
            table=_TABLE,
            lease={"lease": _FAMILIES},
            chains=_HOOKS,
            confirm=confirm,
        )

    async def read(self) -> Found[Filter]:
        return await self._table.read()

    async def write(
        self, state: Filter, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        if state is Filter.OPEN:
            await self._table.open()
            return
        if not way_back(self._flows):
            raise RuntimeError(
                f"{self.name}: expected inventory.isolation to let SSH back in, found "
                f"{'; '.join(map(str, self._flows)) or 'nothing'}; nothing was changed"
            )
        await self._table.isolate(self._rules(), until, tag, self._end_flows)

    async def _end_flows(self) -> None:
        """Reset what was connected: stalled flows would come back to life at the undo."""
        kept = [*_LOOPBACK, *(str(network) for flow in self._flows for network in flow.networks)]
        spared = " and ".join(f"not dst {network}" for network in dict.fromkeys(kept))
        # The state filter must come before the expression: reversed, ss kills nothing.
        await self._shell.run("ss", "-tuK", "state", "connected", spared)

    def _rules(self) -> str:
        # The answering end of a flow may answer, but not open: anybody could send from port 22.
        allowed = {
            "input": ["iif lo accept", *rules(self._flows, to_host=True)],
            "output": ["oif lo accept", *rules(self._flows, to_host=False)],
            "forward": [],
        }
        lines = [
            f"add table {_TABLE}",
            f"add set {_TABLE} lease {{ typeof meta nfproto; flags timeout; }}",
        ]
        for hook in _HOOKS:
            chain = f"{_TABLE} {hook}"
            hooked = f"type filter hook {hook} priority {_PRIORITY}; policy accept;"
            said = [
                *allowed[hook],
                _NEIGHBOURS,
                "meta nfproto != @lease accept",
                "counter drop",
            ]
            lines += [
                f"add chain {chain} {{ {hooked} }}",
                f"flush chain {chain}",
                *(f"add rule {chain} {rule}" for rule in said),
            ]
        return "\n".join(lines) + "\n"
