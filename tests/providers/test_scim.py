"""
Accounts over SCIM, against a double that checks requests against RFC 7644.

Never run against a vendor's service.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from activities.accounts import AccountState
from activities.providers.scim import Scim, ScimAccount
from responder.errors import Drifted, Unreachable
from responder.identities import ScimIdentities
from tests.providers.scim_service import LIST, TOKEN, USER, Fault, Service, User, serving

ANA = "ana@example.com"
ENABLED, DISABLED, ABSENT = AccountState


@pytest.fixture(autouse=True)
def _clean() -> None:
    """Nothing of the lab is used here: the hosts' own cleaning is not needed."""


@pytest.fixture(scope="module")
def served() -> Iterator[Service]:
    with serving() as service:
        yield service


@pytest.fixture
def service(served: Service) -> Service:
    served.reset()
    return served


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    return file


@pytest_asyncio.fixture
async def scim(service: Service, token: Path) -> AsyncIterator[Scim]:
    opened = Scim(ScimIdentities(name="idp", base_url=service.url, token_file=token))
    yield opened
    await opened.close()


@pytest.fixture
def ana(service: Service) -> User:
    service.add("ben@example.com")
    return service.add(ANA)


async def bring(account: ScimAccount, state: AccountState, record: object = None) -> None:
    await account.write(state, key="step", until=None, tag="INC-1", record=record)  # type: ignore[arg-type]


@pytest.mark.parametrize("versions", [True, False], ids=["with versions", "without"])
async def test_an_account_is_disabled_read_back_and_enabled_again(
    service: Service, scim: Scim, ana: User, versions: bool
) -> None:
    service.versions = versions
    account = scim.account(ANA)
    before = await account.read()
    assert (before.state, before.record) == (ENABLED, {"id": ana.id})
    for _ in range(2):
        await bring(account, DISABLED, before.record)
        assert (await account.read()).state is DISABLED
        assert not ana.active
    assert service.changes == 1
    await bring(account, ENABLED, before.record)
    after = await account.read()
    assert after == before
    assert [user.active for user in service.users.values()] == [True, True]


async def test_names_are_compared_without_case_and_are_one_resource(scim: Scim, ana: User) -> None:
    other = scim.account("Ana@Example.COM")
    assert other.name == scim.account(ANA).name == "account/idp/ana@example.com"
    assert (await other.read()).state is ENABLED


@pytest.mark.parametrize(
    "name", ['a"b', 'a" or userName pr or userName eq "', "a\\b", "käthe", "a b", "a%22&x=1#y"]
)
async def test_no_name_can_say_more_in_a_filter_than_a_name(
    service: Service, scim: Scim, ana: User, name: str
) -> None:
    assert (await scim.account(name).read()).state is ABSENT
    service.add(name, id="../odd?id")
    account = scim.account(name)
    assert (await account.read()).state is ENABLED
    await bring(account, DISABLED)
    assert (await account.read()).state is DISABLED
    assert ana.active


async def test_an_account_that_is_not_there_is_not_disabled(scim: Scim, ana: User) -> None:
    account = scim.account("nobody@example.com")
    assert (await account.read()).state is ABSENT
    with pytest.raises(RuntimeError, match=r"nobody@example\.com: expected one account .* none"):
        await bring(account, DISABLED)
    await bring(account, ABSENT)


async def test_another_account_under_the_same_name_is_left_alone_at_the_undo(
    service: Service, scim: Scim, ana: User
) -> None:
    account = scim.account(ANA)
    before = await account.read()
    await bring(account, DISABLED, before.record)
    del service.users[ana.id]
    other = service.add(ANA, id="id-9", active=False)
    with pytest.raises(Drifted, match="expected the account id-2, found id-9"):
        await bring(account, ENABLED, before.record)
    assert not other.active


async def test_a_change_by_somebody_else_between_reading_and_writing_is_read_again(
    service: Service, scim: Scim, ana: User
) -> None:
    def somebody() -> None:
        ana.version += 1

    service.next_time.append(somebody)
    await bring(scim.account(ANA), DISABLED)
    assert not ana.active
    assert [method for method, _ in service.requests] == ["GET", "PATCH", "GET", "PATCH"]


async def test_one_who_always_comes_between_is_said_and_not_fought(
    service: Service, scim: Scim, ana: User
) -> None:
    def always() -> None:
        ana.version += 1
        service.next_time.append(always)

    service.next_time.append(always)
    with pytest.raises(RuntimeError, match="expected disabled, but was told 412"):
        await bring(scim.account(ANA), DISABLED)
    assert ana.active
    assert service.changes == 3


async def test_a_lost_answer_is_unknown_and_trying_again_changes_nothing_more(
    service: Service, scim: Scim, ana: User
) -> None:
    service.lost = 1
    account = scim.account(ANA)
    with pytest.raises(Unreachable, match="504 the answer was lost"):
        await bring(account, DISABLED)
    assert (await account.read()).state is DISABLED
    await bring(account, DISABLED)
    assert service.changes == 1


