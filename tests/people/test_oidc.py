import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from joserfc.jwk import OctKey, RSAKey
from sqlalchemy import select

from responder.crypto.keyring import KeyRing
from responder.errors import Refused, Unreachable
from responder.people import sessions
from responder.people.oidc import Going, OidcLogin
from responder.people.person import Directory, OidcSubject, Person, Role
from responder.people.settings import Oidc
from responder.store import Store
from responder.store.sessions import oidc_logins
from responder.store.tables import audit
from tests.databases import ManualClock
from tests.people.oidc_provider import CLIENT, SECRET, Provider, running

ORIGIN = "http://localhost:8080"


@pytest.fixture
def database() -> str:
    return "sqlite"


@pytest.fixture(scope="module")
def running_provider() -> Iterator[Provider]:
    with running(f"{ORIGIN}/login/oidc/callback") as provider:
        yield provider


@pytest.fixture
def provider(running_provider: Provider) -> Provider:
    """The provider, honest again."""
    fresh = Provider(running_provider.client.redirect)
    kept = {"url": running_provider.url, "keys": running_provider.keys}
    running_provider.__dict__.update(fresh.__dict__ | kept | {"keys": fresh.keys})
    return running_provider


class Browser:
    """Somebody at a browser, between us and the provider."""

    def __init__(self, store: Store, provider: Provider, **settings: Any) -> None:
        self.store, self.provider = store, provider
        given: dict[str, Any] = {
            "issuer": provider.url, "client_id": CLIENT, "client_secret": SECRET,
        }  # fmt: skip
        people = Directory(
            [
                Person(
                    name="ana",
                    roles=(Role.OPERATOR,),
                    email="ana@example.com",
                    oidc=OidcSubject(issuer=provider.url, subject="subject-of-ana"),
                ),
                Person(name="ben", roles=(Role.OPERATOR,), email="ben@example.com"),
                Person(
                    name="gone",
                    roles=(Role.ADMIN,),
                    active=False,
                    oidc=OidcSubject(issuer=provider.url, subject="subject-of-gone"),
                ),
            ]
        )
        oidc = Oidc(**given | settings)
        self.ring = KeyRing.fresh()
        self.login = OidcLogin(store, self.ring, people, oidc, ORIGIN, timedelta(hours=1))

    async def there(self) -> tuple[Going, dict[str, str]]:
        """To the provider and back: what the callback is called with."""
        going = await self.login.go()
        async with httpx.AsyncClient() as client:
            answer = await client.get(going.url)
        back = answer.headers["location"]
        assert back.startswith(f"{ORIGIN}/login/oidc/callback?"), answer.text
        return going, dict(parse_qsl(urlsplit(back).query))

    async def sign_in(self) -> sessions.Session:
        """All of it."""
        going, answer = await self.there()
        token = await self.login.come_back(going.secret, answer, agent="A browser")
        session = await sessions.holder(self.store, self.ring, token)
        assert session is not None
        return session


@pytest.fixture
async def browser(store: Store, provider: Provider, clock: ManualClock) -> Browser:
    clock.now = datetime.now(UTC)
    return Browser(store, provider)


async def test_somebody_whom_an_admin_mapped_signs_in(browser: Browser) -> None:
    session = await browser.sign_in()

    assert session.principal == "ana"
    assert session.method == "oidc"
    assert session.factors == ("oidc", "otp", "mfa")


async def test_what_is_asked_for_has_state_nonce_and_a_challenge(browser: Browser) -> None:
    going = await browser.login.go()

    sent = dict(parse_qsl(urlsplit(going.url).query))
    assert sent["code_challenge_method"] == "S256"
    assert sent["response_type"] == "code"
    assert len({sent["state"], sent["nonce"], sent["code_challenge"], going.secret}) == 4
    assert going.secret not in going.url


async def test_a_public_client_signs_in_by_pkce_alone(
    store: Store, provider: Provider, browser: Browser
) -> None:
    provider.client.public = True

    session = await Browser(store, provider, client_secret=None).sign_in()

    assert session.principal == "ana"


