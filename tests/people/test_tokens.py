import base64
import json
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from sqlalchemy import select, update

from responder.errors import Refused, StateError
from responder.people import tokens
from responder.people.token_keys import TokenKeys
from responder.store import Store
from responder.store.sessions import tokens as table
from tests.databases import ManualClock, on_both


@pytest.fixture(scope="session")
def made_keys(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("keys") / "tokens.json"
    TokenKeys(path).make_missing()
    return path.read_bytes()


@pytest.fixture
def keys(tmp_path: Path, made_keys: bytes) -> TokenKeys:
    path = tmp_path / "tokens.json"
    path.write_bytes(made_keys)
    return TokenKeys(path)


def segment(content: Any) -> str:
    return (
        base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode())
        .rstrip(b"=")
        .decode()
    )


def opened(token: str, part: int) -> dict[str, Any]:
    text = token.split(".")[part]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def signature(message: bytes, key: RSAKey) -> str:
    assert key.private_key is not None
    made = key.private_key.sign(message, PKCS1v15(), SHA256())
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


class Mint:
    """Signs what an attacker might, with our own key where they could not."""

    def __init__(self, keys: TokenKeys, good: str) -> None:
        self.kid, self.key = keys.signing()
        self.header, self.claims = opened(good, 0), opened(good, 1)

    def __call__(self, header: dict[str, Any] | None = None, key: Any = None, **claims: Any) -> str:
        merged = {**self.claims, **claims}
        merged = {name: value for name, value in merged.items() if value is not ...}
        whole = {**self.header, **(header or {})}
        if whole["alg"] != "RS256":
            return jwt.encode(whole, merged, key or self.key, algorithms=[whole["alg"]])
        # By hand: joserfc itself will not sign most of this.
        head, body = (segment(part) for part in (whole, merged))
        return ".".join((head, body, signature(f"{head}.{body}".encode(), key or self.key)))


@pytest.fixture
async def good(store: Store, keys: TokenKeys) -> str:
    return await tokens.issue(store, keys, "ana")


@pytest.fixture
def mint(keys: TokenKeys, good: str) -> Mint:
    return Mint(keys, good)


@pytest.fixture
def database() -> str:
    return "sqlite"


@on_both
async def test_a_token_says_whose_it_is_for_thirty_days(
    store: Store, keys: TokenKeys, clock: ManualClock
) -> None:
    token = await tokens.issue(store, keys, "ana")

    clock.advance(days=30, seconds=-1)
    assert await tokens.holder(store, keys, token) == "ana"
    clock.advance(seconds=1)
    assert await tokens.holder(store, keys, token) is None


async def test_a_token_is_an_rs256_jwt_with_every_claim(good: str, clock: ManualClock) -> None:
    assert opened(good, 0).keys() == {"alg", "typ", "kid"}
    assert opened(good, 0)["alg"] == "RS256"
    claims = opened(good, 1)
    assert claims.keys() == {"iss", "aud", "sub", "iat", "exp", "jti"}
    assert (claims["iss"], claims["aud"], claims["sub"]) == ("responder", "responder-api", "ana")
    assert claims["exp"] - claims["iat"] == timedelta(days=30).total_seconds()
    assert claims["iat"] == clock.now.timestamp()


async def test_a_program_can_have_a_short_one(
    store: Store, keys: TokenKeys, clock: ManualClock
) -> None:
    token = await tokens.issue(store, keys, "ana", timedelta(minutes=5))

    assert await tokens.holder(store, keys, token) == "ana"
    clock.advance(minutes=5)
    assert await tokens.holder(store, keys, token) is None


@pytest.mark.parametrize("lifetime", [timedelta(days=31), timedelta(0), timedelta(days=-1)])
async def test_no_token_outlives_thirty_days(
    store: Store, keys: TokenKeys, lifetime: timedelta
) -> None:
    with pytest.raises(Refused, match="expected a minute to 30 days"):
        await tokens.issue(store, keys, "ana", lifetime)

    assert await tokens.of(store, "ana") == []


