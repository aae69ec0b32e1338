"""Taking an approval back, before anything was begun on the strength of it."""

import asyncio

import pytest
from sqlalchemy import select

from responder.audit import verify
from responder.errors import Refused
from responder.policy.tiers import Needs
from responder.store.tables import audit, messages
from tests.approval.desk import TWO, Asked
from tests.databases import on_both

NO_CODE = Needs(people=1, stepped_up=0)


@on_both
async def test_who_approved_takes_it_back_and_nothing_is_done(asked: Asked) -> None:
    await asked.ask(needs=NO_CODE)
    await asked.decide("a1", "ana")
    assert await asked.objection("a1") is None
    asked.clock.advance(seconds=5)
    ask = await asked.revoke("ana")
    assert (ask["state"], ask["decided"]) == ("revoked", asked.clock.now)
    assert await asked.objection("a1") == "its approval was taken back"
    (signed,) = await asked.signed("a1")
    assert signed.revoked == asked.clock.now
    assert await verify(asked.store) == (2, None)


async def test_it_is_audited_and_people_are_told(asked: Asked) -> None:
    await asked.ask(needs=NO_CODE)
    await asked.decide("a1", "ana")
    await asked.revoke("ben", of="ana", reason="the wrong host")
    async with asked.store.reading() as tx:
        entry = (await tx.execute(select(audit).where(audit.c.kind == "revoked"))).one()
        told = (await tx.execute(select(messages))).one()
    assert (entry.actor, entry.subject, entry.incident) == ("ben", "ask a1", "IR-1")
    assert entry.data == {"decided_by": "ana", "reason": "the wrong host", "ask_is": "revoked"}
    assert told.subject == "IR-1: ben took back ana's approval of ask a1"
    assert "the wrong host" in told.body
    assert told.loud


async def test_one_of_two_approvals_taken_back_leaves_the_ask_waiting_for_two(asked: Asked) -> None:
    await asked.ask(needs=TWO)
    await asked.enrol("ana", "ben", "cyd")
    await asked.decide("a1", "ana")
    ask = await asked.revoke("ana")
    assert (ask["state"], ask["decided"]) == ("open", None)
    assert (await asked.decide("a1", "ben"))["state"] == "open", "ana counts no longer"
    assert (await asked.decide("a1", "cyd"))["state"] == "approved"
    assert await asked.objection("a1") is None


@pytest.mark.parametrize("who", ["cyd", "vic", "api", "gone"])
async def test_others_do_not_take_it_back(asked: Asked, who: str) -> None:
    await asked.ask(needs=NO_CODE)
    await asked.decide("a1", "ana")
    with pytest.raises(Refused, match="may not take back what ana decided; ana or an admin may"):
        await asked.revoke(who, of="ana")
    assert (await asked.row("a1"))["state"] == "approved"


async def test_what_has_begun_is_not_taken_back(asked: Asked) -> None:
    await asked.ask(needs=NO_CODE)
    await asked.decide("a1", "ana")
    await asked.begin("a1")
    with pytest.raises(
        Refused, match=r"began at .* would undo nothing.*\n\nhint: responder leases"
    ):
        await asked.revoke("ana")
    assert (await asked.row("a1"))["state"] == "approved"


async def test_there_must_be_an_approval_to_take_back(asked: Asked) -> None:
    with pytest.raises(Refused, match="there is no ask a1"):
        await asked.revoke("ana")
    await asked.ask(needs=TWO)
    await asked.enrol("ana")
    await asked.decide("a1", "ana")
    with pytest.raises(Refused, match="no approval of ben to take back; approved by ana"):
        await asked.revoke("ben")
    await asked.revoke("ana")
    with pytest.raises(Refused, match="no approval of ana to take back; approved by nobody"):
        await asked.revoke("ana")
    await asked.decide("a1", "ben", approve=False)
    with pytest.raises(Refused, match=r"is denied since .* there is no approval to take back"):
        await asked.revoke("ben")


@on_both
async def test_of_two_who_take_it_back_at_once_one_does(asked: Asked) -> None:
    await asked.ask(needs=NO_CODE)
    await asked.decide("a1", "ana")
    said = await asyncio.gather(
        asked.revoke("ana"), asked.revoke("ben", of="ana"), return_exceptions=True
    )
    assert sum(isinstance(one, Refused) for one in said) == 1
    assert await verify(asked.store) == (2, None)
