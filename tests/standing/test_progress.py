"""What people read of an ask and of an incident, and that it never claims more than rows show."""

import random
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from responder.plan import Outcome
from responder.standing.facts import Facts, load
from responder.standing.judging import judged
from responder.standing.progress import Progress, Word, of_ask, of_incident, of_step
from responder.standing.whole import whole
from responder.store.tables import incidents, settings_now
from responder.workflows.wire import Nothing
from tests.standing.test_judged import BY_ANA, BY_TIME, DONE_ONCE, NOW, SAID, UNMARKED, held
from tests.verbs.desk import Desk, block, isolate

KEY = "IR-1/x/1/1"


def step(*rulings: str, **changed: Any) -> dict[str, Any]:
    """A step with a change for every ruling."""
    changes = [{"summary": f"change {n}", "ruling": ruling} for n, ruling in enumerate(rulings)]
    row = {"key": KEY, "run": "run", "state": "done", "said": "", "finished": SAID}
    return row | {"plan": {"changes": changes}} | changed


def at(index: int, point: str, **changed: Any) -> dict[str, Any]:
    """A hold of one change at one point, verified at five past twelve."""
    row = {"id": f"{KEY}/{index}/{point}", "verified": SAID + timedelta(minutes=5), "lifted": None}
    return held(**row | changed)


def facts(one: dict[str, Any], *holds: dict[str, Any], **changed: Any) -> Facts:
    """An incident of one step."""
    given: dict[str, Any] = {
        "at": NOW,
        "incident": {"contained": None, "revision": 1, "seen_revision": 1},
        "runs": [{"id": "run", "contained": SAID, "state": "open"}],
        "steps": [one], "asks": [], "clocks": [], "holds": holds,
    }  # fmt: skip
    return Facts(**given | changed)


LIFTED = {"lifted": NOW - timedelta(minutes=1)}
SILENT = {"outcome": "unknown"}


@pytest.mark.parametrize(
    ("one", "holds", "text"),
    [
        (step("ask", state="carrying"), [at(0, "a", **SILENT)], "Running 0/1"),
        (step("ask", "ask", "ask", state="carrying"), [at(0, "a"), at(1, "a"), at(2, "a", **SILENT)], "Running 2/3"),
        (step("ask", "ask"), [at(0, "a"), at(1, "a")], "Contained 12:05"),
        (step("ask"), [at(0, "a"), at(0, "b", outcome="pending")], "Running 0/1"),
        (step("ask", "ask"), [at(0, "a"), at(1, "a", **SILENT)], "Partly contained 1/2"),
        (step("ask", "refuse"), [at(0, "a")], "Partly contained 1/2"),
        (step("ask"), [at(0, "a", **SILENT)], "NOT CONTAINED"),
        (step("ask"), [], "NOT CONTAINED"),
        (step("ask", "ask"), [at(0, "a"), at(1, "a", **BY_ANA)], "Partly contained 1/2, 1 ended"),
        (step("ask"), [at(0, "a", **DONE_ONCE)], "Done 12:05"),
        (step("ask"), [at(0, "a", **UNMARKED)], "Undoing 0/1"),
        (step("ask"), [at(0, "a", **BY_TIME | {"resource_state": "lifting"})], "Undoing 0/1"),
        (step("ask"), [at(0, "a", **BY_TIME)], "Ended"),
        (step("ask"), [at(0, "a", **BY_TIME | {"outcome": "failed"})],
         "NOT CONTAINED: ended before its point was reached"),
        (step("ask", "ask"), [at(0, "a", **BY_ANA, **LIFTED), at(1, "a", **BY_ANA | {"resource_state": "lifting"})],
         "Undoing 1/2"),
        (step("ask", "ask"), [at(0, "a", **BY_ANA, **LIFTED), at(1, "a", **BY_TIME, **LIFTED)], "Undone 13:59"),
        (step("ask"), [at(0, "a", **BY_ANA | {"resource_state": "disputed"})],
         "Ended; left as found at 1 of 1: somebody changed it since"),
    ],
)  # fmt: skip
def test_a_step_is_told_by_its_holds(
    one: dict[str, Any], holds: list[dict[str, Any]], text: str
) -> None:
    assert of_step(facts(one, *holds), one).text == text


def test_a_day_that_is_not_today_is_named() -> None:
    one = step("ask")
    found = of_step(facts(one, at(0, "a", until=None), at=NOW + timedelta(days=1)), one)
    assert found.text == "Contained 2026-11-21 12:05"


_STATES = ("held", "lifting", "clear", "disputed", "settled")


def _any_hold(chance: random.Random, index: int, point: str) -> dict[str, Any]:
    ended = chance.choice([None, None, NOW - timedelta(minutes=chance.randrange(60))])
    return at(
        index,
        point,
        outcome=chance.choice([*Outcome, Outcome.VERIFIED, Outcome.VERIFIED]),
        resource_state=chance.choice(_STATES),
        until=chance.choice([None, NOW, NOW + timedelta(hours=1)]),
        ended=ended,
        ended_by=None if ended is None else chance.choice(["time", "done", "ana"]),
    ) | {
        "verified": chance.choice([None, SAID]),
        "lifted": None if ended is None else chance.choice([None, NOW]),
    }  # fmt: skip


def test_contained_and_undone_are_never_said_of_more_than_was_read_back() -> None:
    for seed in range(2000):
        _says_no_more_than_rows(random.Random(seed))


