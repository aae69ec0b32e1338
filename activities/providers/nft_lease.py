"""
An nft table of ours that isolates for as long as its lease runs, which the kernel itself ends.

Its rules drop only while its sets have their elements, and those have timeouts: with everything of
ours dead the isolation ends by itself. The change is commit-confirmed the same way: it is first made
for half a minute, and extended only after the runner has come back in over a new connection.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from activities.isolate import Filter
from activities.providers.nftables import is_absent, plain, seconds_until
from activities.shell import Completed, Shell, first_line
from responder.contract import Found
from responder.errors import Unreachable
from responder.incident import Frozen

CONFIRM = timedelta(seconds=30)
_TRIAL = " trial"  # at the end of a comment: made, and not confirmed yet


class _Look(Frozen):
    found: Found[Filter]
    comment: str = ""


class LeasedTable:
    """One table: whether it isolates, and until when."""

    def __init__(
        self,
        shell: Shell,
        name: str,
        *,
        nft: str,
        table: str,
        lease: Mapping[str, Sequence[str]],
        chains: Sequence[str],
        confirm: timedelta,
    ) -> None:
        """*lease* names the timed sets with their elements, *chains* those that must drop."""
        self._shell = shell
        self._name = name
        self._nft = nft
        self._table = table
        self._lease = {where: tuple(elements) for where, elements in lease.items() if elements}
        self._chains = frozenset(chains)
        self._confirm = confirm

    async def read(self) -> Found[Filter]:
        """Isolated only if every element of the lease runs and every chain still drops."""
        return (await self._look()).found

    async def open(self) -> None:
        """Take the table away, whether or not it is there."""
        await self._load(f"add table {self._table}\ndelete table {self._table}\n", "open")

    async def isolate(
        self,
        rules: str,
        until: datetime | None,
        tag: str,
        after: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """
        Have *rules* stand until *until*; *after* is called between the trial and its confirmation.

        Raises `Unreachable` if the runner could not come back in before the trial was over.
        """
        # Which rules stand is written beside the lease: extending it must not touch them.
        mark = hashlib.sha256(rules.encode()).hexdigest()[:12]
        comment = f"{plain(tag)} {mark}"
        on_trial = f"{comment}{_TRIAL}"
        look = await self._look()
        stands = look.found.state is Filter.ISOLATED
        if not (stands and look.comment.endswith(f" {mark}")):
            if not (stands and look.comment.endswith(f" {mark}{_TRIAL}")):
                trial = datetime.now(UTC) + self._confirm
                make_room = "".join(
                    f"add {one}\ndelete {one}\n" for one in self._each(lambda element: element)
                )
                await self._load(rules + make_room + self._timed(trial, on_trial), "isolate")
            # A worker that died here left the trial: whoever goes on does all that comes after it.
            await self._shell.close()  # come back in through the new rules, or not at all
            if after is not None:
                await after()
        if not await self._renew(until, comment):
            raise Unreachable(
                f"{self._name}: the isolation ended before it was confirmed; it is open"
            )

    async def _look(self) -> _Look:
        said = await self._shell.run(self._nft, "-j", "list", "table", *self._table.split())
        if is_absent(said):
            return _Look(found=Found(state=Filter.OPEN))
        if said.status:
            raise self._silent(said)
        try:
            return self._seen(json.loads(said.out)["nftables"])
        except (ValueError, LookupError, TypeError) as error:
            raise self._silent(said) from error

    def _seen(self, listed: Sequence[dict[str, Any]]) -> _Look:
        rules = [entry["rule"] for entry in listed if "rule" in entry]
        dropping = {rule["chain"] for rule in rules if any("drop" in part for part in rule["expr"])}
        leases = [
            element.get("elem", {}) if isinstance(element, dict) else {}
            for entry in listed
            if entry.get("set", {}).get("name") in self._lease
            for element in entry["set"].get("elem", ())
        ]
        whole = sum(len(elements) for elements in self._lease.values())
        if len(leases) != whole or not dropping.issuperset(self._chains):
            return _Look(found=Found(state=Filter.OPEN))
        left = [lease["expires"] for lease in leases if "expires" in lease]
        ends = datetime.now(UTC) + timedelta(seconds=min(left)) if left else None
        comment = str(leases[0].get("comment", ""))
        return _Look(found=Found(state=Filter.ISOLATED, expires=ends), comment=comment)

    async def _load(self, script: str, what: str) -> None:
        said = await self._shell.run(self._nft, "-f", "-", stdin=script)
        if said.status:
            raise RuntimeError(f"{self._name}: nft could not {what}: {first_line(said)}")

    async def _renew(self, until: datetime | None, comment: str) -> bool:
        """Replace a lease that still runs; False if it had ended, and then nothing is isolated."""
        ended = "".join(f"delete {one}\n" for one in self._each(lambda element: element))
        script = ended + self._timed(until, comment)
        said = await self._shell.run(self._nft, "-f", "-", stdin=script)
        if said.status and not is_absent(said):
            raise RuntimeError(f"{self._name}: nft could not confirm: {first_line(said)}")
        return said.status == 0

    def _timed(self, until: datetime | None, comment: str) -> str:
        timed = f" timeout {seconds_until(until)}s" if until else ""
        return "".join(
            f"add {one}\n" for one in self._each(lambda e: f'{e}{timed} comment "{comment}"')
        )

    def _each(self, write: Callable[[str], str]) -> list[str]:
        """The lease's elements, as nft is told of them: one line a set."""
        return [
            f"element {self._table} {where} {{ {', '.join(map(write, elements))} }}"
            for where, elements in self._lease.items()
        ]

    def _silent(self, said: Completed) -> Unreachable:
        return Unreachable(f"{self._name}: nft could not say: {first_line(said)}")