def public_pem(mint: Mint) -> bytes:
    return mint.key.as_pem(private=False)


_HEADERS: dict[str, Callable[[Mint], str]] = {
    "alg none": lambda m: f"{segment({'alg': 'none', 'typ': 'JWT'})}.{segment(m.claims)}.",
    "alg none with our kid": lambda m: (
        f"{segment({**m.header, 'alg': 'none'})}.{segment(m.claims)}."
    ),
    "alg None, capital": lambda m: f"{segment({**m.header, 'alg': 'None'})}.{segment(m.claims)}.",
    "our header and no signature": lambda m: f"{m().rsplit('.', 1)[0]}.",
    "HS256 with the public key as its secret": lambda m: m(
        {"alg": "HS256"}, OctKey.import_key(base64.b64encode(public_pem(m)))
    ),
    "RS384 with the right key": lambda m: m({"alg": "RS384"}),
    "PS256 with the right key": lambda m: m({"alg": "PS256"}),
    "crit that nobody knows": lambda m: m({"crit": ["exp"], "exp": 1}),
    "crit b64": lambda m: m({"crit": ["b64"], "b64": True}),
    "a jwk in the header": lambda m: m(
        {"jwk": RSAKey.generate_key(2048).as_dict(private=False)}, RSAKey.generate_key(2048)
    ),
    "a jku": lambda m: m({"jku": "https://203.0.113.9/jwks.json"}),
    "an x5u": lambda m: m({"x5u": "https://203.0.113.9/cert.pem"}),
    "an x5c": lambda m: m({"x5c": ["MIIB"]}),
    "no kid": lambda m: f"{segment({'typ': 'JWT', 'alg': 'RS256'})}.{m().split('.', 1)[1]}",
    "an unknown kid": lambda m: m({"kid": "t-000000000000"}),
    "a kid that is a path": lambda m: m({"kid": "../../../../dev/null"}),
    "a kid that is our file": lambda m: m({"kid": "../keys/tokens.json"}),
    "a kid that is SQL": lambda m: m({"kid": "' UNION SELECT 1 --"}),
    "a kid that is a list": lambda m: (
        f"{segment({**m.header, 'kid': [m.kid]})}.{m().split('.', 1)[1]}"
    ),
    "the header in another order": lambda m: (
        f"{segment({'kid': m.kid, 'alg': 'RS256', 'typ': 'JWT'})}.{m().split('.', 1)[1]}"
    ),
    "another typ": lambda m: m({"typ": "id+jwt"}),
    "another key's signature under our kid": lambda m: m(key=RSAKey.generate_key(2048)),
    "a changed claim": lambda m: ".".join(
        (m().split(".")[0], segment({**m.claims, "sub": "root"}), m().split(".")[2])
    ),
    "claims that are a list": lambda m: ".".join(
        (m().split(".")[0], segment([m.claims]), m().split(".")[2])
    ),
    "nothing": lambda _: "",
    "dots": lambda _: "..",
    "an opaque token": lambda _: "rsp_" + "a" * 43,
    "five parts": lambda m: m() + ".a.b",
    "letters beyond ASCII": lambda m: m() + "\N{LATIN SMALL LETTER E WITH ACUTE}",
    "a header nested a hundred thousand deep": lambda _: (
        base64.urlsafe_b64encode(b"[" * 3000).decode() + ".e30.e30"
    ),
    "far too long": lambda m: m() + "A" * 5000,
}


@pytest.mark.parametrize("name", _HEADERS)
async def test_a_forged_header_or_signature_lets_nobody_in(
    name: str, store: Store, keys: TokenKeys, mint: Mint, good: str
) -> None:
    assert await tokens.holder(store, keys, _HEADERS[name](mint)) is None
    assert await tokens.holder(store, keys, good) == "ana"


