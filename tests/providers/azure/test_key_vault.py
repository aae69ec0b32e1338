"""
Key Vault by its SDK at a double of its protocol, with TLS and the challenge; never against Azure.

That azure-identity gets tokens is not shown: the double's token is handed over.
"""

import logging
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretBytes

from activities.azure import Vault
from activities.providers.key_vault import KeyVault
from responder.errors import Unreachable
from responder.secrets.contract import NotStaged, Stage, version_for
from tests.providers.azure.ground import Credential, reachable
from tests.providers.azure.key_vault_service import Service

KEY = "app/jwt-key"
THERE = "responder--app--jwt-key"
FIRST, SECOND = version_for("INC-2026-0001", KEY), version_for("INC-2026-0002", KEY)
CANARY = b"canary-7f3a-never-to-be-seen"
DAY = timedelta(days=1)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with reachable(tmp_path, monkeypatch) as service:
        yield service


@pytest.fixture
def credential() -> Credential:
    return Credential()


@pytest.fixture
async def store(service: Service, credential: Credential) -> AsyncIterator[KeyVault]:
    store = KeyVault(Vault(service.url, credential=credential), "responder--")
    yield store
    await store.close()


async def rotate(store: KeyVault, version: str, value: bytes = b"one") -> None:
    await store.put(KEY, version, SecretBytes(value))
    await store.promote(KEY, version)


async def stages(store: KeyVault) -> dict[str, Stage]:
    return {one.id: one.stage for one in await store.versions(KEY)}


def only(service: Service) -> dict[str, Any]:
    (one,) = service.secrets[THERE].values()
    return one


async def test_every_page_is_read(store: KeyVault, service: Service) -> None:
    versions = [version_for(f"INC-2026-{n}", KEY) for n in range(5)]
    for version in versions:
        await store.put(KEY, version, SecretBytes(b"x"))
    service.asked.clear()
    assert await stages(store) == dict.fromkeys(versions, Stage.PENDING)
    assert service.asked == [f"GET /secrets/{THERE}/versions"] * 3


async def test_the_token_is_for_the_scope_that_the_challenge_names(
    store: KeyVault, service: Service, credential: Credential
) -> None:
    await store.versions(KEY)
    assert credential.scopes == [(f"{service.resource}/.default",)]


async def test_a_challenge_for_another_resource_gets_no_token(
    store: KeyVault, service: Service, credential: Credential
) -> None:
    service.resource = "https://vault.example.net"
    with pytest.raises(Unreachable, match="does not match the requested domain"):
        await store.versions(KEY)
    assert (credential.scopes, service.asked) == ([], [])


async def test_a_certificate_of_an_unknown_authority_gets_nothing(
    store: KeyVault, service: Service, credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        await store.put(KEY, FIRST, SecretBytes(CANARY))
    assert (credential.scopes, service.asked) == ([], [])


async def test_throttled_reads_wait_as_long_as_they_are_told_and_then_succeed(
    store: KeyVault, service: Service
) -> None:
    said = {"error": {"code": "Throttled", "message": "too many requests"}}
    service.answers = [("before", 429, {"Retry-After": "1"}, said)]
    assert await store.versions(KEY) == ()
    assert len(service.asked) == 2


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (401, {"error": {"code": "Unauthorized", "message": "expired"}}, "not accept the cred"),
        (403, {"error": {"code": "Forbidden", "message": "x", "innererror": {"code": "ForbiddenByRbac"}}},
         "secrets/list .*the permission is missing"),
        (429, {"error": {"code": "Throttled", "message": "slowly"}}, "429 Throttled: slowly"),
        (503, b"<html>try later</html>", "503"),
        (404, b"<html>no such page</html>", "404"),
        (200, b"<html>sign in</html>", "JSON is invalid|DecodeError|Expecting"),
    ],
)  # fmt: skip
async def test_what_cannot_be_known_is_never_absent(
    store: KeyVault, service: Service, status: int, body: Any, why: str
) -> None:
    kind = "text/html" if isinstance(body, bytes) and status != 200 else "application/json"
    service.answers = [("before", status, {"Content-Type": kind}, body)] * 4
    with pytest.raises(Unreachable, match=why):
        await store.versions(KEY)


@pytest.mark.parametrize("absent_is_404", [False, True])
async def test_a_secret_that_is_not_there_has_no_versions(
    store: KeyVault, service: Service, absent_is_404: bool
) -> None:
    service.absent_is_404 = absent_is_404
    assert await store.versions(KEY) == ()


async def test_after_a_lost_answer_what_was_set_is_found_and_not_made_again(
    store: KeyVault, service: Service
) -> None:
    await store.versions(KEY)  # the challenge is behind us
    service.answers = [("before", 200, {}, {"value": []}), ("after", 0, {}, None)]
    with pytest.raises(Unreachable):
        await store.put(KEY, FIRST, SecretBytes(b"one"))
    assert [one for one in service.asked if one.startswith("PUT")] == [f"PUT /secrets/{THERE}"]
    assert not await store.put(KEY, FIRST, SecretBytes(b"other"))
    assert (await store.get(KEY, FIRST)).get_secret_value() == b"one"