_BENT: dict[str, dict[str, Any]] = {
    "another nonce": {"bend": {"nonce": "another"}},
    "no nonce": {"bend": {"nonce": ...}},
    "another aud": {"bend": {"aud": "another-client"}},
    "no aud": {"bend": {"aud": ...}},
    "aud a number": {"bend": {"aud": 7}},
    "several aud and no azp": {"bend": {"aud": [CLIENT, "another-client"]}},
    "several aud and another azp": {"bend": {"aud": [CLIENT, "x"], "azp": "x"}},
    "another azp": {"bend": {"azp": "another-client"}},
    "another iss": {"bend": {"iss": "https://id.example.com"}},
    "no iss": {"bend": {"iss": ...}},
    "expired": {"bend": {"exp": int(time.time()) - 120}},
    "no exp": {"bend": {"exp": ...}},
    "exp text": {"bend": {"exp": "9999999999"}},
    "no iat": {"bend": {"iat": ...}},
    "from the future": {"bend": {"iat": int(time.time()) + 3600}},
    "issued long ago": {"bend": {"iat": int(time.time()) - 3600}},
    "proved ten minutes ago": {"bend": {"auth_time": int(time.time()) - 600}},
    "proved in the future": {"bend": {"auth_time": int(time.time()) + 3600}},
    "no sub": {"bend": {"sub": ...}},
    "sub empty": {"bend": {"sub": ""}},
    "sub a number": {"bend": {"sub": 1}},
    "alg none": {"header": {"alg": "none"}},
    "alg none and no kid": {"header": {"alg": "none", "kid": ...}},
    "HS256 with the client secret": {
        "header": {"alg": "HS256"}, "key": OctKey.import_key(SECRET),
    },
    "RS512, which is not allowed": {"header": {"alg": "RS512"}},
    "another key under the same kid": {"key": RSAKey.generate_key(2048)},
    "another key under an unknown kid": {
        "key": RSAKey.generate_key(2048), "header": {"kid": "k9"},
    },
    "a jwk in the header": {
        "key": (stranger := RSAKey.generate_key(2048)),
        "header": {"jwk": stranger.as_dict(private=False)},
    },
    "a jku in the header": {"header": {"jku": "https://203.0.113.9/jwks"}},
    "not a token": {"raw": "not.a.token"},
    "nothing": {"raw": ""},
}  # fmt: skip


@pytest.mark.parametrize("name", _BENT)
async def test_an_id_token_that_does_not_hold_signs_nobody_in(
    name: str, browser: Browser, provider: Provider
) -> None:
    provider.__dict__.update(_BENT[name])

    with pytest.raises(Refused, match=r"ID token.*nobody is signed in"):
        await browser.sign_in()

    assert await sessions.of(browser.store, "ana") == []
    async with browser.store.reading() as tx:
        assert (await tx.execute(select(audit.c.kind))).scalars().all() == ["sign-in-refused"]


async def test_an_answer_with_another_state_signs_nobody_in(browser: Browser) -> None:
    going, answer = await browser.there()

    with pytest.raises(Refused, match="this browser did not begin that sign-in"):
        await browser.login.come_back(going.secret, answer | {"state": "x"}, agent="")
    with pytest.raises(Refused, match="did not begin"):
        await browser.login.come_back(going.secret, {"code": answer["code"]}, agent="")


async def test_an_answer_that_another_browser_asked_for_signs_nobody_in(browser: Browser) -> None:
    _, answer = await browser.there()
    other = await browser.login.go()

    for secret in (other.secret, "", "x"):
        with pytest.raises(Refused, match="did not begin"):
            await browser.login.come_back(secret, answer, agent="")


async def test_the_same_answer_twice_signs_in_once(browser: Browser) -> None:
    going, answer = await browser.there()
    await browser.login.come_back(going.secret, answer, agent="")

    with pytest.raises(Refused, match="was finished before"):
        await browser.login.come_back(going.secret, answer, agent="")

    assert len(await sessions.of(browser.store, "ana")) == 1


