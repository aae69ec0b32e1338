"""What people do from an incident's page, without JavaScript: done once, refused in words, never unseen."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import insert, select, update

from responder.store.noticing import reviews
from responder.store.paging import pages
from responder.store.tables import audit, clocks, incidents, messages
from responder.store.watching import duties, notes
from tests.console.forms import Page, Plain
from tests.console.ground import Ground
from tests.verbs.desk import isolate

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest_asyncio.fixture(loop_scope="package")
async def ana(ground: Ground) -> AsyncIterator[Plain]:
    async with Plain(ground, "ana") as one:
        yield one


@pytest_asyncio.fixture(loop_scope="package")
async def ben(ground: Ground) -> AsyncIterator[Plain]:
    async with Plain(ground, "ben") as one:
        yield one


@pytest_asyncio.fixture(loop_scope="package")
async def incident(ground: Ground) -> AsyncIterator[str]:
    """One that is closed when its test is over, out of the other tests' sight."""
    name, _ = await ground.incident()
    yield name
    await over(ground, name)


async def over(ground: Ground, name: str) -> None:
    async with ground.store.transaction() as tx:
        this = update(incidents).where(incidents.c.id == name, incidents.c.closed.is_(None))
        await tx.execute(this.values(closed=ground.store.now()))


async def row(ground: Ground, name: str) -> Any:
    async with ground.store.reading() as tx:
        return (await tx.execute(select(incidents).where(incidents.c.id == name))).one()


async def clock(ground: Ground, name: str, which: str) -> Any:
    async with ground.store.reading() as tx:
        this = (clocks.c.incident == name, clocks.c.clock == which)
        return (await tx.execute(select(clocks).where(*this))).one()


async def audited(ground: Ground, name: str, kind: str) -> list[Any]:
    async with ground.store.reading() as tx:
        query = select(audit).where(audit.c.incident == name, audit.c.kind == kind)
        return list((await tx.execute(query)).all())


def refused(page: Page, what: str, why: str) -> None:
    """The page says what was not done, why, and what to do now; and it is a refusal's page."""
    assert page.answer.status_code == 403
    assert f"<strong>{what}</strong>" in page.trouble
    assert why in page.trouble
    assert 'class="now"' in page.trouble


async def test_a_priority_is_changed_once_however_often_it_is_sent(
    ground: Ground, ana: Plain, incident: str
) -> None:
    place = f"/incidents/{incident}/priority"
    form = (await ana.open(f"/incidents/{incident}")).form(place) | {
        "priority": "P1", "reason": "it spreads",
    }  # fmt: skip
    answers = await asyncio.gather(*(ana.send(place, form) for _ in range(5)))
    assert {one.answer.status_code for one in answers} == {200}
    assert all("Its priority is changed" in one.done for one in answers)
    assert (await row(ground, incident)).priority == "P1"
    assert len(await audited(ground, incident, "reprioritised")) == 1
    assert "ana made it P1, it was P2" in answers[0].text


async def test_a_priority_that_changed_meanwhile_is_told_and_kept(
    ground: Ground, ana: Plain, ben: Plain, incident: str
) -> None:
    place = f"/incidents/{incident}/priority"
    stale = (await ana.open(f"/incidents/{incident}")).form(place)
    fresh = (await ben.open(f"/incidents/{incident}")).form(place)
    await ben.send(place, fresh | {"priority": "P1", "reason": "it spreads"})
    page = await ana.send(place, stale | {"priority": "P4", "reason": "it is a test"})
    refused(
        page, "Its priority was not changed.", "its priority changed while you looked: it is P1"
    )
    assert 'value="it is a test"' in page.text, "what was typed is kept"
    assert (await row(ground, incident)).priority == "P1"
    again = page.form(place)
    refused(
        await ana.send(place, again | {"priority": "P9", "reason": "x"}),
        "Its priority was not changed.", "expected P1, P2, P3 or P4",
    )  # fmt: skip
    refused(
        await ana.send(place, again | {"priority": "P2", "reason": " "}),
        "Its priority was not changed.", "expected a reason",
    )  # fmt: skip


