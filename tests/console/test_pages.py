"""What every page is: reachable for everybody, safe whatever an alert says, and fit for a phone."""

import re
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import expect
from sqlalchemy import update
from typer.main import get_command

from responder.cli import app
from responder.console.pages import POLICY
from responder.console.paths import local
from responder.console.rendering import files
from responder.people import passwords
from responder.people.sessions import COOKIE
from responder.store.tables import incidents
from tests.console.conftest import PHONE, Opener
from tests.console.ground import Ground
from tests.verbs.desk import isolate

pytestmark = pytest.mark.asyncio(loop_scope="package")

PLACES = ("/", "/incidents/{incident}", "/asks", "/asks/{ask}", "/leases", "/oncall", "/runner", "/me", "/login",
          "/asks/there-is-none", "/there-is-none")  # fmt: skip
EVIL = (
    "<script>document.title='taken'</script>",
    "<img src=x onerror=\"document.title='taken'\">",
    "\"><svg onload=document.title='taken'>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:document.title='taken'",
    "'); document.title='taken'; //",
)


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def full(ground: Ground) -> AsyncIterator[dict[str, str]]:
    """An incident with all there is to show: an ask, a lease, notes, and an ask that has ended."""
    incident, run = await ground.incident(priority="P1", title="Data leaves web1")
    await ground.block(run, f"203.0.113.{incident.removeprefix('IR-')}")
    denied = await ground.ask(run, isolate("web2"), step=2)
    await ground.desk.decide(denied, "ana", approve=False)
    ask = await ground.ask(run, isolate("web1"), isolate("db1"), step=3)
    yield {"incident": incident, "ask": ask}


@pytest.mark.parametrize("place", PLACES)
async def test_axe_finds_nothing_serious(
    ground: Ground, window: Opener, full: dict[str, str], place: str
) -> None:
    one = await window()
    page = await one.open(place.format(**full))
    for details in await page.locator("details").all():
        await details.evaluate("one => one.open = true")
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=cast("Any", scheme))
        found: Any = await Axe().run(page)
        grave = [
            (fault["id"], fault["impact"], [node["html"][:200] for node in fault["nodes"]])
            for fault in found.response["violations"]
            if fault["impact"] in ("serious", "critical")
        ]
        assert grave == [], scheme
    one.complaints = [said for said in one.complaints if "status of 404" not in said]


@pytest.mark.parametrize("place", PLACES)
async def test_a_phone_shows_it_without_scrolling_sideways_and_with_large_targets(
    ground: Ground, window: Opener, full: dict[str, str], place: str
) -> None:
    one = await window("ana", viewport=PHONE, has_touch=True, is_mobile=True)
    page = await one.open(place.format(**full))
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    small = await page.evaluate(
        """() => [...document.querySelectorAll(
                "button, .button, summary, select, nav a, input:not([type=hidden], [type=checkbox])")]
            .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 44)
            .map((one) => one.outerHTML)"""
    )
    assert small == []
    one.complaints = [said for said in one.complaints if "status of 404" not in said]


async def test_what_an_alert_says_is_text(ground: Ground, window: Opener) -> None:
    text = " ".join(EVIL)
    incident, run = await ground.incident(title=text, owner=text[:200])
    await ground.ask(run, isolate("web1"))
    one = await window()
    for place in ("/", "/asks", f"/incidents/{incident}"):
        page = await one.open(place)
        await expect(page.locator("h1")).to_be_visible()
        assert "taken" not in await page.title()
    await expect(page.locator("h1")).to_have_text(text)
    async with ground.store.transaction() as tx:
        this = update(incidents).where(incidents.c.id == incident)
        await tx.execute(this.values(closed=ground.store.now()))  # out of the other tests' sight


async def test_every_page_has_the_headers_of_a_page(ground: Ground, full: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=ground.origin) as client:
        client.cookies.set(COOKIE, await ground.session("ana"))
        for place in PLACES:
            answer = await client.get(place.format(**full), headers={"accept": "text/html"})
            assert answer.headers["content-security-policy"] == POLICY
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "same-origin"
            assert "publickey-credentials-get=(self)" in answer.headers["permissions-policy"]
            assert answer.headers["cache-control"] == "no-store"
            assert "style=" not in answer.text
            assert not re.search(r"<script(?![^>]* src=)|<[a-z][^>]*\son\w+=", answer.text)
        for name in files():
            answer = await client.get(f"/static/{name}")
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert answer.headers["x-content-type-options"] == "nosniff"