async def test_a_code_that_was_used_elsewhere_is_worth_nothing(browser: Browser) -> None:
    first, answer = await browser.there()
    await browser.login.come_back(first.secret, answer, agent="")
    again, fresh = await browser.there()

    with pytest.raises(Refused, match="did not take the code"):
        await browser.login.come_back(again.secret, fresh | {"code": answer["code"]}, agent="")


async def test_a_code_of_another_sign_in_does_not_fit_the_verifier(browser: Browser) -> None:
    _, stolen = await browser.there()
    mine, answer = await browser.there()

    with pytest.raises(Refused, match="did not take the code"):
        await browser.login.come_back(mine.secret, answer | {"code": stolen["code"]}, agent="")


async def test_an_answer_that_comes_late_signs_nobody_in(
    browser: Browser, clock: ManualClock
) -> None:
    going, answer = await browser.there()
    clock.advance(minutes=10)

    with pytest.raises(Refused, match="took longer than 10 minutes"):
        await browser.login.come_back(going.secret, answer, agent="")


async def test_an_answer_of_another_provider_signs_nobody_in(browser: Browser) -> None:
    going, answer = await browser.there()

    with pytest.raises(Refused, match="another provider answered"):
        await browser.login.come_back(
            going.secret, answer | {"iss": "https://id.example.com"}, agent=""
        )


async def test_what_the_provider_refuses_is_said(browser: Browser) -> None:
    going, answer = await browser.there()
    refused = {"state": answer["state"], "error": "access_denied"}

    with pytest.raises(Refused, match="the provider said 'access_denied'"):
        await browser.login.come_back(going.secret, refused, agent="")


@pytest.mark.parametrize("user", ["subject-of-nobody", "ana", "ben", "subject-of-gone", "gone"])
async def test_a_subject_that_no_admin_mapped_or_that_has_left_is_nobody(
    browser: Browser, provider: Provider, user: str
) -> None:
    provider.user = user
    provider.profile = {"email": "ben@example.com", "email_verified": True, "name": "ben"}

    with pytest.raises(Refused, match="is nobody who may sign in here"):
        await browser.sign_in()


async def test_an_email_address_counts_only_where_the_settings_say_so_and_it_is_verified(
    store: Store, provider: Provider, browser: Browser
) -> None:
    provider.user, by_mail = (
        "x",
        Browser(store, provider, claim="email", scopes=("openid", "email")),
    )
    provider.profile = {"email": "ben@example.com", "email_verified": True}
    assert (await by_mail.sign_in()).principal == "ben"

    for verified in (False, "true", None):
        provider.profile = {"email": "ben@example.com", "email_verified": verified}
        with pytest.raises(Refused, match="is nobody who may sign in"):
            await by_mail.sign_in()


async def test_a_configured_claim_is_somebodys_name(
    store: Store, provider: Provider, browser: Browser
) -> None:
    provider.user, provider.profile = "x", {"preferred_username": "ben"}

    session = await Browser(store, provider, claim="preferred_username").sign_in()

    assert session.principal == "ben"


@pytest.mark.parametrize("said", [..., ["pwd"], "mfa", [], [1]])
async def test_without_a_second_factor_at_the_provider_nobody_is_signed_in(
    browser: Browser, provider: Provider, said: Any
) -> None:
    provider.bend = {"amr": said}

    with pytest.raises(Refused, match="ana: the provider did not ask for a second factor"):
        await browser.sign_in()


async def test_an_acr_that_the_settings_name_is_a_second_factor(
    store: Store, provider: Provider, browser: Browser
) -> None:
    provider.bend = {"amr": ..., "acr": "urn:example:two-factors"}
    strict = Browser(store, provider, second_factor=("urn:example:two-factors",))

    assert (await strict.sign_in()).factors == ("oidc", "urn:example:two-factors")


