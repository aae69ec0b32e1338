"""One Chromium and one server for these tests, and none after them; each has an incident and a context of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize

from responder.people.sessions import cookie_name
from tests.chromium import chromium as launched
from tests.console.ground import Ground

PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1280, "height": 900}


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, once."""
    async with launched() as browser:
        yield browser


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def ground(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ground]:
    """`serve` without a Temporal: what people decide is recorded in the store all the same."""
    made = Ground(tmp_path_factory.mktemp("console"), sqlite_template)
    await made.start()
    yield made
    await made.stop()


class Window:
    """A browser of somebody who is signed in, and what it complained of."""

    def __init__(self, context: BrowserContext, page: Page, origin: str) -> None:
        self.context, self.page, self.origin = context, page, origin
        self.complaints: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"{error}"))

    def _heard(self, message: Any) -> None:
        # A page that says what was refused has the status of it, and Chromium notes that.
        if message.type in ("error", "warning") and "status of 403" not in message.text:
            self.complaints.append(message.text)

    async def open(self, path: str) -> Page:
        """Go to a page of the console."""
        await self.page.goto(self.origin + path)
        return self.page


Opener = Callable[..., Awaitable[Window]]


@pytest_asyncio.fixture(loop_scope="package")
async def window(chromium: Browser, ground: Ground) -> AsyncIterator[Opener]:
    """Opens windows; at the end none of them may have broken the content security policy."""
    opened: list[Window] = []

    async def open_one(who: str | None = "ana", **options: Any) -> Window:
        context = await chromium.new_context(**({"viewport": DESKTOP, "locale": "en-GB"} | options))
        if who is not None:
            name, value = cookie_name(ground.origin), await ground.session(who)
            await context.add_cookies([{"name": name, "value": value, "url": ground.origin}])
        opened.append(Window(context, await context.new_page(), ground.origin))
        return opened[-1]

    yield open_one
    complaints = [said for one in opened for said in one.complaints]
    for one in opened:
        await one.context.close()
    assert complaints == []
