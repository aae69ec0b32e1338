"""What a passkey proves beside approving: exactly the change that its owner saw, and nothing else."""

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import select

from responder.store.tables import decisions, incidents
from tests.console.conftest import PHONE, Opener, Window
from tests.console.forms import Plain
from tests.console.ground import Ground
from tests.console.test_deciding import key_of
from tests.verbs.desk import isolate

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def keyed(ground: Ground, opener: Opener, name: str) -> Window:
    """A window of cyd, who registers a passkey in it."""
    code = await ground.code("cyd")
    one = await opener("cyd")
    page = await one.open("/me")
    await key_of(page)
    form = page.locator("form[data-begin]")
    await form.get_by_label("Its name").fill(name)
    await form.get_by_label("Code of your authenticator app").fill(code)
    await form.get_by_role("button", name="Register").click()
    await expect(page.get_by_text("The passkey is registered.")).to_be_visible()
    return one


async def isolated(ground: Ground, *hosts: str) -> str:
    """An incident that holds T2 isolations, approved by ana; returns its id."""
    name, run = await ground.incident()
    for step, host in enumerate(hosts, 1):
        ask = await ground.ask(run, isolate(host), step=step)
        async with Plain(ground, "ana") as ana:
            place = f"/asks/{ask}/decisions"
            form = (await ana.open(f"/asks/{ask}")).form(place)
            form |= {"verdict": "approve", "code": await ground.code("ana")}
            assert "recorded" in (await ana.send(place, form)).done
        await ground.desk.do(run, isolate(host), step=step)
    return name


async def factors(ground: Ground, incident: str) -> list[list[str]]:
    """What each decision of cyd about an incident was proved with."""
    from responder.store.tables import asks  # noqa: PLC0415 - beside its one use

    async with ground.store.reading() as tx:
        query = select(decisions.c.document).join(asks, asks.c.id == decisions.c.ask)
        query = query.where(asks.c.incident == incident, decisions.c.principal == "cyd")
        rows = (await tx.execute(query.order_by(decisions.c.id))).scalars()
        return [document["factors"] for document in rows]


async def opened(page: Page, host: str) -> None:
    hold = page.locator("article.hold", has_text=f"isolate {host}").first
    await hold.get_by_text("Undo or extend").click()


async def test_a_passkey_extends_and_undoes_an_isolation(ground: Ground, window: Opener) -> None:
    one = await keyed(ground, window, "for leases")
    name = await isolated(ground, "web1")
    (before,) = await ground.holds(name)
    page = await one.open(f"/incidents/{name}")
    await opened(page, "web1")
    await page.get_by_role("button", name="Extend with a passkey").click()
    await expect(page.get_by_text("The lease is extended.")).to_be_visible()
    (after,) = await ground.holds(name)
    assert after.until > before.until
    await opened(page, "web1")
    await page.get_by_role("button", name="Undo with a passkey").click()
    await expect(page.get_by_text("The lease ends now; the undo is verified.")).to_be_visible()
    (ended,) = await ground.holds(name)
    assert ended.ended_by == "cyd"
    assert await factors(ground, name) == [["console", "passkey"], ["console", "passkey"]]


async def test_what_a_passkey_answered_for_one_lease_undoes_no_other(
    ground: Ground, window: Opener
) -> None:
    one = await keyed(ground, window, "bound")
    name = await isolated(ground, "web1", "web2")
    holds = {hold.resource: hold.id for hold in await ground.holds(name)}
    other = next(hold for resource, hold in holds.items() if "web2" in resource)
    page = await one.open(f"/incidents/{name}")
    await opened(page, "web1")
    await page.evaluate(
        """(other) => {
            const get = navigator.credentials.get.bind(navigator.credentials);
            navigator.credentials.get = async (options) => {
                const answer = await get(options);
                for (const one of document.querySelectorAll("form [name=hold]")) one.value = other;
                return answer;
            };
        }""",
        other,
    )
    await page.get_by_role("button", name="Undo with a passkey").first.click()
    trouble = page.get_by_role("alert")
    await expect(trouble).to_contain_text("The lease was not undone.")
    await expect(trouble).to_contain_text("the passkey answered for something else than this")
    assert [hold.ended for hold in await ground.holds(name)] == [None, None]


async def test_a_passkey_closes_a_false_positive(ground: Ground, window: Opener) -> None:
    one = await keyed(ground, window, "for closing")
    name = await isolated(ground, "web2")
    page = await one.open(f"/incidents/{name}")
    await page.get_by_text("Close it", exact=True).click()
    await page.get_by_role("button", name="Close as a false positive with a passkey").click()
    await expect(page.get_by_text("What it held is being undone")).to_be_visible()
    assert [hold.ended_by for hold in await ground.holds(name)] == ["cyd"]
    assert await factors(ground, name) == [["console", "passkey"]]
    async with ground.store.reading() as tx:
        query = select(incidents.c.resolution).where(incidents.c.id == name)
        assert (await tx.execute(query)).scalar_one() == "false_positive"


async def test_the_glass_is_broken_with_a_passkey_and_not_without_its_reason(
    ground: Ground, window: Opener
) -> None:
    one = await keyed(ground, window, "for the glass")
    _, run = await ground.incident()
    ask = await ground.ask(run, isolate("web1"), isolate("web2"))
    await one.page.set_viewport_size(PHONE)
    page = await one.open(f"/asks/{ask}")
    await page.get_by_text("Break the glass", exact=True).click()
    await expect(page.get_by_text("CISO is paged at once")).to_be_visible()
    button = page.get_by_role("button", name="Break the glass with a passkey")
    await button.click()  # the browser itself asks for the reason
    reason = page.get_by_label("Why it cannot wait for the others")
    await expect(reason).to_be_focused()
    assert await ground.state(ask) == "open"
    await reason.fill("Nobody else answers their telephone")
    await button.click()
    await expect(page.get_by_text("The CISO is paged with your reason")).to_be_visible()
    await expect(page.locator("#review")).to_contain_text("Nobody else answers their telephone")
    assert await ground.state(ask) == "approved"


async def test_the_priority_is_changed_by_keyboard_alone(ground: Ground, window: Opener) -> None:
    name, _ = await ground.incident()
    page = await (await window()).open(f"/incidents/{name}")
    await page.locator("#act-priority summary").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Priority, now P2")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_label("Priority, now P2")).to_have_value("P1")
    await page.keyboard.press("Tab")
    await page.keyboard.type("it spreads")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Its priority is changed")).to_be_visible()
    await expect(page.locator("#top")).to_contain_text("P1 critical")


async def test_a_form_that_is_filled_in_is_left_alone_and_told_when_it_is_late(
    ground: Ground, window: Opener
) -> None:
    name, _ = await ground.incident()
    page = await (await window()).open(f"/incidents/{name}")
    await page.get_by_text("Change the priority").click()
    await page.get_by_label("Priority, now P2").select_option("P4")
    await page.locator("#priority-reason").fill("it is a test")
    async with Plain(ground, "ben") as ben:
        place = f"/incidents/{name}/priority"
        form = (await ben.open(f"/incidents/{name}")).form(place)
        await ben.send(place, form | {"priority": "P1", "reason": "it spreads"})
    await expect(page.locator("#top")).to_contain_text("P1 critical", timeout=10_000)
    await expect(page.locator("#priority-reason")).to_have_value("it is a test")
    await page.get_by_role("button", name="Change it").click()
    await expect(page.get_by_role("alert")).to_contain_text("changed while you looked: it is P1")
    await expect(page.locator("#priority-reason")).to_have_value("it is a test")
    await expect(page.locator("#top")).to_contain_text("P1 critical")