async def test_nobody_takes_an_incident_unseen_from_whoever_took_it_meanwhile(
    ground: Ground, ana: Plain, ben: Plain, incident: str
) -> None:
    place = f"/incidents/{incident}/take"
    form = (await ana.open(f"/incidents/{incident}")).form(place)
    await ben.send(place, (await ben.open(f"/incidents/{incident}")).form(place))
    page = await ana.send(place, form)
    refused(page, "You did not take it.", "its owner changed while you looked: it is ben")
    assert (await row(ground, incident)).owner == "ben"
    page = await ana.send(place, page.form(place))
    assert "The incident is yours." in page.done
    assert (await row(ground, incident)).owner == "ana"
    assert not page.has(place), "it is hers"
    assert (await clock(ground, incident, "acknowledge")).met is not None


async def test_a_clock_is_paused_and_goes_on(ground: Ground, ana: Plain, incident: str) -> None:
    place = f"/incidents/{incident}"
    due = (await clock(ground, incident, "resolve")).due
    form = (await ana.open(place)).form(f"{place}/pause")
    wanted = form | {"clock": "resolve", "length": "PT2H", "reason": "the vendor's turn"}
    page = await ana.send(f"{place}/pause", wanted)
    assert "The clock stands still" in page.done
    assert (await clock(ground, incident, "resolve")).due == due + timedelta(hours=2)
    assert "ana paused the resolve until" in page.text
    refused(
        await ana.send(f"{place}/pause", page.form(f"{place}/pause") | {"clock": "resolve", "reason": "x"}),
        "The clock was not paused.", "is paused already until",
    )  # fmt: skip
    goes_on = page.form(f"{place}/resume")
    page = await ana.send(f"{place}/resume", goes_on)
    assert "The clock goes on." in page.done
    assert (await clock(ground, incident, "resolve")).due < due + timedelta(minutes=5)
    late = goes_on | {"once": "another form"}
    refused(await ana.send(f"{place}/resume", late), "The clock is as it was.", "is not paused")


async def test_a_duty_is_begun_and_marked_as_reported(
    ground: Ground, ana: Plain, incident: str
) -> None:
    place = f"/incidents/{incident}/duties"
    page = await ana.open(f"/incidents/{incident}")
    begin = page.form(place, regime="gdpr") | {"aware": "2031-01-01T10:00"}
    refused(
        await ana.send(place, begin),
        "What is owed was not changed.", "begins with what has happened",
    )  # fmt: skip
    aware = datetime.now(UTC) - timedelta(hours=2)
    page = await ana.send(place, begin | {"aware": f"{aware:%Y-%m-%dT%H:%M}"})
    assert "What is owed" in page.done
    assert "GDPR Art. 33: notification" in page.text
    done = page.form(place, stage="notification") | {"reference": "case 7"}
    page = await ana.send(place, done)
    assert "Marked as reported." in page.done
    refused(
        await ana.send(place, done | {"once": "another form"}),
        "What is owed was not changed.", "was reported already: case 7",
    )  # fmt: skip
    async with ground.store.reading() as tx:
        query = select(duties).where(duties.c.incident == incident)
        owed = (await tx.execute(query)).one()
    assert (owed.state, owed.reference, owed.done_by) == ("done", "case 7", "ana")
    assert abs((owed.aware - aware).total_seconds()) < 60


async def test_dora_waits_for_a_classification(ground: Ground, ana: Plain, incident: str) -> None:
    place = f"/incidents/{incident}/duties"
    page = await ana.open(f"/incidents/{incident}")
    [name] = re.findall(r'<option value="(\w+)">DORA', page.text)
    now = datetime.now(UTC)
    begin = page.form(place, regime="gdpr") | {"regime": name}
    page = await ana.send(place, begin | {"aware": f"{now - timedelta(hours=3):%Y-%m-%dT%H:%M}"})
    assert "owed if it is classified so" in page.text
    classify = page.form(place, classified="", regime="dora")
    page = await ana.send(
        place, classify | {"classified": f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M}"}
    )
    assert "owed if it is classified so" not in page.text


async def test_a_note_that_is_sent_twice_is_one_note(
    ground: Ground, ana: Plain, incident: str
) -> None:
    place = f"/incidents/{incident}/notes"
    form = (await ana.open(f"/incidents/{incident}")).form(place) | {"text": "The owner knows."}
    await asyncio.gather(ana.send(place, form), ana.send(place, form))
    again = (await ana.open(f"/incidents/{incident}")).form(place) | {"text": "The owner knows."}
    await ana.send(place, again)
    async with ground.store.reading() as tx:
        query = select(notes).where(notes.c.incident == incident)
        assert len((await tx.execute(query)).all()) == 2, (
            "twice was meant, as the form was opened anew"
        )
    refused(
        await ana.send(place, again | {"text": " ", "once": "another form"}),
        "Your note was not kept.", "expected a note",
    )  # fmt: skip


