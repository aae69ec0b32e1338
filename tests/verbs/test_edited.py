"""Editing a plan instead of approving it: another plan, another digest, and everybody is asked anew."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, select, update

from responder.approval.editing import Editing, Editor
from responder.approval.service import Verdict
from responder.crypto.signing import Signer
from responder.errors import Refused
from responder.people.person import Person, Role
from responder.plan import Plan
from responder.store.noticing import edits
from responder.store.tables import asks, decisions, steps
from tests.databases import on_both
from tests.verbs.desk import Desk, block, isolate

HOUR = timedelta(hours=1)


async def edit(desk: Desk, ask: str | None, who: str = "ana", **given: Any) -> Any:
    """Edit an ask as it is."""
    assert ask is not None
    digest = given.pop("digest", (await desk.ask(ask)).digest)
    editing = Editing(reason=given.pop("reason", "too much at once"), digest=digest, **given)
    editor = Editor(desk.store, desk.signer, desk.policy, desk.context.kinds, most=5)
    return await editor.edit(ask, desk.people[who], editing)


async def every_ask(desk: Desk) -> list[Any]:
    async with desk.store.reading() as tx:
        return list((await tx.execute(select(asks).order_by(asks.c.opened, asks.c.id))).all())


@on_both
async def test_a_shorter_one_is_planned_asked_for_anew_approved_and_done(desk: Desk) -> None:
    run = await desk.open_run()
    first = await desk.do(run, isolate(hours=20))
    desk.clock.advance(minutes=2)
    assert (await edit(desk, first.ask, lasts=2 * HOUR))["state"] == "edited"
    desk.clock.advance(seconds=1)
    second = await desk.do(run, isolate(hours=20))
    assert second.ask not in (None, first.ask)
    assert second.expires == desk.clock.now + timedelta(minutes=30), "everybody has the whole time"
    old, new = await desk.ask(str(first.ask)), await desk.ask(str(second.ask))
    assert old.digest != new.digest
    assert new.plan["changes"][0]["lasts"] == "PT2H"
    assert "edited by ana: too much at once" in new.plan["reason"]
    assert (old.step, new.step) == (None, f"{run}/1")
    assert await desk.do(run, isolate(hours=20)) == second, "asking again is the same ask"

    with pytest.raises(Refused, match="ana edited the plan, and nobody may approve their own"):
        await desk.decide(second.ask, "ana")
    assert await desk.decide(second.ask, "ben") == "approved"
    (receipt,) = (await desk.do(run, isolate(hours=20))).receipts
    assert receipt.verified
    assert receipt.until == desk.clock.now + 2 * HOUR
    kinds = [e.kind for e in await desk.audited()]
    assert kinds == [
        "planned",
        "asked",
        "edited",
        "planned",
        "asked",
        "decided",
        "intent",
        "outcome",
    ]


@on_both
async def test_an_action_that_was_left_out_is_not_done_and_its_receipt_says_who_dropped_it(
    desk: Desk,
) -> None:
    run = await desk.open_run()
    batch = (isolate("web1"), isolate("web2"))
    first = await desk.do(run, *batch)
    await edit(desk, first.ask, without=(2,), reason="web2 is the shop")
    second = await desk.do(run, *batch)
    assert (await desk.ask(str(second.ask))).tier == "T2", "one node is less than two"
    await desk.decide(second.ask, "ben")
    one, other = (await desk.do(run, *batch)).receipts
    assert (one.verified, one.refused) == (True, "")
    assert (other.points, other.refused) == ((), "dropped by ana: web2 is the shop")
    assert desk.world.hosts["web2"].writes == []
    assert [hold.resource for hold in await desk.held()] == ["isolate/web1/web1"]


async def test_approvals_that_were_given_are_void_with_the_ask(desk: Desk) -> None:
    run = await desk.open_run()
    batch = (isolate("web1"), isolate("web2"))
    first = await desk.do(run, *batch)
    assert await desk.decide(first.ask, "ana") == "open"
    await edit(desk, first.ask, "ben", lasts=HOUR / 2)
    with pytest.raises(Refused, match="is edited since"):
        await desk.decide(first.ask, "ben")
    second = await desk.do(run, *batch)
    assert await desk.decide(second.ask, "ana") == "open", "two are needed again"
    with pytest.raises(Refused, match="ben edited the plan"):
        await desk.decide(second.ask, "ben")
    assert (await desk.do(run, *batch)).ask == second.ask
    assert await desk.held() == []


async def test_what_policy_would_allow_alone_is_asked_for_when_people_edited_it(desk: Desk) -> None:
    run = await desk.open_run()
    first = await desk.do(run, block(hours=48))
    assert first.ask is not None, "longer than a day needs a person"
    await edit(desk, first.ask, lasts=HOUR)
    second = await desk.do(run, block(hours=48))
    assert second.ask is not None
    assert desk.fra.writes == []
    await desk.decide(second.ask, "ben")
    (receipt,) = (await desk.do(run, block(hours=48))).receipts
    assert receipt.until == desk.clock.now + HOUR


async def test_a_longer_one_is_judged_by_its_own_length(desk: Desk) -> None:
    run = await desk.open_run(networks=[])
    first = await desk.do(run, block(hours=1))
    await edit(desk, first.ask, lasts=timedelta(days=3))
    second = await desk.do(run, block(hours=1))
    assert "it lasts longer than 24 h" in (await desk.ask(str(second.ask))).plan["reason"]


async def test_edits_add_up(desk: Desk) -> None:
    run = await desk.open_run()
    batch = (isolate("web1"), isolate("web2"))
    first = await desk.do(run, *batch)
    await edit(desk, first.ask, lasts=2 * HOUR)
    desk.clock.advance(seconds=1)
    second = await desk.do(run, *batch)
    await edit(desk, second.ask, "ben", without=(1,))
    desk.clock.advance(seconds=1)
    third = await desk.do(run, *batch)
    for name in ("ana", "ben"):
        with pytest.raises(Refused, match=f"{name} edited the plan"):
            await desk.decide(third.ask, name)
    desk.people["cyd"] = Person(name="cyd", roles=(Role.OPERATOR,))
    desk.context = desk.worker("worker-2")
    await desk.decide(third.ask, "cyd")
    one, other = (await desk.do(run, *batch)).receipts
    assert one.refused == "dropped by ben: too much at once"
    assert other.until == desk.clock.now + 2 * HOUR
    assert [a.state for a in await every_ask(desk)] == ["edited", "edited", "approved"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param({"without": (3,)}, "has no action 3 to leave out; it has 1, 2", id="no such"),
        pytest.param({"without": (1, 2)}, "nothing would be left of it", id="everything"),
        pytest.param({}, "nothing would be changed by that", id="nothing"),
        pytest.param({"lasts": HOUR}, "nothing would be changed by that", id="the same length"),
        pytest.param({"lasts": 2 * HOUR, "digest": "0" * 64}, "look again", id="another plan"),
        pytest.param({"lasts": 2 * HOUR, "who": "vic"}, "vic may not edit asks", id="a viewer"),
    ],
)
async def test_what_cannot_be_edited_is_refused_and_the_ask_goes_on(
    desk: Desk, given: dict[str, Any], said: str
) -> None:
    run = await desk.open_run()
    waiting = await desk.do(run, isolate("web1"), isolate("web2"))
    with pytest.raises(Refused, match=said):
        await edit(desk, waiting.ask, **given)
    assert await desk.do(run, isolate("web1"), isolate("web2")) == waiting


async def test_an_ask_that_ended_is_not_edited_and_one_is_edited_five_times_at_most(
    desk: Desk,
) -> None:
    run = await desk.open_run()
    waiting = await desk.do(run, isolate())
    for number in range(5):
        await edit(desk, waiting.ask, lasts=(number + 2) * HOUR)
        waiting = await desk.do(run, isolate())
    with pytest.raises(Refused, match="edited 5 times already; approve it or deny it"):
        await edit(desk, waiting.ask, lasts=9 * HOUR)
    await desk.decide(waiting.ask, approve=False)
    with pytest.raises(Refused, match="is denied since"):
        await edit(desk, waiting.ask, lasts=9 * HOUR)


async def test_an_earlier_editor_is_not_lost_with_the_row_of_the_edit(desk: Desk) -> None:
    """What the newest edit was signed for says who asked before it."""
    run = await desk.open_run()
    batch = (isolate("web1"), isolate("web2"))
    first = await desk.do(run, *batch)
    await edit(desk, first.ask, lasts=2 * HOUR)
    second = await desk.do(run, *batch)
    await edit(desk, second.ask, "ben", without=(1,))
    async with desk.store.transaction() as tx:
        await tx.execute(delete(edits).where(edits.c.person == "ana"))
    third = await desk.do(run, *batch)
    asked_by = (await desk.ask(str(third.ask))).plan["asked_by"]
    assert [(one["name"], one["how"]) for one in asked_by] == [
        ("ana", "edited the plan"), ("ben", "edited the plan"),
    ]  # fmt: skip


async def test_of_an_edit_and_an_approval_at_once_one_counts(desk: Desk) -> None:
    run = await desk.open_run()
    waiting = await desk.do(run, isolate())
    verdict = Verdict(approve=True, digest=(await desk.ask(str(waiting.ask))).digest)
    await edit(desk, waiting.ask, lasts=2 * HOUR)
    with pytest.raises(Refused, match="is edited since"):
        await desk.approvals().decide(str(waiting.ask), desk.people["ben"], verdict, method="test")
    async with desk.store.reading() as tx:
        assert (await tx.execute(select(decisions))).all() == []


@pytest.mark.parametrize("what", ["unsigned", "another key", "none", "another step", "begun"])
async def test_an_edit_that_nobody_signed_changes_nothing(desk: Desk, what: str) -> None:
    """Whoever writes to the database can neither shorten a containment nor have it drawn anew."""
    run = await desk.open_run()
    waiting = await desk.do(run, isolate())
    before = await desk.step(f"{run}/1")
    if what == "none":
        async with desk.store.transaction() as tx:
            await tx.execute(update(asks).values(state="edited", decided=desk.clock.now))
    else:
        await edit(desk, waiting.ask, lasts=2 * HOUR)
    async with desk.store.transaction() as tx:
        if what == "begun":
            await tx.execute(update(steps).values(begun=desk.clock.now))
        if what in ("unsigned", "another key", "another step"):
            document = dict((await tx.execute(select(edits.c.document))).scalar_one())
            document["step" if what == "another step" else "lasts"] = "PT1M"
            signature = "00" * 64
            if what == "another key":
                signature = stranger().sign(document)
            if what == "another step":
                signature = desk.signer.sign(document)
            await tx.execute(update(edits).values(document=document, signature=signature))
    with pytest.raises(Refused, match="nothing was changed"):
        await desk.do(run, isolate())
    assert desk.world.hosts["web1"].writes == []
    assert (await desk.step(f"{run}/1")).digest == before.digest


async def test_a_dropped_action_that_is_slipped_in_again_is_not_done(desk: Desk) -> None:
    """A ruling is not part of the digest; that a dropped action has no point is."""
    run = await desk.open_run()
    batch = (isolate("web1"), isolate("web2"))
    first = await desk.do(run, *batch)
    await edit(desk, first.ask, without=(2,))
    second = await desk.do(run, *batch)
    await desk.decide(second.ask, "ben")
    key = f"{run}/1"
    plan = (await desk.step(key)).plan
    plan["changes"][1]["ruling"] = "ask"
    assert Plan.model_validate(plan).digest == (await desk.step(key)).digest
    async with desk.store.transaction() as tx:
        await tx.execute(update(steps).where(steps.c.key == key).values(plan=plan))
    with pytest.raises(Exception, match="nothing was changed"):
        await desk.do(run, *batch)
    assert desk.world.hosts["web2"].writes == []


def stranger() -> Signer:
    """Somebody else's key."""
    return Signer(Ed25519PrivateKey.generate())
