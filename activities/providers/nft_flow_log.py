"""
Logging a Linux node's new flows with its own packet filter, which the kernel itself ends.

The rules log only while the set `lease` has its elements, and those have timeouts. They accept and
drop nothing. They come before an isolation (-10) and the base filter (0), so that what those drop is
logged; what a block drops in prerouting is not.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue

from activities.monitoring import Monitoring
from activities.profile import Profile, Proof
from activities.providers.nftables import is_absent, plain, seconds_until
from activities.shell import Completed, Shell, first_line
from responder.contract import Found
from responder.errors import Unreachable
from responder.monitoring import MonitoringSettings

TABLE = "inet responder_monitoring"
_PRIORITY = -20
_HOOKS = ("input", "output", "forward")
_FAMILIES = ("ipv4", "ipv6")

PROFILE = Profile(
    name="the host's own nftables",
    answers=("RaiseMonitoring",),
    changes="a table of its own whose rules log new flows, so many a second at most; they decide about no packet",
    permissions=("nft -f, -j list",),
    verified="the elements of its lease and the log in each chain are read from the kernel",
    undone="the table is deleted; the kernel ends it by itself",
    proof=Proof.REAL,
    against="a host in a namespace over SSH, judged by what its kernel's netlink log gives",
)


class NftFlowLog:
    """Whether one Linux node logs its new flows."""

    expires_by_itself = True

    def __init__(
        self,
        shell: Shell,
        host: str,
        settings: MonitoringSettings,
        *,
        nft: str = "/usr/sbin/nft",
    ) -> None:
        self._shell, self._nft = shell, nft
        self._settings = settings
        self.name = f"flow-log/{host}"

    async def read(self) -> Found[Monitoring]:
        said = await self._shell.run(self._nft, "-j", "list", "table", *TABLE.split())
        if is_absent(said):
            return Found(state=Monitoring.NORMAL)
        if said.status:
            raise self._silent(said)
        try:
            return _seen(json.loads(said.out)["nftables"])
        except (ValueError, LookupError, TypeError) as error:
            raise self._silent(said) from error

    async def write(
        self,
        state: Monitoring,
        *,
        key: str,
        until: datetime | None,
        tag: str,
        record: JsonValue = None,
    ) -> None:
        # All of it anew in one transaction: it decides about no packet, so nothing is interrupted.
        lines = [f"add table {TABLE}", f"delete table {TABLE}"]
        if state is Monitoring.RAISED:
            lines += self._rules(until, plain(tag))
        said = await self._shell.run(self._nft, "-f", "-", stdin="\n".join(lines) + "\n")
        if said.status:
            raise RuntimeError(
                f"{self.name}: expected {state}, but nft could not: {first_line(said)}"
            )

    def _rules(self, until: datetime | None, tag: str) -> list[str]:
        timed = f" timeout {seconds_until(until)}s" if until else ""
        elements = ", ".join(f"{family}{timed}" for family in _FAMILIES)
        rate, group = self._settings.flows_per_second, self._settings.nflog_group
        # The kernel's log takes a level, a netlink group does not (nft(8), LOG STATEMENT).
        to = "level info" if group is None else f"group {group}"
        lines = [
            f"add table {TABLE}",
            f"add set {TABLE} lease {{ typeof meta nfproto; flags timeout; }}",
            f"add element {TABLE} lease {{ {elements} }}",
        ]
        for hook in _HOOKS:
            hooked = f"type filter hook {hook} priority {_PRIORITY}; policy accept;"
            said = f'log prefix "responder {tag} {hook}: " {to}'
            limit = f"limit rate {rate}/second burst {rate} packets"
            lines += [
                f"add chain {TABLE} {hook} {{ {hooked} }}",
                f"add rule {TABLE} {hook} meta nfproto @lease ct state new {limit} counter {said}",
            ]
        return lines

    def _silent(self, said: Completed) -> Unreachable:
        return Unreachable(f"{self.name}: nft could not say: {first_line(said)}")


def _seen(listed: Sequence[dict[str, Any]]) -> Found[Monitoring]:
    """Raised only if both leases run and every hook still logs."""
    rules = [entry["rule"] for entry in listed if "rule" in entry]
    logging = {rule["chain"] for rule in rules if any("log" in part for part in rule["expr"])}
    leases = [
        element.get("elem", {}) if isinstance(element, dict) else {}
        for entry in listed
        for element in entry.get("set", {}).get("elem", ())
    ]
    if len(leases) != len(_FAMILIES) or not logging.issuperset(_HOOKS):
        return Found(state=Monitoring.NORMAL)
    left = [lease["expires"] for lease in leases if "expires" in lease]
    ends = datetime.now(UTC) + timedelta(seconds=min(left)) if left else None
    return Found(state=Monitoring.RAISED, expires=ends)
