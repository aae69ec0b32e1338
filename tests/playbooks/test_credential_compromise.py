from datetime import UTC, datetime, timedelta

import pytest

from activities.access_keys import (
    AccessKeyFacts,
    AccessKeyUse,
    CreateAccessKey,
    DeactivateAccessKey,
    KeyStatus,
    KeyUse,
    ManagedAccessKeys,
)
from activities.footholds import Foothold, Footholds, Swept
from activities.keys import KeyFacts, ManagedKeys
from playbooks.credential_compromise import CredentialCompromise
from responder.secrets.contract import Stage, Version, version_for
from responder.store.database import utc_now
from responder.testing import ImaginedWorld, Rehearsed, RunPlaybook

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
MADE = datetime(2026, 1, 2, tzinfo=UTC)
OLD = KeyUse(key="AKIAOLDOLDOLDOLD", status=KeyStatus.ACTIVE, made=MADE)
FRESH = "AKIANEWNEWNEWNEW"
USER = AccessKeyFacts(
    name="deploy-key",
    cloud="main",
    user="deploy",
    quiet=DAY,
    check=MINUTE,
    give_up=DAY,
    keys=(OLD,),
)
STOLEN = DeactivateAccessKey(cloud="main", user="deploy", key=OLD.key)
FOUND = Foothold(what="access key AKIAHISHISHISHIS of ben", why="made", at=MADE)


def bodies(run: Rehearsed, words: str) -> list[str]:
    return [m["body"] for m in run.facts["messages"] if words in m["subject"]]


@pytest.fixture
def stolen(world: ImaginedWorld) -> ImaginedWorld:
    """A user whose one key is in other hands."""
    world.holds(STOLEN, KeyStatus.ACTIVE)
    world.answers(ManagedAccessKeys, [USER])
    return world


async def test_it_is_shut_out_with_its_sessions_before_anything_else_and_swept_then(
    stolen: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    stolen.answers(Footholds, Swept(found=(FOUND,), unseen=("the roles: denied",)))
    run = await run_playbook(CredentialCompromise, hosts=(), accounts=("deploy", "vic"))
    key, theirs, persons = run.done
    assert key == f"emergency: deactivate access key {OLD.key} of deploy in main"
    assert theirs.startswith("end sessions of deploy in main from before ")
    assert persons.startswith("end the sessions of vic from before ")
    assert len(run.asks) == 1
    assert stolen.state_of(STOLEN) == {"imagined": KeyStatus.INACTIVE}
    assert bodies(run, "persistence sweep of main: 2 to look at") == [
        f"{FOUND}\nnot looked at: the roles: denied"
    ]
    [asked] = [one for one in stolen.asked if isinstance(one, Footholds)]
    assert asked.since <= utc_now() - timedelta(hours=23)


async def test_a_new_key_is_made_after_the_watch_and_the_run_goes_on_until_it_is_proved_in_use(
    stolen: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    used: list[KeyUse] = []
    stolen.answers(AccessKeyUse, lambda _: [OLD, *used])
    stolen.notes(CreateAccessKey, {"key": FRESH})
    run = await run_playbook(CredentialCompromise, hosts=(), accounts=("deploy",))
    assert not any("make an access key" in one for one in run.done), "the watch comes first"
    await run.go_on(minutes=35)
    assert any("make an access key of deploy" in one for one in run.done)
    assert any("shut out and replaced: deploy-key" in said for said in run.said)
    await run.go_on(hours=1)
    assert run.runs[0]["state"] == "open", "nobody has used the new key yet"
    used.append(OLD.model_copy(update={"key": FRESH, "used": utc_now()}))
    stolen.answers(AccessKeyUse, lambda _: [off(OLD), *used])
    await run.go_on(minutes=5)
    assert run.runs[0]["state"] == "done"
    assert any("proposed, not applied" in said for said in run.said)


async def test_a_new_key_that_nobody_uses_is_told_when_its_time_is_up(
    stolen: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    stolen.notes(CreateAccessKey, {"key": FRESH})
    stolen.answers(AccessKeyUse, [off(OLD)])
    stolen.answers(ManagedAccessKeys, [USER.model_copy(update={"give_up": 10 * MINUTE})])
    run = await run_playbook(CredentialCompromise, hosts=(), accounts=("deploy",))
    await run.go_on(hours=1)
    [said] = bodies(run, "deploy has not cut over to its new key")
    assert OLD.key in said
    assert run.runs[0]["state"] == "done"


async def test_a_key_that_is_used_after_it_was_shut_out_is_told_loudly(
    stolen: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    late = off(OLD).model_copy(update={"used": datetime(2036, 1, 1, tzinfo=UTC)})
    stolen.answers(AccessKeyUse, [late])
    run = await run_playbook(CredentialCompromise, hosts=(), accounts=("deploy",))
    await run.go_on(minutes=35)
    assert any("used after it was shut out: AKIAOLD" in said for said in run.said)


async def test_a_key_of_ours_is_refused_and_replaced_without_a_watch(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    current = Version(id=version_for("before", "jwt"), stage=Stage.CURRENT, made=MADE)
    world.answers(ManagedKeys, [KeyFacts(
        name="jwt", type="rsa", retention=DAY, distribute=DAY, versions=(current,)
    )])  # fmt: skip
    run = await run_playbook(CredentialCompromise, hosts=(), accounts=("jwt",))
    assert len(run.done) == 3, run.done
    assert "make version" in run.done[1]
    assert "use version" in run.done[2]
    assert run.runs[0]["state"] == "done"


@pytest.mark.parametrize("said", [False, None])
async def test_a_no_and_a_silence_change_nothing_and_the_sweep_is_told_all_the_same(
    said: bool | None, stolen: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(
        CredentialCompromise, hosts=(), accounts=("deploy",), says=lambda _: said
    )
    await run.go_on(minutes=31)
    assert not stolen.written
    assert any("the credential was not shut out" in one for one in run.said)
    assert any("persistence sweep" in one for one in run.said)
    assert run.status != "contained"
    assert run.runs[0]["state"] == "done"


async def test_of_an_incident_that_names_nothing_people_are_told_so(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(CredentialCompromise, networks=(), hosts=())
    assert bodies(run, "not ours to rotate") == ["No account and no key is named."]
    assert not world.written
    assert run.runs[0]["state"] == "done"


def off(key: KeyUse) -> KeyUse:
    return key.model_copy(update={"status": KeyStatus.INACTIVE})
