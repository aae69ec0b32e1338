"""The button of the provider, in real Chromium: there and back, refused, and the provider away."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page, expect
from sqlalchemy import select

from responder.people.sessions import cookie_name
from responder.store.sessions import sessions
from tests.console.ground import PEOPLE, Ground
from tests.people.oidc_provider import CLIENT, SECRET, Provider, running

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def single(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Ground, Provider]]:
    """A console whose people sign in with a provider, and with nothing else."""
    with running("set when the console's port is known") as provider:
        who = {"issuer": provider.url, "subject": "subject-of-ana"}
        ground = Ground(
            tmp_path_factory.mktemp("single"),
            sqlite_template,
            {
                "people": [one | ({"oidc": who} if one["name"] == "ana" else {}) for one in PEOPLE],
                "login": {
                    "passwords": False,
                    "oidc": {
                        "issuer": provider.url, "client_id": CLIENT, "client_secret": SECRET,
                        "label": "Sign in with Example",
                    },
                },
            },
        )  # fmt: skip
        provider.client.redirect = f"{ground.origin}/login/oidc/callback"
        await ground.start()
        yield ground, provider
        await ground.stop()


@pytest_asyncio.fixture(loop_scope="package")
async def page(chromium: Browser, single: tuple[Ground, Provider]) -> AsyncIterator[Page]:
    """A page of somebody whom nobody knows yet."""
    _, provider = single
    provider.user, provider.bend = "subject-of-ana", {}
    context = await chromium.new_context(locale="en-GB")
    yield await context.new_page()
    await context.close()


async def test_the_button_leads_to_the_provider_and_back_to_where_somebody_wanted(
    single: tuple[Ground, Provider], page: Page
) -> None:
    ground, provider = single
    await page.goto(f"{ground.origin}/leases")
    assert page.url == f"{ground.origin}/login?next=/leases"
    await expect(page.get_by_label("Password")).to_have_count(0)
    found: Any = await Axe().run(page)
    assert [
        one["id"]
        for one in found.response["violations"]
        if one["impact"] in ("serious", "critical")
    ] == []
    button = page.get_by_role("link", name="Sign in with Example")
    await button.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Leases in force")).to_be_visible()
    assert page.url == f"{ground.origin}/leases"
    assert "discovery" in provider.asked
    await page.get_by_role("link", name="Me").click()
    await expect(page.locator("h1")).to_have_text("ana")
    named = cookie_name(ground.origin)
    [cookie] = [one for one in await page.context.cookies() if one.get("name") == named]
    assert (cookie.get("httpOnly"), cookie.get("sameSite")) == (True, "Strict")
    async with ground.store.reading() as tx:
        rows = (await tx.execute(select(sessions.c.principal, sessions.c.method))).all()
    assert [tuple(row) for row in rows] == [("ana", "oidc")]


async def test_whom_nobody_mapped_is_told_so_and_is_not_signed_in(
    single: tuple[Ground, Provider], page: Page
) -> None:
    ground, provider = single
    provider.user = "subject-of-a-stranger"
    await page.goto(f"{ground.origin}/login")
    await page.get_by_role("link", name="Sign in with Example").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    named = cookie_name(ground.origin)
    assert [one for one in await page.context.cookies() if one.get("name") == named] == []
    await page.get_by_role("link", name="Back to signing in").click()
    await expect(page.get_by_role("link", name="Sign in with Example")).to_be_visible()


async def test_whoever_the_provider_let_in_by_a_password_alone_is_told_so(
    single: tuple[Ground, Provider], page: Page
) -> None:
    ground, provider = single
    provider.bend = {"amr": ["pwd"]}
    await page.goto(f"{ground.origin}/login")
    await page.get_by_role("link", name="Sign in with Example").click()
    await expect(page.get_by_role("alert")).to_contain_text("second factor")
    await page.goto(ground.origin)
    assert page.url == f"{ground.origin}/login"


async def test_a_provider_that_is_away_is_said_so(
    chromium: Browser, sqlite_template: Path, tmp_path: Path
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        issuer = f"http://127.0.0.1:{unused.getsockname()[1]}"
        oidc = {"issuer": issuer, "client_id": CLIENT, "client_secret": SECRET}
        ground = Ground(tmp_path, sqlite_template, {"login": {"oidc": oidc}})
        await ground.start()
        try:
            page = await chromium.new_page()
            await page.goto(f"{ground.origin}/login")
            await page.get_by_role("link", name="Single sign-on").click()
            await expect(page.get_by_role("alert")).to_contain_text("127.0.0.1")
            await page.get_by_role("link", name="Back to signing in").click()
            await expect(page.get_by_label("Password")).to_be_visible()
            await page.close()
        finally:
            await ground.stop()