_CLAIMS: dict[str, dict[str, Any]] = {
    "no exp": {"exp": ...},
    "no aud": {"aud": ...},
    "no iss": {"iss": ...},
    "no sub": {"sub": ...},
    "no iat": {"iat": ...},
    "no jti": {"jti": ...},
    "exp null": {"exp": None},
    "exp text": {"exp": "9999999999"},
    "exp true": {"exp": True},
    "exp a fraction": {"exp": 9999999999.5},
    "exp not a number": {"exp": float("nan")},
    "exp infinite": {"exp": float("inf")},
    "exp beyond thirty days": {"exp": 99999999999},
    "exp now": {"exp": 1772625600},
    "iat text": {"iat": "1772625600"},
    "iat true": {"iat": True},
    "another aud": {"aud": "another-api"},
    "several aud": {"aud": ["responder-api", "another-api"]},
    "another iss": {"iss": "https://203.0.113.9"},
    "iss with a slash more": {"iss": "responder/"},
    "another sub": {"sub": "root"},
    "sub a number": {"sub": 1},
    "sub empty": {"sub": ""},
    "another jti": {"jti": "a-jti-that-no-row-knows"},
    "jti a list": {"jti": ["a"]},
    "a claim more": {"nbf": 0},
    "a scope": {"scope": "admin"},
}


@pytest.mark.parametrize("name", _CLAIMS)
async def test_wrong_claims_let_nobody_in_even_with_our_signature(
    name: str, store: Store, keys: TokenKeys, mint: Mint
) -> None:
    assert await tokens.holder(store, keys, mint(**_CLAIMS[name])) is None
    assert await tokens.holder(store, keys, mint()) == "ana"


async def test_a_token_from_the_future_waits_beyond_a_minute_of_clock_difference(
    store: Store, keys: TokenKeys, mint: Mint, clock: ManualClock
) -> None:
    now = int(clock.now.timestamp())

    assert await tokens.holder(store, keys, mint(iat=now + 60)) == "ana"
    assert await tokens.holder(store, keys, mint(iat=now + 61)) is None


async def test_a_signed_token_that_ends_before_its_row_has_ended(
    store: Store, keys: TokenKeys, mint: Mint, clock: ManualClock
) -> None:
    token = mint(exp=int(clock.now.timestamp()) + 10)

    assert await tokens.holder(store, keys, token) == "ana"
    clock.advance(seconds=10)
    assert await tokens.holder(store, keys, token) is None


async def test_a_row_that_ends_before_its_token_ends_it(
    store: Store, keys: TokenKeys, good: str, clock: ManualClock
) -> None:
    async with store.transaction() as tx:
        await tx.execute(update(table).values(expires=clock.now))

    assert await tokens.holder(store, keys, good) is None


@on_both
async def test_one_token_is_revoked_by_the_id_it_is_listed_with(
    store: Store, keys: TokenKeys
) -> None:
    one = await tokens.issue(store, keys, "ana")
    (listed,) = await tokens.of(store, "ana")
    other = await tokens.issue(store, keys, "ana")

    assert not await tokens.revoke(store, "ben", listed.id)
    assert not await tokens.revoke(store, "ana", "")
    assert await tokens.revoke(store, "ana", listed.id)

    assert await tokens.holder(store, keys, one) is None
    assert await tokens.holder(store, keys, other) == "ana"
    assert len(await tokens.of(store, "ana")) == 1


@on_both
async def test_all_tokens_of_a_person_end_together_and_nobody_elses(
    store: Store, keys: TokenKeys
) -> None:
    of_ana = [await tokens.issue(store, keys, "ana") for _ in range(3)]
    of_ben = await tokens.issue(store, keys, "ben")

    assert await tokens.revoke_all(store, "ana") == 3

    assert [await tokens.holder(store, keys, one) for one in of_ana] == [None] * 3
    assert await tokens.holder(store, keys, of_ben) == "ben"


async def test_what_is_kept_of_a_token_is_no_token(
    store: Store, keys: TokenKeys, good: str
) -> None:
    async with store.reading() as tx:
        kept = str((await tx.execute(select(table))).mappings().all())

    assert opened(good, 1)["jti"] not in kept
    assert good.rsplit(".", 1)[1] not in kept


