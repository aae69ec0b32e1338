"""From deliveries on disk to incidents: normalised, triaged, opened or joined, and started."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import structlog
from sqlalchemy import select, update

from responder.audit import Entry, append
from responder.crypto.keyring import KeyRing
from responder.errors import Malformed, StateError
from responder.incident import Alert
from responder.intake.deliveries import PURPOSE
from responder.intake.opening import Openings
from responder.intake.parse import parse
from responder.policy.judge import Policy
from responder.sources import NORMALISERS
from responder.sources.settings import SourceSettings
from responder.store import Store, Transaction
from responder.store.rows import Row
from responder.store.tables import deliveries, incidents
from responder.temporal import Link
from responder.triage import Triage
from responder.verbs.context import Kinds
from responder.verbs.telling import tell
from responder.workflows.wire import Standing

log = structlog.get_logger(__name__)

_BATCH = 20
_IDLE_SECONDS = 1.0


class Drain:
    """Takes accepted deliveries, oldest first; one runs beside the API in every `serve`."""

    def __init__(
        self,
        store: Store,
        ring: KeyRing,
        sources: Mapping[str, SourceSettings],
        triage: Triage,
        kinds: Kinds,
        policy: Policy,
        link: Link,
    ) -> None:
        self._store = store
        self._ring = ring
        self._sources = sources
        self._link = link
        self._openings = Openings(triage, kinds, policy)
        self.arrived = asyncio.Event()

    async def run(self) -> None:
        """Drain until cancelled; a round that fails is logged, and its deliveries wait."""
        while True:
            self.arrived.clear()
            try:
                while await self.once():
                    pass
            except Exception as error:  # noqa: BLE001 - the drain must outlive any one fault
                log.error("drain_failed", error=f"{type(error).__name__}: {error}"[:500])
                await asyncio.sleep(_IDLE_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(_IDLE_SECONDS):
                    await self.arrived.wait()

    async def once(self) -> int:
        """One batch; returns how many deliveries it took."""
        async with self._store.reading() as tx:
            query = select(deliveries).where(deliveries.c.state == "accepted")
            rows = (
                (await tx.execute(query.order_by(deliveries.c.id).limit(_BATCH))).mappings().all()
            )
        if not rows:
            return 0
        taken = [(row, *self._open(row)) for row in rows]
        standings: dict[str, Standing] = {}
        async with self._store.transaction() as tx:
            entries: list[Entry] = []
            for row, found, said in taken:
                entries += await self._take(tx, row, found, said, standings)
            await append(tx, self._store.now(), *entries)
        begun = await asyncio.gather(*(self._start(i, s) for i, s in standings.items()))
        if any(begun):
            async with self._store.transaction() as tx:
                for incident, started in zip(standings, begun, strict=True):
                    if started:
                        await self._seen(tx, incident, standings[incident].revision)
        return len(rows)

    async def _seen(self, tx: Transaction, incident: str, revision: int) -> None:
        this = update(incidents).where(
            incidents.c.id == incident, incidents.c.seen_revision < revision
        )
        await tx.execute(this.values(seen_revision=revision))

    async def _take(
        self,
        tx: Transaction,
        row: Row,
        found: list[Alert] | None,
        said: str,
        standings: dict[str, Standing],
    ) -> list[Entry]:
        """One delivery; returns what the audit should say of it."""
        now = self._store.now()
        claimed = await tx.execute(
            update(deliveries)
            .where(deliveries.c.id == row["id"], deliveries.c.state == "accepted")
            .values(state="quarantined" if found is None else "drained", said=said[:2000])
        )
        if claimed.rowcount != 1:
            return []  # another `serve` took it
        if said:
            whole = "A delivery" if found is None else "Parts of a delivery"
            await tell(
                tx,
                now,
                key=f"quarantine/{row['id']}",
                audience="security",
                body=said,
                subject=f"{whole} of {row['source']} cannot be read; it is kept",
            )
        if found is None:
            about = f"delivery {row['id']}"
            return [
                Entry(
                    kind="quarantined",
                    actor=row["source"],
                    subject=about,
                    data={"said": said[:500]},
                )
            ]
        entries: list[Entry] = []
        for alert in found:
            taken = await self._openings.take(
                tx, row, alert, now, self._sources[row["source"]].kind
            )
            entries += taken.entries
            if taken.incident is not None and taken.standing is not None:
                standings[taken.incident] = taken.standing
        return entries

    async def _start(self, incident: str, standing: Standing) -> bool:
        category = standing.category.replace("_", " ")
        summary = f"P{standing.priority} {category}: {standing.subject}"
        try:
            await self._link.start_incident(incident, standing, summary)
        except Exception as error:  # noqa: BLE001 - Temporal is away: the nudger starts it later
            log.warning("incident_not_started_yet", incident=incident, error=str(error)[:200])
            return False
        return True

    def _open(self, row: Row) -> tuple[list[Alert] | None, str]:
        """A delivery's alerts, or None and why it can never be used."""
        name = row["source"]
        source = self._sources.get(name)
        if source is None:
            return None, f"source {name!r} is no longer configured"
        try:
            body = self._ring.open_whole(row["body"], purpose=f"{PURPOSE}/{name}/{row['delivery']}")
            normalised = NORMALISERS[source.kind](parse(body), source, name, row["received"])
        except (Malformed, StateError) as error:
            return None, str(error)
        except Exception as error:  # noqa: BLE001 - a poisoned delivery must not stop the others
            log.error(
                "normaliser_failed", source=name, delivery=row["id"], error=type(error).__name__
            )
            return None, f"{source.kind}: {type(error).__name__} while reading it: {error}"
        return list(normalised.alerts), "; ".join(normalised.faults)
