"""
A new key and certificate for a host of a Nebula mesh, while its tunnels stay up.

The steps: the host makes a key, the authority signs its public half, both are tried with nebula -test,
take the old pair's place by one rename, and the daemon is told. A step that was done is not done twice,
but for the signing: what was signed and never put in place was kept by nobody.
"""

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import yaml
from pydantic import JsonValue

from activities.profile import Profile, Proof
from activities.providers import nebula_pair
from activities.providers.nebula_authority import Authority, Shown, shown
from activities.providers.nebula_config import blocklist
from activities.providers.nebula_daemon import Node, Running, read_node
from activities.shell import Shell, first_line
from responder.contract import Found
from responder.errors import Unreachable
from responder.incident import Frozen
from responder.mesh import NebulaNode

PROFILE = Profile(
    name="Nebula host certificate",
    answers=("RotateMeshCertificate",),
    changes="a key made on the host, a certificate signed by the mesh's authority for what the present one says; "
    "both take the old pair's place by one rename, the daemon reads them by SIGHUP, the old key is deleted",
    permissions=(
        "write the folder of the certificate",
        "nebula-cert keygen, sign, verify, print",
        "nebula -test",
        "kill -HUP",
        "write /run/responder/nebula",
        "flock",
    ),
    verified="the certificate at the daemon's path is the new one, and the daemon took it since: by its log where "
    "`nebula.log` is set, otherwise that it was told after nebula -test accepted the pair",
    undone="not: the old key is gone; the old certificate is valid until it expires or is in pki.blocklist",
    proof=Proof.REAL,
    against="daemons of Nebula 1.6.1 in namespaces, judged by packets through a tunnel and a peer's handshake log",
)


class _Paths(Frozen):
    crt: str
    key: str
    ca: str


class _Look(Frozen):
    node: Node
    paths: _Paths
    placed: int | None  # seconds since 1970; none: another pair is in use
    present: Shown | None
    old: Shown | None

    @property
    def served(self) -> bool:
        """Whether the daemon that runs took the pair that is in place."""
        daemon = self.node.daemon
        if daemon is None or self.placed is None or self.present is None:
            return False
        # Both are known to the second; told once too often does no harm.
        return self.placed + 1 < daemon.began or _note(self.present) in daemon.notes


