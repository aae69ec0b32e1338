from datetime import timedelta

import pytest

from activities.access_keys import (
    AccessKeyFacts,
    AccessKeyUse,
    ManagedAccessKeys,
    Quarantine,
    QuarantineUser,
)
from activities.accounts import AccountState, DisableAccount
from activities.monitoring import Monitoring, RaiseMonitoring
from playbooks.privilege_escalation import PrivilegeEscalation
from responder.testing import ImaginedWorld, RunPlaybook, assert_undone

DISABLE, WATCH = DisableAccount(account="ben"), RaiseMonitoring(host="web-1")


async def test_people_hear_of_it_first_and_the_account_is_closed_when_somebody_agrees(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(PrivilegeEscalation, priority="P2", networks=(), accounts=("ben",))
    watch, evidence, disable, sessions = run.done
    assert (watch, disable) == ("raise monitoring of web-1", "disable account ben")
    assert evidence.startswith("collect evidence")
    assert sessions.startswith("end the sessions of ben")
    assert len(run.asks) == 1
    told = [message for message in run.facts["messages"] if message["audience"] == "Security Team"]
    assert any("ben" in message["body"] for message in told)
    await run.go_on(hours=25)
    assert world.state_of(DISABLE) == {"imagined": AccountState.ENABLED}
    assert world.state_of(WATCH) == {"imagined": Monitoring.NORMAL}
    assert_undone(run)


async def test_a_user_of_a_cloud_is_quarantined_there(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    day = timedelta(days=1)
    facts = AccessKeyFacts(
        name="deploy", cloud="main", user="deployer", quiet=day, check=day, give_up=day
    )
    world.answers(ManagedAccessKeys, [facts])
    await run_playbook(PrivilegeEscalation, networks=(), hosts=(), accounts=("deploy",))
    quarantine = QuarantineUser(cloud="main", user="deployer")
    assert world.state_of(quarantine) == {"imagined": Quarantine.QUARANTINED}
    assert not any(isinstance(one, AccessKeyUse) for one in world.asked)


@pytest.mark.parametrize("said", [False, None])
async def test_a_no_and_a_silence_leave_the_account_open_and_say_so(
    world: ImaginedWorld, run_playbook: RunPlaybook, said: bool | None
) -> None:
    run = await run_playbook(
        PrivilegeEscalation, networks=(), accounts=("ben",), says=lambda _: said
    )
    await run.go_on(minutes=31)
    assert any("accounts were not closed" in one for one in run.said)
    assert world.state_of(DISABLE) == {"imagined": AccountState.ENABLED}
    assert run.runs[0]["state"] == "done"


async def test_an_account_that_somebody_deleted_meanwhile_is_told_and_the_playbook_goes_on(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    def deleted_first(_: object) -> bool:
        world.holds(DISABLE, AccountState.ABSENT)
        return True

    run = await run_playbook(
        PrivilegeEscalation, networks=(), accounts=("ben",), says=deleted_first
    )
    assert any("accounts were not closed" in said for said in run.said)
    assert world.state_of(DISABLE) == {"imagined": AccountState.ABSENT}
    assert run.runs[0]["state"] == "done"


async def test_below_p2_it_watches_and_asks_nobody(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(PrivilegeEscalation, priority="P3", networks=(), accounts=("ben",))
    assert run.asks == []
    assert world.state_of(WATCH) == {"imagined": Monitoring.RAISED}


async def test_of_an_incident_that_names_nothing_people_are_told_so(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(PrivilegeEscalation, networks=(), hosts=())
    assert any("No account and no host" in message["body"] for message in run.facts["messages"])
    assert not world.written