async def test_it_is_closed_and_what_it_holds_stays(ground: Ground, ana: Plain) -> None:
    name, run = await ground.incident()
    await ground.block(run, f"203.0.113.{name.removeprefix('IR-')}")
    place = f"/incidents/{name}/close"
    page = await ana.open(f"/incidents/{name}")
    page = await ana.send(place, page.form(place, resolution="resolved"))
    assert "What it holds stays in force" in page.done
    assert (await row(ground, name)).resolution == "resolved"
    assert all(one.ended is None for one in await ground.holds(name))
    assert not page.has(place)
    late = {"resolution": "resolved"} | page.form(f"/incidents/{name}/notes")
    refused(
        await ana.send(place, late), f"{name} was not closed.", "there is no such open incident"
    )


async def test_a_false_positive_undoes_what_was_seen_and_nothing_else(
    ground: Ground, ana: Plain
) -> None:
    name, run = await ground.incident()
    place, number = f"/incidents/{name}/close", name.removeprefix("IR-")
    await ground.block(run, f"203.0.113.{number}")
    stale = (await ana.open(f"/incidents/{name}")).form(place, resolution="false_positive")
    async with Plain(ground, "ben") as ben:
        first = (await ground.holds(name))[0].id
        await ben.send("/leases/end", (await ben.open("/leases")).form("/leases/end", hold=first))
    page = await ana.send(place, stale)
    refused(page, f"{name} was not closed.", "what it holds changed while you looked")
    assert (await row(ground, name)).closed is None
    page = await ana.send(place, page.form(place, resolution="false_positive"))
    assert "What it held is being undone, newest first" in page.done
    assert (await row(ground, name)).resolution == "false_positive"
    assert {one.ended_by for one in await ground.holds(name)} == {"ana", "ben"}


async def test_a_false_positive_with_an_isolation_needs_a_second_factor(
    ground: Ground, ana: Plain
) -> None:
    name, run = await ground.incident()
    ask = await ground.ask(run, isolate("web2"))
    await _approve(ground, ask)
    await ground.desk.do(run, isolate("web2"), step=1)
    place = f"/incidents/{name}/close"
    page = await ana.open(f"/incidents/{name}")
    form = page.form(place, resolution="false_positive")
    page = await ana.send(place, form)
    refused(page, f"{name} was not closed.", "needs a code of your second factor, or your passkey")
    assert (await row(ground, name)).closed is None
    form = page.form(place, resolution="false_positive") | {"code": await ground.code("ana")}
    assert "being undone" in (await ana.send(place, form)).done
    assert {one.ended_by for one in await ground.holds(name)} == {"ana"}


async def _approve(ground: Ground, ask: str) -> None:
    async with Plain(ground, "ben") as ben:
        form = (await ben.open(f"/asks/{ask}")).form(f"/asks/{ask}/decisions")
        form |= {"verdict": "approve", "code": await ground.code("ben")}
        assert "recorded" in (await ben.send(f"/asks/{ask}/decisions", form)).done


async def test_a_plan_is_edited_before_it_is_approved(ground: Ground, ana: Plain) -> None:
    name, run = await ground.incident()
    ask = await ground.ask(run, isolate("web1", hours=8), isolate("web2", hours=8))
    place = f"/asks/{ask}/edit"
    form = (await ana.open(f"/asks/{ask}")).form(place)
    refused(await ana.send(place, form), "The plan was not edited.", "expected a reason")
    edit = form | {"reason": "web2 is not in it"}
    refused(await ana.send(place, edit), "The plan was not edited.", "nothing would be changed")
    page = await ana.send(place, edit | {"digest": "f" * 64})
    refused(page, "The plan was not edited.", "look again")
    every = edit | {"without-1": "yes", "without-2": "yes"}
    refused(await ana.send(place, every), "The plan was not edited.", "nothing would be left of it")
    page = await ana.send(place, edit | {"without-2": "yes", "lasts": "PT1H"})
    assert "everybody is asked about it" in page.done, page.trouble
    assert await ground.state(ask) == "edited"
    done = await ground.desk.do(run, isolate("web1", hours=8), isolate("web2", hours=8))
    assert done.ask not in (None, ask)
    planned = (await ground.desk.ask(done.ask)).plan["changes"]
    assert [(c["summary"], c["lasts"]) for c in planned if c["ruling"] != "refuse"] == [
        ("isolate web1", "PT1H")
    ]
    late = await ana.send(place, edit | {"without-2": "yes", "once": "another form"})
    refused(late, "The plan was not edited.", "is edited since")
    await over(ground, name)