def _says_no_more_than_rows(chance: random.Random) -> None:
    rulings = chance.choices(["ask", "ask", "ask", "refuse"], k=chance.randrange(1, 4))
    one = step(*rulings, state=chance.choice(["carrying", "done", "done"]))
    holds = [
        _any_hold(chance, index, point)
        for index, ruling in enumerate(rulings)
        if ruling == "ask"
        for point in chance.choice([("a",), ("a", "b"), ()])
    ]
    about = facts(one, *holds)
    found: list[Progress] = [of_step(about, one), of_incident(about)]
    good = [h for h in holds if h["ended_by"] == "done" or (about.lives(h) and h["outcome"] == "verified")]  # fmt: skip
    everything = len(good) == len(holds) and {h["id"].split("/")[4] for h in holds} == {
        str(n) for n in range(len(rulings))
    }
    if found[0].word is Word.CONTAINED or found[0].text.startswith(("Contained", "Done")):
        assert everything
        assert one["state"] == "done"
    if found[1].word is Word.CONTAINED:
        assert all(h["outcome"] == "verified" for h in holds if about.lives(h))
        assert one["state"] == "done"
    for said in found:
        if said.text.startswith("Undone"):
            back = [h for h in holds if h["ended_by"] != "done"] or holds
            assert all(h["lifted"] is not None for h in back if not about.lives(h))


async def told(desk: Desk, ask: str) -> str:
    """What is said of an ask now."""
    async with desk.store.transaction() as tx:
        found = await load(tx, "IR-1", desk.clock.now)
    assert found is not None
    return of_ask(found, next(row for row in found.asks if row["id"] == ask)).text


async def seen(desk: Desk) -> None:
    """The incident's workflow has looked."""
    async with desk.store.transaction() as tx:
        await tx.execute(update(incidents).values(seen_revision=incidents.c.revision))


async def test_an_ask_goes_from_waiting_to_undone(desk: Desk) -> None:
    run = await desk.open_run()
    ask = (await desk.do(run, isolate())).ask
    assert ask is not None
    assert await told(desk, ask) == "Waiting"
    await desk.decide(ask)
    assert await told(desk, ask) == "Recorded by ana"
    desk.world.hosts["web1"].down = True
    await desk.do(run, isolate())
    assert await told(desk, ask) == "NOT CONTAINED", "carried out, and its point never answered"
    desk.world.hosts["web1"].down = False
    desk.clock.advance(seconds=30)
    await desk.sweep()
    assert await told(desk, ask) == f"Contained {desk.clock.now:%H:%M}"
    desk.clock.advance(minutes=61)
    assert await told(desk, ask) == "Undoing 0/1"
    (resource,) = [row.resource for row in await desk.held()]
    await desk.lift(resource)
    assert await told(desk, ask) == f"Undone {desk.clock.now:%H:%M}"


async def test_a_decision_that_nobody_picks_up_says_who_is_late(desk: Desk) -> None:
    run = await desk.open_run()
    ask = (await desk.do(run, isolate())).ask
    assert ask is not None
    await desk.decide(ask)
    desk.clock.advance(seconds=11)
    assert await told(desk, ask) == "Recorded by ana, worker down"
    await seen(desk)
    assert await told(desk, ask) == "Recorded by ana, not picked up yet"
    async with desk.store.transaction() as tx:
        await tx.execute(
            settings_now.insert().values(
                name="paused", value={"paused": True, "by": "ben", "reason": "r"}, changed=SAID
            )
        )
    assert await told(desk, ask) == "Recorded by ana, the runner is paused"


async def test_two_people_a_denial_and_an_expiry_are_named(desk: Desk) -> None:
    run = await desk.open_run()
    ask = (await desk.do(run, isolate("db1"))).ask
    assert ask is not None
    await desk.decide(ask, "ana")
    assert await told(desk, ask) == "Waiting for 1 more, recorded by ana"
    await desk.decide(ask, "ben", approve=False)
    assert await told(desk, ask) == "Denied by ben"


async def test_the_whole_incident_says_how_far_it_and_its_asks_are(desk: Desk) -> None:
    run = await desk.open_run()
    await desk.do(run, block())
    await desk.run(run, desk.reporting().contained, Nothing())
    async with desk.store.reading() as tx:
        found = await whole(tx, "IR-1", desk.clock.now)
    assert found is not None
    assert (found["progress_word"], found["progress"]) == (
        "contained",
        f"Contained {desk.clock.now:%H:%M}",
    )
    ask = (await desk.do(run, isolate(), step=2)).ask
    async with desk.store.reading() as tx:
        found = await whole(tx, "IR-1", desk.clock.now)
    assert found is not None
    (asked,) = found["asks"]
    assert (asked["id"], asked["progress_word"], asked["progress"]) == (ask, "waiting", "Waiting")
    assert found["progress"] == "Waiting"


def test_an_incident_waits_for_people_before_anything_else() -> None:
    asks = [
        {"id": "a", "state": "open", "needs": {"people": 1}},
        {"id": "b", "state": "open", "needs": {"people": 1}},
    ]
    about = facts(step("ask"), at(0, "a"), asks=asks)
    assert of_incident(about) == Progress(word=Word.WAITING, text="Waiting for 2 decisions")


@pytest.mark.parametrize(("tier", "text"), [("T0", "contained"), ("T1", "NOT CONTAINED")])
def test_evidence_that_a_silent_host_does_not_give_leaves_what_is_contained_contained(
    tier: str, text: str
) -> None:
    one = step("allow") | {"plan": {"changes": [{"summary": "s", "ruling": "allow", "tier": tier}]}}
    assert judged(facts(one, at(0, "a", step=KEY, **SILENT))) == text
