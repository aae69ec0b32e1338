"""A Chromium before a whole runner: its console signed in as somebody, Temporal's own page, pictures."""

import os
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, Locator, Page, ViewportSize, expect

from responder.crypto.keyring import KeyRing
from responder.keys import Keys
from responder.people import sessions
from responder.people.sessions import cookie_name
from responder.store import Store
from tests.e2e.runner import Runner

ASKED = os.environ.get("RESPONDER_PICTURES") == "1"
PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
_DESK: ViewportSize = {"width": 1200, "height": 900}
_MOST_BYTES = 250 * 1024
SLOWLY = 60_000  # milliseconds: Temporal's page is large, and the machine may be busy


async def signed_in(browser: Browser, runner: Runner, who: str) -> Page:
    """A page of *who*, who has signed in to the console with a second factor just now."""
    store = Store(runner.settings.database)
    ring = KeyRing.load(Keys(runner.settings.state).store)
    token = await sessions.begin(
        store, ring, who, method="password", factors=("password", "totp"), agent="a test"
    )
    await store.close()
    page = await stranger(browser)
    origin = runner.settings.api.origin
    cookie = {"name": cookie_name(origin), "value": token, "url": origin}
    await page.context.add_cookies([cookie])  # type: ignore[list-item]
    return page


async def stranger(browser: Browser) -> Page:
    """A page of somebody who has not signed in anywhere."""
    context = await browser.new_context(viewport=_DESK, locale="en-GB")
    return await context.new_page()


async def pictures(page: Page, name: str, folder: Path, there: Locator) -> None:
    """What is on the screen once *there* is, light and dark; in docs/pictures if `RESPONDER_PICTURES=1`."""
    for scheme in SCHEMES:
        await page.emulate_media(color_scheme=scheme)
        await page.reload()  # Temporal's page asks for it only then
        await expect(there).to_be_visible(timeout=SLOWLY)
        await there.scroll_into_view_if_needed()
        path = (PICTURES if ASKED else folder) / f"{name}-{scheme}.png"
        await page.screenshot(path=path)
        assert path.stat().st_size <= _MOST_BYTES, f"{path.name} has {path.stat().st_size} bytes"
