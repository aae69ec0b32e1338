"""The pictures of the documentation; `RESPONDER_PICTURES=1` has them written to docs/pictures."""

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ViewportSize, expect

from responder.people.sessions import cookie_name
from responder.steering import Steering
from tests.console.conftest import PHONE
from tests.console.ground import Ground
from tests.verbs.desk import isolate

pytestmark = pytest.mark.asyncio(loop_scope="package")

ASKED = os.environ.get("RESPONDER_PICTURES") == "1"
PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
_MOST_BYTES = 150 * 1024
DESK: ViewportSize = {"width": 1040, "height": 760}
# name, page, light or dark, desktop or phone: what fits the screen
WANTED = (
    ("board", "/", "light", "desktop"),
    ("board", "/", "dark", "desktop"),
    ("board", "/", "dark", "phone"),
    ("incident", "/incidents/{incident}", "light", "desktop"),
    ("incident", "/incidents/{incident}", "dark", "phone"),
    ("ask", "/asks/{ask}", "light", "desktop"),
    ("ask", "/asks/{ask}", "dark", "desktop"),
    ("ask", "/asks/{ask}", "dark", "phone"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def night(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Ground, dict[str, str]]]:
    """A night with four incidents, one of which needs a decision."""
    ground = Ground(tmp_path_factory.mktemp("pictures"), sqlite_template)
    await ground.start()
    ground.as_if_all_answer()
    leak, run = await ground.incident(
        title="web1 sends 4 GB to an address it never spoke to", priority="P1",
        category="data_leak", address="203.0.113.9", hosts=("web1",), began=timedelta(minutes=3),
    )  # fmt: skip
    await ground.alerts(
        leak, "wazuh", "web1 sends 4 GB to 203.0.113.9", "A new process opens sockets on web1",
        "Sign-in to web1 from 203.0.113.9",
    )  # fmt: skip
    await ground.block(run, "203.0.113.9", hours=24)
    ask = await ground.ask(run, isolate("web1", hours=8), isolate("db1", hours=8))
    steering = Steering(ground.store, ground.parts.kinds, ground.parts.policy)
    await steering.take(leak, ground.desk.people["ana"])
    await steering.note(
        leak, ground.desk.people["ana"], "Called the owner of web1.", is_update=True
    )
    one, other = await ground.incident(
        title="Many sign-ins fail on web2", hosts=("web2",), began=timedelta(minutes=13),
        address="203.0.113.40",
    )  # fmt: skip
    await ground.block(other, "203.0.113.40", hours=1)
    await ground.look(one)
    await ground.incident(
        title="The reporting key reads what it never read before", priority="P3",
        category="api_abuse", hosts=(), began=timedelta(hours=3, minutes=40), owner="ben",
        acknowledged=ground.store.now(), address="198.51.100.77",
    )  # fmt: skip
    yield ground, {"incident": leak, "ask": ask}
    await ground.stop()


@pytest.mark.parametrize("wanted", WANTED, ids="-".join)
async def test_a_picture_is_small_and_shows_no_trouble(
    night: tuple[Ground, dict[str, str]],
    chromium: Browser,
    tmp_path: Path,
    wanted: tuple[str, str, str, str],
) -> None:
    name, place, scheme, screen = wanted
    ground, ids = night
    phone = screen == "phone"
    context = await chromium.new_context(
        viewport=PHONE if phone else DESK, color_scheme=cast("Any", scheme), locale="en-GB",
        is_mobile=phone, has_touch=phone, device_scale_factor=1.5 if phone else 1,
    )  # fmt: skip
    named, value = cookie_name(ground.origin), await ground.session("ana")
    await context.add_cookies([{"name": named, "value": value, "url": ground.origin}])
    page = await context.new_page()
    await page.goto(ground.origin + place.format(**ids))
    await expect(page.locator("h1")).to_be_visible()
    await expect(page.locator(".notice:visible")).to_have_count(0)
    folder = PICTURES if ASKED else tmp_path
    path = folder / f"console-{name}-{scheme}-{screen}.png"
    folder.mkdir(exist_ok=True)
    await page.screenshot(path=path)
    await context.close()
    assert path.stat().st_size <= _MOST_BYTES
