"""An approval that was taken back, as the worker sees it."""

import pytest

from responder.approval.revoking import Revocation, revoke
from responder.errors import Refused
from tests.verbs.desk import Desk, isolate

MISTAKE = Revocation(reason="the wrong host")


async def test_what_was_taken_back_before_it_began_is_not_done(desk: Desk) -> None:
    run = await desk.open_run()
    ask = (await desk.do(run, isolate())).ask
    assert ask is not None
    await desk.decide(ask)
    await revoke(desk.store, ask, desk.people["ana"], MISTAKE)
    with pytest.raises(Refused, match="its approval was taken back; nothing was changed"):
        await desk.do(run, isolate())
    assert not desk.world.hosts["web1"].writes
    assert not await desk.held()
    assert [e.kind for e in await desk.audited("revoked", "refused", "intent")] == [
        "revoked",
        "refused",
    ]


async def test_what_has_begun_goes_on_and_whoever_takes_it_back_is_told(desk: Desk) -> None:
    run = await desk.open_run()
    ask = (await desk.do(run, isolate())).ask
    assert ask is not None
    await desk.decide(ask)
    await desk.do(run, isolate())
    with pytest.raises(Refused, match=r"what was approved began at .* would undo nothing"):
        await revoke(desk.store, ask, desk.people["ana"], MISTAKE)
    assert len(await desk.held()) == 1
    assert not await desk.audited("revoked")


async def test_what_is_taken_back_while_the_world_is_read_is_not_done(desk: Desk) -> None:
    run = await desk.open_run()
    ask = (await desk.do(run, isolate())).ask
    assert ask is not None
    await desk.decide(ask)

    async def change_of_mind() -> None:
        await revoke(desk.store, ask, desk.people["ana"], MISTAKE)

    desk.world.hosts["web1"].before_read.append(change_of_mind)
    with pytest.raises(Refused, match="its approval was taken back; nothing was changed"):
        await desk.do(run, isolate())
    assert not desk.world.hosts["web1"].writes
    assert not await desk.held()


async def test_an_approval_that_ends_while_the_world_is_read_comes_too_late(desk: Desk) -> None:
    run = await desk.open_run()
    await desk.decide((await desk.do(run, isolate())).ask)
    desk.clock.advance(minutes=14, seconds=59)

    def too_long() -> None:
        desk.clock.advance(seconds=2)

    desk.world.hosts["web1"].before_read.append(too_long)
    with pytest.raises(Refused, match="execute-by has passed"):
        await desk.do(run, isolate())
    assert not desk.world.hosts["web1"].writes
