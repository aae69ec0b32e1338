"""Accounts through the verbs, over SCIM: holds that meet, what is done once, what is refused."""

import dataclasses
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from activities.accounts import DisableAccount, RevokeSessions
from activities.monitoring import RaiseMonitoring
from activities.wiring import Wiring
from responder.contract import Action
from responder.errors import Refused
from responder.identities import ScimIdentities
from responder.incident import Indicators
from responder.inventory import Inventory
from responder.plan import Outcome, PointReceipt
from responder.policy.accounts import ProtectedAccounts
from responder.policy.judge import Policy
from responder.policy.tiers import Tier, TierRules
from responder.store import Store
from responder.store.tables import incidents, runs
from responder.verbs.context import Kinds
from tests.databases import ManualClock
from tests.providers.scim_service import TOKEN, Service, User, serving
from tests.verbs.desk import NEEDS, Desk

ANA = "ana@example.com"
HELD = f"account/idp/{ANA}"
PROTECTED = (ProtectedAccounts(name="break-glass", patterns=("breakglass*",)),)


@pytest.fixture(scope="module")
def served() -> Iterator[Service]:
    with serving() as service:
        yield service


@pytest.fixture
def ana(served: Service) -> User:
    served.reset()
    served.add("breakglass@example.com")
    return served.add(ANA)


