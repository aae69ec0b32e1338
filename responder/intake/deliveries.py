"""Taking a delivery in: committed to the store, sealed, before anybody is told that it was."""

import hashlib
from enum import StrEnum

from sqlalchemy import func, select

from responder.crypto.keyring import KeyRing
from responder.store import Store
from responder.store.rows import insert_new
from responder.store.tables import alerts, counters, deliveries

PURPOSE = "delivery"


class Accepted(StrEnum):
    """What became of a delivery."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


async def accept(store: Store, ring: KeyRing, source: str, delivery: str, body: bytes) -> Accepted:
    """
    Keep *body* as *delivery* of *source*, once.

    When this returns NEW the delivery is on disk. The same id with the same body is a DUPLICATE;
    with another body it is a CONFLICT, and nothing was kept.
    """
    digest = hashlib.sha256(body).hexdigest()
    sealed = ring.seal_whole(body, purpose=f"{PURPOSE}/{source}/{delivery}")
    async with store.transaction() as tx:
        row = {
            "source": source,
            "delivery": delivery,
            "digest": digest,
            "received": store.now(),
            "body": sealed,
            "state": "accepted",
            "attempts": 0,
            "said": "",
        }
        if await insert_new(tx, deliveries, row):
            return Accepted.NEW
        query = select(deliveries.c.digest).where(
            deliveries.c.source == source, deliveries.c.delivery == delivery
        )
        kept = (await tx.execute(query)).scalar_one()
    return Accepted.DUPLICATE if kept == digest else Accepted.CONFLICT


async def count(store: Store) -> dict[str, int]:
    """
    What became of everything that was taken in, counted in alerts.

    `received` is a counter of its own, kept by the drain as it takes alerts out of deliveries; the
    other figures are counted from the rows. `missing` is the difference and must be 0.
    """
    async with store.reading() as tx:
        states = select(alerts.c.state, func.count()).group_by(alerts.c.state)
        by_alert: dict[str, int] = dict((await tx.execute(states)).all())
        states = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
        by_delivery: dict[str, int] = dict((await tx.execute(states)).all())
        query = select(counters.c.value).where(counters.c.name == "alerts")
        taken = (await tx.execute(query)).scalar_one_or_none() or 0
    counted = {state: by_alert.get(state, 0) for state in ("started", "merged", "dismissed")}
    counted["quarantined"] = by_delivery.get("quarantined", 0)
    counted["waiting"] = by_delivery.get("accepted", 0) + by_alert.get("waiting", 0)
    received = taken + counted["quarantined"] + by_delivery.get("accepted", 0)
    missing = received - sum(counted.values())
    return {"received": received, **counted, "missing": missing}
