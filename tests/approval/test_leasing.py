"""Who may end and extend leases, and what they prove it with."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pyotp.totp import TOTP
from sqlalchemy import func, select

from responder.approval import totp
from responder.approval.lease_drawing import Wish
from responder.approval.leasing import Leasing, Proof
from responder.approval.revoking import Revocation, revoke
from responder.approval.service import Approvals, Verdict
from responder.approval.settings import ApprovalSettings
from responder.crypto.keyring import KeyRing
from responder.errors import Refused
from responder.policy.judge import Policy
from responder.policy.leases import LeaseKind
from responder.policy.tiers import Needs, Tier, TierRules
from responder.store import Store
from responder.store.tables import asks, decisions
from tests.databases import ManualClock, on_both
from tests.verbs.desk import ATTACKER, POLICY, Desk, block

ORIGIN = "http://127.0.0.1:8080"
FRA = f"block/fra1/{ATTACKER}"
NEEDS = {
    Tier.T0: Needs(people=0, stepped_up=0),
    Tier.T1: Needs(people=0, stepped_up=0),
    Tier.T2: Needs(people=1, stepped_up=1),
    Tier.T3: Needs(people=2, stepped_up=1),
}
# Beyond a day it takes a second factor, and here even two people.
T2 = POLICY.model_copy(update={"tiers": TierRules(needs=NEEDS)})
T3 = T2.model_copy(update={"tiers": TierRules(needs=NEEDS | {Tier.T2: NEEDS[Tier.T3]})})
LONGER = Wish(kind=LeaseKind.EXTEND, resource=FRA, lasts=timedelta(hours=30))


class Lessor:
    """A held address, and people with second factors who decide about it."""

    def __init__(self, desk: Desk, policy: Policy) -> None:
        self.desk, self.ring = desk, KeyRing.fresh()
        people, kinds = desk.context.judgement.people, desk.context.kinds
        self.leasing = Leasing(
            desk.store, desk.signer, self.ring, policy, people, kinds,
            origin=ORIGIN, rules=ApprovalSettings(),
        )  # fmt: skip
        self.approvals = Approvals(desk.store, desk.signer, self.ring, policy, ORIGIN)
        self.secrets: dict[str, str] = {}

    async def begin(self) -> "Lessor":
        run = await self.desk.open_run()
        await self.desk.do(run, block())
        for name in ("ana", "ben"):
            async with self.desk.store.transaction() as tx:
                uri = await totp.enrol(tx, self.ring, name)
            self.secrets[name] = uri.partition("secret=")[2].partition("&")[0]
        return self

    def proof(self, name: str) -> Proof:
        step = int(self.desk.clock.now.timestamp()) // 30
        return Proof(code=TOTP(self.secrets[name]).generate_otp(step))

    async def ask(self, wish: Wish = LONGER, who: str = "ana", proof: Proof | None = None) -> Any:
        person = self.desk.people[who]
        return await self.leasing.request(wish, person, proof or self.proof(who), method="cli")

    async def open_asks(self) -> int:
        async with self.desk.store.reading() as tx:
            query = select(func.count()).select_from(asks)
            return int((await tx.execute(query)).scalar_one())

    async def until(self) -> Any:
        (held,) = [row for row in await self.desk.held() if row.resource == FRA]
        return held.until


async def lessor(store: Store, clock: ManualClock, policy: Policy = T2) -> Lessor:
    return await Lessor(Desk(store, clock, policy=policy), policy).begin()


@on_both
async def test_what_took_a_second_factor_takes_one(store: Store, clock: ManualClock) -> None:
    one = await lessor(store, clock)
    before = await one.until()
    with pytest.raises(Refused, match="needs a code of your second factor"):
        await one.ask(proof=Proof())
    with pytest.raises(Refused, match="does not match"):
        await one.ask(proof=Proof(code="000000"))
    assert (await one.open_asks(), await one.until()) == (0, before)
    ask = await one.ask()
    assert (ask["state"], ask["tier"], ask["requester"]) == (
        "approved", "T2", "playbook AuthenticationAttack",
    )  # fmt: skip
    assert await one.until() == before + timedelta(hours=30)
    async with store.reading() as tx:
        (decision,) = (await tx.execute(select(decisions))).mappings().all()
    assert decision["document"]["factors"] == ["cli", "totp"]
    assert decision["document"]["digest"] == ask["digest"]
    assert one.desk.signer.verifier.holds(decision["document"], decision["signature"])


async def test_a_code_is_good_for_one_decision(store: Store, clock: ManualClock) -> None:
    one = await lessor(store, clock)
    proof = one.proof("ana")
    await one.ask(proof=proof)
    with pytest.raises(Refused, match="used before"):
        await one.ask(LONGER.model_copy(update={"lasts": timedelta(hours=31)}), proof=proof)


async def test_two_at_once_ask_once(store: Store, clock: ManualClock) -> None:
    one = await lessor(store, clock, T3)
    said = await asyncio.gather(one.ask(), one.ask(who="ben"), return_exceptions=True)
    assert sorted(type(one).__name__ for one in said) == ["Refused", "RowMapping"]
    assert await one.open_asks() == 1


async def test_an_approval_is_taken_back_before_it_is_carried_out(
    store: Store, clock: ManualClock
) -> None:
    one = await lessor(store, clock, T3)
    before = await one.until()
    ask = await one.ask()
    assert ask["state"] == "open"
    ana, ben = one.desk.people["ana"], one.desk.people["ben"]
    verdict = Verdict(
        approve=True, digest=ask["digest"], code=one.proof("ben").code, number=ask["number"]
    )
    await one.approvals.decide(ask["id"], ben, verdict, method="api token")
    revoked = await revoke(store, ask["id"], ana, Revocation(reason="a mistake"))
    assert revoked["state"] == "revoked"
    async with store.transaction() as tx:
        assert await one.leasing.apply(tx, revoked) == ()
    assert await one.until() == before


async def test_what_was_carried_out_is_not_taken_back(store: Store, clock: ManualClock) -> None:
    one = await lessor(store, clock)
    ask = await one.ask()
    with pytest.raises(Refused, match="began at"):
        await revoke(store, ask["id"], one.desk.people["ana"], Revocation(reason="a mistake"))


async def test_a_denial_by_the_second_person_leaves_the_lease_as_it_was(
    store: Store, clock: ManualClock
) -> None:
    one = await lessor(store, clock, T3)
    before = await one.until()
    ask = await one.ask()
    verdict = Verdict(approve=False)
    denied = await one.approvals.decide(ask["id"], one.desk.people["ben"], verdict, method="cli")
    assert denied["state"] == "denied"
    async with store.transaction() as tx:
        await one.leasing.apply(tx, denied)
    assert await one.until() == before
    assert await one.desk.audited("hold extended") == []


async def test_the_digest_follows_what_is_asked_for(store: Store, clock: ManualClock) -> None:
    one = await lessor(store, clock)
    digests = set()
    for wish in (LONGER, Wish(resource=FRA), Wish(incident="IR-1"),
                 LONGER.model_copy(update={"lasts": timedelta(hours=31)})):  # fmt: skip
        prepared = [await one.leasing._drawn(wish, one.desk.people["ana"]) for _ in range(2)]
        first, second = (drawn.change.digest for drawn in prepared if drawn is not None)
        assert first == second
        digests.add(first)
        clock.advance(seconds=1)
    assert len(digests) == 4
