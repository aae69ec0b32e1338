"""Sealing anew over both databases: what old keys sealed is not lost when they are destroyed."""

import pytest
from sqlalchemy import select, update

from responder.approval import totp
from responder.crypto.keyring import KeyRing, Tampered, key_of
from responder.crypto.resealing import reseal
from responder.intake.deliveries import PURPOSE, accept
from responder.store import Store
from responder.store.factors import factors
from responder.store.tables import deliveries


async def test_what_an_old_key_sealed_opens_without_it(store: Store) -> None:
    old = KeyRing.fresh()
    for number in range(3):
        await accept(store, old, "wazuh", f"d{number}", b"alert %d" % number)
    async with store.transaction() as tx:
        await totp.enrol(tx, old, "ana")
    ring = old.rotated()
    await accept(store, ring, "wazuh", "new", b"alert new")
    assert await reseal(store, ring) == 4
    assert await reseal(store, ring) == 0
    left = ring.without([old.active])
    async with store.reading() as tx:
        rows = (await tx.execute(select(deliveries).order_by(deliveries.c.id))).all()
        [factor] = (await tx.execute(select(factors))).all()
    assert [
        left.open_whole(row.body, purpose=f"{PURPOSE}/{row.source}/{row.delivery}") for row in rows
    ] == [b"alert 0", b"alert 1", b"alert 2", b"alert new"]
    assert key_of(factor.secret) == ring.active
    assert left.open_whole(factor.secret, purpose=totp.purpose("ana"))


async def test_a_row_that_does_not_open_stops_everything(store: Store) -> None:
    old = KeyRing.fresh()
    await accept(store, old, "wazuh", "d1", b"alert")
    async with store.transaction() as tx:
        await tx.execute(update(deliveries).values(source="other"))
    with pytest.raises(Tampered):
        await reseal(store, old.rotated())
