"""
One stolen token of an admin, against every route: it never becomes a second person.

Once as it is, once with the thief holding the admin's authenticator app as well.
"""

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
from pyotp import parse_uri
from pyotp.totp import TOTP
from sqlalchemy import delete, select

from responder.api.app import make_app, make_parts
from responder.api.parts import Parts
from responder.approval import totp
from responder.people import passwords, tokens
from responder.settings import Settings
from responder.store.factors import backup_codes, enrolment_tickets, factors, passkeys
from responder.store.sessions import passwords as password_rows
from responder.store.sessions import sessions
from responder.store.sessions import tokens as token_rows
from tests.approval.desk import DIGEST, TWO, Asked
from tests.databases import ManualClock, hasty
from tests.e2e.runner import free_ports
from tests.people.test_role_route_matrix import ROUTES

pytestmark = pytest.mark.asyncio(loop_scope="module")
PERSON: Final = "/api/people/ben"
KEPT: Final = {
    "token": (token_rows, "digest"),
    "session": (sessions, "digest"),
    "password": (password_rows, "hash"),
    "authenticator app": (factors, "secret"),
    "backup code": (backup_codes, "hash"),
    "passkey": (passkeys, "id"),
}
CREDENTIAL: Final = {"id": "x", "response": {"clientDataJSON": "e30"}}
# What makes or changes an identity, with all that it reads, and what a thief gets at best.
MAKES: Final[dict[str, dict[str, Any]]] = {
    f"{PERSON}/token": {"lifetime": "PT1H"},
    f"{PERSON}/factor": {},
    f"{PERSON}/backup-codes": {},
    f"{PERSON}/passkeys/options": {},
    f"{PERSON}/passkeys": {"name": "key", "credential": CREDENTIAL},
    f"{PERSON}/passkeys/remove": {"passkey_name": "key"},
}
PROVED: Final[dict[str, dict[str, Any]]] = {
    f"{PERSON}/ticket": {},
    "/api/token-keys/rotate": {"reason": "why not"},
    "/api/people/root/token": {"lifetime": "PT1H"},
}
FORBIDDEN, GOOD, UNKNOWN = 403, 200, 401


