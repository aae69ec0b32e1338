"""Accounts of a Linux host, judged by who can sign in over SSH and by /etc/shadow itself."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from activities.accounts import AccountState, DisableAccount, RevokeSessions, Sessions
from activities.providers.linux_accounts import LinuxAccount, LinuxAccounts, LinuxSessions
from activities.shell import Completed
from activities.ssh import SSHShell
from activities.wiring import Wiring
from responder.errors import Drifted, Unreachable
from responder.identities import HostIdentities
from responder.inventory import Host, Inventory
from responder.plan import Outcome
from responder.policy.judge import Policy
from responder.policy.tiers import TierRules
from responder.store import Store
from responder.verbs.context import Kinds
from tests.databases import ManualClock
from tests.lab.network import Lab
from tests.verbs.desk import NEEDS, Desk

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENABLED, DISABLED, ABSENT = AccountState
_MAKE = """\
useradd -m -s /bin/sh -p '*' "$1" && install -d -m 700 -o "$1" "/home/$1/.ssh" &&
install -m 600 -o "$1" /root/.ssh/authorized_keys "/home/$1/.ssh/authorized_keys"
"""


async def said(shell: SSHShell, *words: str) -> Completed:
    done = await shell.run(*words)
    assert done.status == 0, done
    return done


async def shadow(shell: SSHShell, name: str = "alice") -> str:
    return (await said(shell, "grep", f"^{name}:", "/etc/shadow")).out


@pytest_asyncio.fixture(loop_scope="module")
async def alice(shell: SSHShell) -> AsyncIterator[str]:
    """A person's account on `web`, which the runner's key opens as well."""
    await said(shell, "sh", "-c", _MAKE, "sh", "alice")
    yield "alice"
    await shell.run("pkill", "-KILL", "-u", "alice")
    await asyncio.sleep(0.1)
    await said(shell, "userdel", "-rf", "alice")


def account(shell: SSHShell, name: str, own: str = "root") -> LinuxAccount:
    return LinuxAccounts(shell, "web", own=own).account(name)


def sessions(shell: SSHShell, name: str, before: datetime) -> LinuxSessions:
    return LinuxAccounts(shell, "web", own="root").sessions(name, before)


async def bring(point: LinuxAccount, state: AccountState, record: object = None) -> None:
    await point.write(state, key="step", until=None, tag="INC-1", record=record)  # type: ignore[arg-type]


async def end(point: LinuxSessions) -> None:
    await point.write(Sessions.ENDED, key="step", until=None, tag="INC-1", record=None)


async def signs_in(lab: Lab, name: str) -> bool:
    mine = SSHShell(lab.access("web").model_copy(update={"user": name}), connect_seconds=3)
    try:
        return (await mine.run("id", "-un")).out.strip() == name
    except Unreachable:
        return False
    finally:
        await mine.close()


@pytest.mark.parametrize("expires", ["", "30000"], ids=["no expiry", "an expiry to come"])
async def test_who_is_disabled_cannot_sign_in_and_afterwards_all_is_as_it_was(
    lab: Lab, shell: SSHShell, alice: str, expires: str
) -> None:
    await said(shell, "chage", "-E", expires or "-1", alice)
    before = await shadow(shell)
    point = account(shell, alice)
    found = await point.read()
    assert (found.state, found.record) == (ENABLED, {"expires": expires})
    assert await signs_in(lab, alice)
    for _ in range(2):
        await bring(point, DISABLED, found.record)
        assert (await point.read()).state is DISABLED
    assert not await signs_in(lab, alice)
    for _ in range(2):
        await bring(point, ENABLED, found.record)
        assert await point.read() == found
    assert await shadow(shell) == before
    assert await signs_in(lab, alice)


@pytest.mark.parametrize("password", ["*", "!", "!$y$x", "$y$x"])
async def test_the_password_and_its_lock_are_never_touched(
    shell: SSHShell, alice: str, password: str
) -> None:
    await said(shell, "usermod", "-p", password, alice)
    before = await shadow(shell)
    found = await account(shell, alice).read()
    assert "$" not in str(found.record)
    await bring(account(shell, alice), DISABLED, found.record)
    assert (await shadow(shell)).split(":")[1] == password
    await bring(account(shell, alice), ENABLED, found.record)
    assert await shadow(shell) == before


async def test_an_account_that_had_expired_before_is_disabled_and_left_so(
    shell: SSHShell, alice: str
) -> None:
    await said(shell, "chage", "-E", "19000", alice)
    before = await shadow(shell)
    found = await account(shell, alice).read()
    assert found.state is DISABLED
    await bring(account(shell, alice), DISABLED, found.record)
    assert await shadow(shell) == before


async def test_an_expiry_that_somebody_else_set_meanwhile_is_left_alone(
    shell: SSHShell, alice: str
) -> None:
    point = account(shell, alice)
    found = await point.read()
    await bring(point, DISABLED, found.record)
    await said(shell, "chage", "-E", "19500", alice)
    with pytest.raises(Drifted, match="expected the expiry 1 that was set here, found '19500'"):
        await bring(point, ENABLED, found.record)
    assert (await shadow(shell)).split(":")[7] == "19500"


@pytest.mark.parametrize("name", ["nobody-here", "-x", "a b", "0", "$(reboot)", "x" * 200, "ana@x"])
async def test_an_account_that_is_not_there_is_absent_and_cannot_be_disabled(
    shell: SSHShell, name: str
) -> None:
    point = account(shell, name)
    assert (await point.read()).state is ABSENT
    with pytest.raises(RuntimeError, match="expected an account that may be disabled, found none"):
        await bring(point, DISABLED)


async def test_root_and_the_one_who_signs_in_are_never_touched(shell: SSHShell, alice: str) -> None:
    before = (await said(shell, "cat", "/etc/shadow")).out
    with pytest.raises(RuntimeError, match="found one with uid 0; nothing was changed"):
        await bring(account(shell, "root", own="alice"), DISABLED)
    with pytest.raises(RuntimeError, match="found the one that the runner signs in with"):
        await bring(account(shell, alice, own="alice"), DISABLED)
    with pytest.raises(RuntimeError, match="uid 0"):
        await end(sessions(shell, "root", datetime.now(UTC)))
    assert (await said(shell, "cat", "/etc/shadow")).out == before


async def test_an_entry_that_cannot_be_read_is_unknown(
    lab: Lab, shell: SSHShell, alice: str
) -> None:
    kept = (await said(shell, "cat", "/etc/shadow")).out
    await shell.run("sed", "-i", "/^alice:/d", "/etc/shadow")
    try:
        with pytest.raises(Unreachable, match="account/web/alice: expected its lines"):
            await account(shell, alice).read()
    finally:
        await shell.run("tee", "/etc/shadow", stdin=kept)
    mine = SSHShell(lab.access("web").model_copy(update={"user": alice}))
    with pytest.raises(Unreachable, match="expected its lines of /etc/passwd and /etc/shadow"):
        await account(mine, alice).read()  # without root's rights
    await mine.close()


async def test_sessions_of_before_end_and_one_that_begins_later_goes_on(
    lab: Lab, shell: SSHShell, alice: str
) -> None:
    access = lab.access("web").model_copy(update={"user": alice})
    thief, owner = SSHShell(access), SSHShell(access)
    await said(thief, "sh", "-c", "nohup sleep 600 >/dev/null 2>&1 &")
    held = asyncio.create_task(thief.run("sleep", "8"))
    await asyncio.sleep(1.2)
    moment = datetime.now(UTC)
    point = sessions(shell, alice, moment)
    assert (await point.read()).state is Sessions.OPEN
    await asyncio.sleep(1.2)
    later = asyncio.create_task(owner.run("sleep", "4"))
    await asyncio.sleep(0.5)
    for _ in range(2):
        await end(point)
        assert (await point.read()).state is Sessions.ENDED
    with pytest.raises(Unreachable):
        await held
    assert (await later).status == 0
    # Asked for again from a later moment on, that one ends as well: another resource.
    again = sessions(shell, alice, datetime.now(UTC))
    assert again.name != point.name
    assert (await again.read()).state is Sessions.OPEN
    await end(again)
    assert (await again.read()).state is Sessions.ENDED
    assert (await shell.run("ps", "-U", alice)).out.count("\n") == 1  # ps's own heading
    for one in (thief, owner):
        await one.close()


async def test_an_account_with_nothing_open_has_nothing_to_end(shell: SSHShell, alice: str) -> None:
    assert (await sessions(shell, alice, datetime.now(UTC) + timedelta(hours=1)).read()).state is (
        Sessions.ENDED
    )


async def test_the_processes_of_a_service_are_no_sessions(shell: SSHShell) -> None:
    await said(
        shell, "sh", "-c", "setpriv --reuid=daemon --clear-groups sleep 20 >/dev/null 2>&1 &"
    )
    await asyncio.sleep(0.2)
    point = sessions(shell, "daemon", datetime.now(UTC) + timedelta(seconds=1))
    with pytest.raises(RuntimeError, match=r"found uid \d+ of a service"):
        await end(point)
    await said(shell, "pkill", "-u", "daemon", "sleep")


@pytest.fixture
def database() -> str:
    return "sqlite"


async def test_through_the_verbs_sessions_are_ended_once_and_nothing_holds_it(
    lab: Lab, shell: SSHShell, alice: str, store: Store, clock: ManualClock
) -> None:
    clock.now = datetime.now(UTC)
    host = Host(name="web", access=lab.access("web"))
    places = (HostIdentities(name="web", accounts=("alice",)),)
    wiring = Wiring(Inventory(hosts=(host,), identity_providers=places), store)
    desk = Desk(store, clock, policy=Policy(tiers=TierRules(needs=NEEDS)))
    kinds = Kinds.of((DisableAccount, RevokeSessions), (), ())
    desk.context = dataclasses.replace(desk.context, provision=wiring, kinds=kinds)
    await said(shell, "sh", "-c", "setpriv --reuid=alice --clear-groups sleep 60 >/dev/null 2>&1 &")
    await asyncio.sleep(1.2)
    actions = (
        DisableAccount(account=alice),
        RevokeSessions(account=alice, before=datetime.now(UTC)),
    )
    run = await desk.open_run()
    done = await desk.do(run, *actions)
    assert (await sessions(shell, alice, datetime.now(UTC)).read()).state is Sessions.OPEN
    assert await desk.decide(done.ask, "ana") == "approved"
    done = await desk.do(run, *actions)
    points = [point for receipt in done.receipts for point in receipt.points]
    assert [point.outcome for point in points] == [Outcome.VERIFIED] * 2
    assert (await desk.row(points[0].resource)).state == "held"
    assert (await desk.row(points[1].resource)).state == "settled"
    assert (await sessions(shell, alice, datetime.now(UTC)).read()).state is Sessions.ENDED
    assert not await signs_in(lab, alice)
    await desk.end(points[0].resource)
    assert (await desk.lift(points[0].resource)).over
    assert await signs_in(lab, alice)
    await wiring.close()