async def test_an_inline_script_would_not_run(ground: Ground, window: Opener) -> None:
    one = await window()
    page = await one.open("/")
    await page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "document.title = 'taken'";
            document.body.append(script);
        }"""
    )
    assert "taken" not in await page.title()
    assert any("Content Security Policy" in said for said in one.complaints)
    one.complaints.clear()


@pytest.mark.parametrize(
    ("path", "leads"),
    [
        ("/asks/1?x=1", "/asks/1?x=1"),
        ("//evil.example.com", "/"),
        ("/\\evil.example.com", "/"),
        ("https://evil.example.com", "/"),
        ("javascript:alert(1)", "/"),
        ("/\t/evil.example.com", "/"),
        ("", "/"),
        ("/" + "a" * 600, "/"),
    ],
)
async def test_the_way_back_leads_to_pages_of_ours_only(path: str, leads: str) -> None:
    assert local(path) == leads


async def test_somebody_signs_in_and_comes_to_where_they_wanted(
    ground: Ground, window: Opener, full: dict[str, str]
) -> None:
    await passwords.set_password(ground.store, "root", "correct horse battery staple", by="root")
    code = await ground.code("root")
    page = await (await window(None)).open(f"/incidents/{full['incident']}")
    assert page.url == f"{ground.origin}/login?next=/incidents/{full['incident']}"
    await page.get_by_label("Name").fill("root")
    await page.get_by_label("Password").fill("wrong horse battery staple")
    await page.get_by_label("Code of your authenticator app").fill(code)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("do not go together")
    await page.get_by_label("Name").fill("root")
    await page.get_by_label("Password").fill("correct horse battery staple")
    await page.get_by_label("Code of your authenticator app").fill(await ground.code("root"))
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page.locator("h1")).to_have_text("Data leaves web1")
    await page.get_by_role("link", name="Me").click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_text("You are signed out.")).to_be_visible()
    await page.goto(ground.origin)
    assert page.url == f"{ground.origin}/login"


async def test_every_command_that_a_page_prints_is_real(
    ground: Ground, full: dict[str, str]
) -> None:
    said: set[str] = set()
    async with httpx.AsyncClient(base_url=ground.origin) as client:
        client.cookies.set(COOKIE, await ground.session("ana"))
        for place in PLACES:
            answer = await client.get(place.format(**full), headers={"accept": "text/html"})
            said |= set(re.findall(r'data-copy="(responder [^"]+)"', answer.text))
    assert len(said) >= len(PLACES)
    for line in said:
        words: list[str] = line.split()[1:]
        command: Any = get_command(app)
        while words and words[0] in getattr(command, "commands", {}):
            command, words = command.commands[words[0]], words[1:]
        assert not hasattr(command, "commands"), line
        options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
        assert [w for w in words if w.startswith("--") and w not in options] == [], line


async def test_a_note_is_kept_and_shown(
    ground: Ground, window: Opener, full: dict[str, str]
) -> None:
    page = await (await window()).open(f"/incidents/{full['incident']}")
    await page.get_by_text("Add a note").click()
    await page.get_by_label("What others should know").fill("Called the owner:\nthey know.")
    await page.get_by_role("button", name="Keep the note").click()
    await expect(page.get_by_text("Your note is kept.")).to_be_visible()
    await expect(page.locator("#noted")).to_contain_text("they know.")


async def test_who_takes_an_incident_owns_it(ground: Ground, window: Opener) -> None:
    incident, _ = await ground.incident()
    page = await (await window("ben")).open(f"/incidents/{incident}")
    await page.get_by_role("button", name="Take it").click()
    await expect(page.locator("#owner")).to_contain_text("Owned by you")
    met = page.locator('[data-clock="acknowledge"]')
    await expect(met).to_contain_text("met")
