"""
The contract of every provider: one suite, and a new provider is one line in `GROUNDS`.

What is undone, kept and judged is `verbs`' business, so it is tried through them; the rest is asked
of the resource itself. Blocking and isolation have suites of their own beside this one, for what
only packets can show.
"""

import dataclasses
import re
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_asyncio

from responder.approval.orders import sign_order
from responder.contract import Action, Found, Lookup, Request, Resource
from responder.errors import Refused, ResponderError, Unreachable
from responder.incident import Priority
from responder.plan import Outcome
from responder.policy.judge import Policy
from responder.policy.tiers import Needs, Tier, TierRules
from responder.store import Store
from responder.testing import ActionContract, policy_for
from responder.verbs.enforcing import enforce
from responder.verbs.previewing import Previewing
from tests.databases import ManualClock
from tests.providers.contract.ground import HELD, Ground, Row
from tests.providers.contract.grounds import ELSEWHERE, GROUNDS
from tests.providers.contract.table import promised
from tests.verbs.desk import Desk
from tests.verbs.world import Point, Thing

ROOT = Path(__file__).parents[3]
# Nobody is asked: what people approve is not about the provider.
_ALONE = TierRules(needs={tier: Needs(people=0, stepped_up=0) for tier in Tier})
POLICY = policy_for(("web", "edge2", "db")).model_copy(update={"tiers": _ALONE})

TESTED: dict[Row, str] = {}
Test = TypeVar("Test", bound=Callable[..., Any])


def promise(row: Row) -> Callable[[Test], Test]:
    """The test of one row, over every ground but those that say why they leave it out."""
    kept = [pytest.param(one, id=one.name()) for one in GROUNDS if row not in one.omits]

    def mark(test: Test) -> Test:
        TESTED[row] = test.__name__
        marked: Test = pytest.mark.parametrize("ground", kept, indirect=True)(test)
        return marked

    return mark


@pytest_asyncio.fixture
async def ground(request: pytest.FixtureRequest, store: Store) -> AsyncIterator[Ground]:
    """The thing under test, which nobody has changed; the store comes first, for it has no loop."""
    made: Ground = request.param()
    await made.open(request)
    try:
        yield made
    finally:
        await made.mend()
        await made.close()


@pytest.fixture
def database() -> str:
    """SQLite: what is tried here is not about the database."""
    return "sqlite"


class Points:
    """Where the desk's verbs find the thing under test, and one in memory beside it."""

    def __init__(self, ground: Ground, beside: Point | None) -> None:
        self._ground, self._beside = ground, beside

    def resolve(self, action: Action[Any]) -> Mapping[str, Resource[Any]]:
        assert action == self._ground.action
        found: dict[str, Resource[Any]] = {"point": self._ground.resource()}
        if self._beside is not None:
            found[self._beside.name] = Thing(self._beside, "thing", "it", action.usual())
        return found

    async def answer(self, lookup: Lookup[Any]) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing is kept."""


class Verbs(Desk):
    """The verbs on a provider."""

    def __init__(
        self, store: Store, clock: ManualClock, ground: Ground, policy: Policy = POLICY
    ) -> None:
        super().__init__(store, clock, policy=policy)
        self.ground = ground
        self.over(None)

    def over(self, beside: Point | None) -> None:
        """Have the action carried by the thing under test and, if there is one, *beside* it."""
        self.context = dataclasses.replace(self.context, provision=Points(self.ground, beside))

    async def carry_out(self, incident: str = "IR-1") -> dict[str, Outcome]:
        """What a playbook does; returns how each point ended."""
        run = await self.open_run(incident)
        (receipt,) = (await self.do(run, self.ground.action)).receipts
        return {point.point: point.outcome for point in receipt.points}

    @property
    def name(self) -> str:
        """The resource's name, which holds are counted on."""
        return self.ground.resource().name

    async def undo(self, incident: str | None = None) -> str:
        """End the holds and look again; returns the state of the resource's row."""
        await self.end(self.name, incident=incident)
        await self.lift(self.name)
        return str((await self.row(self.name)).state)


@pytest.fixture
def verbs(store: Store, clock: ManualClock, ground: Ground) -> Verbs:
    """The verbs, at the time that enforcement points have."""
    clock.now = datetime.now(UTC)
    return Verbs(store, clock, ground)