@pytest_asyncio.fixture
async def scim_desk(
    store: Store, clock: ManualClock, served: Service, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    monkeypatch.setenv("IDP_TOKEN", TOKEN)
    idp = ScimIdentities(
        name="idp", base_url=served.url, token_env="IDP_TOKEN", accounts=("*@example.com",)
    )
    wiring = Wiring(Inventory(identity_providers=(idp,)), store)
    policy = Policy(tiers=TierRules(needs=NEEDS), protected_accounts=PROTECTED)
    desk = Desk(store, clock, policy=policy)
    kinds = Kinds.of((DisableAccount, RevokeSessions, RaiseMonitoring), (), ())
    desk.context = dataclasses.replace(desk.context, provision=wiring, kinds=kinds)
    yield desk
    await wiring.close()


async def run_of(desk: Desk, incident: str, account: str = ANA) -> str:
    """A run of an incident whose alerts name *account*."""
    run = await desk.open_run(incident)
    named = Indicators(accounts=(account,)).model_dump(mode="json")
    async with desk.store.transaction() as tx:
        await tx.execute(runs.update().where(runs.c.id == run).values(indicators=named))
        of = incidents.c.id == incident
        await tx.execute(incidents.update().where(of).values(indicators=named))
    return run


async def approved(desk: Desk, run: str, action: Action[Any], step: int = 1) -> PointReceipt:
    done = await desk.do(run, action, step=step)
    assert done.ask is not None
    assert (await desk.decide(done.ask)) == "approved"
    done = await desk.do(run, action, step=step)
    return done.receipts[0].points[0]


async def test_two_incidents_hold_one_account_and_it_is_enabled_with_the_last(
    scim_desk: Desk, ana: User
) -> None:
    for incident in ("IR-1", "IR-2"):
        run = await run_of(scim_desk, incident)
        receipt = await approved(scim_desk, run, DisableAccount(account=ANA))
        assert receipt.outcome is Outcome.VERIFIED
        assert receipt.record == {"id": ana.id}
        assert not ana.active
    await scim_desk.end(HELD, incident="IR-1")
    assert not (await scim_desk.lift(HELD)).over
    assert not ana.active
    await scim_desk.end(HELD, incident="IR-2")
    assert (await scim_desk.lift(HELD)).over
    assert ana.active


async def test_an_account_is_disabled_until_a_person_ends_it(
    scim_desk: Desk, ana: User, clock: ManualClock
) -> None:
    run = await run_of(scim_desk, "IR-1")
    await approved(scim_desk, run, DisableAccount(account=ANA, lasts=None))
    clock.advance(days=30)
    assert not (await scim_desk.lift(HELD)).over
    assert not ana.active
    await scim_desk.end(HELD)
    assert (await scim_desk.lift(HELD)).over
    assert ana.active


async def test_an_account_that_was_disabled_before_stays_so(scim_desk: Desk, ana: User) -> None:
    ana.active = False
    run = await run_of(scim_desk, "IR-1")
    assert (await approved(scim_desk, run, DisableAccount(account=ANA))).outcome is Outcome.VERIFIED
    await scim_desk.end(HELD)
    assert (await scim_desk.lift(HELD)).over
    assert not ana.active


async def test_an_account_that_somebody_recreated_meanwhile_is_left_alone(
    scim_desk: Desk, served: Service, ana: User
) -> None:
    run = await run_of(scim_desk, "IR-1")
    await approved(scim_desk, run, DisableAccount(account=ANA))
    del served.users[ana.id]
    other = served.add(ANA, id="id-9", active=False)
    await scim_desk.end(HELD)
    await scim_desk.lift(HELD)
    row = await scim_desk.row(HELD)
    assert row.state == "disputed"
    assert "expected the account id-2, found id-9" in row.said
    assert not other.active


async def test_a_missing_account_is_a_failure_and_not_a_success(scim_desk: Desk, ana: User) -> None:
    run = await run_of(scim_desk, "IR-1", "nobody@example.com")
    receipt = await approved(scim_desk, run, DisableAccount(account="nobody@example.com"))
    assert receipt.outcome is Outcome.FAILED
    assert "expected one account of that name, found none" in receipt.said


async def test_what_is_protected_is_refused_before_anybody_is_asked(
    scim_desk: Desk, served: Service, ana: User
) -> None:
    run = await run_of(scim_desk, "IR-1", "breakglass@example.com")
    with pytest.raises(Refused, match=r"account breakglass@example\.com is break-glass"):
        await scim_desk.do(run, DisableAccount(account="breakglass@example.com"))
    assert served.changes == 0


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (DisableAccount(account="ana@elsewhere.example.com"), "no enforcement point is configured"),
        (
            RevokeSessions(account=ANA, before=datetime(2026, 3, 4, tzinfo=UTC)),
            "no enforcement point is configured for RevokeSessions: not contained",
        ),
    ],
    ids=["an account that lives nowhere", "sessions, of which SCIM knows nothing"],
)
async def test_what_no_provider_can_do_is_not_contained(
    scim_desk: Desk, ana: User, action: Action[Any], said: str
) -> None:
    run = await run_of(scim_desk, "IR-1", action.touches().accounts[0])
    with pytest.raises(Refused, match=said):
        await scim_desk.do(run, action)


@pytest.mark.parametrize(
    "account", ["", " ana", "ana\n", "ana\u202egnp", "an\u200ba", "x" * 256, "ana\x00"]
)
def test_a_name_that_cannot_be_read_as_it_is_written_is_refused(account: str) -> None:
    with pytest.raises(ValueError, match="account"):
        DisableAccount(account=account)


def test_ending_sessions_is_done_once_and_is_not_leased() -> None:
    action = RevokeSessions(account=ANA, before=datetime(2026, 3, 4, 12, tzinfo=UTC))
    assert not action.reversible
    assert action.lasts is None
    assert action.try_for == timedelta(minutes=15)
    assert action.tier is Tier.T2
    assert str(action) == "end the sessions of ana@example.com from before 2026-03-04 12:00:00 UTC"


def test_monitoring_is_of_one_thing() -> None:
    assert str(RaiseMonitoring(vpc="prod")) == "raise monitoring of VPC prod"
    assert RaiseMonitoring(host="web").touches() == Indicators(hosts=("web",))
    for wrong in ({}, {"host": "web", "vpc": "prod"}):
        with pytest.raises(ValueError, match="expected host or vpc"):
            RaiseMonitoring.model_validate(wrong)
