"""A second factor that came by another's ticket: for a day its owner and the giver are one person."""

import pytest

from responder.approval import tickets
from responder.approval.decision import Decision
from tests.approval.desk import TWO, Asked


async def _ticketed(asked: Asked, who: str, by: str) -> None:
    """*who* sets an authenticator app up by a ticket of *by*."""
    ticket = await tickets.issue(asked.store, who, by, asked.clock.now)
    async with asked.store.transaction() as tx:
        await tickets.redeem(tx, who, tickets.digest(ticket), asked.clock.now)
    await asked.enrol(who)


@pytest.mark.parametrize("first", ["ana", "ben"])
async def test_the_giver_and_the_new_one_do_not_make_two(asked: Asked, first: str) -> None:
    await asked.enrol("ben", "cyd")
    await _ticketed(asked, "ana", "ben")
    ask = await asked.ask(needs=TWO, minutes=60)
    second = "ben" if first == "ana" else "ana"
    assert (await asked.decide(ask, first))["state"] == "open"
    assert (await asked.decide(ask, second))["state"] == "open"
    assert "not approved" in str(await asked.objection(ask))
    assert (await asked.decide(ask, "cyd"))["state"] == "approved"
    assert await asked.objection(ask) is None


async def test_a_worker_that_finds_it_approved_counts_for_itself(asked: Asked) -> None:
    await asked.enrol("ben")
    await _ticketed(asked, "ana", "ben")
    ask = await asked.ask(needs=TWO)
    for who in ("ana", "ben"):
        await asked.decide(ask, who)
    as_approved = {**dict(await asked.row(ask)), "state": "approved"}
    assert await asked.objection(ask, ask=as_approved) == "1 of 2 people needed have approved"


async def test_a_ticket_s_ticket_is_the_first_giver_s_too(asked: Asked) -> None:
    await asked.enrol("ben")
    await _ticketed(asked, "ana", "ben")
    await _ticketed(asked, "cyd", "ana")
    ask = await asked.ask(needs=TWO)
    for who in ("cyd", "ben"):
        assert (await asked.decide(ask, who))["state"] == "open"
    (first, _) = [Decision.model_validate(one.document) for one in await asked.signed(ask)]
    assert first.vouched_by == ("ana", "ben")


async def test_after_a_day_they_are_two(asked: Asked) -> None:
    await asked.enrol("ben")
    await _ticketed(asked, "ana", "ben")
    asked.clock.advance(hours=24)
    ask = await asked.ask(needs=TWO)
    await asked.decide(ask, "ana")
    assert (await asked.decide(ask, "ben"))["state"] == "approved"


async def test_somebody_else_s_ticket_takes_nothing_away(asked: Asked) -> None:
    await asked.enrol("cyd")
    await _ticketed(asked, "ana", "ben")
    ask = await asked.ask(needs=TWO)
    await asked.decide(ask, "ana")
    assert (await asked.decide(ask, "cyd"))["state"] == "approved"
    (entry, *_) = await asked.audited("decided")
    assert entry.data["vouched_by"] == ["ben"]
