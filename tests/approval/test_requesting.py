"""Who asked for it may not approve it: an incident opened by hand, an edited plan, a lease."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from responder.approval import tickets
from responder.approval.break_glass import Breaking, Glass
from responder.approval.decision import BREAK_GLASS, Decision
from responder.approval.requesting import barred, in_words, may_approve, never_alone, why_barred
from responder.approval.settings import BreakGlass
from responder.errors import Refused
from responder.people.approver_rights import About
from responder.people.person import Person, Role
from responder.plan import How, Requester
from responder.policy.judge import Policy
from responder.policy.leases import LeaseKind
from responder.policy.tiers import Needs, Tier
from responder.store import Store
from responder.store.tables import asks, decisions, holds
from tests.approval.desk import DIGEST, ORIGIN, PEOPLE, TWO, Asked
from tests.approval.test_leasing import FRA, LONGER, T3, Lessor, lessor
from tests.databases import ManualClock, on_both

OPENED = [{"name": "ana", "how": "opened the incident"}]


async def opened_by_ana(asked: Asked, needs: Needs = TWO) -> None:
    """An ask of T3 in an incident that ana opened by hand; everybody has a second factor."""
    await asked.ask(needs=needs)
    await asked.enrol("ana", "ben", "cyd")
    async with asked.store.transaction() as tx:
        plan = {"asked_by": OPENED, "changes": []}
        await tx.execute(update(asks).values(tier="T3", plan=plan))


async def smash(asked: Asked, who: str) -> Any:
    glass = Glass(asked.store, asked.signer, asked.ring, Policy(), BreakGlass(), ORIGIN)
    given = Breaking(reason="nobody answers", digest=DIGEST, code=asked.code(who))
    return await glass.break_glass("a1", PEOPLE[who], given)


@on_both
async def test_who_opened_the_incident_is_refused_and_told_why_and_two_others_approve(
    asked: Asked,
) -> None:
    await opened_by_ana(asked)
    said = "ana opened the incident, and nobody may approve their own request; somebody else may"
    with pytest.raises(Refused, match=said):
        await asked.decide("a1", "ana")
    assert (await asked.decide("a1", "ben"))["state"] == "open"
    assert (await asked.decide("a1", "cyd"))["state"] == "approved"


@pytest.mark.parametrize(("days", "one_person"), [(1, False), (7, True)])
async def test_their_ticket_breaks_no_glass_for_as_long_as_the_settings_say(
    asked: Asked, days: int, *, one_person: bool
) -> None:
    ticket = await tickets.issue(asked.store, "ben", "ana", asked.clock.now)
    async with asked.store.transaction() as tx:
        await tickets.redeem(tx, "ben", tickets.digest(ticket), asked.clock.now)
    asked.clock.advance(days=2)
    await opened_by_ana(asked)
    glass = Glass(
        asked.store, asked.signer, asked.ring, Policy(), BreakGlass(), ORIGIN,
        vouched_for=timedelta(days=days),
    )  # fmt: skip
    given = Breaking(reason="nobody answers", digest=DIGEST, code=asked.code("ben"))
    if one_person:
        with pytest.raises(Refused, match="one person with them for 168 hours"):
            await glass.break_glass("a1", PEOPLE["ben"], given)
    else:
        assert (await glass.break_glass("a1", PEOPLE["ben"], given))[0]["state"] == "approved"


async def test_they_may_deny_it(asked: Asked) -> None:
    await opened_by_ana(asked)
    assert (await asked.decide("a1", "ana", approve=False))["state"] == "denied"


async def test_they_do_not_break_the_glass_and_another_does(asked: Asked) -> None:
    await opened_by_ana(asked)
    with pytest.raises(Refused, match=r"ana opened the incident.*who did not ask for it"):
        await smash(asked, "ana")
    assert await asked.signed("a1") == []
    assert (await smash(asked, "ben"))[0]["state"] == "approved"


async def test_where_policy_lets_people_approve_their_own_they_do(asked: Asked) -> None:
    await opened_by_ana(asked, TWO.model_copy(update={"not_requester": False}))
    assert (await asked.decide("a1", "ana"))["state"] == "open"
    asked.clock.advance(seconds=30)
    assert (await smash(asked, "ana"))[0]["state"] == "approved"


@pytest.mark.parametrize("glass", [False, True])
async def test_whose_second_factor_is_by_the_requesters_ticket_is_one_person_with_them(
    asked: Asked, glass: bool
) -> None:
    await opened_by_ana(asked)
    ticket = await tickets.issue(asked.store, "cyd", "ana", asked.clock.now)
    async with asked.store.transaction() as tx:
        await tickets.redeem(tx, "cyd", tickets.digest(ticket), asked.clock.now)
    with pytest.raises(Refused, match="cyd has a second factor by their ticket"):
        await (smash(asked, "cyd") if glass else asked.decide("a1", "cyd"))
    assert await asked.signed("a1") == []


@pytest.mark.parametrize("changed", [{}, {"subject": {}}, {"kind": "end"}])
def test_words_and_names(changed: dict[str, Any]) -> None:
    ask = {
        "id": "a1", "kind": "step", "requester": "playbook X", "needs": {"not_requester": True},
        "plan": {"asked_by": [*OPENED, {"name": "ben", "how": "edited the plan"}]}, **changed,
    }  # fmt: skip
    assert in_words(ask) == "ana (opened the incident) and ben (edited the plan)"
    assert never_alone(ask) == {"ana", "ben", "playbook X"}
    lease = ask["kind"] == "end"
    assert barred(ask) == ({"playbook X"} if lease else {"ana", "ben", "playbook X"})
    may = may_approve(PEOPLE.values(), ask, About())
    assert may == (["ana", "ben", "cyd"] if lease else ["cyd"])
    assert why_barred(ask, "ana", ["ana", "cyd"]).endswith("their own request; cyd may")


async def three(store: Store, clock: ManualClock) -> tuple[Lessor, Any]:
    """A lease that three people end, which ana has asked for."""
    needs = T3.tiers.needs | {Tier.T2: Needs(people=3, stepped_up=1)}
    tiers = T3.tiers.model_copy(update={"needs": needs})
    one = await lessor(store, clock, T3.model_copy(update={"tiers": tiers}))
    one.desk.people["cyd"] = Person(name="cyd", roles=(Role.ADMIN,))
    ask = await one.ask()
    clock.advance(seconds=30)  # their codes are others
    return one, ask


async def test_who_asked_for_a_lease_does_not_break_the_glass_for_it(
    store: Store, clock: ManualClock
) -> None:
    one, ask = await three(store, clock)
    glass = Glass(store, one.desk.signer, one.ring, T3, BreakGlass(), ORIGIN)
    given = Breaking(reason="nobody answers", digest=ask["digest"], code=one.proof("ana").code)
    with pytest.raises(Refused, match="ana asked for it, and nobody may approve their own"):
        await glass.break_glass(ask["id"], one.desk.people["ana"], given)
    given = given.model_copy(update={"code": one.proof("ben").code})
    broken, _ = await glass.break_glass(ask["id"], one.desk.people["ben"], given)
    assert broken["state"] == "approved"


@pytest.mark.parametrize("blanked", [False, True])
async def test_nothing_is_done_with_a_lease_on_the_strength_of_a_glass_of_who_asked(
    store: Store, clock: ManualClock, blanked: bool
) -> None:
    """As if `serve` had signed it, and with the requester blanked in what is asked for as well."""
    one, ask = await three(store, clock)
    before = await one.until()
    now = clock.now
    broken = Decision(
        ask=ask["id"], digest=ask["digest"], principal="ana", approve=True, method=BREAK_GLASS,
        factors=(BREAK_GLASS, "totp"), issued=now, expires=now + timedelta(minutes=15), nonce="1",
        policy="p", reason="nobody answers",
    )  # fmt: skip
    subject = {**ask["subject"], **({"asked_by": ""} if blanked else {})}
    async with store.transaction() as tx:
        values = {"document": broken.document, "signature": one.desk.signer.sign(broken.document)}
        await tx.execute(update(decisions).values(values))
        await tx.execute(update(asks).values(state="approved", subject=subject))
        row = (await tx.execute(select(asks))).mappings().one()
        assert await one.leasing.apply(tx, row) == ()
    assert await one.until() == before
    async with store.reading() as tx:
        assert (await tx.execute(select(asks.c.state))).scalar_one() == "expired"


async def test_the_one_who_asks_for_a_lease_is_in_what_is_signed_and_is_not_told_of_it(
    store: Store, clock: ManualClock
) -> None:
    one = await lessor(store, clock, T3)
    ask = await one.ask()
    assert ask["subject"]["asked_by"] == "ana"
    assert in_words(ask) == "ana (asked for it)"
    assert ask["plan"]["asked_by"] == [Requester(name="ana", how=How.LEASE).model_dump(mode="json")]
    (said,) = await one.desk.messages("ask/")
    assert said.addressees == ["ben"]


async def test_the_same_wish_of_another_is_not_a_second_ask(
    store: Store, clock: ManualClock
) -> None:
    one = await lessor(store, clock, T3)
    ask = await one.ask()
    with pytest.raises(Refused, match=f"ask {ask['id']} waits for exactly this"):
        await one.ask(who="ben")
    other = LONGER.model_copy(update={"lasts": timedelta(hours=31)})
    assert (await one.ask(other, who="ben"))["id"] != ask["id"]


async def test_one_person_who_is_enough_ends_a_lease_they_ask_to_end(
    store: Store, clock: ManualClock
) -> None:
    one = await lessor(store, clock)
    ended = await one.ask(LONGER.model_copy(update={"kind": LeaseKind.END, "lasts": None}))
    assert ended["state"] == "approved"
    async with store.reading() as tx:
        query = select(holds.c.ended_by).where(holds.c.resource == FRA)
        assert (await tx.execute(query)).scalar_one() == "ana"
