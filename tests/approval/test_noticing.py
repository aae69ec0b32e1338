"""What is noticed about deciding: how fast it was, and what was reported."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from responder.approval.fatigue import Asked as Told
from responder.approval.fatigue import tell_approvers
from responder.approval.misuse import unmute
from responder.approval.service import Verdict
from responder.approval.settings import ApprovalSettings
from responder.approval.stamps import look, stamps, told
from responder.audit import verify
from responder.errors import Refused
from responder.people.person import Directory
from responder.policy.tiers import Needs
from responder.store.tables import audit, decisions, messages
from tests.approval.desk import DIGEST, PEOPLE, Asked
from tests.databases import on_both

NO_CODE = Needs(people=1, stepped_up=0)
RULES = ApprovalSettings()


async def tell(asked: Asked, name: str, requester: str = "playbook Containment") -> tuple[str, ...]:
    """Tell everybody of an ask."""
    words = Told(
        id=name, incident="IR-1", priority="P2", requester=requester, people=1,
        subject=f"approve? {name}", body="",
    )  # fmt: skip
    async with asked.store.transaction() as tx:
        people = Directory(PEOPLE.values())
        return await tell_approvers(tx, people, RULES, words, asked.clock.now)


async def deliver(asked: Asked) -> None:
    """What the outbox writes when a channel took a message."""
    async with asked.store.transaction() as tx:
        await tx.execute(update(messages).values(sent=asked.clock.now))


async def after(asked: Asked, name: str) -> float:
    async with asked.store.reading() as tx:
        query = select(decisions.c.after).where(decisions.c.ask == name)
        return float((await tx.execute(query)).scalar_one())


async def counted(asked: Asked) -> dict[str, tuple[int, int]]:
    async with asked.store.reading() as tx:
        rows = await stamps(tx, RULES, asked.clock.now)
    return {row["person"]: (row["decided"], row["stamps"]) for row in rows}


@on_both
async def test_a_decision_two_seconds_after_delivery_is_a_rubber_stamp_and_five_after_is_none(
    asked: Asked,
) -> None:
    for name, seconds in (("a1", 2), ("a2", 5)):
        await asked.ask(name, needs=NO_CODE)
        await tell(asked, name)
        asked.clock.advance(seconds=40)
        await deliver(asked)
        asked.clock.advance(seconds=seconds)
        await asked.decide(name, "ana")
        assert await after(asked, name) == seconds
    assert await counted(asked) == {"ana": (2, 1)}


async def test_it_counts_from_whichever_came_first_delivery_or_opening(asked: Asked) -> None:
    await asked.ask("a1", needs=NO_CODE)
    await tell(asked, "a1")
    await look(asked.store, "a1", PEOPLE["ana"])
    asked.clock.advance(seconds=30)
    await deliver(asked)
    await look(asked.store, "a1", PEOPLE["ana"])
    asked.clock.advance(seconds=1)
    await asked.decide("a1", "ana")
    assert await after(asked, "a1") == 31
    async with asked.store.reading() as tx:
        (ana,) = [row for row in await told(tx, "a1") if row["person"] == "ana"]
    assert ana["delivered"] - ana["opened"] == timedelta(seconds=30)


async def test_who_only_found_it_in_a_list_had_it_before_them_since_it_was_opened(
    asked: Asked,
) -> None:
    await asked.ask("a1", needs=NO_CODE)
    asked.clock.advance(seconds=1)
    await asked.decide("a1", "ben")
    assert await counted(asked) == {"ben": (1, 1)}


async def test_who_may_not_decide_leaves_no_trace_by_looking(asked: Asked) -> None:
    await asked.ask("a1")
    await look(asked.store, "a1", PEOPLE["vic"])
    async with asked.store.reading() as tx:
        assert await told(tx, "a1") == []


async def test_a_week_later_it_is_counted_no_more(asked: Asked) -> None:
    await asked.ask("a1", needs=NO_CODE)
    await asked.decide("a1", "ana")
    asked.clock.advance(days=7, seconds=1)
    assert await counted(asked) == {}


async def _report(asked: Asked, name: str, **more: Any) -> Any:
    verdict = Verdict(approve=False, report=True, reason="nobody isolates our resolver", **more)
    return await asked.service.decide(name, PEOPLE["ana"], verdict, method="cli")


@on_both
async def test_a_report_denies_and_is_told_aloud_with_who_asked(asked: Asked) -> None:
    await asked.ask("a1")
    assert (await _report(asked, "a1"))["state"] == "denied"
    async with asked.store.reading() as tx:
        query = select(messages).where(messages.c.key.like("reported/%")).order_by(messages.c.id)
        rows = (await tx.execute(query)).all()
        entry = (await tx.execute(select(audit).where(audit.c.kind == "reported"))).one()
    assert [(m.audience, m.loud) for m in rows] == [("security", True), ("CISO", True)]
    assert all("playbook Containment" in m.body for m in rows)
    assert all("nobody isolates our resolver" in m.body for m in rows)
    assert (entry.actor, entry.data["requester"]) == ("ana", "playbook Containment")
    assert (await verify(asked.store))[1] is None


async def test_no_further_ask_of_that_requester_reaches_anybody_until_an_admin_says_so(
    asked: Asked,
) -> None:
    await asked.ask("a1", "a2", "a3", "a4", "a5")
    await _report(asked, "a1")
    assert await tell(asked, "a2") == ()
    assert await tell(asked, "a3") == ()
    assert set(await tell(asked, "a4", requester="playbook Another")) == {"ana", "ben", "cyd"}
    async with asked.store.reading() as tx:
        query = select(messages).where(messages.c.key.like("unsaid/%"))
        (said,) = (await tx.execute(query)).all()
    assert said.audience == "escalation"
    assert "responder approvals unmute IR-1" in said.body
    assert (await asked.row("a2"))["state"] == "open", "it is there for everybody to see"

    for who in ("ana", "vic", "gone"):
        with pytest.raises(Refused, match="an admin may"):
            await unmute(asked.store, "IR-1", PEOPLE[who])
    assert await unmute(asked.store, "IR-1", PEOPLE["ben"]) == 1
    assert "ana" in await tell(asked, "a5")
    with pytest.raises(Refused, match="no ask of it is kept from people"):
        await unmute(asked.store, "IR-1", PEOPLE["ben"])


async def test_what_is_reported_is_never_approved(asked: Asked) -> None:
    await asked.ask("a1", needs=NO_CODE)
    verdict = Verdict(approve=True, report=True, digest=DIGEST)
    with pytest.raises(Refused, match="is denied, never approved"):
        await asked.service.decide("a1", PEOPLE["ana"], verdict, method="cli")
    assert (await asked.row("a1"))["state"] == "open"
