"""Whoever can write any row, and has no key of `serve`: they are nobody, and have nobody's second factor."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from responder.approval import backup_codes, passkeys
from responder.approval.step_up import step_up
from responder.crypto.keyring import KeyRing
from responder.crypto.resealing import reseal
from responder.errors import Refused
from responder.people import sessions
from responder.store.factors import backup_codes as backup_code_rows
from responder.store.factors import passkeys as passkey_rows
from responder.store.sessions import sessions as session_rows
from tests.approval.authenticator import Authenticator
from tests.approval.desk import ORIGIN, Asked
from tests.databases import on_both


async def write(asked: Asked, *statements: Any) -> None:
    async with asked.store.transaction() as tx:
        for statement in statements:
            await tx.execute(statement)


async def rows(asked: Asked, table: Any, *where: Any) -> list[dict[str, Any]]:
    async with asked.store.reading() as tx:
        found = (await tx.execute(select(table).where(*where))).mappings().all()
    return [dict(row) for row in found]


async def session(asked: Asked, who: str, ring: KeyRing | None = None) -> str:
    return await sessions.begin(
        asked.store,
        ring or asked.ring,
        who,
        method="password",
        factors=("password", "totp"),
        agent="",
    )


async def a_passkey(asked: Asked, who: str, device: Authenticator, ring: KeyRing) -> None:
    now = asked.clock.now
    options = await passkeys.begin_registration(asked.store, ORIGIN, who, now)
    await passkeys.register(asked.store, ring, ORIGIN, who, "one", device.create(options), now)


async def answer_with(asked: Asked, who: str, device: Authenticator) -> str:
    now = asked.clock.now
    options = await passkeys.challenge_for(asked.store, ORIGIN, who, "this", now)
    answer = device.get(options)
    return await step_up(
        asked.store, asked.ring, ORIGIN, who, passkey=answer, bound_to="this", now=now
    )


@on_both
@pytest.mark.parametrize(
    "changed",
    [
        {"principal": "ben"},
        {"factors": ["password", "passkey"]},
        {"method": "oidc"},
        {"expires": timedelta(days=1)},
    ],
)
async def test_a_session_is_what_serve_began(asked: Asked, changed: dict[str, Any]) -> None:
    token = await session(asked, "ana")
    assert await sessions.holder(asked.store, asked.ring, token) is not None
    values = {
        name: asked.clock.now + value if isinstance(value, timedelta) else value
        for name, value in changed.items()
    }
    await write(asked, update(session_rows).values(values))
    assert await sessions.holder(asked.store, asked.ring, token) is None


@on_both
async def test_who_writes_a_session_is_signed_in_as_nobody(asked: Asked) -> None:
    """With every row there is, a cookie of another ring, and one without a seal."""
    forged = await session(asked, "ana", KeyRing.fresh())
    for token in (forged, forged.partition(".")[0], forged.partition(".")[0] + ".", ".", ""):
        assert await sessions.holder(asked.store, asked.ring, token) is None
    good = await session(asked, "ben")
    swapped = f"{forged.partition('.')[0]}.{good.partition('.')[2]}"
    assert await sessions.holder(asked.store, asked.ring, swapped) is None


@on_both
@pytest.mark.parametrize("how", ["another ring", "in the clear", "of another person"])
async def test_who_writes_a_passkey_has_none(asked: Asked, how: str) -> None:
    device = Authenticator(ORIGIN)
    ring = KeyRing.fresh() if how == "another ring" else asked.ring
    await a_passkey(asked, "ben", device, ring)
    (row,) = await rows(asked, passkey_rows)
    if how == "in the clear":
        purpose = passkeys.purpose("ben", row["id"])
        row["public_key"] = ring.open_whole(row["public_key"], purpose=purpose)
    this = update(passkey_rows).where(passkey_rows.c.id == row["id"])
    await write(asked, this.values(principal="ana", public_key=row["public_key"]))
    with pytest.raises(Refused, match="is not as it was registered here"):
        await answer_with(asked, "ana", device)


@on_both
@pytest.mark.parametrize(
    "how", ["another ring", "in the clear", "of another person", "another slot"]
)
async def test_who_writes_a_backup_code_has_none(asked: Asked, how: str) -> None:
    ring = KeyRing.fresh() if how == "another ring" else asked.ring
    code, *_ = await backup_codes.renew(asked.store, ring, "ben", "ben", asked.clock.now)
    (row,) = await rows(asked, backup_code_rows, backup_code_rows.c.slot == 0)
    if how == "in the clear":
        row["hash"] = backup_codes.opened(ring, "ben", 0, row["hash"])
    slot = 5 if how == "another slot" else 0
    given = f"{slot}{code[1:]}"
    await write(asked, insert(backup_code_rows).values(row | {"principal": "ana", "slot": slot}))
    with pytest.raises(Refused, match="does not match"):
        await step_up(
            asked.store, asked.ring, ORIGIN, "ana", code=given, bound_to="x", now=asked.clock.now
        )


@on_both
async def test_all_factors_outlive_the_key_that_sealed_them(asked: Asked) -> None:
    device, old = Authenticator(ORIGIN), asked.ring
    await a_passkey(asked, "ana", device, old)
    code, *_ = await backup_codes.renew(asked.store, old, "ana", "ana", asked.clock.now)
    rotated = old.rotated(asked.clock.now)
    assert await reseal(asked.store, rotated) >= 1 + backup_codes.CODES
    assert await reseal(asked.store, rotated) == 0
    asked.ring = rotated.without([old.active])
    assert await answer_with(asked, "ana", device) == passkeys.KIND
    kind = await step_up(
        asked.store, asked.ring, ORIGIN, "ana", code=code, bound_to="x", now=asked.clock.now
    )
    assert kind == backup_codes.KIND
