"""
Blocking with pf on macOS, FreeBSD and OpenBSD: an address table in an anchor. Never run against a live pf.

Written from pfctl(8) and pf.conf(5). The administrator sets up the anchor with its table and the
two rules that block by it; here only the table's entries are changed. A table that no rule refers to
blocks nothing, so a block there is refused. pf ends no entry by itself.
"""

import re
from datetime import datetime
from ipaddress import IPv4Network, ip_network

from pydantic import JsonValue

from activities.block import name_of
from activities.profile import Profile, Proof
from activities.shell import Completed, Shell, first_line
from responder.contract import Found
from responder.errors import Unreachable
from responder.incident import Network
from responder.policy.networks import overlap

# How pfctl(8) names ESRCH and ENOENT; any other complaint leaves it unknown what the table holds.
_ABSENT = re.compile(r"^pfctl: (?:Table|Anchor or Ruleset) does not exist", re.MULTILINE)
_BLOCK = r"^block (?:drop|return\S*)(?: {way})?(?: log(?: \([^)]*\))?)? quick {ends}$"

PROFILE = Profile(
    name="pf (macOS, FreeBSD, OpenBSD)",
    answers=("Block",),
    changes="an address in a table of an anchor that the administrator made; ends states that are open",
    permissions=("pfctl -T add, delete, show", "pfctl -s info, rules", "pfctl -k"),
    verified="the table's entry, that pf is enabled, and that the rules block by the table",
    undone="the address is deleted; pf ends nothing by itself, so it lasts until we are back",
    proof=Proof.TRANSCRIPT,
    against="pfctl's answers written from its manual",
)


class PfBlock:
    """One network at one firewall with pf: whether it is blocked there."""

    expires_by_itself = False

    def __init__(
        self, shell: Shell, network: Network, *, point: str, anchor: str, table: str, pfctl: str
    ) -> None:
        self._shell = shell
        self._network = network
        self._anchor = anchor
        self._table = table
        self._pfctl = pfctl
        self.name = f"block/{point}/{name_of(network)}"

    async def read(self) -> Found[bool]:
        # Not `-T test`: it takes no networks, and says that an address is there when only a network
        # around it is.
        said = await self._at_table("show")
        if _ABSENT.search(said.err):
            return Found(state=False)
        if said.status:
            raise Unreachable(f"{self.name}: pfctl could not say: {first_line(said)}")
        entries = [_entry(line) for line in said.out.splitlines() if line.strip()]
        for exempt, network in entries:
            if exempt and overlap(self._network, network):
                raise Unreachable(
                    f"{self.name}: <{self._table}> exempts {network} (!), which is not ours: "
                    "not all of it is blocked"
                )
        if (False, self._network) not in entries:
            return Found(state=False)
        if why := await self.fault():
            raise Unreachable(f"{self.name}: listed, but nothing blocks by it: {why}")
        return Found(state=True)

    async def write(
        self, state: bool, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        entry = str(self._network)
        if not state:
            said = await self._at_table("delete", entry)
            if said.status and not _ABSENT.search(said.err):
                raise RuntimeError(
                    f"pfctl could not delete {entry} from <{self._table}>: {first_line(said)}"
                )
            return
        if why := await self.fault():
            raise RuntimeError(f"{self.name}: {why}; nothing was changed")
        said = await self._at_table("add", entry)
        if said.status:
            raise RuntimeError(
                f"pfctl could not add {entry} to <{self._table}>: {first_line(said)}"
            )
        # A state that is there lets its packets pass without a look at the rules: pf.conf(5).
        everywhere = "0.0.0.0/0" if isinstance(self._network, IPv4Network) else "::/0"
        for ends in (("-k", entry), ("-k", everywhere, "-k", entry)):
            said = await self._shell.run(self._pfctl, *ends)
            if said.status:
                raise RuntimeError(
                    f"{entry} is in <{self._table}>, but its open states could not be ended: "
                    f"{first_line(said)}"
                )

    async def _at_table(self, command: str, *addresses: str) -> Completed:
        table = ("-a", self._anchor, "-t", self._table)
        return await self._shell.run(self._pfctl, *table, "-T", command, *addresses)

    async def fault(self) -> str:
        """Why an entry of the table would not be blocked; empty if it would. Raises `Unreachable`."""
        info = await self._shown("info")
        if not re.search(r"^Status: Enabled", info, re.MULTILINE):
            found = info.splitlines()[0].strip() if info.strip() else "nothing"
            return f"expected pf to be enabled, found {found!r}"
        rules = [line.strip() for line in (await self._shown("rules")).splitlines()]
        call = f'anchor "{self._anchor}" all'
        if call not in rules:
            return f"expected `{call}` among the rules, found {len(rules)} rules without it"
        before = rules[: rules.index(call)]
        if first := next((r for r in before if re.match(r"pass\b.* quick\b", r)), ""):
            return f"expected nothing to pass before `{call}`, found `{first}`"
        held = [line.strip() for line in (await self._shown("rules", self._anchor)).splitlines()]
        table = rf"<{re.escape(self._table)}(?::\d+)?>"
        for way, ends in (("in", f"from {table} to any"), ("out", f"from any to {table}")):
            pattern = re.compile(_BLOCK.format(way=way, ends=ends))
            at = next((i for i, rule in enumerate(held) if pattern.match(rule)), None)
            if at is None or any(rule.startswith("pass") for rule in held[:at]):
                plain = ends.replace(table, f"<{self._table}>")
                return (
                    f"expected `block drop {way} quick {plain}` first in the anchor "
                    f"{self._anchor}, found {'; '.join(held) or 'no rule'}"
                )
        return ""

    async def _shown(self, what: str, anchor: str = "") -> str:
        where = ("-a", anchor) if anchor else ()
        said = await self._shell.run(self._pfctl, *where, "-s", what)
        if said.status and not _ABSENT.search(said.err):
            raise Unreachable(f"{self.name}: pfctl could not show its {what}: {first_line(said)}")
        return said.out


def _entry(line: str) -> tuple[bool, Network]:
    """A line of `-T show`: whether it exempts, and what; an entry without a length is one address."""
    text = line.strip()
    address = text.lstrip("!").strip().partition("%")[0]
    return text.startswith("!"), ip_network(address, strict=False)
