"""
Sealing anew what old keys of a ring sealed, so that these can be destroyed without losing anything.

Deliveries are evidence and second factors are in use, however old they are: none of them may be lost
because a key came to its end.
"""

from sqlalchemy import select, update

from responder.approval import backup_codes, passkeys, totp
from responder.crypto.keyring import KeyRing, key_of
from responder.intake.deliveries import PURPOSE
from responder.store import Store
from responder.store.factors import backup_codes as backup_code_rows
from responder.store.factors import factors
from responder.store.factors import passkeys as passkey_rows
from responder.store.tables import deliveries

_AT_ONCE = 200


async def reseal(store: Store, ring: KeyRing) -> int:
    """
    Seal with the active key whatever another one sealed; returns how many rows that were.

    Raises `StateError` for a row that does not open: then nothing may be destroyed. A passkey or a
    backup code that no key of ours sealed is nobody's already, and is left.
    """
    others = await _passkeys(store, ring) + await _backup_codes(store, ring)
    return await _deliveries(store, ring) + await _factors(store, ring) + others


async def _deliveries(store: Store, ring: KeyRing) -> int:
    done, last = 0, -1
    columns = (deliveries.c.id, deliveries.c.source, deliveries.c.delivery, deliveries.c.body)
    while True:
        query = select(*columns).where(deliveries.c.id > last).order_by(deliveries.c.id)
        async with store.transaction() as tx:
            rows = (await tx.execute(query.limit(_AT_ONCE))).all()
            for row in rows:
                if row.body and key_of(row.body) != ring.active:
                    purpose = f"{PURPOSE}/{row.source}/{row.delivery}"
                    clear = ring.open_whole(row.body, purpose=purpose)
                    body = ring.seal_whole(clear, purpose=purpose)
                    this = update(deliveries).where(deliveries.c.id == row.id)
                    await tx.execute(this.values(body=body))
                    done += 1
        if not rows:
            return done
        last = rows[-1].id


async def _factors(store: Store, ring: KeyRing) -> int:
    done = 0
    async with store.transaction() as tx:
        rows = (await tx.execute(select(factors).with_for_update())).all()
        for row in rows:
            if key_of(row.secret) != ring.active:
                purpose = totp.purpose(row.principal)
                sealed = ring.seal_whole(
                    ring.open_whole(row.secret, purpose=purpose), purpose=purpose
                )
                this = update(factors).where(
                    factors.c.principal == row.principal, factors.c.secret == row.secret
                )
                await tx.execute(this.values(secret=sealed))
                done += 1
    return done


async def _passkeys(store: Store, ring: KeyRing) -> int:
    done = 0
    async with store.transaction() as tx:
        for row in (await tx.execute(select(passkey_rows))).all():
            purpose = passkeys.purpose(row.principal, row.id)
            if key_of(row.public_key) in ring.ids and key_of(row.public_key) != ring.active:
                clear = ring.open_whole(row.public_key, purpose=purpose)
                this = update(passkey_rows).where(passkey_rows.c.id == row.id)
                await tx.execute(this.values(public_key=ring.seal_whole(clear, purpose=purpose)))
                done += 1
    return done


async def _backup_codes(store: Store, ring: KeyRing) -> int:
    done, table = 0, backup_code_rows
    async with store.transaction() as tx:
        for row in (await tx.execute(select(table))).all():
            made = backup_codes.opened(ring, row.principal, row.slot, row.hash)
            if made is not None and backup_codes.sealed_by(row.hash) != ring.active:
                kept = backup_codes.sealed(ring, row.principal, row.slot, made)
                this = update(table).where(
                    table.c.principal == row.principal, table.c.hash == row.hash
                )
                await tx.execute(this.values(hash=kept))
                done += 1
    return done
