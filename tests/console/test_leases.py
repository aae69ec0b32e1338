"""Ending and extending what is held, in a browser."""

from datetime import timedelta

import pytest
from playwright.async_api import expect

from tests.console.conftest import Opener
from tests.console.ground import Ground
from tests.verbs.desk import isolate

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_a_block_is_undone_from_the_incident_s_page(ground: Ground, window: Opener) -> None:
    incident, run = await ground.incident()
    address = f"203.0.113.{incident.removeprefix('IR-')}"
    await ground.block(run, address)
    page = await (await window()).open(f"/incidents/{incident}")
    hold = page.locator("article.hold", has_text=f"block/fra1/{address}")
    await expect(hold).to_contain_text("in force, verified")
    await hold.get_by_text("Undo or extend").click()
    await hold.get_by_role("button", name="Undo now").click()
    await expect(page.get_by_text("The lease ends now; the undo is verified.")).to_be_visible()
    await expect(hold).to_contain_text("being undone")
    ended = [one for one in await ground.holds(incident) if one.ended is not None]
    assert [one.ended_by for one in ended] == ["ana"]
    await ground.desk.lift(f"block/fra1/{address}")
    await expect(hold).to_contain_text("undone, ended by ana", timeout=5000)
    assert ground.desk.fra.holds(address) is False


async def test_a_block_is_extended_without_javascript(ground: Ground, window: Opener) -> None:
    incident, run = await ground.incident()
    await ground.block(run, f"203.0.113.{incident.removeprefix('IR-')}")
    (before, *_) = sorted(await ground.holds(incident), key=lambda one: one.id)
    page = await (await window(java_script_enabled=False)).open(f"/incidents/{incident}")
    hold = page.locator("article.hold", has_text=before.resource)
    await hold.get_by_text("Undo or extend").click()
    await hold.get_by_label("Extend by").select_option(index=1)
    await hold.get_by_role("button", name="Extend").click()
    await expect(page.get_by_text("The lease is extended.")).to_be_visible()
    (after, *_) = sorted(await ground.holds(incident), key=lambda one: one.id)
    assert after.until - before.until == timedelta(hours=4)


async def test_ending_an_isolation_needs_a_code_and_says_so(ground: Ground, window: Opener) -> None:
    incident, run = await ground.incident()
    ask = await ground.ask(run, isolate("web2"))
    page = await (await window()).open(f"/asks/{ask}")
    await page.get_by_label("Code of your authenticator app").fill(await ground.code("ana"))
    await page.get_by_role("button", name="Approve", exact=True).click()
    await expect(page.get_by_text("Your approval is recorded.")).to_be_visible()
    await ground.desk.do(run, isolate("web2"), step=1)
    page = await (await window()).open("/leases")
    hold = page.locator("article.hold", has_text="isolate web2").first
    await hold.get_by_text("Undo or extend").click()
    await hold.get_by_role("button", name="Undo now").click()
    await expect(page.get_by_role("alert")).to_contain_text("needs a code of your second factor")
    hold = page.locator("article.hold", has_text="isolate web2").first  # its forms are open still
    await hold.get_by_label("Code of your second factor").first.fill(await ground.code("ana"))
    await hold.get_by_role("button", name="Undo now").click()
    await expect(page.get_by_text("The lease ends now; the undo is verified.")).to_be_visible()
    assert [one.ended_by for one in await ground.holds(incident)] == ["ana"]
