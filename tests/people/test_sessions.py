from datetime import timedelta
from typing import Any

from sqlalchemy import select

from responder.crypto.keyring import KeyRing
from responder.people import sessions
from responder.store import Store
from responder.store.sessions import sessions as table
from responder.store.tables import audit
from tests.databases import ManualClock, on_both

RING = KeyRing.fresh()
SIGNED_IN: dict[str, Any] = {
    "method": "password",
    "factors": ("password", "totp"),
    "agent": "A browser",
}


@on_both
async def test_a_session_says_who_signed_in_how_and_for_how_long(
    store: Store, clock: ManualClock
) -> None:
    token = await sessions.begin(store, RING, "ana", **SIGNED_IN)

    found = await sessions.holder(store, RING, token)

    assert found is not None
    assert found.principal == "ana"
    assert found.factors == ("password", "totp")
    assert found.agent == "A browser"
    assert found.expires - found.made == timedelta(hours=1)
    assert found.made == clock.now


@on_both
async def test_the_hour_is_absolute(store: Store, clock: ManualClock) -> None:
    token = await sessions.begin(store, RING, "ana", **SIGNED_IN)
    for _ in range(59):
        clock.advance(minutes=1)
        assert await sessions.holder(store, RING, token) is not None

    clock.advance(minutes=1)

    assert await sessions.holder(store, RING, token) is None


@on_both
async def test_a_session_can_be_ended_alone(store: Store) -> None:
    one, other = [await sessions.begin(store, RING, "ana", **SIGNED_IN) for _ in range(2)]

    assert await sessions.end(store, one)

    assert await sessions.holder(store, RING, one) is None
    assert await sessions.holder(store, RING, other) is not None
    assert not await sessions.end(store, one)


@on_both
async def test_all_sessions_of_a_person_end_together_and_nobody_elses(store: Store) -> None:
    of_ana = [await sessions.begin(store, RING, "ana", **SIGNED_IN) for _ in range(3)]
    of_ben = await sessions.begin(store, RING, "ben", **SIGNED_IN)

    assert await sessions.end_all(store, "ana") == 3

    assert [await sessions.holder(store, RING, one) for one in of_ana] == [None] * 3
    assert await sessions.holder(store, RING, of_ben) is not None


@on_both
async def test_a_session_is_ended_by_the_id_that_is_listed(store: Store) -> None:
    token = await sessions.begin(store, RING, "ana", **SIGNED_IN)
    (listed,) = await sessions.of(store, "ana")

    assert not await sessions.end_one(store, "ben", listed.id)
    assert not await sessions.end_one(store, "ana", "")
    assert not await sessions.end_one(store, "ana", "%")
    assert await sessions.end_one(store, "ana", listed.id)

    assert await sessions.holder(store, RING, token) is None
    assert await sessions.of(store, "ana") == []


async def test_nothing_that_is_kept_lets_anybody_in(store: Store) -> None:
    token = await sessions.begin(store, RING, "ana", **SIGNED_IN)
    found = await sessions.holder(store, RING, token)
    assert found is not None

    async with store.reading() as tx:
        kept = str((await tx.execute(select(table))).mappings().all())
        kept += str((await tx.execute(select(audit))).mappings().all())

    assert token not in kept
    assert found.csrf not in kept
    (row,) = await sessions.of(store, "ana")
    assert row.csrf == ""
    assert await sessions.holder(store, RING, row.id) is None


async def test_a_session_has_a_csrf_value_of_its_own(store: Store) -> None:
    tokens = [await sessions.begin(store, RING, "ana", **SIGNED_IN) for _ in range(2)]
    first, second = [await sessions.holder(store, RING, token) for token in tokens]

    assert first is not None
    assert second is not None
    assert first.csrf != second.csrf


async def test_sessions_that_ended_a_month_ago_are_forgotten(
    store: Store, clock: ManualClock
) -> None:
    await sessions.begin(store, RING, "ana", **SIGNED_IN)
    clock.advance(days=31)

    await sessions.begin(store, RING, "ben", **SIGNED_IN)

    async with store.reading() as tx:
        assert (await tx.execute(select(table.c.principal))).scalars().all() == ["ben"]


def test_over_https_the_cookie_can_be_set_by_no_other_host() -> None:
    assert sessions.cookie_name("https://responder.example.com") == "__Host-responder_session"
    assert sessions.cookie_name("http://localhost:8080") == "responder_session"