async def write(
    resource: Resource[Any], state: object, found: Found[Any], *, undo: bool = False
) -> None:
    """One write; the same one again has the same key."""
    until = datetime.now(UTC) + timedelta(minutes=10)
    await resource.write(
        state,
        key="undo" if undo else "step",
        until=until if resource.expires_by_itself and not undo else None,
        tag="" if undo else "INC-2026-0001",
        record=found.record,
    )


async def done(ground: Ground) -> Found[Any]:
    """Have the action done past the verbs; returns what was found before."""
    found = await ground.resource().read()
    await write(ground.resource(), ground.action.desired(found.state), found)
    return found


async def stands(ground: Ground) -> bool:
    """Whether the action has nothing more to do."""
    state = (await ground.resource().read()).state
    return bool(state == ground.action.desired(state))


@promise(Row.READ)
async def test_reading_changes_nothing_and_says_the_same_twice(ground: Ground) -> None:
    before = await ground.dump()
    found = await ground.resource().read()
    assert found.state != ground.action.desired(found.state), "the ground has nothing to do"
    assert await ground.resource().read() == found
    assert await ground.dump() == before


@promise(Row.READ_BACK)
async def test_what_is_written_is_read_back(ground: Ground) -> None:
    before = await ground.dump()
    found = await done(ground)
    now = await ground.resource().read()
    assert now.state == ground.action.desired(found.state)
    assert await ground.dump() != before
    if ground.resource().expires_by_itself:
        assert now.expires is not None
        left = now.expires - datetime.now(UTC)
        assert timedelta(minutes=9, seconds=50) < left < timedelta(minutes=10, seconds=5)
    else:
        assert now.expires is None
    again = await ground.resource().read()
    assert (again.state, again.record) == (now.state, now.record)


@promise(Row.TWICE)
async def test_writing_twice_is_one_effect(ground: Ground) -> None:
    found = await done(ground)
    once = await ground.dump()
    await write(ground.resource(), ground.action.desired(found.state), found)
    assert await ground.dump() == once
    assert await stands(ground)


@promise(Row.UNDO)
async def test_the_undo_leaves_what_was_found_and_is_done_once(ground: Ground) -> None:
    before = await ground.dump()
    found = await done(ground)
    for _ in range(2):
        await write(ground.resource(), found.state, found, undo=True)
        assert await ground.dump() == before
        assert await ground.resource().read() == found


@promise(Row.BEFORE)
async def test_what_somebody_else_had_done_before_survives(verbs: Verbs, ground: Ground) -> None:
    await ground.place()
    before, found = await ground.dump(), await ground.resource().read()
    assert await verbs.carry_out() == {"point": Outcome.VERIFIED}
    if ground.kind.reversible:
        assert await verbs.undo() == "clear"
    assert await ground.dump() == before
    assert await ground.resource().read() == found


@promise(Row.SHARED)
async def test_two_incidents_on_one_thing_lift_with_the_last(verbs: Verbs, ground: Ground) -> None:
    before = await ground.dump()
    for incident in ("IR-1", "IR-2"):
        assert await verbs.carry_out(incident) == {"point": Outcome.VERIFIED}
    assert await verbs.undo("IR-1") == "held"
    assert await stands(ground)
    assert await verbs.undo("IR-2") == "clear"
    assert await ground.dump() == before


@promise(Row.DRIFT)
async def test_what_somebody_takes_away_meanwhile_is_put_back(verbs: Verbs, ground: Ground) -> None:
    before = await ground.dump()
    assert await verbs.carry_out() == {"point": Outcome.VERIFIED}
    await ground.take_away()
    assert not await stands(ground)
    await enforce(verbs.context, verbs.name)
    assert await stands(ground)
    assert (await verbs.row(verbs.name)).outcome == Outcome.VERIFIED
    assert await verbs.undo() == "clear"
    assert await ground.dump() == before


@promise(Row.DRY_RUN)
async def test_a_dry_run_is_silent(verbs: Verbs, ground: Ground) -> None:
    before = await ground.dump()
    order = sign_order(
        verbs.signer,
        "ana",
        (Request.of(ground.action),),
        incident=None,
        priority=Priority.P2,
        now=verbs.clock.now,
    )
    plan = await verbs.run("preview/1", Previewing(verbs.context).preview, order)
    ((point,),) = [change.points for change in plan.changes]
    assert point.known
    assert point.before != point.after
    assert plan.ruling == "allow"
    assert await ground.dump() == before
    assert await verbs.held() == []


