"""Pages that keep themselves up to date: clocks, what ends while one looks, and what is not there."""

import asyncio
import time

import httpx
import pytest
from playwright.async_api import expect
from sqlalchemy import delete, insert

from responder.people import sessions
from responder.store.chat import card_keeper
from responder.store.tables import settings_now
from tests.console.conftest import Opener
from tests.console.ground import Ground
from tests.verbs.desk import isolate

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_a_new_incident_appears_on_an_open_board(ground: Ground, window: Opener) -> None:
    page = await (await window()).open("/")
    while not ground.listeners:  # what came before it listens is no news
        await asyncio.sleep(0.05)
    incident, _ = await ground.incident(title="It came while somebody looked")
    await expect(page.locator(f'[data-incident="{incident}"]')).to_be_visible(timeout=5000)
    await expect(page.locator("#said")).to_contain_text(f"New incident {incident}")


async def test_clocks_tick_and_stand_as_absolute_times(ground: Ground, window: Opener) -> None:
    incident, _ = await ground.incident()
    page = await (await window(timezone_id="Asia/Kolkata")).open("/")
    clock = page.locator(f'[data-of="{incident}"][data-clock="contain"]')
    before = await clock.locator(".left").inner_text()
    await page.wait_for_timeout(2100)
    after = await clock.locator(".left").inner_text()
    assert before != after
    due = await clock.locator(".due time").inner_text()
    assert "UTC" in due
    assert "GMT+5:30" in due or "IST" in due


async def test_an_ask_that_ends_while_somebody_looks_says_so_and_has_no_button(
    ground: Ground, window: Opener
) -> None:
    _, run = await ground.incident()
    ask = await ground.ask(run, isolate("web1"))
    await ground.ends_in(ask, 8)
    page = await (await window()).open(f"/asks/{ask}")
    await expect(page.get_by_role("button", name="Approve", exact=True)).to_be_enabled()
    await page.get_by_label("Reason").fill("typed while it ended")
    await expect(page.get_by_role("heading", name="This ask has ended")).to_be_visible(
        timeout=20_000
    )
    await expect(page.get_by_role("button", name="Approve", exact=True)).to_have_count(0)
    await expect(page.get_by_text("It was not approved by waiting")).to_be_visible()
    assert await ground.state(ask) == "open"  # by its time it has ended, whoever marks it when


async def test_what_somebody_else_decides_is_seen_at_once(ground: Ground, window: Opener) -> None:
    incident, run = await ground.incident()
    ask = await ground.ask(run, isolate("web1"))
    page = await (await window()).open(f"/incidents/{incident}")
    await expect(page.get_by_role("button", name="Approve", exact=True)).to_be_visible()
    other = await (await window("ben")).open(f"/asks/{ask}")
    await other.get_by_role("button", name="Deny", exact=True).click()
    await expect(page.locator("#asked")).to_contain_text("Denied by ben", timeout=5000)
    await expect(page.get_by_role("button", name="Approve", exact=True)).to_have_count(0)


async def test_what_is_being_typed_is_left_alone(ground: Ground, window: Opener) -> None:
    incident, run = await ground.incident(address="203.0.113.200")
    await ground.ask(run, isolate("web1"))
    page = await (await window()).open(f"/incidents/{incident}")
    reason = page.get_by_label("Reason")
    await reason.fill("half a sen")
    await ground.block(run, "203.0.113.200")
    await expect(page.locator("#leases")).to_contain_text("block 203.0.113.200", timeout=5000)
    await expect(reason).to_have_value("half a sen")
    await expect(reason).to_be_focused()


async def test_temporal_away_is_said_on_every_page(ground: Ground, window: Opener) -> None:
    page = await (await window()).open("/leases")
    await expect(page.get_by_text("Temporal does not answer.")).to_be_visible()
    await expect(page.get_by_text("carried out when it is back")).to_be_visible()


async def test_slack_away_is_said_with_the_ways_that_are_left(
    ground: Ground, window: Opener
) -> None:
    now = ground.store.now()
    page = await (await window()).open("/")
    async with ground.store.transaction() as tx:
        row = {"id": 1, "holder": "h", "until": now, "down": now, "said": "it answered 503"}
        await tx.execute(insert(card_keeper).values(row))
    try:
        await expect(page.get_by_text("Slack does not answer since")).to_be_visible()
        await expect(page.get_by_text("Asks are decided here, in the terminal")).to_be_visible()
    finally:
        async with ground.store.transaction() as tx:
            await tx.execute(delete(card_keeper))


async def test_a_pause_is_said(ground: Ground, window: Opener) -> None:
    value = {"paused": True, "by": "root", "reason": "a drill"}
    async with ground.store.transaction() as tx:
        await tx.execute(delete(settings_now).where(settings_now.c.name == "paused"))
        row = {"name": "paused", "value": value, "changed": ground.store.now()}
        await tx.execute(insert(settings_now).values(row))
    try:
        page = await (await window()).open("/")
        await expect(page.get_by_text("The runner is paused by root: a drill")).to_be_visible()
    finally:
        async with ground.store.transaction() as tx:
            await tx.execute(delete(settings_now))


async def test_the_stream_comes_back_after_the_network_was_away(
    ground: Ground, window: Opener
) -> None:
    one = await window()
    page = await one.open("/")
    await expect(page.locator("h1")).to_have_text("Open incidents")
    await one.context.set_offline(True)
    incident, _ = await ground.incident()
    await page.wait_for_timeout(500)
    await one.context.set_offline(False)
    # Chromium's own stream survives a short cut; a page that is shown again looks at once.
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(page.locator(f'[data-incident="{incident}"]')).to_be_visible(timeout=10_000)
    one.complaints.clear()  # that the network was away


async def test_one_poll_serves_everybody_who_listens(ground: Ground, window: Opener) -> None:
    pages = [await (await window()).open("/") for _ in range(4)]
    pulse = ground.pulse
    for _ in range(100):
        if pulse.listeners == len(pages):
            break
        await asyncio.sleep(0.05)
    assert pulse.listeners == len(pages)
    before, began = pulse.polls, time.perf_counter()
    await asyncio.sleep(3)
    # Each of the four would poll once a second; together they do.
    assert 1 <= pulse.polls - before <= time.perf_counter() - began + 1


async def test_nobody_listens_without_being_signed_in(ground: Ground) -> None:
    async with httpx.AsyncClient(base_url=ground.origin) as client:
        answer = await client.get("/events")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/login?next=/events"
        token = await ground.session("ana")
        await sessions.end(ground.store, token)
        client.cookies.set(sessions.COOKIE, token)
        assert (await client.get("/")).status_code == 303
