"""Restrictions that meet each other, a block and an isolation, through the verbs and by packets."""

import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
import pytest_asyncio

from activities.block import Block
from activities.isolate import Isolate
from activities.restrict import Restrict
from activities.wiring import Wiring
from responder.contract import Action
from responder.inventory import Host, Inventory, Isolation
from responder.plan import Outcome
from responder.points import NftablesPoint
from responder.policy.judge import Policy
from responder.policy.tiers import TierRules
from responder.store import Store
from responder.verbs.context import Kinds
from tests.databases import ManualClock
from tests.lab.network import Lab
from tests.providers.test_nft_restriction import PINGS, answered
from tests.verbs.desk import NEEDS, Desk

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def desk(lab: Lab, store: Store, clock: ManualClock) -> AsyncIterator[Desk]:
    """The verbs at a desk whose one firewall, and one host, is `web`."""
    clock.now = datetime.now(UTC)
    web = Host(name="web", addresses=(ip_address("198.51.100.10"),), access=lab.access("web"))
    policy = Policy(tiers=TierRules(needs=NEEDS), assets=(web.asset,), protected=())
    made = Desk(store, clock, policy=policy)
    wiring = Wiring(
        Inventory(
            hosts=(web,),
            points=(NftablesPoint(name="web", access=lab.access("web")),),
            isolation=Isolation(management=(ip_address("198.51.100.5"),)),
        ),
        store,
    )
    made.context = dataclasses.replace(
        made.context, provision=wiring, kinds=Kinds.of((Block, Isolate, Restrict), (), ())
    )
    yield made
    await wiring.close()


ATTACKER = "198.51.100.66"
RESTRICTED, BLOCKED, FILTER = f"restrict/web/{ATTACKER}", f"block/web/{ATTACKER}", "filter/web"


@pytest.fixture
def database() -> str:
    return "sqlite"


async def begin(desk: Desk, incident: str, action: Action[Any]) -> None:
    run = await desk.open_run(incident, networks=(ATTACKER,), hosts=("web",))
    done = await desk.do(run, action)
    if done.ask:
        await desk.decide(done.ask)
        done = await desk.do(run, action)
    assert [p.outcome for receipt in done.receipts for p in receipt.points] == [Outcome.VERIFIED]


def slow(packets: int) -> Restrict:
    return Restrict(network=ip_network(ATTACKER), packets_per_second=packets)


async def undo(desk: Desk, name: str, incident: str | None = None) -> bool:
    await desk.end(name, incident=incident)
    return (await desk.lift(name)).over


@pytest.mark.parametrize("order", [(20, 60), (60, 20)], ids=["stricter first", "stricter last"])
async def test_of_two_restrictions_the_stricter_wins_and_undo_falls_back_to_the_other(
    lab: Lab, desk: Desk, order: tuple[int, int]
) -> None:
    before = lab.ruleset("web")
    stricter = "IR-1" if order[0] == 20 else "IR-2"
    await begin(desk, "IR-1", slow(order[0]))
    await begin(desk, "IR-2", slow(order[1]))
    assert 20 <= answered(lab, "attacker") <= 59
    assert not await undo(desk, RESTRICTED, stricter)
    assert 60 <= answered(lab, "attacker") < PINGS
    assert await undo(desk, RESTRICTED)
    assert answered(lab, "attacker") == PINGS
    assert lab.ruleset("web") == before


async def test_a_restriction_that_ends_under_a_stricter_one_changes_nothing(
    lab: Lab, desk: Desk
) -> None:
    await begin(desk, "IR-1", slow(20))
    await begin(desk, "IR-2", slow(60))
    assert not await undo(desk, RESTRICTED, "IR-2")
    assert 20 <= answered(lab, "attacker") <= 59


@pytest.mark.parametrize("first", ["block", "restrict"])
async def test_a_block_over_a_restriction_is_undone_in_either_order(
    lab: Lab, desk: Desk, first: str
) -> None:
    before = lab.ruleset("web")
    await begin(desk, "IR-1", slow(20))
    await begin(desk, "IR-2", Block(network=ip_network(ATTACKER)))
    assert answered(lab, "attacker") == 0
    if first == "block":
        assert await undo(desk, BLOCKED)
        assert 20 <= answered(lab, "attacker") <= 59
        assert await undo(desk, RESTRICTED)
    else:
        assert await undo(desk, RESTRICTED)
        assert answered(lab, "attacker") == 0
        assert await undo(desk, BLOCKED)
    assert answered(lab, "attacker") == PINGS
    assert lab.ruleset("web") == before


@pytest.mark.parametrize("first", ["isolate", "restrict"])
async def test_isolating_and_restricting_one_host_are_undone_in_either_order(
    lab: Lab, desk: Desk, first: str
) -> None:
    before = lab.ruleset("web")
    await begin(desk, "IR-1", slow(20))
    await begin(desk, "IR-2", Isolate(host="web"))
    assert answered(lab, "attacker") == 0
    if first == "isolate":
        assert await undo(desk, FILTER)
        assert 20 <= answered(lab, "attacker") <= 59
        assert await undo(desk, RESTRICTED)
    else:
        assert await undo(desk, RESTRICTED)
        assert answered(lab, "attacker") == 0
        assert await undo(desk, FILTER)
    assert answered(lab, "attacker") == PINGS
    assert lab.ruleset("web") == before