@pytest.mark.parametrize("status", [429, 503])
async def test_throttling_is_waited_out(
    service: Service, scim: Scim, ana: User, status: int
) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
    service.refusals = [
        Fault(status, "slow down", Retry_After="1"),
        Fault(status, "slow down", Retry_After=date),
        Fault(status, "slow down"),
    ]
    began = asyncio.get_running_loop().time()
    assert (await scim.account(ANA).read()).state is ENABLED
    assert 1 <= asyncio.get_running_loop().time() - began < 5
    assert len(service.requests) == 4


async def test_throttling_for_long_is_unknown_at_once(
    service: Service, scim: Scim, ana: User
) -> None:
    service.refusals = [Fault(429, "come back", Retry_After="3600")]
    with pytest.raises(Unreachable, match=r"idp: GET /Users: 429, .* again in 3600 s"):
        await scim.account(ANA).read()
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(500, "out of order"), "500 out of order"),
        (Fault(401, "Authorization failure"), "does not take our token: 401"),
        (Fault(403, "insufficient scope"), "does not take our token: 403"),
        (Fault(302, "over there", Location="https://elsewhere.example.com/"), "302 over there"),
        (Fault(400, "too\nmany\twords", "invalidFilter"), "400 invalidFilter too many words"),
        (Fault(404, "no such endpoint"), "404 no such endpoint"),
    ],
)
async def test_what_cannot_be_read_is_unknown_and_never_absent(
    service: Service, scim: Scim, ana: User, fault: Fault, said: str
) -> None:
    service.refusals = [fault]
    with pytest.raises(Unreachable, match=said) as raised:
        await scim.account(ANA).read()
    assert TOKEN not in str(raised.value)


@pytest.mark.parametrize(
    "fault", [Fault(409, "conflict", "uniqueness"), Fault(404, "gone"), Fault(501, "no PATCH here")]
)
async def test_a_change_that_is_refused_says_what_was_told(
    service: Service, scim: Scim, ana: User, fault: Fault
) -> None:
    service.next_time.append(lambda: service.refusals.append(fault))
    with pytest.raises((RuntimeError, Unreachable), match=f"{fault.status} .*{fault.detail}"):
        await bring(scim.account(ANA), DISABLED)
    assert ana.active


def shown(**more: Any) -> dict[str, Any]:
    user = {"schemas": [USER], "id": "id-2", "userName": ANA, "active": True} | more
    return {"schemas": [LIST], "totalResults": 1, "Resources": [user]}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"schemas": [LIST]},
        {"schemas": [USER], "totalResults": 0},
        {"schemas": [LIST], "totalResults": 1, "Resources": []},
        {"schemas": [LIST], "totalResults": 0, "Resources": [{}]},
        {"schemas": [LIST], "totalResults": 2, "Resources": shown()["Resources"] * 2},
        shown(active="true"),
        shown(active=None),
        shown(userName="ben@example.com"),
        shown(userName=7),
        shown(id=""),
        shown(meta=[]),
        [1],
    ],
    ids=str,
)
async def test_what_is_not_a_list_of_one_user_is_unknown(
    service: Service, scim: Scim, ana: User, answer: Any
) -> None:
    service.answer = answer
    with pytest.raises(Unreachable):
        await scim.account(ANA).read()


async def test_a_huge_answer_is_not_read_to_the_end(
    service: Service, scim: Scim, ana: User
) -> None:
    service.answer = shown(displayName="x" * 2_000_000)
    with pytest.raises(Unreachable, match="more than 1048576 bytes"):
        await scim.account(ANA).read()


async def test_the_token_is_read_at_each_use(
    service: Service, scim: Scim, ana: User, token: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = scim.account(ANA)
    token.write_text("an-old-token")
    with pytest.raises(Unreachable, match="does not take our token"):
        await account.read()
    token.write_text(TOKEN)
    assert (await account.read()).state is ENABLED
    token.unlink()
    with pytest.raises(Unreachable, match="idp: the token cannot be read from"):
        await account.read()
    monkeypatch.setenv("IDP_TOKEN", TOKEN)
    other = Scim(ScimIdentities(name="idp", base_url=service.url, token_env="IDP_TOKEN"))
    assert (await other.account(ANA).read()).state is ENABLED
    monkeypatch.setenv("IDP_TOKEN", "with\nlines")
    with pytest.raises(Unreachable, match=r"expected a bearer token in \$IDP_TOKEN"):
        await other.account(ANA).read()
    await other.close()


async def test_nobody_there_is_unknown(token: Path) -> None:
    away = Scim(ScimIdentities(name="idp", base_url="http://127.0.0.1:9", token_file=token))
    with pytest.raises(Unreachable, match="idp: GET /Users: ConnectError"):
        await away.account(ANA).read()
    await away.close()
