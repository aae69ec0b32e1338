"""What cannot be undone is done once; what stands beside a state is kept from before the first change."""

import asyncio
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from responder.contract import Action
from responder.errors import Drifted, Unreachable
from responder.incident import Indicators
from responder.plan import Outcome
from responder.policy.tiers import Tier
from responder.verbs.sweeping import Sweep
from tests.databases import on_both
from tests.verbs.desk import Desk, Label, block
from tests.verbs.world import Crash, crash, die

LABEL = "label/tags/web1"


class Stamp(Action[str]):
    """Something that is made once and stays."""

    tier: ClassVar[Tier] = Tier.T0
    reversible: ClassVar[bool] = False

    thing: str
    value: str = "stamped"

    def desired(self, before: str) -> str:
        return self.value

    def touches(self) -> Indicators:
        return Indicators()

    def __str__(self) -> str:
        return f"stamp {self.thing}"


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.world.others["Stamp"] = desk.tags
    desk.context.kinds.actions["Stamp"] = Stamp
    return desk


def label(value: str = "a", **lasts: float) -> Label:
    return Label(thing="web1", value=value, lasts=timedelta(**(lasts or {"hours": 1})))


@on_both
async def test_what_cannot_be_undone_is_done_once_and_held_by_nothing(desk: Desk) -> None:
    run = await desk.open_run()
    desk.tags.after_write.append(lambda: desk.tags.records.update(web1={"sha256": "ab12"}))

    (receipt,) = (await desk.do(run, Stamp(thing="web1"))).receipts

    assert receipt.verified
    assert receipt.points[0].record == {"sha256": "ab12"}
    assert (await desk.row(LABEL)).state == "settled"
    assert [(h.ended_by, h.ended is not None) for h in await desk.held()] == [("done", True)]
    assert desk.server.leases == []
    assert (await desk.lift(LABEL)).over
    desk.clock.advance(days=2)
    await desk.sweep()
    assert desk.tags.holds("web1") == "stamped"
    assert len(desk.tags.writes) == 1


async def test_a_retry_of_what_was_done_once_reads_its_receipt(desk: Desk) -> None:
    run = await desk.open_run()
    first = await desk.do(run, Stamp(thing="web1"))
    again = await desk.do(run, Stamp(thing="web1"))
    assert again.receipts == first.receipts
    assert len(desk.tags.writes) == 1


async def test_a_worker_that_dies_after_doing_it_does_not_do_it_again(desk: Desk) -> None:
    run = await desk.open_run()
    desk.tags.after_write.append(crash)
    with pytest.raises(Crash):
        await desk.do(run, Stamp(thing="web1"))
    await die()
    (receipt,) = (await desk.do(run, Stamp(thing="web1"))).receipts
    assert receipt.verified
    assert len(desk.tags.writes) == 1


async def test_what_could_not_be_done_in_time_is_given_up_and_said(desk: Desk) -> None:
    run = await desk.open_run()
    desk.tags.down = True
    (receipt,) = (await desk.do(run, Stamp(thing="web1"))).receipts
    assert receipt.points[0].outcome is Outcome.UNKNOWN

    desk.clock.advance(hours=1)
    desk.tags.down = False
    assert (await desk.lift(LABEL)).over

    assert (await desk.row(LABEL)).state == "disputed"
    assert desk.tags.writes == []
    assert any("not done in time" in m.body for m in await desk.messages())


@on_both
async def test_the_record_from_before_the_first_hold_comes_with_every_write(desk: Desk) -> None:
    one, two = await desk.open_run("IR-1"), await desk.open_run("IR-2")
    desk.tags.records["web1"] = {"groups": ["sg-1"]}
    await desk.do(one, label("a"))
    desk.tags.records["web1"] = {"groups": ["sg-quarantine"]}
    await desk.do(two, label("b"))
    desk.clock.advance(hours=2)
    await desk.lift(LABEL)
    assert [write.record for write in desk.tags.writes] == [{"groups": ["sg-1"]}] * 3
    assert desk.tags.writes[-1].state == ""


async def test_a_point_silent_at_first_has_its_record_kept_before_it_is_written(desk: Desk) -> None:
    run = await desk.open_run()
    desk.tags.down = True
    await desk.do(run, label("a"))
    desk.tags.down, desk.tags.records["web1"] = False, ["sg-1"]
    desk.clock.advance(minutes=2)
    await desk.sweep()
    assert [write.record for write in desk.tags.writes] == [["sg-1"]]


async def test_a_record_that_changed_since_it_was_approved_is_drift(desk: Desk) -> None:
    run = await desk.open_run()
    desk.tags.records["web1"] = ["sg-1"]
    asked = label("a", hours=30)  # longer than policy does alone
    done = await desk.do(run, asked)
    assert done.ask is not None
    await desk.decide(done.ask)
    desk.tags.records["web1"] = ["sg-2"]
    with pytest.raises(Drifted, match="sg-2"):
        await desk.do(run, asked)
    assert desk.tags.writes == []


async def test_an_undo_that_finds_somebody_else_s_change_says_which(desk: Desk) -> None:
    run = await desk.open_run()
    await desk.do(run, label("a"))
    desk.clock.advance(hours=1)

    def refuse() -> Any:
        raise Drifted("eni-2 has other groups now")

    desk.tags.before_write.append(refuse)
    assert (await desk.lift(LABEL)).over
    row = await desk.row(LABEL)
    assert row.state == "disputed"
    assert "eni-2 has other groups now" in row.said


async def test_a_silent_point_at_undo_is_tried_again(desk: Desk) -> None:
    run = await desk.open_run()
    await desk.do(run, label("a"))
    desk.clock.advance(hours=1)
    desk.tags.down = True
    with pytest.raises(Unreachable):
        await desk.lift(LABEL)
    desk.tags.down = False
    assert (await desk.lift(LABEL)).over


async def test_what_takes_long_holds_up_neither_leases_nor_drift(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stamp, "longest", timedelta(minutes=30))
    run = await desk.open_run()
    desk.tags.down = True
    await desk.do(run, Stamp(thing="web1"), block())
    desk.tags.down = False
    goes_on = asyncio.Event()

    async def slowly() -> None:
        await goes_on.wait()

    desk.tags.before_write.append(slowly)
    desk.clock.advance(minutes=31)
    desk.fra.things.clear()
    sweep = Sweep(desk.context)
    async with asyncio.timeout(5):
        await sweep.once()
        assert desk.fra.holds("203.0.113.7")
        desk.clock.advance(minutes=2)
        await sweep.once()  # does not begin it beside itself
    goes_on.set()
    while (await desk.row(LABEL)).state != "settled":
        await asyncio.sleep(0.01)
    assert len(desk.tags.writes) == 1


async def test_half_a_change_that_reads_as_none_is_put_back_as_well(desk: Desk) -> None:
    run = await desk.open_run()
    desk.tags.records["web1"] = ["sg-1", "sg-1"]
    await desk.do(run, label("a"))
    desk.tags.things.pop("web1")
    desk.tags.records["web1"] = ["sg-1", "sg-quarantine"]
    desk.clock.advance(hours=1)
    assert (await desk.lift(LABEL)).over
    assert desk.tags.writes[-1].state == ""
    assert desk.tags.writes[-1].record == ["sg-1", "sg-1"]
