"""An incident that a person opened by hand: its plans say so, and that person does not approve them."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from responder.errors import Refused
from responder.people.person import Person, Role
from responder.plan import Plan
from responder.store.tables import asks, incidents, messages, steps
from tests.databases import on_both
from tests.verbs.desk import Desk, isolate
from tests.verbs.test_edited import edit


async def by_hand(desk: Desk, *names: str) -> str:
    """A run of an incident that these people opened."""
    run = await desk.open_run()
    async with desk.store.transaction() as tx:
        await tx.execute(update(incidents).values(asked_by=list(names)))
    return run


async def asked(desk: Desk, run: str) -> Any:
    """The ask for isolating web1."""
    return await desk.ask(str((await desk.do(run, isolate())).ask))


@on_both
async def test_the_one_who_opened_it_does_not_approve_it_and_another_does(desk: Desk) -> None:
    run = await by_hand(desk, "ana")
    ask = await asked(desk, run)
    assert ask.plan["asked_by"] == [{"name": "ana", "how": "opened the incident"}]
    with pytest.raises(Refused, match="ana opened the incident"):
        await desk.decide(ask.id, "ana")
    assert await desk.decide(ask.id, "ben") == "approved"
    (receipt,) = (await desk.do(run, isolate())).receipts
    assert receipt.verified
    async with desk.store.reading() as tx:
        query = select(messages).where(messages.c.key == f"ask/{ask.id}")
        (said,) = (await tx.execute(query)).mappings().all()
    assert said["addressees"] == ["ben"]
    assert "Asked for by ana (opened the incident)" in said["body"]


async def test_what_senders_opened_has_no_requester_and_anybody_approves_it(desk: Desk) -> None:
    run = await desk.open_run()
    ask = await asked(desk, run)
    assert ask.plan["asked_by"] == []
    assert await desk.decide(ask.id, "ana") == "approved"


async def test_blanked_in_the_incidents_row_the_plan_that_was_drawn_still_says_it(
    desk: Desk,
) -> None:
    run = await by_hand(desk, "ana")
    ask = await asked(desk, run)
    async with desk.store.transaction() as tx:
        await tx.execute(update(incidents).values(asked_by=None))
    with pytest.raises(Refused, match="ana opened the incident"):
        await desk.decide(ask.id, "ana")


async def test_blanked_in_the_asks_row_a_worker_still_does_nothing(desk: Desk) -> None:
    """`serve` reads the ask's row; the worker reads the plan, whose digest was signed."""
    run = await by_hand(desk, "ana")
    ask = await asked(desk, run)
    async with desk.store.transaction() as tx:
        await tx.execute(update(asks).values(plan={**ask.plan, "asked_by": []}))
    assert await desk.decide(ask.id, "ana") == "approved"
    with pytest.raises(Refused, match="0 of 1 people needed have approved; nothing was changed"):
        await desk.do(run, isolate())
    assert desk.world.hosts["web1"].writes == []


async def test_blanked_everywhere_the_approval_is_of_another_plan(desk: Desk) -> None:
    run = await by_hand(desk, "ana")
    ask = await asked(desk, run)
    await desk.decide(ask.id, "ben")
    plan = Plan.model_validate(ask.plan).model_copy(update={"asked_by": ()})
    changed = {"plan": plan.model_dump(mode="json"), "digest": plan.digest}
    async with desk.store.transaction() as tx:
        await tx.execute(update(asks).values(changed))
        await tx.execute(update(steps).values(changed))
    with pytest.raises(Refused, match="a decision of ben is about another plan"):
        await desk.do(run, isolate())
    assert desk.world.hosts["web1"].writes == []


async def test_it_is_of_the_edited_plan_as_well(desk: Desk) -> None:
    desk.people["cyd"] = Person(name="cyd", roles=(Role.OPERATOR,))
    desk.context = desk.worker("worker-2")
    run = await by_hand(desk, "ana")
    first = await asked(desk, run)
    await edit(desk, first.id, "ben", lasts=timedelta(hours=2))
    second = await asked(desk, run)
    for name, how in (("ana", "opened the incident"), ("ben", "edited the plan")):
        with pytest.raises(Refused, match=f"{name} {how}"):
            await desk.decide(second.id, name)
    assert await desk.decide(second.id, "cyd") == "approved"


async def test_nothing_but_who_opened_it_is_another_plan(desk: Desk) -> None:
    """Two incidents that are the same but for that: what one was approved for is not the other."""
    run = await by_hand(desk, "ana", "ben")
    ask = await asked(desk, run)
    named = [one["name"] for one in ask.plan["asked_by"]]
    assert named == ["ana", "ben"]
    plan = Plan.model_validate(ask.plan)
    fewer = plan.model_copy(update={"asked_by": plan.asked_by[:1]})
    assert len({plan.digest, fewer.digest, plan.model_copy(update={"asked_by": ()}).digest}) == 3
