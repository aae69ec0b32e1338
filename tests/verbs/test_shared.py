from datetime import timedelta

import pytest

from activities.block import Block
from responder.policy.networks import parse_network
from responder.policy.shared import Shared, SharedKind
from tests.databases import ManualClock
from tests.verbs.desk import Desk

HOUR = timedelta(hours=1)
CDN = Shared(
    name="example cdn",
    kind=SharedKind.CDN,
    networks=(parse_network("203.0.113.0/26"),),
    shorten_to=HOUR,
)
PARTNER = Shared(
    name="example partner", kind=SharedKind.PARTNER, networks=(parse_network("203.0.113.64/28"),)
)


@pytest.fixture(autouse=True)
def _lists(desk: Desk) -> None:
    desk.policy = desk.policy.model_copy(update={"shared": (CDN, PARTNER)})


async def test_a_playbook_s_block_of_a_shared_address_is_really_held_for_less(
    desk: Desk, clock: ManualClock
) -> None:
    run = await desk.open_run(networks=["203.0.113.7"])
    long = Block(network=parse_network("203.0.113.7"), lasts=timedelta(hours=24))
    (receipt,) = (await desk.do(run, long)).receipts
    assert receipt.verified
    assert receipt.until == clock.now + HOUR
    (planned,) = (await desk.step(f"{run}/1")).plan["changes"]
    assert planned["lasts"] == "PT1H"
    assert "example cdn" in planned["reason"]
    assert (await desk.do(run, long)).receipts == (receipt,), "a retry finds what it asked for"


async def test_a_partner_s_address_waits_for_a_person_who_sees_why(desk: Desk) -> None:
    run = await desk.open_run(networks=["203.0.113.70"])
    block = Block(network=parse_network("203.0.113.70"), lasts=HOUR)
    waiting = await desk.do(run, block)
    assert "partner: example partner" in (await desk.step(f"{run}/1")).plan["reason"]
    assert await desk.decide(waiting.ask) == "approved"
    (receipt,) = (await desk.do(run, block)).receipts
    assert receipt.verified
