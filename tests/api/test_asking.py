"""The routes beside deciding: a glass broken by passkey, its review, who was told, reports."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import update
from starlette.applications import Starlette

from responder.api import approvals, asking, factors
from responder.api.app import _problem, _refused
from responder.api.route import Problem
from responder.approval.settings import ApprovalSettings
from responder.errors import Refused
from responder.people.person import Directory
from responder.policy.judge import Policy
from responder.store import Store
from responder.store.tables import asks
from responder.verbs.context import Kinds
from tests.api.test_factors import Served
from tests.approval.authenticator import Authenticator
from tests.approval.desk import DIGEST, ORIGIN, PEOPLE, TWO
from tests.databases import ManualClock

REASON = "nobody else answers and it spreads"


@pytest.fixture
def database() -> str:
    """SQLite: the rules are tested on both with the approval service."""
    return "sqlite"


@pytest_asyncio.fixture
async def served(store: Store, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Served]:
    one = Served(store, clock, tmp_path)
    await one.http.aclose()
    routes = [r for room in (factors, approvals, asking) for r in room.routes.declared]
    app = Starlette(
        routes=[route.route for route in routes],
        exception_handlers={Problem: _problem, Refused: _refused},
    )
    app.state.parts = SimpleNamespace(
        store=store, deliveries=one.asked.ring, approvals=one.asked.service, link=None,
        people=Directory(PEOPLE.values()), token_keys=one.keys, signer=one.asked.signer,
        policy=Policy(), kinds=Kinds.of((), (), ()),
        settings=SimpleNamespace(
            api=SimpleNamespace(origin=ORIGIN), approvals=ApprovalSettings()
        ),
    )  # fmt: skip
    one.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN)
    yield one
    await one.http.aclose()


async def t3(served: Served) -> str:
    ask = await served.asked.ask(needs=TWO)
    async with served.store.transaction() as tx:
        await tx.execute(update(asks).values(tier="T3", plan={"changes": []}))
    return ask


async def with_a_passkey(served: Served) -> Authenticator:
    """Ana's device, registered."""
    device = Authenticator(ORIGIN)
    ticket = await served.ticket()
    options = await served.ok("ana", "POST", "/api/people/ana/passkeys/options", ticket=ticket)
    made = {"name": "ana's phone", "credential": device.create(options)}
    await served.ok("ana", "POST", "/api/people/ana/passkeys", **made)
    return device


async def test_who_has_a_passkey_breaks_the_glass_with_it_and_with_nothing_else(
    served: Served,
) -> None:
    device, ask = await with_a_passkey(served), await t3(served)
    await served.asked.enrol("ana")
    path = f"/api/asks/{ask}/break-glass"
    given = {"reason": REASON, "digest": DIGEST}
    status, said = await served.ask("ana", "POST", path, **given, code=served.asked.code("ana"))
    assert (status, "you have a passkey" in said) == (403, True)

    ordinary = device.get(await served.ok("ana", "POST", f"/api/asks/{ask}/challenge"))
    status, said = await served.ask("ana", "POST", path, **given, passkey=ordinary)
    assert (status, "for something else than this" in said) == (403, True)

    answer = device.get(await served.ok("ana", "POST", f"{path}/challenge"))
    done = await served.ok("ana", "POST", path, **given, passkey=answer)
    assert done["state"] == "approved"
    shown = await served.ok("ben", "GET", f"/api/asks/{ask}")
    assert shown["decisions"][0]["document"]["factors"] == ["break-glass", "passkey"]

    (due,) = await served.ok("vic", "GET", "/api/approvals/reviews")
    assert (due["id"], due["person"], due["reason"]) == (done["review"], "ana", REASON)
    review = f"/api/approvals/reviews/{due['id']}"
    found = {"verdict": "justified", "reason": "it was"}
    assert (await served.ask("ana", "POST", review, **found))[0] == 403
    assert (await served.ok("ben", "POST", review, **found))["reviewer"] == "ben"
    assert await served.ok("vic", "GET", "/api/approvals/reviews") == []


async def test_a_reason_of_nine_characters_is_sent_back(served: Served) -> None:
    ask = await t3(served)
    path = f"/api/asks/{ask}/break-glass"
    status, said = await served.ask("ana", "POST", path, reason="too short", digest=DIGEST)
    assert (status, "at least 10 characters" in said) == (422, True)


async def test_what_is_shown_says_who_opened_it_and_how_fast_they_were(served: Served) -> None:
    ask = await served.asked.ask()
    await served.ok("ana", "GET", f"/api/asks/{ask}")
    await served.ok("vic", "GET", f"/api/asks/{ask}")
    served.asked.clock.advance(seconds=2)
    await served.ok("ana", "POST", f"/api/asks/{ask}/decisions", approve=False)
    shown = await served.ok("ben", "GET", f"/api/asks/{ask}")
    assert [one["after"] for one in shown["decisions"]] == [2.0]
    assert [one["person"] for one in shown["told"]] == ["ana"]
    (ana,) = await served.ok("vic", "GET", "/api/approvals/stamps")
    assert (ana["person"], ana["decided"], ana["stamps"]) == ("ana", 1, 1)


async def test_a_report_keeps_the_requester_quiet_until_an_admin_says_otherwise(
    served: Served,
) -> None:
    ask = await served.asked.ask()
    body = {"approve": False, "report": True, "reason": "no alert says so"}
    assert (await served.ok("ana", "POST", f"/api/asks/{ask}/decisions", **body))[
        "state"
    ] == "denied"
    path = "/api/incidents/IR-1/unmute"
    assert (await served.ask("ana", "POST", path))[0] == 403
    assert (await served.ok("ben", "POST", path)) == {"incident": "IR-1", "reports": 1}


async def test_an_ask_of_no_playbooks_plan_is_not_edited(served: Served) -> None:
    ask = await served.asked.ask()
    body = {"reason": "shorter", "digest": DIGEST, "lasts": 3600}
    status, said = await served.ask("ana", "POST", f"/api/asks/{ask}/edit", **body)
    assert (status, "not edited" in said) == (403, True)