async def test_a_set_is_not_retried_where_it_may_have_been_done(
    store: KeyVault, service: Service
) -> None:
    said = {"error": {"code": "InternalServerError", "message": "?"}}
    service.answers = [("before", 200, {}, {"value": []}), ("before", 500, {}, said)]
    with pytest.raises(Unreachable, match="500 InternalServerError"):
        await store.put(KEY, FIRST, SecretBytes(b"one"))
    assert len(service.asked) == 2


async def test_a_promotion_is_one_request_and_a_second_try_dates_what_it_replaced(
    store: KeyVault, service: Service
) -> None:
    await rotate(store, FIRST)
    await store.put(KEY, SECOND, SecretBytes(b"two"))
    rows = [{k: v for k, v in r.items() if k != "value"} for r in service.secrets[THERE].values()]
    service.answers = [("before", 200, {}, {"value": rows}), ("after", 0, {}, None)]
    with pytest.raises(Unreachable):
        await store.promote(KEY, SECOND)
    lost = await store.versions(KEY)
    assert {one.id: one.stage for one in lost} == {FIRST: Stage.PREVIOUS, SECOND: Stage.CURRENT}
    await store.promote(KEY, SECOND)
    assert await store.versions(KEY) == lost
    assert [r["tags"].get("responder-replaced") is None for r in service.secrets[THERE].values()] == [
        False, True,
    ]  # fmt: skip


async def test_of_two_copies_the_oldest_counts_and_both_are_destroyed(
    store: KeyVault, service: Service
) -> None:
    await rotate(store, FIRST, b"one")
    copy: dict[str, Any] = only(service) | {
        "id": f"{service.url}/secrets/{THERE}/{'f' * 32}",
        "value": "b3RoZXI=",
    }
    copy["attributes"] = {**copy["attributes"], "created": copy["attributes"]["created"] + 1}
    service.secrets[THERE]["f" * 32] = copy
    assert (await store.get(KEY)).get_secret_value() == b"one"
    await store.revoke(KEY, FIRST)
    await store.destroy(KEY, FIRST, retention=DAY)
    assert [r["attributes"]["enabled"] for r in service.secrets[THERE].values()] == [False, False]
    assert await stages(store) == {FIRST: Stage.DESTROYED}


async def test_what_a_person_disabled_is_revoked_and_what_one_enabled_again_is_not_destroyed(
    store: KeyVault, service: Service
) -> None:
    await rotate(store, FIRST)
    only(service)["attributes"]["enabled"] = False
    assert await stages(store) == {FIRST: Stage.REVOKED}
    with pytest.raises(NotStaged, match="it is disabled in the vault"):
        await store.get(KEY, FIRST)
    await store.destroy(KEY, FIRST, retention=DAY)
    assert await stages(store) == {FIRST: Stage.DESTROYED}
    only(service)["attributes"]["enabled"] = True
    assert await stages(store) == {FIRST: Stage.REVOKED}


async def test_a_secret_that_was_deleted_softly_is_not_made_again(
    store: KeyVault, service: Service
) -> None:
    service.deleted.add(THERE)
    with pytest.raises(NotStaged, match="recover or purge it there; nothing was changed"):
        await store.put(KEY, FIRST, SecretBytes(b"one"))
    assert service.secrets == {}


async def test_other_peoples_tags_stay_and_their_versions_are_not_ours(
    store: KeyVault, service: Service
) -> None:
    await store.put(KEY, FIRST, SecretBytes(b"one"))
    only(service)["tags"]["cost-centre"] = "42"
    other = only(service) | {"id": f"{service.url}/secrets/{THERE}/{'a' * 32}", "tags": None}
    service.secrets[THERE]["a" * 32] = other
    await store.promote(KEY, FIRST)
    assert await stages(store) == {FIRST: Stage.CURRENT}
    tags = [row["tags"] for row in service.secrets[THERE].values()]
    assert tags[0]["cost-centre"] == "42"
    assert tags[1] is None


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("responder-version", "mine"),
        ("responder-promoted", "first"),
        ("responder-promoted", "0/2026-03-01T02:00:00Z"),
        ("responder-promoted", "1/yesterday"),
    ],
)
async def test_a_tag_that_was_altered_makes_it_unknown(
    store: KeyVault, service: Service, tag: str, said: str
) -> None:
    await rotate(store, FIRST)
    only(service)["tags"][tag] = said
    with pytest.raises(Unreachable, match=f"the tag {tag} was changed by somebody else"):
        await store.versions(KEY)


async def test_a_value_that_is_not_ours_is_unknown_and_not_quoted(
    store: KeyVault, service: Service
) -> None:
    await rotate(store, FIRST)
    only(service)["value"] = "plain-canary"
    with pytest.raises(Unreachable, match="holds no base64") as caught:
        await store.get(KEY)
    assert "canary" not in f"{caught.value!r} {caught.value.__cause__!r}"


async def test_values_and_tokens_are_in_no_log(
    store: KeyVault, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await rotate(store, FIRST, CANARY)
    await store.get(KEY)
    assert only(service)["value"] == "Y2FuYXJ5LTdmM2EtbmV2ZXItdG8tYmUtc2Vlbg=="
    assert "/secrets/" in caplog.text  # that it was logged at all
    for secret in ("canary", "Y2FuYXJ5", Credential().token):
        assert secret not in caplog.text


async def test_without_credentials_nothing_is_known(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    store = KeyVault(Vault(service.url), "responder--")
    with pytest.raises(Unreachable, match="does not accept the credentials"):
        await store.versions(KEY)
    await store.close()
    assert service.asked == []