async def test_after_a_rotation_old_tokens_count_until_the_last_of_them_has_ended(
    store: Store, keys: TokenKeys, clock: ManualClock
) -> None:
    old = await tokens.issue(store, keys, "ana", timedelta(days=2))
    before = keys.accepted(clock.now)

    keys.rotate(clock.now, clock.now + timedelta(days=2))
    new = await tokens.issue(store, keys, "ana")

    assert await tokens.holder(store, keys, old) == "ana"
    assert await tokens.holder(store, keys, new) == "ana"
    assert opened(new, 0)["kid"] != opened(old, 0)["kid"]
    assert keys.accepted(clock.now) == [opened(new, 0)["kid"], *before]
    clock.advance(days=2)
    assert await tokens.holder(store, keys, old) is None
    assert await tokens.holder(store, keys, new) == "ana"
    assert len(keys.key_set(clock.now)["keys"]) == 1


async def test_a_key_that_leaked_ends_at_once(
    store: Store, keys: TokenKeys, clock: ManualClock
) -> None:
    old = await tokens.issue(store, keys, "ana")

    keys.rotate(clock.now, clock.now)

    assert await tokens.holder(store, keys, old) is None


async def test_another_process_sees_a_rotation_without_starting_anew(
    store: Store, keys: TokenKeys, tmp_path: Path, clock: ManualClock
) -> None:
    await tokens.holder(store, keys, await tokens.issue(store, keys, "ana"))
    other = TokenKeys(tmp_path / "tokens.json")

    other.rotate(clock.now, clock.now + timedelta(days=1))
    token = await tokens.issue(store, other, "ana")

    assert await tokens.holder(store, keys, token) == "ana"


async def test_keys_that_others_sign_with_are_not_accepted(
    store: Store, keys: TokenKeys, good: str, tmp_path: Path, clock: ManualClock
) -> None:
    other = TokenKeys(tmp_path / "other.json")
    other.make_missing()

    assert await tokens.holder(store, other, good) is None
    assert await tokens.holder(store, TokenKeys(tmp_path / "none.json"), good) is None


def test_the_published_set_has_public_halves_only(keys: TokenKeys, clock: ManualClock) -> None:
    keys.rotate(clock.now, clock.now + timedelta(days=1))

    found = keys.key_set(clock.now)["keys"]

    assert [one["kid"] for one in found] == keys.accepted(clock.now)
    assert all(one.keys() == {"kty", "n", "e", "kid", "use", "alg"} for one in found)
    assert all(len(base64.urlsafe_b64decode(one["n"] + "==")) == 256 for one in found)


async def test_a_published_key_checks_a_token_elsewhere(
    keys: TokenKeys, good: str, clock: ManualClock
) -> None:
    (published,) = keys.key_set(clock.now)["keys"]

    found = jwt.decode(good, RSAKey.import_key(published), algorithms=["RS256"])

    assert found.claims["sub"] == "ana"


def test_the_keys_file_is_for_its_owner_only(tmp_path: Path) -> None:
    TokenKeys(tmp_path / "tokens.json").make_missing()

    assert (tmp_path / "tokens.json").stat().st_mode & 0o777 == 0o600


def test_a_keys_file_that_cannot_be_read_says_what_to_do(
    tmp_path: Path, clock: ManualClock
) -> None:
    (tmp_path / "tokens.json").write_text('{"active": "t-1", "keys": {}}')

    with pytest.raises(StateError, match="cannot be read: StopIteration"):
        TokenKeys(tmp_path / "tokens.json").accepted(clock.now)


async def test_checking_a_token_parses_no_key(
    store: Store, keys: TokenKeys, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tokens.holder(store, keys, good)

    def parsed(*_: object, **__: object) -> None:
        raise AssertionError("a key was parsed")

    monkeypatch.setattr(RSAKey, "import_key", parsed)
    took = []
    for _ in range(200):
        began = time.perf_counter()
        assert await tokens.holder(store, keys, good) == "ana"
        took.append(time.perf_counter() - began)

    print(f"\na token is checked in {statistics.median(took) * 1e6:.0f} µs (median of 200)")
    assert statistics.median(took) < 0.05
