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