@promise(Row.REFUSED)
async def test_what_policy_refuses_never_reaches_it(
    store: Store, clock: ManualClock, ground: Ground
) -> None:
    before = await ground.dump()
    none = POLICY.model_copy(update={"budgets": {ground.kind.__name__: 0}})
    with pytest.raises(Refused, match="are the budget"):
        await Verbs(store, clock, ground, none).carry_out()
    assert await ground.dump() == before


@promise(Row.GUARD)
async def test_what_must_never_be_touched_is_refused_by_the_provider_itself(
    ground: Ground,
) -> None:
    wanted = ground.action.desired((await ground.resource().read()).state)
    forbidden = await ground.forbidden()
    before = await ground.dump()
    with pytest.raises((RuntimeError, ResponderError)) as told:
        await forbidden.write(wanted, key="step", until=None, tag="", record=None)
    assert not isinstance(told.value, Unreachable), "a silence refuses nothing"
    assert await ground.dump() == before


@promise(Row.PARTIAL)
async def test_one_silent_point_of_two_is_said_to_be_partial(verbs: Verbs, ground: Ground) -> None:
    verbs.over(Point("beside", verbs.clock, down=True))
    run = await verbs.open_run()
    (receipt,) = (await verbs.do(run, ground.action)).receipts
    assert not receipt.verified
    ended = {point.point: point.outcome for point in receipt.points}
    assert ended == {"point": Outcome.VERIFIED, "beside": Outcome.UNKNOWN}
    assert await stands(ground)


@promise(Row.SILENT)
async def test_a_silent_point_is_unknown_and_is_done_when_it_answers(
    verbs: Verbs, ground: Ground
) -> None:
    before = await ground.dump()
    await ground.silence()
    with pytest.raises(Unreachable):
        await ground.resource().read()
    assert await verbs.carry_out() == {"point": Outcome.UNKNOWN}
    await ground.mend()
    assert await ground.dump() == before
    await enforce(verbs.context, verbs.name)
    assert (await verbs.row(verbs.name)).outcome == Outcome.VERIFIED
    assert await stands(ground)


@promise(Row.SILENT_UNDO)
async def test_a_point_that_is_silent_at_the_undo_is_never_taken_for_clear(
    verbs: Verbs, ground: Ground
) -> None:
    before = await ground.dump()
    assert await verbs.carry_out() == {"point": Outcome.VERIFIED}
    await ground.silence()
    with pytest.raises(Unreachable):
        await verbs.undo()
    assert (await verbs.row(verbs.name)).state == "lifting"
    await ground.mend()
    await verbs.lift(verbs.name)
    assert (await verbs.row(verbs.name)).state == "clear"
    assert await ground.dump() == before


@pytest.mark.parametrize("ground", GROUNDS, indirect=True, ids=lambda one: one.name())
async def test_its_action_keeps_what_every_action_promises(ground: Ground) -> None:
    """The public suite, as authors of actions run it."""

    class Its(ActionContract):
        examples = (ground.action,)

    tests = [name for name in vars(ActionContract) if name.startswith("test_")]
    assert tests
    for name in tests:
        getattr(Its(), name)()


def test_every_row_is_tested() -> None:
    assert set(TESTED) == set(Row)


@pytest.mark.parametrize("one", GROUNDS, ids=lambda one: one.name())
def test_a_row_is_left_out_only_for_a_stated_reason(one: type[Ground]) -> None:
    """What is held and given back is tried of all that can be undone; the rest says why not."""
    for row, why in one.omits.items():
        assert len(why.split()) > 3, f"{one.name()} leaves out {row!r} and does not say why"
    assert [row for row in HELD if row in one.omits] == ([] if one.kind.reversible else [*HELD])
    assert set(one.omits) <= {*HELD, Row.GUARD}, "every provider can keep the other rows"


def test_every_provider_is_under_the_contract_or_says_what_tries_it_instead() -> None:
    here = {(one.provider, one.kind.__name__) for one in GROUNDS}
    left = promised() - here
    assert {provider for provider, _ in left} == set(ELSEWHERE)
    assert here <= promised(), "a ground names an action that its provider does not carry out"
    for provider, where in ELSEWHERE.items():
        named = [word for word in re.findall(r"`([^`]+)`", where) if word.startswith("tests/")]
        assert named, f"{provider} does not say where it is tried"
        assert all((ROOT / word).exists() for word in named), where