class House:
    """The app with its real parts, and a thief with root's token."""

    def __init__(self, parts: Parts, client: httpx.AsyncClient) -> None:
        self.parts, self.client, self.headers = parts, client, {"authorization": ""}

    async def steal(self) -> None:
        """A new token of root, after whatever happened to the one before."""
        token = await tokens.issue(self.parts.store, self.parts.token_keys, "root")
        self.headers = {"authorization": f"Bearer {token}"}

    async def enrol(self, name: str) -> str:
        """A new authenticator app for *name*; returns a code of it that was not used."""
        async with self.parts.store.transaction() as tx:
            made = parse_uri(await totp.enrol(tx, self.parts.deliveries, name))
        assert isinstance(made, TOTP)
        return str(made.at(self.parts.store.now()))

    async def post(self, path: str, **body: Any) -> httpx.Response:
        """What the thief is answered."""
        return await self.client.post(path, json=body, headers=self.headers)

    async def kept(self) -> set[tuple[str, str, Any]]:
        """Everything that lets somebody other than root in, or proves that they are it."""
        found: set[tuple[str, str, Any]] = set()
        async with self.parts.store.reading() as tx:
            for kind, (table, column) in KEPT.items():
                query = select(table.c.principal, table.c[column])
                rows = (await tx.execute(query.where(table.c.principal != "root"))).all()
                found |= {(kind, *row) for row in rows}
        return found

    async def forget(self) -> None:
        """Nobody has a second factor."""
        async with self.parts.store.transaction() as tx:
            for table in (factors, backup_codes, passkeys, enrolment_tickets):
                await tx.execute(delete(table))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def built(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    state = tmp_path_factory.mktemp("stolen")
    shutil.copy(sqlite_template, state / "responder.sqlite")
    api, temporal, ui = free_ports(3)
    given: dict[str, Any] = {
        "state": state,
        "api": {"port": api, "public_url": "https://responder.example.com"},
        "temporal": {"port": temporal, "ui_port": ui},
        "people": [
            {"name": "root", "roles": ["admin"]},
            {"name": "ben", "roles": ["admin"]},
            {"name": "ana", "roles": ["operator"]},
        ],
        "protect_surroundings": False,
    }
    parts = await make_parts(Settings(**given))
    hasty(parts.store)
    await passwords.set_password(parts.store, "ben", "correct horse battery", by="root")
    transport = httpx.ASGITransport(make_app(parts), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://responder") as client:
        yield House(parts, client)
    await parts.store.close()


@pytest_asyncio.fixture(loop_scope="module")
async def house(built: House) -> House:
    await built.forget()
    await built.steal()
    return built


@pytest.mark.parametrize("has", ["nobody", "ana"])
async def test_a_token_alone_makes_nobody_else(house: House, has: str) -> None:
    if has == "ana":
        await house.enrol("ana")
    before = await house.kept()
    for path, body in (MAKES | PROVED).items():
        answer = await house.post(path, **body)
        assert answer.status_code == FORBIDDEN, (path, answer.text)
    assert await house.kept() == before


async def test_a_token_alone_begins_with_no_factor_once_anybody_has_one(house: House) -> None:
    await house.enrol("ana")
    for what in ("factor", "backup-codes", "passkeys/options"):
        answer = await house.post(f"/api/people/root/{what}")
        assert (answer.status_code, "no second factor yet" in answer.text) == (FORBIDDEN, True)


async def test_a_token_and_its_owner_s_app_make_nobody_else(house: House) -> None:
    await house.enrol("ana")
    before = await house.kept()
    for path, body in MAKES.items():
        answer = await house.post(path, **body, code=await house.enrol("root"))
        assert answer.status_code in (FORBIDDEN, 422), (path, answer.text)
    assert await house.kept() == before


async def test_a_ticket_is_of_no_use_to_who_gave_it(house: House) -> None:
    before, code = await house.kept(), await house.enrol("root")
    given = await house.post(f"{PERSON}/ticket", code=code)
    assert given.status_code == GOOD, given.text
    ticket = given.json()["ticket"]
    for name in ("ben", "root", "ana"):
        for what in ("factor", "backup-codes", "passkeys/options"):
            answer = await house.post(f"/api/people/{name}/{what}", ticket=ticket)
            assert answer.status_code == FORBIDDEN, (name, what, answer.text)
    assert await house.kept() == before


@pytest.mark.parametrize("with_app", [False, True])
async def test_no_route_at_all_makes_a_second_person(house: House, *, with_app: bool) -> None:
    await house.enrol("ana")
    before, said = await house.kept(), {}
    for route in ROUTES:
        method, path = route.split(" ", 1)
        if path == "/events" or method == "OPTIONS":
            continue  # a stream without an end; what lets other sites' pages ask
        filled = re.sub(r"\{\w+\}", "ben", path)
        for body in ({}, MAKES.get(filled) or PROVED.get(filled) or {"name": "ben"}):
            more = {"code": await house.enrol("root")} if with_app else {}
            sent: dict[str, Any] = {} if method == "GET" else {"json": body | more}
            got = await house.client.request(method, filled, headers=house.headers, **sent)
            said[route] = got.text
            if got.status_code == UNKNOWN:
                await house.steal()  # signed out by what was tried
    assert await house.kept() <= before
    for route, text in said.items():
        for token in re.findall(r"eyJ[\w.-]{100,}", text):
            claimed = await tokens.holder(house.parts.store, house.parts.token_keys, token)
            assert claimed in (None, "root"), route


async def test_what_takes_two_people_stays_open_whatever_one_token_does(house: House) -> None:
    clock = ManualClock()
    clock.now = house.parts.store.now()
    ask = await Asked(house.parts.store, clock).ask(needs=TWO)
    for path, body in MAKES.items():
        await house.post(path, **body, code=await house.enrol("root"))
    ticket = (await house.post(f"{PERSON}/ticket", code=await house.enrol("root"))).json()["ticket"]
    await house.post(f"{PERSON}/factor", ticket=ticket)
    states = []
    for _ in range(3):
        verdict = {"approve": True, "digest": DIGEST, "code": await house.enrol("root")}
        states.append((await house.post(f"/api/asks/{ask}/decisions", **verdict)).status_code)
    assert states == [GOOD, FORBIDDEN, FORBIDDEN]
    found = await house.client.get(f"/api/asks/{ask}", headers=house.headers)
    assert found.json()["state"] == "open"
    assert [one["principal"] for one in found.json()["decisions"]] == ["root"]
