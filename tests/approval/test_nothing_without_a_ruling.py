"""
The negative matrix: every action, and every way we know to have it done without a good ruling.

The bulk asks `objection`, the one function by which a worker decides just before the effect, over
decisions that are in the store. A third of the pairs of an action and a way, every action and every
way among them, goes through the verb itself as well, with the attempt written into the store as
somebody with the database would write it.
"""

import dataclasses
import random
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from responder.approval.decision import Judgement
from responder.errors import ActionError
from responder.people.person import Directory, Person, Role
from responder.policy.tiers import Needs, Tier, TierRules
from responder.store import Store
from responder.store.noticing import askings, unsaid
from responder.store.tables import asks, decisions, holds, incidents, steps
from responder.verbs.approved import objection
from responder.verbs.context import Context
from responder.workflows.wire import Done
from tests.approval.every_action import EXAMPLES, EveryPoint, without_an_example
from tests.approval.tampering import GLASS, SPOILT, Attempt
from tests.databases import ManualClock
from tests.verbs.desk import POLICY, Desk

SEEDS = 6  # ways are drawn anew for each: which bit, which approver, how late
# Two people at every tier, so that each action can lack one of them.
NEEDS = {tier: Needs(people=2, stepped_up=1) for tier in Tier}
PEOPLE = {
    person.name: person
    for person in (
        Person(name="ana", roles=(Role.OPERATOR,)),
        Person(name="ben", roles=(Role.OPERATOR,)),
        Person(name="cyd", roles=(Role.ADMIN,)),
        Person(name="dee", roles=(Role.ADMIN,)),
        Person(name="vic", roles=(Role.VIEWER,)),
        Person(name="api", roles=(Role.API_USER,)),
        Person(name="gone", roles=(Role.ADMIN,), active=False),
    )
}


