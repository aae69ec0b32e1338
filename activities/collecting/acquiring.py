"""
Working through one collection: step by step in the order of volatility, each touch in custody.

It can be interrupted anywhere. Whoever goes on reads the custody chain from the vault: what is
acquired there is not taken again, and what was kept without being acknowledged is set aside.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from activities.collecting.collectors import Collector, collectors, deleted, memory, recover
from activities.collecting.looking import look_at_clock, look_at_tools
from activities.collecting.receiving import receive
from activities.collecting.steps import LEFT_OUT, NOT_OVER_SSH, STEPS, Profile
from activities.shell import Shell
from activities.streams import Failed, Limits, Silent, Streams, Transfer
from responder.errors import StateError, Unreachable
from responder.evidence.custody import GENESIS, Broken, Chain, Entry, Touch
from responder.evidence.model import Artefact, Clock, Manifest, Missing, Tool
from responder.evidence.settings import Scope
from responder.evidence.vault import AlreadyThere, Kind, Place, Vault
from responder.evidence.verify import manifest_place
from responder.evidence.volatility import Begun, Order, Waiver
from responder.incident import Frozen

Made = TypeVar("Made")
_COMPLAINT = 300  # characters
_AGAIN = 9  # names that an artefact may have after it was set aside


class Asked(Frozen):
    """What is to be collected, for whom."""

    case: str
    host: str
    collection: str
    profile: Profile
    window: timedelta
    waived: tuple[Waiver, ...]
    actor: str


class Acquisition:
    """One attempt at one collection."""

    def __init__(
        self, vault: Vault, shell: Shell, streams: Streams, asked: Asked, scope: Scope
    ) -> None:
        self._vault = vault
        self._shell = shell
        self._streams = streams
        self._asked = asked
        self._scope = scope
        self._chain = Chain(vault, asked.case, asked.host, asked.collection)
        self._kept: set[str] = set()
        self._tools: dict[str, Tool] = {}
        self._clock = Clock(offset_ms=0, within_ms=0)
        self._order = Order(steps=STEPS)

    async def run(self) -> Manifest:
        """
        Acquire what is not acquired yet, then write the manifest.

        Raises `Unreachable` when the host or the vault does not answer, and when another attempt is
        writing the same collection: what is in the vault stays, and the next attempt goes on.
        """
        try:
            return await self._run()
        except AlreadyThere as error:
            raise Unreachable(
                f"{self._name}: another attempt writes this collection ({error}); it goes on"
            ) from error

    @property
    def _name(self) -> str:
        return f"evidence/{self._asked.case}/{self._asked.host}/{self._asked.collection}"

    async def _run(self) -> Manifest:
        try:
            await asyncio.to_thread(self._chain.load)
        except Broken as error:
            raise StateError(f"{error}; nothing more is written to it") from error
        places = await asyncio.to_thread(self._vault.places, self._asked.case)
        self._kept = {p.name for p in places if p == self._place(p.name)}
        self._clock = await look_at_clock(self._shell)
        self._tools = {tool.name: tool for tool in await look_at_tools(self._shell)}
        resumed = bool(self._chain.entries)
        await self._note(
            Touch.RESUMED if resumed else Touch.BEGAN, self._asked.host,
            tools=tuple(self._tools.values()),
            said=f"profile {self._asked.profile}, {len(self._chain.acquired())} artefacts acquired so far",
        )  # fmt: skip
        for waiver in (*self._asked.waived, *LEFT_OUT[self._asked.profile], *NOT_OVER_SSH):
            await self._waive(waiver)
        until = self._chain.entries[0].at
        planned = collectors(
            self._asked.profile, self._scope,
            since=int((until - self._asked.window).timestamp()), until=int(until.timestamp()),
        )  # fmt: skip
        for step in sorted(STEPS, key=lambda step: step.volatility):
            if self._order.waived_for(step.name):
                continue
            begun = self._order.begin(step.name)
            await self._step(begun, [one for one in planned if one.step.value == step.name])
            self._order = self._order.finish(begun)
        return await self._complete()

    async def _step(self, begun: Begun, planned: Iterable[Collector]) -> None:
        await self._note(Touch.STEP_BEGAN, begun.step.name, said=begun.step.volatility.name)
        for collector in planned:
            await self._take(begun, collector)
        if begun.step.name != "memory":
            return
        listing = deleted()
        await self._take(begun, listing)
        for pid, began in await self._processes(listing.name):
            await self._take(begun, recover(pid, began, self._scope))
            await self._take(begun, memory(pid, began, self._scope))

    async def _processes(self, listing: str) -> list[tuple[int, int]]:
        """The processes in the listing as it was acquired, the same at every attempt."""
        if listing not in self._chain.acquired():
            return []
        kept = self._chain.acquired()[listing].name
        text = await asyncio.to_thread(lambda: b"".join(self._vault.get(self._place(kept))))
        rows = [line.split("\t") for line in text.decode(errors="replace").splitlines()]
        found = [
            (int(r[0]), int(r[1])) for r in rows if len(r) > 1 and r[0].isdigit() and r[1].isdigit()
        ]
        if len(found) > self._scope.most_processes:
            await self._note(
                Touch.NOT_ACQUIRED, "memory",
                said=f"{len(found)} processes run a deleted executable; the limit is "
                f"{self._scope.most_processes}: the others were not read",
            )  # fmt: skip
        return found[: self._scope.most_processes]

    async def _take(self, begun: Begun, collector: Collector) -> None:
        """Acquire one artefact, unless it is; what cannot be taken is noted, and the rest goes on."""
        if collector.step.value != begun.step.name:
            raise ValueError(f"{collector.name} is of {collector.step}, not of {begun.step.name}")
        if collector.name in self._chain.acquired() or self._given_up(collector.name):
            return
        name = await self._free_name(collector.name)
        limits = Limits(
            most=collector.most, seconds=collector.seconds, silent_seconds=collector.silent_seconds
        )
        transfer = await self._streams.transfer(collector.words, limits)
        try:
            stored = await receive(self._vault, self._place(name), transfer)
        except Silent as error:
            # A dead connection or a command that hangs: the first is tried again, the second noted.
            await self._shell.run("true")
            await self._missed(collector, transfer, error.message)
            return
        except Failed as error:
            await self._missed(collector, transfer, str(error))
            return
        ended = transfer.ended
        assert ended is not None
        artefact = Artefact(
            name=name, kind=collector.name.split("/")[0], size=stored.size,
            source_sha256=ended.sha256, vault_sha256=stored.sha256, kept_sha256=stored.kept_sha256,
            version=stored.version, acquired=_now(),
            limit=collector.most if stored.size >= collector.most else None,
            status=0 if ended.status is None else ended.status,
            complaint=ended.complaint[:_COMPLAINT],
        )  # fmt: skip
        if artefact.source_sha256 != artefact.vault_sha256:
            said = f"the host sent {ended.sha256}, the vault gave back {stored.sha256}"
            await self._missed(collector, transfer, said)
            return
        await self._note(
            Touch.ACQUIRED, collector.name, tools=self._used(collector), command=transfer.line,
            artefact=artefact,
        )  # fmt: skip

    async def _missed(self, collector: Collector, transfer: Transfer, why: str) -> None:
        await self._note(
            Touch.NOT_ACQUIRED, collector.name, tools=self._used(collector), command=transfer.line,
            said=why[:1000],
        )  # fmt: skip

    async def _waive(self, waiver: Waiver) -> None:
        """Leave a step out, in the order and in custody; once, also when the attempt is repeated."""
        if self._order.waived_for(waiver.step):
            return
        self._order = self._order.waive(waiver)
        if not any(
            e.touch is Touch.WAIVED and e.subject == waiver.step for e in self._chain.entries
        ):
            await self._note(
                Touch.WAIVED, waiver.step, said=f"{waiver.reason} ({waiver.by or 'asked'})"
            )

    async def _complete(self) -> Manifest:
        entries = self._chain.entries
        acquired = self._chain.acquired()
        missing = {e.subject: e.said for e in entries if e.touch is Touch.NOT_ACQUIRED}
        manifest = Manifest(
            case=self._asked.case, host=self._asked.host, collection=self._asked.collection,
            profile=self._asked.profile.value, actor=self._asked.actor, began=entries[0].at,
            clock=self._clock, artefacts=tuple(acquired.values()), waived=self._order.waived,
            missing=tuple(Missing(name=n, why=why) for n, why in missing.items() if n not in acquired),
            custody_entries=len(entries), custody_head=self._chain.head,
        )  # fmt: skip
        place = manifest_place(self._asked.case, self._asked.host, self._asked.collection)
        text = manifest.model_dump_json(indent=1).encode() + b"\n"
        await self._blocking(lambda: self._vault.put(place, [text]))
        return manifest

    async def _note(
        self,
        touch: Touch,
        subject: str,
        *,
        tools: tuple[Tool, ...] = (),
        command: str = "",
        artefact: Artefact | None = None,
        said: str = "",
    ) -> None:
        entry = Entry(
            seq=1, at=_now(), clock=self._clock, actor=self._asked.actor, touch=touch,
            subject=subject, tools=tools, command=command, artefact=artefact, said=said,
            previous=GENESIS,
        )  # fmt: skip
        await self._blocking(lambda: self._chain.append(entry))

    async def _blocking(self, make: Callable[[], Made]) -> Made:
        """Work of the vault in a thread, which is waited for even if we are cancelled meanwhile."""
        return await asyncio.shield(asyncio.to_thread(make))

    async def _free_name(self, name: str) -> str:
        """A name that is not in the vault. What is there unacknowledged is set aside, in custody."""
        for number in range(1, _AGAIN + 1):
            free = name if number == 1 else f"{name}~{number}"
            if free not in self._kept:
                return free
            if not any(
                e.subject == free and e.touch is Touch.SET_ASIDE for e in self._chain.entries
            ):
                said = "kept by an attempt that ended before it could say what the host had sent"
                await self._note(Touch.SET_ASIDE, free, said=said)
        raise StateError(f"{self._name}: {name} was begun {_AGAIN} times and never acknowledged")

    def _given_up(self, name: str) -> bool:
        return any(e.touch is Touch.NOT_ACQUIRED and e.subject == name for e in self._chain.entries)

    def _used(self, collector: Collector) -> tuple[Tool, ...]:
        names = (*collector.tools, "head", "tee", "sha256sum")
        return tuple(self._tools[name] for name in dict.fromkeys(names) if name in self._tools)

    def _place(self, name: str) -> Place:
        return Place(
            case=self._asked.case, host=self._asked.host, collection=self._asked.collection,
            kind=Kind.ARTEFACT, name=name,
        )  # fmt: skip


def _now() -> datetime:
    return datetime.now(UTC)