async def test_the_glass_is_broken_with_a_reason_and_reviewed_by_somebody_else(
    ground: Ground, ana: Plain
) -> None:
    name, run = await ground.incident()
    ask = await ground.ask(run, isolate("web1"), isolate("web2"))
    place = f"/asks/{ask}/break-glass"
    page = await ana.open(f"/asks/{ask}")
    assert "CISO is paged at once" in page.text
    form = page.form(place)
    refused(
        await ana.send(place, form | {"reason": "urgent"}),
        "The glass was not broken: nothing was approved, nobody was paged.", "10 characters or more",
    )  # fmt: skip
    why = form | {"reason": "Nobody else answers their telephone"}
    page = await ana.send(place, why | {"code": "000000"})
    refused(page, "The glass was not broken: nothing was approved, nobody was paged.", "ana")
    assert "Nobody else answers their telephone</textarea>" in page.text
    assert await ground.state(ask) == "open"
    good = why | {"code": await ground.code("ana")}
    answers = await asyncio.gather(ana.send(place, good), ana.send(place, good))
    assert all("The CISO is paged with your reason" in one.done for one in answers)
    assert await ground.state(ask) == "approved"
    async with ground.store.reading() as tx:
        told = select(messages.c.audience).where(messages.c.key == f"glass/{ask}/1")
        assert (await tx.execute(told)).scalars().all() == ["CISO"]
        [review] = (await tx.execute(select(reviews).where(reviews.c.ask == ask))).all()
    reviewing = f"/asks/{ask}/review"
    assert not (await ana.open(f"/asks/{ask}")).has(reviewing), "she broke it"
    async with Plain(ground, "root") as root:
        board = await root.open("/")
        assert "Review: ana broke the glass" in board.text
        form = (await root.open(f"/asks/{ask}")).form(reviewing)
        refused(
            await root.send(reviewing, form | {"verdict": "justified"}),
            "The review was not recorded.", "expected a reason",
        )  # fmt: skip
        page = await root.send(reviewing, form | {"verdict": "justified", "reason": "I was asleep"})
        assert "Your review is recorded." in page.done
        assert "Review: ana broke the glass" not in (await root.open("/")).text
    async with ground.store.reading() as tx:
        [review] = (await tx.execute(select(reviews).where(reviews.c.ask == ask))).all()
    assert (review.verdict, review.reviewer) == ("justified", "root")
    await over(ground, name)


async def test_whoever_has_no_role_for_it_is_offered_no_form(ground: Ground) -> None:
    name, run = await ground.incident()
    ask = await ground.ask(run, isolate("web1"), isolate("web2"))
    async with Plain(ground, "vic") as vic:
        page = await vic.open(f"/asks/{ask}")
        for what in ("decisions", "edit", "break-glass", "revoke", "review"):
            assert not page.has(f"/asks/{ask}/{what}")
        page = await vic.open(f"/incidents/{name}")
        for what in ("take", "notes", "priority", "pause", "duties", "close"):
            assert not page.has(f"/incidents/{name}/{what}")
        assert not (await vic.open("/runner")).has("/runner/pause")
        assert "Needs you now" not in (await vic.open("/")).text
    await over(ground, name)


async def test_an_approval_is_taken_back_before_it_is_begun(ground: Ground, ana: Plain) -> None:
    name, run = await ground.incident()
    ask = await ground.ask(run, isolate("web1"))
    await _approve(ground, ask)
    async with Plain(ground, "ben") as ben:
        place = f"/asks/{ask}/revoke"
        assert not (await ana.open(f"/asks/{ask}")).has(place), "it was ben's"
        form = (await ben.open(f"/asks/{ask}")).form(place)
        refused(await ben.send(place, form), "Your approval still stands.", "expected a reason")
        page = await ben.send(place, form | {"reason": "It was the wrong host"})
        assert "taken back" in page.done
    assert await ground.state(ask) == "revoked"
    await over(ground, name)


