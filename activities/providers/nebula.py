"""
Shutting a host out of a Nebula mesh: its certificate in the block list of the lighthouse and each peer.

Every one of them refuses by its own list, so each is an enforcement point of its own. The mesh has no
expiry: what is listed stays listed until it is taken out.
"""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime

from pydantic import JsonValue

from activities.isolate import Filter
from activities.profile import Profile, Proof
from activities.providers.nebula_config import (
    blocklist,
    disconnects,
    ours,
    with_entry,
    without_entries,
)
from activities.providers.nebula_daemon import (
    DISCONNECTS,
    Conflict,
    Node,
    read_node,
    write_node,
)
from activities.shell import Shell, first_line
from responder.contract import Found
from responder.errors import Unreachable
from responder.mesh import NebulaNode

_TRIES = 5

PROFILE = Profile(
    name="Nebula mesh",
    answers=("Isolate",),
    changes="the host's certificate in `pki.blocklist` of the lighthouse and of each peer, each alone; the daemon "
    "reads it by SIGHUP and ends live tunnels. Refused where it is not known to end them",
    permissions=(
        "write nebula's configuration and its folder",
        "nebula -test, -version",
        "nebula-cert print",
        "kill -HUP",
        "write /run/responder/nebula",
        "flock",
    ),
    verified="the block list is read, and that the daemon has read it since",
    undone="our entry is taken out, and the file is byte for byte what it was if nobody else changed it. Nothing "
    "in the mesh ends it: without the runner it stays",
    proof=Proof.REAL,
    against="daemons of Nebula in namespaces, judged by packets through their tunnels",
)


class NebulaBlock:
    """One host at one peer: whether the peer still talks to it."""

    expires_by_itself = False

    def __init__(
        self,
        shell: Shell | None,
        peer: str,
        node: NebulaNode,
        host: str,
        fingerprint: Callable[[], Awaitable[str]],
    ) -> None:
        self._shell = shell
        self._node = node
        self._host = host
        self._fingerprint = fingerprint
        self.name = f"nebula/{peer}/{host}"

    async def read(self) -> Found[Filter]:
        node = await self._look()
        mine = ours(node.text, self._host)
        current = await self._current(mine)
        listed = self._listed(node)
        shut = all(one in listed and _in_force(node, one) for one in current)
        theirs: list[JsonValue] = [one for one in current if one in listed and one not in mine]
        state = Filter.ISOLATED if shut else Filter.OPEN
        return Found(state=state, record={"listed before us": theirs})

    async def write(
        self, state: Filter, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        for _ in range(_TRIES):
            node = await self._look()
            try:
                if state is Filter.ISOLATED:
                    await self._shut_out(node, tag)
                else:
                    await self._let_in(node, record)
            except Conflict:
                continue
            except ValueError as error:
                raise RuntimeError(
                    f"{self.name}: {self._node.config}: {error}; nothing was changed"
                ) from error
            return
        raise Unreachable(f"{self.name}: {self._node.config} changes faster than it can be written")

    async def _shut_out(self, node: Node, tag: str) -> None:
        self._check_disconnects(node)
        (fingerprint,) = await self._current(())
        text = with_entry(node.text, fingerprint, host=self._host, tag=tag)
        known = [*_notes(node), DISCONNECTS]
        after = [*known, fingerprint]
        await self._give(node, text, known, after, f"{fingerprint}|blocklist")

    async def _let_in(self, node: Node, record: JsonValue) -> None:
        # What was listed before us stays; only that we made it be read again is forgotten.
        before = record.get("listed before us") if isinstance(record, dict) else None
        theirs = [str(one) for one in before] if isinstance(before, list) else []
        gone = {*ours(node.text, self._host), *theirs}
        text = without_entries(node.text, self._host)
        known = [note for note in _notes(node) if note not in gone]
        if text == node.text and len(known) == len(_notes(node)):
            return
        if node.as_started and disconnects(node.text, by_default=node.disconnects_by_default):
            known.append(DISCONNECTS)
        await self._give(node, text, known, known, "HUP")

    async def _give(
        self, node: Node, text: str, known: list[str], after: list[str], proof: str
    ) -> None:
        notes = (list(dict.fromkeys(known)), list(dict.fromkeys(after)))
        await write_node(
            self._shell_there(), self.name, self._node, node, text, notes=notes, proof=proof
        )

    def _check_disconnects(self, node: Node) -> None:
        """Refuse unless the daemon that runs is known to end live tunnels when it reloads."""
        if node.daemon is None or DISCONNECTS in node.daemon.notes:
            return
        if not node.as_started:
            raise RuntimeError(
                f"{self.name}: {self._node.config} was changed since its daemon started, so whether that "
                "ends live tunnels (pki.disconnect_invalid) is not known; nothing was changed: restart "
                "nebula there"
            )
        if not disconnects(node.text, by_default=node.disconnects_by_default):
            raise RuntimeError(
                f"{self.name}: expected pki.disconnect_invalid: true in {self._node.config} when its "
                "daemon started, found otherwise: live tunnels would stay; nothing was changed"
            )

    async def _look(self) -> Node:
        return await read_node(self._shell_there(), self.name, self._node)

    def _listed(self, node: Node) -> tuple[str, ...]:
        try:
            return blocklist(node.text)
        except ValueError as error:
            raise Unreachable(f"{self.name}: {self._node.config}: {error}") from error

    async def _current(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """The certificate to refuse; if the host cannot say, what was listed for it before."""
        try:
            return (await self._fingerprint(),)
        except Unreachable:
            if known:
                return known
            raise

    def _shell_there(self) -> Shell:
        if self._shell is None:
            raise Unreachable(
                f"{self.name}: expected inventory.hosts[].access to reach it, found none"
            )
        return self._shell


class Certificate:
    """A host's certificate: its fingerprint as the inventory has it, else as the host shows it."""

    def __init__(self, shell: Shell | None, host: str, node: NebulaNode) -> None:
        self._shell = shell
        self._host = host
        self._node = node

    async def fingerprint(self) -> str:
        """SHA-256 in hex. Raises `Unreachable` if nobody can say."""
        if self._node.fingerprint is not None:
            return self._node.fingerprint
        if self._shell is None:
            raise Unreachable(
                f"{self._host}: expected inventory.hosts[].nebula.fingerprint or a way to ask the host"
            )
        path = str(self._node.certificate)
        said = await self._shell.run(self._node.nebula_cert, "print", "-json", "-path", path)
        try:
            shown = json.loads(said.out)
            # One object a certificate; newer releases print a list of them.
            one = shown[0] if isinstance(shown, list) else shown
            name, found = one["details"]["name"], one["fingerprint"]
            fingerprint = NebulaNode.model_validate({"fingerprint": found}).fingerprint
        except (ValueError, LookupError, TypeError) as error:
            raise Unreachable(f"{self._host}: {path}: {first_line(said)}") from error
        expected = self._node.name or self._host
        if name != expected or fingerprint is None:
            raise Unreachable(f"{self._host}: expected {path} to be of {expected}, found {name}")
        return fingerprint


def _notes(node: Node) -> tuple[str, ...]:
    return node.daemon.notes if node.daemon else ()


def _in_force(node: Node, fingerprint: str) -> bool:
    """Whether the daemon has read its file since *fingerprint* is in it; none runs: it will."""
    return node.daemon is None or node.as_started or fingerprint in node.daemon.notes
