"""The routes of second factors, served over a store: whose they are, and what they prove."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pyotp import parse_uri
from pyotp.totp import TOTP
from sqlalchemy import update
from starlette.applications import Starlette

from responder.api import approvals, factors
from responder.api.app import _problem, _refused
from responder.api.route import Problem
from responder.errors import Refused
from responder.people import tokens
from responder.people.person import Directory
from responder.people.token_keys import TokenKeys
from responder.store import Store
from responder.store.tables import asks
from tests.approval.authenticator import Authenticator
from tests.approval.desk import DIGEST, ORIGIN, PEOPLE, Asked
from tests.databases import ManualClock


@pytest.fixture
def database() -> str:
    """SQLite: the rules are tested on both with the approval service."""
    return "sqlite"


class Served:
    """The routes, and everybody's token."""

    def __init__(self, store: Store, clock: ManualClock, folder: Path) -> None:
        self.asked, self.store = Asked(store, clock), store
        self.keys = TokenKeys(folder / "tokens")
        routes = [*factors.routes.declared, *approvals.routes.declared]
        app = Starlette(
            routes=[one.route for one in routes],
            exception_handlers={Problem: _problem, Refused: _refused},
        )
        app.state.parts = SimpleNamespace(
            store=store, deliveries=self.asked.ring, approvals=self.asked.service,
            people=Directory(PEOPLE.values()), token_keys=self.keys,
            settings=SimpleNamespace(api=SimpleNamespace(origin=ORIGIN)), link=None,
        )  # fmt: skip
        transport = httpx.ASGITransport(app)
        self.http = httpx.AsyncClient(transport=transport, base_url=ORIGIN)
        self._tokens: dict[str, str] = {}

    async def ask(self, who: str, method: str, path: str, **body: Any) -> tuple[int, Any]:
        """The status, and the answer or what was said."""
        if who not in self._tokens:
            self._tokens[who] = await tokens.issue(self.store, self.keys, who)
        headers = {"authorization": f"Bearer {self._tokens[who]}"}
        answer = await self.http.request(
            method, path, headers=headers, json=body if method == "POST" else None
        )
        found = answer.json()
        return answer.status_code, found if answer.is_success else found["detail"]

    async def ok(self, who: str, method: str, path: str, **body: Any) -> Any:
        """The answer of what must work."""
        status, found = await self.ask(who, method, path, **body)
        assert status == 200, found
        return found

    async def ticket(self) -> str:
        """A ticket for ana, from ben, who proves his second factor."""
        await self.asked.enrol("ben")
        body = {"code": self.asked.code("ben")}
        made: str = (await self.ok("ben", "POST", "/api/people/ana/ticket", **body))["ticket"]
        return made

    def code(self, address: str, steps: int = 0) -> str:
        made = parse_uri(address)
        assert isinstance(made, TOTP)
        return made.generate_otp(int(self.asked.clock.now.timestamp()) // 30 + steps)


@pytest_asyncio.fixture
async def served(store: Store, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Served]:
    one = Served(store, clock, tmp_path)
    yield one
    await one.http.aclose()


async def test_from_an_admin_s_ticket_to_an_approval_by_passkey(served: Served) -> None:
    ticket = await served.ticket()
    status, said = await served.ask("ana", "POST", "/api/people/ana/passkeys/options")
    assert (status, "needs an admin's ticket" in said) == (403, True)

    device = Authenticator(ORIGIN)
    options = await served.ok("ana", "POST", "/api/people/ana/passkeys/options", ticket=ticket)
    made = {"name": "ana's phone", "credential": device.create(options)}
    await served.ok("ana", "POST", "/api/people/ana/passkeys", **made)

    ask = await served.asked.ask()
    answer = device.get(await served.ok("ana", "POST", f"/api/asks/{ask}/challenge"))
    verdict = {"approve": True, "digest": DIGEST[:12], "passkey": answer}
    decided = await served.ok("ana", "POST", f"/api/asks/{ask}/decisions", **verdict)
    assert decided["state"] == "approved"
    found = await served.ok("ben", "GET", "/api/people/ana/factors")
    assert [one["name"] for one in found["passkeys"]] == ["ana's phone"]
    assert (found["totp"], found["backup_codes_left"]) == (False, None)


async def test_one_s_own_factors_follow_from_one_another(served: Served) -> None:
    ticket = await served.ticket()
    address = (await served.ok("ana", "POST", "/api/people/ana/factor", ticket=ticket))["otpauth"]
    path = "/api/people/ana/backup-codes"
    assert (await served.ask("ana", "POST", path))[0] == 403
    codes = (await served.ok("ana", "POST", path, code=served.code(address)))["codes"]
    device = Authenticator(ORIGIN)
    options = await served.ok("ana", "POST", "/api/people/ana/passkeys/options", code=codes[0])
    made = {"name": "key", "credential": device.create(options)}
    await served.ok("ana", "POST", "/api/people/ana/passkeys", **made)
    answer = device.get(await served.ok("ana", "POST", "/api/people/ana/challenge"))
    gone = {"passkey_name": "key", "passkey": answer}
    await served.ok("ana", "POST", "/api/people/ana/passkeys/remove", **gone)
    found = await served.ok("ana", "GET", "/api/people/ana/factors")
    assert (found["totp"], found["backup_codes_left"], found["passkeys"]) == (True, 9, [])


@pytest.mark.parametrize(
    "what", ["factors", "factor", "backup-codes", "passkeys", "passkeys/options", "challenge",
             "passkeys/remove", "ticket"],
)  # fmt: skip
async def test_nobody_but_an_admin_comes_near_another_s(served: Served, what: str) -> None:
    method = "GET" if what == "factors" else "POST"
    body = {"name": "k", "credential": {}, "passkey_name": "k"} if method == "POST" else {}
    for who in ("cyd", "vic", "api"):
        status, said = await served.ask(who, method, f"/api/people/ana/{what}", **body)
        assert status == 403, said


@pytest.mark.parametrize("what", ["factor", "backup-codes", "passkeys", "passkeys/options"])
async def test_an_admin_never_holds_what_is_another_s_alone(served: Served, what: str) -> None:
    body = {"name": "k", "credential": {}}
    status, said = await served.ask("ben", "POST", f"/api/people/ana/{what}", **body)
    assert (status, "only ana makes these" in said) == (403, True)


async def test_an_admin_with_a_factor_proves_it_for_every_change(served: Served) -> None:
    address = (await served.ok("ben", "POST", "/api/people/ben/factor"))["otpauth"]
    assert await served.asked.told("enrolled/ben/") == {"ben", "security"}
    changes = {"ana/passkeys/remove": {"passkey_name": "k"}, "ana/ticket": {}, "ben/factor": {}}
    for path, body in changes.items():
        status, said = await served.ask("ben", "POST", f"/api/people/{path}", **body)
        assert (status, "ben: expected a code" in said) == (403, True)
    code = served.code(address)
    assert (await served.ok("ben", "POST", "/api/people/ana/ticket", code=code))["person"] == "ana"


async def test_an_admin_without_a_factor_gives_nobody_a_ticket(served: Served) -> None:
    for name in ("ana", "ben"):
        status, said = await served.ask("ben", "POST", f"/api/people/{name}/ticket")
        assert (status, "ben has no second factor, and this needs one" in said) == (403, True)
    assert await served.asked.audited("ticket") == []


async def test_a_challenge_is_for_the_purpose_that_was_named(served: Served) -> None:
    device, path = Authenticator(ORIGIN), "/api/people/ben/passkeys"
    options = await served.ok("ben", "POST", f"{path}/options")
    await served.ok("ben", "POST", path, name="key", credential=device.create(options))
    asked = await served.ok("ben", "POST", "/api/people/ben/challenge", purpose="token")
    status, said = await served.ask(
        "ben", "POST", "/api/people/ben/factor", passkey=device.get(asked)
    )
    assert (status, "answered for something else than this" in said) == (403, True)
    status, said = await served.ask("ben", "POST", "/api/people/ben/challenge", purpose="anything")
    assert status == 422


async def test_who_is_not_in_the_settings_is_not_found(served: Served) -> None:
    status, said = await served.ask("ben", "GET", "/api/people/nobody/factors")
    assert (status, said) == (404, "the settings name no person nobody")


async def test_an_approval_without_the_plan_s_digest_is_refused(served: Served) -> None:
    ask = await served.asked.ask()
    status, said = await served.ask("ana", "POST", f"/api/asks/{ask}/decisions", approve=True)
    assert (status, "expected the plan's digest" in said) == (403, True)


async def test_the_number_stands_with_the_plan_and_not_in_the_list(served: Served) -> None:
    ask = await served.asked.ask()
    async with served.store.transaction() as tx:
        await tx.execute(update(asks).values(number=42))
    assert (await served.ok("ana", "GET", f"/api/asks/{ask}"))["number"] == 42
    assert [one["number"] for one in await served.ok("ana", "GET", "/api/asks")] == [None]