class HostCertificate:
    """Whether a host uses the key and certificate that one incident had made."""

    expires_by_itself = False

    def __init__(
        self,
        shell: Shell,
        host: str,
        node: NebulaNode,
        incident: str,
        authority: Authority,
        peers: Mapping[str, tuple[Shell, NebulaNode]],
    ) -> None:
        self._shell = shell
        self._host = host
        self._node = node
        self._want = f"to.{incident}"
        self._authority = authority
        self._peers = peers
        self.name = f"nebula-certificate/{host}/{incident}"

    async def read(self) -> Found[bool]:
        found = await self._look()
        if found.placed is None:
            old = found.present.fingerprint if found.present else None
            return Found(state=False, record={"old": old, "new": None, "not_after": None})
        if found.node.daemon is None:
            raise Unreachable(
                f"{self.name}: its new certificate is in place, and no daemon runs that could use it"
            )
        record: dict[str, JsonValue] = {
            "old": found.old.fingerprint if found.old else None,
            "new": found.present.fingerprint if found.present else None,
            "not_after": found.present.not_after.isoformat() if found.present else None,
        }
        return Found(state=found.served, record=record)

    async def write(
        self, state: bool, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        if not state:
            raise RuntimeError(f"{self.name}: the old key is gone; rotate again instead")
        found = await self._look()
        daemon = found.node.daemon
        if daemon is None:
            raise RuntimeError(
                f"{self.name}: expected a nebula daemon of {self._node.config} that runs, found none; "
                "nothing was changed"
            )
        if found.placed is None:
            await self._renew(found)
            found = await self._look()
        if not found.served:
            await self._tell(found, daemon)

    async def _renew(self, found: _Look) -> None:
        await self._not_shut_out(found)
        paths = found.paths
        pair = (paths.crt, paths.key, self._want)
        said = await self._run(nebula_pair.PREPARE, *pair, self._node.nebula_cert)
        public, _, present = said.partition("\npresent\n")
        name = self._node.name or self._host
        signed = await self._authority.sign(self.name, name, present, public)
        await self._run(
            nebula_pair.PLACE, paths.crt, self._want, self._node.nebula_cert, paths.ca, self._node.nebula, signed,
            stdin=self._tested(found),
        )  # fmt: skip
        await self._run(nebula_pair.ADOPT, *pair)
        await self._not_shut_out(found)  # again: signing took its time
        await self._run(nebula_pair.SWAP, paths.crt, self._want)

    async def _tell(self, found: _Look, daemon: Running) -> None:
        if found.present is None:
            raise Unreachable(f"{self.name}: {found.paths.crt} is gone")
        said = await self._shell.run(
            "sh", "-c", nebula_pair.TELL, "sh", found.paths.crt, self._want, daemon.pid, daemon.start,
            str(self._node.log or ""), nebula_pair.TAKEN, nebula_pair.REFUSED, _note(found.present),
        )  # fmt: skip
        if said.status:
            raise RuntimeError(
                f"{self.name}: the new certificate is in place, and the daemon is not known to use it: "
                f"{first_line(said)}"
            )

    async def _not_shut_out(self, found: _Look) -> None:
        """Refuse for a host that a peer lists: a new certificate would let it in again."""
        if found.present is None:
            raise RuntimeError(
                f"{self.name}: expected a certificate at {found.paths.crt}, found none; nothing was changed"
            )
        nodes = await asyncio.gather(
            *(
                read_node(shell, f"nebula/{peer}", node)
                for peer, (shell, node) in self._peers.items()
            )
        )
        for peer, node in zip(self._peers, nodes, strict=True):
            try:
                listed = blocklist(node.text)
            except ValueError as error:
                raise Unreachable(f"nebula/{peer}: {error}") from error
            if found.present.fingerprint in listed:
                raise RuntimeError(
                    f"{self.name}: {peer} has its certificate in pki.blocklist, and a new one would let it "
                    "in again: end that first; the old certificate goes on"
                )

    def _tested(self, found: _Look) -> str:
        """The daemon's configuration with the new pair in it, for `nebula -test` alone."""
        config: dict[str, Any] = yaml.safe_load(found.node.text)
        folder = f"{found.paths.crt.rpartition('/')[0]}/.responder/{self._want}"
        config["pki"] |= {"cert": f"{folder}/host.crt", "key": f"{folder}/host.key"}
        return yaml.safe_dump(config)

    async def _look(self) -> _Look:
        node = await read_node(self._shell, self.name, self._node)
        paths = self._paths(node.text)
        words = (paths.crt, paths.key, self._want, self._node.nebula_cert)
        said = await self._shell.run("sh", "-c", nebula_pair.READ, "sh", *words)
        rows = said.out.splitlines()
        if said.status or len(rows) != 3:  # noqa: PLR2004 - when, and two certificates
            raise Unreachable(f"{self.name}: {first_line(said)}")
        try:
            present, old = (None if row == "-" else shown(row) for row in rows[1:])
        except ValueError as error:
            raise Unreachable(f"{self.name}: {paths.crt}: {error}") from error
        placed = int(rows[0]) if rows[0].isdecimal() else None
        return _Look(node=node, paths=paths, placed=placed, present=present, old=old)

    def _paths(self, text: str) -> _Paths:
        try:
            pki = yaml.safe_load(text)["pki"]
            paths = _Paths(crt=pki["cert"], key=pki["key"], ca=pki["ca"])
        except (yaml.YAMLError, LookupError, TypeError, ValueError) as error:
            raise Unreachable(
                f"{self.name}: {self._node.config}: no pki to be read there"
            ) from error
        if not all(re.fullmatch(r"/[^\n]+", one) for one in (paths.crt, paths.key, paths.ca)):
            raise Unreachable(f"{self.name}: {self._node.config}: expected whole paths in pki")
        if paths.crt != str(self._node.certificate):
            raise Unreachable(
                f"{self.name}: expected pki.cert {self._node.certificate} in {self._node.config}, as the "
                f"inventory has it, found {paths.crt}"
            )
        return paths

    async def _run(self, script: str, *words: str, stdin: str = "") -> str:
        said = await self._shell.run("sh", "-c", script, "sh", *words, stdin=stdin)
        if said.status:
            raise RuntimeError(
                f"{self.name}: {first_line(said).removeprefix('Error: ')}; the old certificate goes on"
            )
        return said.out


def _note(certificate: Shown) -> str:
    return f"serves {certificate.fingerprint}"
