"""Deciding in a browser: with a code, a passkey, by keyboard alone, and without JavaScript."""

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import select, update

from responder.people import passwords
from responder.store.tables import decisions, incidents
from tests.console.conftest import Opener
from tests.console.ground import Ground
from tests.verbs.desk import isolate

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def asked(ground: Ground, host: str = "web1") -> tuple[str, str]:
    """An incident with one T2 ask: both ids."""
    incident, run = await ground.incident()
    return incident, await ground.ask(run, isolate(host))


async def decided(ground: Ground, ask: str) -> dict[str, object]:
    """What was signed about an ask."""
    async with ground.store.reading() as tx:
        query = select(decisions.c.document).where(decisions.c.ask == ask)
        document: dict[str, object] = (await tx.execute(query)).scalar_one()
    return document


async def key_of(page: Page) -> None:
    """A virtual authenticator that verifies its user, as a phone's or a security key's does."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
        "hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


async def test_an_ask_is_approved_with_a_code_of_an_authenticator_app(
    ground: Ground, window: Opener
) -> None:
    incident, ask = await asked(ground)
    page = await (await window()).open(f"/incidents/{incident}")
    await page.get_by_label("Code of your authenticator app").fill(await ground.code("ana"))
    await page.get_by_label("Reason").fill("The owner of web1 agreed")
    await page.get_by_role("button", name="Approve", exact=True).click()
    await expect(page.get_by_text("Your approval is recorded.")).to_be_visible()
    await expect(page.locator("#top")).to_contain_text("Recorded by ana")
    assert await ground.state(ask) == "approved"
    said = await decided(ground, ask)
    assert (said["method"], said["principal"]) == ("console", "ana")
    assert said["factors"] == ["console", "totp"]
    assert said["reason"] == "The owner of web1 agreed"


async def test_an_ask_is_approved_with_a_passkey_that_was_registered_here(
    ground: Ground, window: Opener
) -> None:
    _, ask = await asked(ground)
    code = await ground.code("ben")
    page = await (await window("ben")).open("/me")
    await key_of(page)
    await page.get_by_label("Its name").fill("blue key")
    await page.locator("form[data-begin]").get_by_label("Code of your authenticator app").fill(code)
    await page.get_by_role("button", name="Register").click()
    await expect(page.get_by_text("The passkey is registered.")).to_be_visible()
    await expect(page.get_by_role("heading", name="blue key")).to_be_visible()
    await page.goto(f"{ground.origin}/asks/{ask}")
    await page.get_by_role("button", name="Approve with a passkey").click()
    await expect(page.get_by_text("Your approval is recorded.")).to_be_visible()
    assert (await decided(ground, ask))["factors"] == ["console", "passkey"]
    # The same key signs in, with the password that goes before it.
    await passwords.set_password(ground.store, "ben", "correct horse battery staple", by="root")
    await page.goto(f"{ground.origin}/login?next=/leases")
    await page.get_by_label("Name").fill("ben")
    await page.get_by_label("Password").fill("correct horse battery staple")
    await page.get_by_role("button", name="Sign in with a passkey").click()
    await expect(page.get_by_role("heading", name="Leases in force")).to_be_visible()


async def test_a_wrong_code_is_a_line_on_the_page_and_nothing_is_recorded(
    ground: Ground, window: Opener
) -> None:
    _, ask = await asked(ground)
    await ground.enrol("cyd")
    page = await (await window("cyd")).open(f"/asks/{ask}")
    await page.get_by_label("Reason").fill("It is urgent")
    await page.get_by_label("Code of your authenticator app").fill("000000")
    await page.get_by_role("button", name="Approve", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("cyd")
    await expect(page.get_by_label("Reason")).to_have_value("It is urgent")
    assert (
        page.url == f"{ground.origin}/asks/{ask}"
    )  # so that it is kept up to date, and can be reloaded
    assert await ground.state(ask) == "open"


async def test_an_ask_is_denied_without_any_code(ground: Ground, window: Opener) -> None:
    _, ask = await asked(ground)
    page = await (await window()).open(f"/asks/{ask}")
    await page.get_by_label("Reason").fill("web1 is being repaired")
    await page.get_by_role("button", name="Deny", exact=True).click()
    await expect(page.get_by_text("nothing of it will be done")).to_be_visible()
    await expect(page.get_by_role("heading", name="This ask has ended")).to_be_visible()
    assert await ground.state(ask) == "denied"


async def test_deny_and_report_says_so(ground: Ground, window: Opener) -> None:
    _, ask = await asked(ground)
    page = await (await window()).open(f"/asks/{ask}")
    await page.get_by_role("button", name="Deny and report").click()
    await expect(page.get_by_text("did not expect this ask")).to_be_visible()
    assert await ground.state(ask) == "denied"


async def test_everything_is_decided_without_javascript(ground: Ground, window: Opener) -> None:
    incident, ask = await asked(ground)
    page = await (await window(java_script_enabled=False)).open("/")
    card = page.locator(f'[data-incident="{incident}"]')
    await expect(card.locator("time").first).to_contain_text("UTC")
    await card.get_by_role("link", name="Decide").click()
    await page.get_by_label("Code of your authenticator app").fill(await ground.code("ana"))
    await page.get_by_role("button", name="Approve", exact=True).click()
    await expect(page.get_by_text("Your approval is recorded.")).to_be_visible()
    assert await ground.state(ask) == "approved"


async def test_an_ask_is_approved_by_keyboard_alone(ground: Ground, window: Opener) -> None:
    _, ask = await asked(ground)
    page = await (await window()).open(f"/asks/{ask}")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    code = page.get_by_label("Code of your authenticator app")
    for _ in range(8):
        await page.keyboard.press("Tab")
        if await code.evaluate("one => one === document.activeElement"):
            break
    await expect(code).to_be_focused()
    await page.keyboard.type(await ground.code("ana"))
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    approve = page.get_by_role("button", name="Approve", exact=True)
    await expect(approve).to_be_focused()
    outline = await approve.evaluate("one => getComputedStyle(one).outlineWidth")
    assert outline == "3px"
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Your approval is recorded.")).to_be_visible()
    assert await ground.state(ask) == "approved"


async def test_two_people_with_the_number_approve_what_is_t3(
    ground: Ground, window: Opener
) -> None:
    _, run = await ground.incident()
    ask = await ground.ask(run, isolate("web1"), isolate("web2"))
    number = (await ground.desk.ask(ask)).number
    for who, said in (("ana", "needs more people"), ("ben", "Your approval is recorded.")):
        page = await (await window(who)).open(f"/asks/{ask}")
        await expect(page.locator(".number b")).to_have_text(str(number))
        await page.get_by_label("The number shown with the plan").fill(str(number))
        await page.get_by_label("Code of your authenticator app").fill(await ground.code(who))
        await page.get_by_role("button", name="Approve", exact=True).click()
        await expect(page.get_by_text(said)).to_be_visible()
    assert await ground.state(ask) == "approved"


async def test_a_form_that_was_not_made_for_this_session_decides_nothing(
    ground: Ground, window: Opener
) -> None:
    _, ask = await asked(ground)
    page = await (await window()).open(f"/asks/{ask}")
    await page.evaluate("document.querySelector('.decide [name=X-CSRF-Token]').value = '0'")
    await page.get_by_role("button", name="Deny", exact=True).click()
    await expect(page.get_by_role("alert")).to_be_visible()
    assert await ground.state(ask) == "open"


async def test_a_plan_that_is_not_the_one_shown_is_not_approved(
    ground: Ground, window: Opener
) -> None:
    _, ask = await asked(ground)
    page = await (await window()).open(f"/asks/{ask}")
    await page.evaluate("document.querySelector('.decide [name=digest]').value = 'f'.repeat(64)")
    await page.get_by_label("Code of your authenticator app").fill(await ground.code("ana"))
    await page.get_by_role("button", name="Approve", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("look again")
    assert await ground.state(ask) == "open"


async def test_a_viewer_sees_the_plan_and_no_button(ground: Ground, window: Opener) -> None:
    _, ask = await asked(ground)
    page = await (await window("vic")).open(f"/asks/{ask}")
    await expect(page.locator(".point .after")).to_be_visible()
    await expect(page.get_by_role("button", name="Approve", exact=True)).to_have_count(0)
    status = await page.evaluate(
        "async path => (await fetch(path, {method: 'POST'})).status", f"/asks/{ask}/decisions"
    )
    assert status == 403


async def test_who_opened_the_incident_by_hand_is_told_who_may_approve_and_may_only_deny(
    ground: Ground, window: Opener
) -> None:
    incident, run = await ground.incident()
    async with ground.store.transaction() as tx:
        this = update(incidents).where(incidents.c.id == incident)
        await tx.execute(this.values(asked_by=["ana"]))
    ask = await ground.ask(run, isolate("web1"))
    for path in (f"/asks/{ask}", f"/incidents/{incident}"):
        page = await (await window("ana")).open(path)
        said = "ana opened the incident, and nobody may approve their own request; ben"
        await expect(page.get_by_text(said)).to_be_visible()
        await expect(page.get_by_role("button", name="Approve", exact=True)).to_have_count(0)
        await expect(page.get_by_role("button", name="Deny", exact=True)).to_have_count(1)
    page = await (await window("ben")).open(f"/asks/{ask}")
    await expect(page.get_by_text("asked for by ana (opened the incident)")).to_be_visible()
    await expect(page.get_by_role("button", name="Approve", exact=True)).to_have_count(1)
