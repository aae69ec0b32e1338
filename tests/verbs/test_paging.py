"""A page is repeated until somebody of the role takes it, and its silence is said aloud."""

from datetime import timedelta

import pytest

from responder import paging
from responder.errors import Refused
from responder.people.person import Person, Role
from responder.verbs.paging import Paging
from responder.workflows.wire import Page, Paged
from tests.databases import on_both
from tests.verbs.desk import Desk

CISO = Person(name="cil", roles=(Role.VIEWER,), teams=("CISO",))
WANTED = Page(number=1, role="CISO", subject="data left", within=timedelta(minutes=5), times=2)


async def page(desk: Desk, run: str, wanted: Page = WANTED) -> Paged:
    found: Paged = await desk.run(run, Paging(desk.context).page, wanted)
    return found


async def waiting(desk: Desk) -> list[str]:
    return [row["id"] for row in await paging.listed(desk.store, everything=False)]


@on_both
async def test_it_is_taken_by_one_of_the_role_and_the_run_hears_who(desk: Desk) -> None:
    run = await desk.open_run()
    first = await page(desk, run)
    assert first.again == desk.clock.now + timedelta(minutes=5)
    assert await page(desk, run) == first  # looked again too early: nobody is called twice
    (message,) = await desk.messages("page/")
    assert (message.audience, message.loud) == ("CISO", True)

    (one,) = await waiting(desk)
    assert f"responder pages ack {one}" in message.body
    await paging.acknowledge(desk.store, one, CISO)

    assert (await page(desk, run)).by == "cil"
    assert await waiting(desk) == []
    kinds = [e.kind for e in await desk.audited("paged", "page acknowledged")]
    assert kinds == ["paged", "page acknowledged"]


async def test_it_is_paged_again_and_then_said_to_be_unanswered(desk: Desk) -> None:
    run = await desk.open_run()
    for _ in range(2):
        assert (await page(desk, run)).again is not None
        desk.clock.advance(minutes=5)
    assert (await page(desk, run)).unanswered
    assert (await page(desk, run)).unanswered
    assert len(await desk.messages("page/")) == 2
    (said,) = await desk.messages("unanswered/")
    assert (said.audience, said.loud) == ("escalation", True)
    assert "UNANSWERED by CISO" in said.subject


async def test_who_comes_late_still_takes_it_and_that_is_audited(desk: Desk) -> None:
    run = await desk.open_run()
    await page(desk, run, WANTED.model_copy(update={"times": 1}))
    (one,) = await waiting(desk)
    desk.clock.advance(minutes=6)
    await page(desk, run, WANTED.model_copy(update={"times": 1}))
    await paging.acknowledge(desk.store, one, CISO)
    (entry,) = await desk.audited("page acknowledged")
    assert entry.data == {"role": "CISO", "late": True}


@pytest.mark.parametrize(
    ("person", "said"),
    [
        (
            Person(name="ana", roles=(Role.OPERATOR,), teams=("Operations",)),
            "wants CISO; ana is not",
        ),
        (Person(name="vic", roles=(Role.VIEWER,)), "wants CISO; vic is not"),
    ],
)
async def test_it_is_not_taken_by_somebody_else(desk: Desk, person: Person, said: str) -> None:
    await page(desk, await desk.open_run())
    (one,) = await waiting(desk)
    with pytest.raises(Refused, match=said):
        await paging.acknowledge(desk.store, one, person)
    with pytest.raises(Refused, match="no such page"):
        await paging.acknowledge(desk.store, "0000", CISO)


async def test_it_is_taken_once(desk: Desk) -> None:
    await page(desk, await desk.open_run())
    (one,) = await waiting(desk)
    await paging.acknowledge(desk.store, one, Person(name="ben", roles=(Role.ADMIN,)))
    with pytest.raises(Refused, match="taken by ben already"):
        await paging.acknowledge(desk.store, one, CISO)


async def test_two_pages_of_a_run_are_two(desk: Desk) -> None:
    run = await desk.open_run()
    await page(desk, run)
    await page(desk, run, WANTED.model_copy(update={"number": 2, "role": "Operations"}))
    assert len(await waiting(desk)) == 2
