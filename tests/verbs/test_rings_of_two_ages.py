"""While the ring of warrants is rotated, one worker has a key that another has not: neither does harm."""

import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from responder.crypto.keyring import KeyRing
from responder.errors import Unreachable
from responder.store.tables import resources
from responder.verbs.context import Context
from responder.verbs.enforcing import enforce
from responder.verbs.guarding import Guard
from responder.verbs.warrants import Warrants
from tests.databases import on_both
from tests.verbs.desk import Desk, Label


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warrants.json"


def two(desk: Desk, path: Path) -> tuple[Context, Context]:
    """A worker that was started before the ring was rotated, and one that was started after."""
    old = KeyRing.fresh()
    old.save(path)
    new = dataclasses.replace(desk.worker("new"), warrants=Warrants(old.rotated(desk.clock.now)))
    return dataclasses.replace(desk.worker("old"), warrants=Warrants.load(path)), new


async def held_by_both(desk: Desk, first: Context, second: Context) -> Any:
    """One resource, held for an hour by the first and for two by the second."""
    desk.tags.things["crown"] = ("ours", None)
    run, other = await desk.open_run(), await desk.open_run("IR-2")
    long = Label(thing="crown", value="contained", lasts=timedelta(hours=2))
    await desk.do(run, Label(thing="crown", value="contained"), context=first)
    await desk.do(other, long, context=second)
    return desk.tags.holds("crown")


async def name_of(desk: Desk) -> str:
    (hold, *_) = await desk.held()
    return str(hold.resource)


@on_both
async def test_what_is_held_under_a_key_one_has_not_is_not_undone_early(
    desk: Desk, path: Path
) -> None:
    old, new = two(desk, path)
    assert await held_by_both(desk, old, new) == "contained"
    name, writes = await name_of(desk), len(desk.tags.writes)
    desk.clock.advance(hours=1, seconds=1)
    assert not (await desk.lift(name, old)).over
    await enforce(old, name)
    assert desk.tags.holds("crown") == "contained"
    assert len(desk.tags.writes) == writes
    desk.clock.advance(hours=1)
    assert (await desk.lift(name, new)).over
    assert desk.tags.holds("crown") == "ours"


@on_both
async def test_a_base_under_a_key_one_has_not_is_not_left_for_ever(desk: Desk, path: Path) -> None:
    old, new = two(desk, path)
    assert await held_by_both(desk, new, old) == "contained"
    name = await name_of(desk)
    desk.clock.advance(hours=2, seconds=1)
    assert not (await desk.lift(name, old)).over
    assert (await desk.row(name)).state == "held"
    assert (await desk.lift(name, new)).over
    assert desk.tags.holds("crown") == "ours"
    assert (await desk.row(name)).state == "clear"


@on_both
async def test_a_seal_that_names_a_key_nobody_has_is_tried_again_and_told(
    desk: Desk, path: Path
) -> None:
    old, _ = two(desk, path)
    desk.tags.things["crown"] = ("ours", None)
    await desk.do(await desk.open_run(), Label(thing="crown", value="contained"), context=old)
    name = await name_of(desk)
    strange = KeyRing.fresh().seal_whole(b"{}", purpose="warrant/base")
    async with desk.store.transaction() as tx:
        await tx.execute(update(resources).values(base_seal=strange))
    desk.clock.advance(hours=1, seconds=1)
    with pytest.raises(Unreachable, match="which this worker does not have"):
        await desk.lift(name, old)
    assert (await desk.row(name)).state == "lifting"
    assert [m.loud for m in await desk.messages("unlifted/")] == [True]


@on_both
async def test_a_ring_that_was_given_to_a_worker_is_read_without_a_restart(
    desk: Desk, path: Path
) -> None:
    old, new = two(desk, path)
    await held_by_both(desk, new, old)
    assert await Guard(old).once() == 1
    (said,) = [entry.data["said"] for entry in await desk.audited("forged")]
    assert "which old does not have" in said
    new.warrants._ring.save(path)
    assert await Guard(old).once() == 0
    desk.clock.advance(hours=2, seconds=1)
    assert (await desk.lift(await name_of(desk), old)).over
    assert desk.tags.holds("crown") == "ours"