async def test_the_runner_is_paused_and_goes_on_and_neither_unseen(
    ground: Ground, ana: Plain, ben: Plain
) -> None:
    pause, go_on = "/runner/pause", "/runner/resume"
    hers, his = (await ana.open("/runner")).form(pause), (await ben.open("/runner")).form(pause)
    refused(await ana.send(pause, hers), "Your pause was not recorded.", "expected a reason")
    page = await ana.send(pause, hers | {"reason": "a drill"})
    assert "nothing new is done" in page.done
    refused(
        await ben.send(pause, his | {"reason": "mine"}),
        "Your pause was not recorded.", "ana has paused it already: a drill",
    )  # fmt: skip
    assert "The runner is paused by ana: a drill" in (await ben.open("/")).text
    seen = (await ben.open("/runner")).form(go_on)
    unproved = page.form(go_on)
    await ground.enrol("ana")
    page = await ana.send(go_on, unproved)
    refused(page, "Nothing was changed.", "ana: expected a code")
    await ana.send(go_on, page.form(go_on) | {"code": await ground.code("ana")})
    refused(await ben.send(go_on, seen), "Nothing was changed.", "somebody let it go on before you")
    page = await ana.send(pause, (await ana.open("/runner")).form(pause) | {"reason": "in earnest"})
    late = await ben.send(go_on, seen | {"once": "another form"})
    refused(late, "Nothing was changed.", "it is another pause by now, by ana: in earnest")
    proved = page.form(go_on) | {"code": await ground.code("ana")}
    assert "goes on" in (await ana.send(go_on, proved)).done


async def test_an_extension_that_is_sent_twice_is_one_extension(ground: Ground, ana: Plain) -> None:
    name, run = await ground.incident()
    await ground.block(run, f"203.0.113.{name.removeprefix('IR-')}")
    (before, *_) = sorted(await ground.holds(name), key=lambda one: one.id)
    form = (await ana.open(f"/incidents/{name}")).form("/leases/extend", hold=before.id)
    await asyncio.gather(*(ana.send("/leases/extend", form) for _ in range(3)))
    (after, *_) = sorted(await ground.holds(name), key=lambda one: one.id)
    assert after.until - before.until == timedelta(hours=1)
    page = await ana.send("/leases/extend", form | {"once": "another form"})
    refused(page, "The lease was not extended.", "expected an end later than")
    page = await ana.send("/leases/extend", form | {"until": "soon"})
    refused(page, "The lease was not extended.", "expected a moment")
    await over(ground, name)


async def test_what_needs_somebody_stands_first_what_runs_out_first_first_of_all(
    ground: Ground, ana: Plain
) -> None:
    name, run = await ground.incident(title="It needs somebody", began=timedelta(minutes=10))
    ask = await ground.ask(run, isolate("web1"))
    async with ground.store.transaction() as tx:
        now = ground.store.now()
        await tx.execute(insert(pages).values(
            id=f"p{name}"[:16], key=f"page/{name}", incident=name, run=run, role="Security Team",
            subject="Say whether web1 may go", body="", opened=now, times=1, heard=False,
        ))  # fmt: skip
    board = (await ana.open("/")).text.partition('id="needs"')[2].partition("</section>")[0]
    mine = [
        line for line in re.findall(r'<p class="what">(.*?)</p>', board)
        if line in ("Nobody owns it: It needs somebody", "Say whether web1 may go", "Decide: isolate web1")
    ]  # fmt: skip
    assert mine[0] == "Say whether web1 may go"
    assert mine.index("Nobody owns it: It needs somebody") < mine.index("Decide: isolate web1")
    async with Plain(ground, "cyd") as cyd:
        assert "Say whether web1 may go" not in (await cyd.open("/")).text, (
            "cyd is not of that team"
        )
    page = await ana.open("/")
    page = await ana.send(f"/pages/p{name}/take"[:24], page.form(f"/pages/p{name}/take"[:24]))
    assert "The page is yours." in page.done
    page = await ana.send(
        f"/incidents/{name}/take", (await ana.open("/")).form(f"/incidents/{name}/take")
    )
    assert "The incident is yours." in page.done
    text = (await ana.open("/")).text
    assert "Nobody owns it: It needs somebody" not in text
    assert "Say whether web1 may go" not in text
    await _approve(ground, ask)
    assert f'href="/asks/{ask}"' not in (await ana.open("/")).text
    await over(ground, name)
