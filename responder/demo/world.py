"""
A small network inside this machine: the shop's host with its own firewall, and the outside.

Two network namespaces joined by one cable, made as root or, without it, inside a user namespace.
Each is held by a process that waits for its standard input to end; when the demo is gone, however
it went, so are they, the namespaces and every rule in them.
"""

import asyncio
import json
import os
import shutil
import sys
from contextlib import AsyncExitStack
from typing import Any

from responder.demo.cast import SHOP, VISITORS

NFT = "/usr/sbin/nft"
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_USER = ("--user", "--map-root-user")
_HOLD = ("sh", "-c", "echo ready; exec cat >/dev/null")
_SECONDS = 10.0
_ABSENT = "No such file or directory"


class NoWorld(Exception):
    """No such network can be made here."""


class World:
    """The network, while it stands."""

    def __init__(self) -> None:
        self.unprivileged = False
        self.inside: tuple[str, ...] = ()
        """What is put before a command that is to run on the shop's host."""
        self.outside: tuple[str, ...] = ()
        """What is put before a command that is to run where the visitors are."""
        self._holders = AsyncExitStack()

    async def build(self) -> None:
        """Make it. Raises `NoWorld` with the reason if that cannot be."""
        try:
            await self._build()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Take it down again."""
        await self._holders.aclose()

    async def nft(self, *words: str) -> str:
        """What the shop host's nft prints; empty if there is no such thing there."""
        status, said, complaint = await run(*self.inside, NFT, *words)
        if status and _ABSENT not in complaint:
            raise NoWorld(f"nft {' '.join(words)}: {complaint}")
        return said

    async def blocked(self) -> dict[str, dict[str, Any]]:
        """The addresses that the firewall drops now, each with what nft says of it."""
        said = await self.nft("-j", "list", "set", "inet", "responder", "hosts4")
        listed = json.loads(said)["nftables"] if said else []
        sets = [one["set"] for one in listed if "set" in one]
        elements = [element for one in sets for element in one.get("elem", ())]
        found = [e["elem"] if isinstance(e, dict) else {"val": e} for e in elements]
        return {str(element["val"]): element for element in found}

    async def _build(self) -> None:
        if sys.platform != "linux":
            raise NoWorld("this is not Linux")
        missing = [t for t in ("unshare", "nsenter", "ip", "ss") if not shutil.which(t, path=_PATH)]
        missing += [] if os.access(NFT, os.X_OK) else [NFT]
        if missing:
            raise NoWorld(f"{', '.join(missing)} not found")
        first = await self._first()
        self.inside = self._into(first)
        second = await self._hold(*self.inside, "unshare", "--net")
        self.outside = self._into(second)
        await self._ip(
            self.inside,
            "link set lo up",
            f"link add shop type veth peer name eth0 netns {second}",
            f"addr add {SHOP}/24 dev shop",
            "link set shop up",
        )
        addresses = [f"addr add {one.address}/24 dev eth0" for one in VISITORS]
        await self._ip(self.outside, *addresses, "link set eth0 up")
        await self.nft("add", "table", "inet", "responder")  # whether this kernel lets us filter

    async def _first(self) -> int:
        """The shop's host; root needs no user namespace, and some machines allow none."""
        if os.geteuid() == 0:
            try:
                return await self._hold("unshare", "--net")
            except NoWorld:
                pass
        self.unprivileged = True
        return await self._hold("unshare", *_USER, "--net")

    async def _hold(self, *words: str) -> int:
        holder = await asyncio.create_subprocess_exec(
            *words, *_HOLD, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, start_new_session=True,
            env=os.environ | {"PATH": _PATH},
        )  # fmt: skip
        self._holders.push_async_callback(_end, holder)
        assert holder.stdout is not None
        assert holder.stderr is not None
        if await holder.stdout.readline() != b"ready\n":
            raise NoWorld((await holder.stderr.read()).decode().strip() or "unshare said nothing")
        return holder.pid

    def _into(self, pid: int) -> tuple[str, ...]:
        user = ("--user", "--preserve-credentials") if self.unprivileged else ()
        nsenter = shutil.which("nsenter", path=_PATH) or "nsenter"
        return (nsenter, f"--target={pid}", *user, "--net")

    async def _ip(self, where: tuple[str, ...], *lines: str) -> None:
        status, _, said = await run(*where, "ip", "-batch", "-", stdin="\n".join(lines) + "\n")
        if status:
            raise NoWorld(f"ip: {said}")


async def run(*words: str, stdin: str = "") -> tuple[int, str, str]:
    """A command's exit status, what it printed and its first complaint."""
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, start_new_session=True, env=os.environ | {"PATH": _PATH},
    )  # fmt: skip
    try:
        async with asyncio.timeout(_SECONDS):
            out, err = await process.communicate(stdin.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, out.decode(), (err.decode().strip().splitlines() or [""])[0]


async def _end(holder: asyncio.subprocess.Process) -> None:
    if holder.returncode is None:
        holder.kill()
    await holder.wait()