async def test_where_the_settings_ask_for_none_a_session_says_that_there_was_none(
    store: Store, provider: Provider, browser: Browser
) -> None:
    provider.bend = {"amr": ...}

    session = await Browser(store, provider, second_factor_required=False).sign_in()

    assert session.factors == ("oidc",)


async def test_a_key_that_the_provider_rotated_in_is_asked_for_once(
    browser: Browser, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("responder.people.oidc_provider._AGAIN_SECONDS", 0.0)
    await browser.sign_in()
    provider.keys = {**provider.keys, "k2": RSAKey.generate_key(2048, {"kid": "k2"})}
    provider.signs = "k2"
    before = provider.asked.count("jwks")

    assert (await browser.sign_in()).principal == "ana"

    assert provider.asked.count("jwks") == before + 1
    assert provider.asked.count("discovery") == 1


async def test_a_provider_that_calls_itself_otherwise_is_not_believed(
    browser: Browser, provider: Provider
) -> None:
    provider.discovery = {"issuer": "https://id.example.com"}

    with pytest.raises(Refused, match=r"is of 'https://id.example.com', not of"):
        await browser.login.go()


async def test_endpoints_without_tls_are_refused(browser: Browser, provider: Provider) -> None:
    provider.discovery = {"token_endpoint": "http://203.0.113.9/token"}

    with pytest.raises(Refused, match="expected https for token_endpoint"):
        await browser.login.go()


async def test_a_provider_that_is_away_is_said_to_be_away(
    store: Store, provider: Provider, browser: Browser
) -> None:
    away = Browser(store, provider, issuer="http://127.0.0.1:9")

    with pytest.raises(Unreachable, match="did not answer"):
        await away.login.go()

    async with store.reading() as tx:
        assert (await tx.execute(select(oidc_logins))).all() == []


async def test_what_nobody_began_here_is_one_line_a_minute_in_the_audit(
    browser: Browser, clock: ManualClock
) -> None:
    async def come_back(times: int) -> None:
        for number in range(times):
            answer = {"state": f"y{number}", "code": "c", "error": f"e{number}"}
            with pytest.raises(Refused, match="did not begin"):
                await browser.login.come_back("x" * (number % 2), answer, agent=f"a{number}")

    await come_back(20)
    clock.advance(seconds=59)
    await come_back(10)
    clock.advance(seconds=1)
    await come_back(3)

    async with browser.store.reading() as tx:
        rows = (await tx.execute(select(audit).order_by(audit.c.seq))).all()
    assert [(row.kind, row.data["count"]) for row in rows] == [
        ("sign-in-refused", 1), ("sign-in-refused", 30),
    ]  # fmt: skip
    assert {row.data["why"] for row in rows} == {"not begun in this browser, or over"}


async def test_each_reason_has_its_own_line_and_no_text_of_a_stranger_makes_more(
    browser: Browser,
) -> None:
    for number in range(4):
        going, answer = await browser.there()
        said = {"state": answer["state"], "error": f"said {number}"}
        with pytest.raises(Refused, match=f"said {number}"):
            await browser.login.come_back(going.secret, said, agent="")
    with pytest.raises(Refused, match="did not begin"):
        await browser.login.come_back("x", {}, agent="")

    async with browser.store.reading() as tx:
        rows = (await tx.execute(select(audit.c.data).order_by(audit.c.seq))).scalars().all()
    assert [row["why"] for row in rows] == [
        "the provider refused, or is another", "not begun in this browser, or over",
    ]  # fmt: skip


async def test_very_many_that_were_begun_and_not_finished_are_the_most_there_are(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    monkeypatch.setattr("responder.people.oidc.MOST_GOING", 3)
    for _ in range(3):
        await browser.login.go()
    with pytest.raises(Refused, match="3 sign-ins were begun within 10 minutes"):
        await browser.login.go()
    clock.advance(minutes=10)
    await browser.login.go()