class Court(Desk):
    """A desk where every action is asked for, and has an effect once it is approved."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        policy = POLICY.model_copy(update={"tiers": TierRules(needs=NEEDS), "budgets": {}})
        super().__init__(store, clock, policy=policy)
        self.everything = EveryPoint(clock)
        self.world = self.everything
        self.people = dict(PEOPLE)
        self.context = self.worker("worker-1")

    async def open_run(self, incident: str = "IR-1", **given: Any) -> str:
        """A run of an incident that dee opened by hand."""
        run = await super().open_run(incident, **given)
        async with self.store.transaction() as tx:
            this = update(incidents).where(incidents.c.id == incident)
            await tx.execute(this.values(asked_by=["dee"]))
        return run

    async def asked(self, run: str, number: int) -> Attempt:
        """Have action *number* of the examples asked for in a step of its own, approved by two."""
        async with self.store.reading() as tx:
            step = len((await tx.execute(select(steps.c.key))).all()) + 1
        waiting = await self.do(run, EXAMPLES[number][0], step=step)
        assert waiting.ask is not None, EXAMPLES[number][0]
        return await self.approved(waiting.ask, f"{run}/{step}", seed=number)

    async def approved(self, ask: str, key: str, seed: int) -> Attempt:
        """The attempt that ana and ben approved, as it stands in the store."""
        async with self.store.reading() as tx:
            asking = (await tx.execute(select(asks).where(asks.c.id == ask))).mappings().one()
            step = (await tx.execute(select(steps).where(steps.c.key == key))).mappings().one()
        attempt = Attempt(
            ask={**asking, "state": "approved", "decided": self.clock.now},
            step=dict(step), signer=self.signer, people=dict(PEOPLE), policy=self.policy,
            now=self.clock.now, random=random.Random(seed),
        )  # fmt: skip
        attempt.decide("ana", "ben")
        return attempt

    def judging(self, attempt: Attempt) -> Context:
        """A worker under the people, the policy and the settings of *attempt*."""
        people = Directory(attempt.people.values())
        judgement = Judgement(self.signer.verifier, people, attempt.glass)
        return dataclasses.replace(self.context, judgement=judgement, policy=lambda: attempt.policy)

    async def object_to(self, *attempts: Attempt) -> list[str | None]:
        """What a worker says to each just before the effect, with the decisions in the store."""
        async with self.store.transaction() as tx:
            await tx.execute(delete(decisions))
            copies = [{**a.ask, "step": None} for a in attempts if a.ask["step"] is None]
            if copies:
                await tx.execute(insert(asks), copies)
            await tx.execute(insert(decisions), [row for a in attempts for row in a.rows])
            said = [
                await objection(self.judging(one), tx, one.ask, one.step, one.now)
                for one in attempts
            ]
            await tx.rollback()
        return said

    async def carry(self, run: str, attempt: Attempt, number: int) -> Done | None:
        """Write *attempt* into the store and have the run ask again; None if it was refused."""
        ask, step = attempt.ask, attempt.step
        async with self.store.transaction() as tx:
            put = {name: ask[name] for name in ("state", "digest", "needs", "tier", "requester",
                                                "plan", "execute_by", "decided")}  # fmt: skip
            await tx.execute(update(asks).where(asks.c.id == ask["id"]).values(put))
            put = {"plan": step["plan"], "digest": step["digest"]}
            await tx.execute(update(steps).where(steps.c.key == step["key"]).values(put))
            if attempt.rows:
                await tx.execute(insert(decisions), attempt.rows)
        before, self.clock.now = self.clock.now, attempt.now
        try:
            action, at = EXAMPLES[number][0], int(step["key"].rpartition("/")[2])
            return await self.do(run, action, step=at, context=self.judging(attempt))
        except ActionError:
            return None
        finally:
            self.clock.now = before

    async def effects(self) -> int:
        """What was written anywhere, and every hold that was taken to write it."""
        async with self.store.reading() as tx:
            held = (await tx.execute(select(holds.c.id))).all()
        return len(self.everything.point.writes) + len(held)


@pytest.fixture
def court(store: Store, clock: ManualClock) -> Court:
    return Court(store, clock)


def test_there_is_an_example_of_every_action() -> None:
    assert without_an_example() == set()


@pytest.mark.parametrize("number", range(len(EXAMPLES)), ids=[str(a) for a, _ in EXAMPLES])
async def test_what_two_people_approved_is_done(court: Court, number: int) -> None:
    """The other side of the matrix: unspoilt, each of these has its effect, by quorum or by glass."""
    run = await court.open_run()
    attempt = await court.asked(run, number)
    assert await court.object_to(attempt) == [None]
    if attempt.ask["tier"] in ("T2", "T3"):
        attempt.decide("ana", **GLASS)
        assert await court.object_to(attempt) == [None]
    done = await court.carry(run, attempt, number)
    assert done is not None
    assert len(done.receipts) == 1
    assert len(court.everything.point.writes) == 1


async def test_in_ten_thousand_cases_there_is_no_ruling_that_a_worker_accepts(
    court: Court, record_property: Any
) -> None:
    run = await court.open_run()
    judged = 0
    for number in range(len(EXAMPLES)):
        base = await court.asked(run, number)
        ways = [(name, seed) for name in SPOILT for seed in range(SEEDS)]
        attempts = [spoilt(base, number, name, seed) for name, seed in ways]
        for way, said in zip(ways, await court.object_to(*attempts), strict=True):
            assert said, f"{EXAMPLES[number][0]}: {way}: nothing was objected"
            judged += 1
    assert await court.effects() == 0
    record_property("cases_judged", judged)
    print(f"{judged} cases by objection(): {len(EXAMPLES)} actions x {len(SPOILT)} ways x {SEEDS}")
    assert judged >= 10_000


async def test_five_hundred_of_them_go_through_the_verb_itself(
    court: Court, record_property: Any
) -> None:
    run = await court.open_run()
    tried = 0
    ways: set[str] = set()
    for number in range(len(EXAMPLES)):
        for index, (name, spoil) in enumerate(SPOILT.items()):
            if (number + index) % 3:
                continue
            attempt = await court.asked(run, number)
            attempt.random = random.Random(f"{number}/{name}")
            spoil(attempt)
            ways.add(name)
            done = await court.carry(run, attempt, number)
            assert done is None or (done.receipts == () and name == "an ask that is open"), name
            tried += 1
            await _forget(court.store, attempt)
    assert await court.effects() == 0
    record_property("cases_through_the_verb", tried)
    print(f"{tried} cases through do(): {len(EXAMPLES)} actions, {len(ways)} ways; 0 effects")
    assert ways == set(SPOILT)
    assert tried >= 500


async def test_an_approval_is_consumed_by_one_step_and_passes_no_other(court: Court) -> None:
    """A second step of the very same action, to which the approved ask is moved in the store."""
    run = await court.open_run()
    for number in range(len(EXAMPLES)):
        first, second = await court.asked(run, number), await court.asked(run, number)
        async with court.store.transaction() as tx:
            await tx.execute(delete(askings))
            await tx.execute(delete(unsaid))
            await tx.execute(delete(asks).where(asks.c.id == second.ask["id"]))
            moved = update(asks).where(asks.c.id == first.ask["id"])
            await tx.execute(moved.values(step=second.step["key"]))
        second.ask = first.ask
        second.rows = first.rows
        assert await court.carry(run, second, number) is None, EXAMPLES[number][0]
        await _forget(court.store, first)
    assert await court.effects() == 0


def spoilt(base: Attempt, number: int, name: str, seed: int) -> Attempt:
    """A copy of *base*, an ask of its own, spoilt in one way."""
    drawn = random.Random(f"{number}/{name}/{seed}")
    ask = {**base.ask, "id": f"{drawn.getrandbits(64):016x}", "step": None}
    attempt = dataclasses.replace(
        base, ask=ask, step=dict(base.step), people=dict(base.people), random=drawn
    )
    attempt.decide("ana", "ben")
    SPOILT[name](attempt)
    return attempt


async def _forget(store: Store, attempt: Attempt) -> None:
    """Leave the tables as small as they were; what is counted is counted in the world."""
    async with store.transaction() as tx:
        for table in (askings, unsaid, decisions):
            await tx.execute(delete(table).where(table.c.ask == attempt.ask["id"]))
