"""Signing in and out, tokens and keys over HTTP: the real app in process, with its real parts."""

import re
import shutil
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import KeySet
from pyotp import parse_uri
from pyotp.totp import TOTP
from sqlalchemy import delete, select

from responder.api.app import make_app, make_parts
from responder.api.parts import Parts
from responder.api.route import CSRF
from responder.approval import totp
from responder.people import passwords, sessions, tokens
from responder.settings import Settings
from responder.store.factors import factors
from responder.store.sessions import login_tries
from responder.store.tables import audit, messages
from tests.databases import hasty
from tests.e2e.runner import free_ports
from tests.people.oidc_provider import CLIENT, SECRET, Provider, running

pytestmark = pytest.mark.asyncio(loop_scope="module")
PASSWORD = "correct horse battery"
ORIGIN = "https://responder.example.com"
COOKIE = "__Host-responder_session"
FROM_PAGE = {"origin": ORIGIN}


class House:
    """The app, and ana with her password and her authenticator app."""

    def __init__(self, parts: Parts, provider: Provider) -> None:
        self.parts, self.provider = parts, provider
        self.app = make_app(parts)

    def client(self) -> httpx.AsyncClient:
        """A browser, or a program, without anything yet."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=ORIGIN)

    async def code(self, name: str = "ana") -> str:
        """A code of somebody's authenticator app that was not used yet: the app is a new one each time."""
        store = self.parts.store
        async with store.transaction() as tx:
            await tx.execute(delete(factors))
            address = await totp.enrol(tx, self.parts.deliveries, name)
        made = parse_uri(address)
        assert isinstance(made, TOTP)
        return str(made.at(store.now()))

    async def typed(self, **more: Any) -> dict[str, Any]:
        """What ana types."""
        return {"name": "ana", "password": PASSWORD, "code": await self.code()} | more

    async def signed_in(self, client: httpx.AsyncClient) -> dict[str, str]:
        """ana signs in with that browser; returns the headers that her pages send."""
        answer = await client.post("/login", json=await self.typed(), headers=FROM_PAGE)
        assert answer.status_code == 200, answer.text
        csrf = (await client.get("/api/me")).json()["session"]["csrf"]
        return FROM_PAGE | {CSRF: csrf}

    async def bearer(self, name: str) -> dict[str, str]:
        """A token's header."""
        token = await tokens.issue(self.parts.store, self.parts.token_keys, name)
        return {"authorization": f"Bearer {token}"}

    async def kinds(self) -> list[str]:
        """What the audit holds."""
        async with self.parts.store.reading() as tx:
            return list((await tx.execute(select(audit.c.kind).order_by(audit.c.seq))).scalars())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def built(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    state = tmp_path_factory.mktemp("signing-in")
    shutil.copy(sqlite_template, state / "responder.sqlite")
    api, temporal, ui = free_ports(3)
    with running(f"{ORIGIN}/login/oidc/callback") as provider:
        given: dict[str, Any] = {
            "state": state,
            "api": {"port": api, "public_url": ORIGIN},
            "temporal": {"port": temporal, "ui_port": ui},
            "people": [
                {
                    "name": "ana",
                    "roles": ["operator"],
                    "oidc": {"issuer": provider.url, "subject": "subject-of-ana"},
                },
                {"name": "ben", "roles": ["operator"]},
                {"name": "root", "roles": ["admin"]},
            ],
            "login": {
                "oidc": {"issuer": provider.url, "client_id": CLIENT, "client_secret": SECRET}
            },
            "protect_surroundings": False,
        }
        parts = await make_parts(Settings(**given))
        hasty(parts.store)
        await passwords.set_password(parts.store, "ana", PASSWORD, by="root")
        yield House(parts, provider)
        await parts.store.close()


@pytest_asyncio.fixture(loop_scope="module")
async def house(built: House) -> House:
    """The house with nobody locked out."""
    async with built.parts.store.transaction() as tx:
        await tx.execute(delete(login_tries))
    built.provider.user, built.provider.bend = "subject-of-ana", {}
    return built


async def test_a_program_signs_in_with_json_and_gets_a_cookie_that_no_script_reads(
    house: House,
) -> None:
    async with house.client() as client:
        answer = await client.post("/login", json=await house.typed(), headers=FROM_PAGE)

    assert (answer.status_code, answer.json()) == (200, {"signed_in": "ana"})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    for said in ("HttpOnly", "Secure", "SameSite=strict", "Path=/", "Max-Age=3600"):
        assert said in cookie
    assert "Domain" not in cookie
    assert answer.headers["cache-control"] == "no-store"


async def test_a_form_signs_in_and_leads_on_to_a_page_of_ours(house: House) -> None:
    for wanted, led in (
        ("/asks/a1?x=1", "/asks/a1?x=1"),
        ("", "/"),
        ("https://203.0.113.9/", "/"),
        ("//203.0.113.9/", "/"),
        ("/\\203.0.113.9", "/"),
    ):
        async with house.client() as client:
            form = await house.typed(next=wanted)
            answer = await client.post("/login", data=form, headers=FROM_PAGE)
            assert (answer.status_code, answer.headers["location"]) == (303, led)
            assert (await client.get("/api/me")).json()["person"] == "ana"


async def test_a_form_that_is_refused_leads_back_with_one_word(house: House) -> None:
    async with house.client() as client:
        form = await house.typed(password="incorrect horse battery", next="/asks")
        answer = await client.post("/login", data=form, headers=FROM_PAGE)

    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?trouble=refused&next=/asks"
    assert "set-cookie" not in answer.headers


async def test_a_program_that_is_refused_is_told_in_json(house: House) -> None:
    async with house.client() as client:
        wrong = await house.typed(code="000000")
        said = [await client.post("/login", json=wrong, headers=FROM_PAGE) for _ in range(6)]

    assert [one.status_code for one in said] == [403] * 5 + [429]
    assert "do not go together" in said[0].json()["detail"]
    assert "wait as long" in said[5].json()["detail"]


@pytest.mark.parametrize(
    "headers", [{}, {"origin": "https://203.0.113.9"}, {"origin": "null"}, {"origin": ORIGIN + "/"}]
)
async def test_only_a_page_of_ours_may_sign_somebody_in(
    house: House, headers: dict[str, str]
) -> None:
    async with house.client() as client:
        typed = await house.typed()
        for answer in (
            await client.post("/login", json=typed, headers=headers),
            await client.post("/login", data=typed, headers=headers),
            await client.post("/login/challenge", json=typed, headers=headers),
        ):
            assert answer.status_code == 403
            assert "set-cookie" not in answer.headers


async def test_signing_out_ends_the_session_for_good(house: House) -> None:
    async with house.client() as client:
        page = await house.signed_in(client)
        kept = client.cookies[COOKIE]

        answer = await client.post("/logout", json={}, headers=page)

        assert answer.json() == {"signed_out": True}
        assert (await client.get("/api/me")).status_code == 401
    async with house.client() as thief:
        thief.cookies.set(COOKIE, kept)
        assert (await thief.get("/api/me")).status_code == 401


async def test_signing_out_by_a_form_leads_to_the_login(house: House) -> None:
    async with house.client() as client:
        page = await house.signed_in(client)

        answer = await client.post("/logout", data={CSRF: page[CSRF]}, headers=FROM_PAGE)

    assert answer.headers["location"] == "/login?done=signed-out"


async def test_nobody_is_signed_out_by_another_site(house: House) -> None:
    async with house.client() as client:
        page = await house.signed_in(client)
        for headers in ({}, FROM_PAGE, page | {"origin": "https://203.0.113.9"}):
            assert (await client.post("/logout", json={}, headers=headers)).status_code == 403

        assert (await client.get("/api/me")).status_code == 200


async def test_a_form_carries_the_csrf_value_as_a_field(house: House) -> None:
    async with house.client() as client:
        page = await house.signed_in(client)
        good, bad = {CSRF: page[CSRF], "reason": "x"}, {CSRF: "x", "reason": "x"}

        let_in = await client.post("/api/pause", data=good, headers=FROM_PAGE)
        stopped = await client.post("/api/pause", data=bad, headers=FROM_PAGE)

    assert let_in.status_code == 422  # it is JSON that this route reads: it was let in
    assert (stopped.status_code, CSRF in stopped.text) == (403, True)


async def test_over_https_only_the_cookie_with_the_prefix_counts(house: House) -> None:
    token = await sessions.begin(
        house.parts.store,
        house.parts.deliveries,
        "ana",
        method="password",
        factors=("password", "totp"),
        agent="",
    )
    async with house.client() as client:
        client.cookies.set("responder_session", token)
        assert (await client.get("/api/me")).status_code == 401


async def test_a_token_is_no_session_and_a_session_no_token(house: House) -> None:
    token = (await house.bearer("ana"))["authorization"].removeprefix("Bearer ")
    session = await sessions.begin(
        house.parts.store,
        house.parts.deliveries,
        "ana",
        method="password",
        factors=("password", "totp"),
        agent="",
    )
    async with house.client() as client:
        as_bearer = {"authorization": f"Bearer {session}"}
        assert (await client.get("/api/me", headers=as_bearer)).status_code == 401
        client.cookies.set(COOKIE, token)
        assert (await client.get("/api/me")).status_code == 401


# -- by a provider -----------------------------------------------------------------------------


async def at_provider(house: House, client: httpx.AsyncClient, to: str = "") -> str:
    going = await client.get(f"/login/oidc{to}")
    assert going.status_code == 303
    async with httpx.AsyncClient() as outside:
        return str((await outside.get(going.headers["location"])).headers["location"])


async def test_somebody_signs_in_by_the_provider_and_goes_on_where_they_wanted(
    house: House,
) -> None:
    async with house.client() as client:
        back = await at_provider(house, client, "?next=/asks/a1")
        sent = dict(parse_qsl(urlsplit(back).query))

        answer = await client.get(back)

        assert sent.keys() >= {"code", "state"}
        assert answer.status_code == 200
        assert 'content="0;url=/asks/a1"' in answer.text
        assert "SameSite=strict" in answer.headers["set-cookie"]
        me = (await client.get("/api/me")).json()
        assert (me["person"], me["session"]["method"]) == ("ana", "oidc")
        assert "__Host-responder_oidc" not in client.cookies
        assert (await client.get(back)).status_code == 403  # the same answer again


async def test_the_cookie_for_the_way_there_comes_back_from_another_site(house: House) -> None:
    async with house.client() as client:
        answer = await client.get("/login/oidc")

    cookie = answer.headers["set-cookie"]
    assert "SameSite=lax" in cookie
    for said in ("__Host-responder_oidc=", "HttpOnly", "Secure", "Max-Age=600"):
        assert said in cookie


@pytest.mark.parametrize("to", ["//203.0.113.9/", "https://203.0.113.9", '/"><script>', "/a b\\"])
async def test_the_way_on_leads_to_no_other_site_and_carries_no_markup(
    house: House, to: str
) -> None:
    async with house.client() as client:
        asked = f"?{httpx.QueryParams(next=to)}"
        answer = await client.get(await at_provider(house, client, asked))

    assert "203.0.113.9" not in answer.text
    assert "<script" not in answer.text


async def test_an_answer_in_another_browser_signs_nobody_in(house: House) -> None:
    async with house.client() as mine, house.client() as victims:
        back = await at_provider(house, mine)
        await victims.get("/login/oidc")

        answer = await victims.get(back)

        assert answer.status_code == 403
        assert "did not begin that sign-in" in answer.text
        assert (await victims.get("/api/me")).status_code == 401


async def test_answers_that_do_not_hold_are_turned_away_after_five(house: House) -> None:
    async with house.client() as client:
        answers = []
        for _ in range(6):
            await client.get("/login/oidc")
            answers.append(await client.get("/login/oidc/callback?state=x&code=y"))

    assert [answer.status_code for answer in answers] == [403] * 5 + [429]
    assert "5 sign-ins failed within 5 minutes" in answers[-1].text
    async with (
        house.client() as other
    ):  # what brings nothing along is not counted, and gets nowhere
        assert (await other.get("/login/oidc/callback?state=x")).status_code == 403


async def test_somebody_whom_nobody_mapped_reads_why_on_a_page(house: House) -> None:
    house.provider.user = "subject-of-somebody"
    async with house.client() as client:
        answer = await client.get(await at_provider(house, client))

    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html")
    assert "is nobody who may sign in here" in answer.text


# -- tokens and sessions -----------------------------------------------------------------------


async def test_somebody_makes_their_own_short_token_with_a_code_and_is_told(house: House) -> None:
    ana = await house.bearer("ana")
    async with house.client() as client:
        path, asked = "/api/people/ana/token", {"lifetime": "PT1H", "code": await house.code()}
        without = await client.post(path, json={"lifetime": "PT1H"}, headers=ana)
        too_long = await client.post(path, json=asked | {"lifetime": "P31D"}, headers=ana)
        answer = await client.post(path, json=asked, headers=ana)
        again = await client.post(path, json=asked, headers=ana)
        token = {"authorization": f"Bearer {answer.json()['token']}"}

        assert (await client.get("/api/me", headers=token)).json()["person"] == "ana"

    assert (without.status_code, "ana: expected a code" in without.text) == (403, True)
    assert (too_long.status_code, "a minute to 30 days" in too_long.text) == (403, True)
    assert (again.status_code, "was used before" in again.text) == (403, True)
    async with house.parts.store.reading() as tx:
        told = (
            await tx.execute(select(messages.c.subject).where(messages.c.audience == "ana"))
        ).scalars()
    assert any("a token of the API was made that acts as ana" in one for one in told)


async def test_nobody_makes_a_token_that_acts_as_somebody_else(house: House) -> None:
    root, before = await house.bearer("root"), await house.kinds()
    body = {"code": await house.code("root")}
    async with house.client() as client:
        answer = await client.post("/api/people/ben/token", json=body, headers=root)

    assert answer.status_code == 403
    assert "responder people token ben --local" in answer.text
    assert await house.kinds() == before


async def test_a_token_is_made_in_the_console_with_a_code(house: House) -> None:
    async with house.client() as client:
        page = await house.signed_in(client)
        form = {CSRF: page[CSRF], "days": "7"}
        without = await client.post("/me/token", data=form, headers=FROM_PAGE)
        typed = form | {"code": await house.code()}
        answer = await client.post("/me/token", data=typed, headers=FROM_PAGE)

    assert (without.status_code, "ana: expected a code" in unescape(without.text)) == (403, True)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    (token,) = re.findall(r"eyJ[\w.-]+", answer.text)
    async with house.client() as client:
        bearer = {"authorization": f"Bearer {token}"}
        assert (await client.get("/api/me", headers=bearer)).json()["person"] == "ana"


async def test_people_see_and_end_their_own_and_an_admin_everybodys(house: House) -> None:
    ana, ben, root = [await house.bearer(name) for name in ("ana", "ben", "root")]
    async with house.client() as client:
        listed = (await client.get("/api/people/ben/access", headers=ben)).json()["tokens"]
        assert (await client.get("/api/people/ben/access", headers=ana)).status_code == 403
        assert (await client.get("/api/people/ben/access", headers=root)).status_code == 200
        which = {"id": listed[0]["id"]}

        assert (
            await client.post("/api/people/ben/tokens/revoke", json=which, headers=ana)
        ).status_code == 403
        assert (
            await client.post("/api/people/ben/tokens/revoke", json=which, headers=root)
        ).json() == {"person": "ben", "revoked": listed[0]["id"]}
        assert (
            await client.post("/api/people/ben/tokens/revoke", json=which, headers=root)
        ).status_code == 404


async def test_signing_somebody_out_ends_every_token_and_every_session(house: House) -> None:
    root, old = await house.bearer("root"), await house.bearer("ana")
    async with house.client() as browser, house.client() as client:
        await house.signed_in(browser)

        answer = await client.post("/api/people/ana/sign-out", headers=root)

        assert answer.json()["sessions"] >= 1
        assert answer.json()["tokens"] >= 1
        assert (await browser.get("/api/me")).status_code == 401
        assert (await client.get("/api/me", headers=old)).status_code == 401
        assert (await client.get("/api/me", headers=root)).status_code == 200
    assert (await house.kinds())[-1] == "signed-out"


async def test_one_session_is_ended_by_its_id(house: House) -> None:
    async with house.client() as one, house.client() as other:
        page = await house.signed_in(one)
        await house.signed_in(other)
        (newest, *_) = (await one.get("/api/people/ana/access")).json()["sessions"]

        answer = await one.post(
            "/api/people/ana/sessions/end", json={"id": newest["id"]}, headers=page
        )

        assert answer.status_code == 200
        assert (await one.get("/api/me")).status_code == 200
        assert (await other.get("/api/me")).status_code == 401


async def test_the_key_that_signs_tokens_is_rotated_with_an_overlap_or_at_once(
    house: House,
) -> None:
    root, old = await house.bearer("root"), await house.bearer("ana")
    async with house.client() as client:
        path = "/api/token-keys/rotate"
        for body in ({}, {"at_once": True}):
            stolen = await client.post(path, json=body, headers=root)
            assert (stolen.status_code, "root has no second factor" in stolen.text) == (403, True)
        proof = {"code": await house.code("root")}
        first = (await client.post(path, json=proof, headers=root)).json()
        assert (await client.get("/api/me", headers=old)).status_code == 200
        published = (await client.get("/.well-known/token-keys.json")).json()
        assert {one["kid"] for one in published["keys"]} == {first["key"], first["old"]}
        new = (await house.bearer("ana"))["authorization"].removeprefix("Bearer ")
        assert (
            jwt.decode(new, KeySet.import_key_set(published), algorithms=["RS256"]).header["kid"]
            == first["key"]
        )

        leaked = {"at_once": True, "reason": "it leaked", "code": await house.code("root")}
        await client.post(path, json=leaked, headers=root)

        fresh = {"authorization": f"Bearer {new}"}
        assert (await client.get("/api/me", headers=fresh)).status_code == 401
        assert (await client.get("/api/me", headers=await house.bearer("ana"))).status_code == 200
    assert "token-key-rotated" in await house.kinds()


async def test_keys_that_the_runner_rotates_for_others_let_nobody_in(house: House) -> None:
    async with house.client() as client:
        theirs = (await client.get("/.well-known/jwks.json")).json()["keys"]
        ours = (await client.get("/.well-known/token-keys.json")).json()["keys"]

    assert not {one["kid"] for one in theirs} & {one["kid"] for one in ours}
