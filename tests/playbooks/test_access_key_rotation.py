from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.access_keys import (
    AccessKeyFacts,
    AccessKeyUse,
    CreateAccessKey,
    DeactivateAccessKey,
    DeleteAccessKey,
    KeyStatus,
    KeyUse,
    ManagedAccessKeys,
)
from playbooks.access_key_rotation import AccessKeyRotation
from responder.testing import ImaginedWorld, RunPlaybook

HOUR = timedelta(hours=1)
MADE = datetime(2026, 1, 2, tzinfo=UTC)
OLD = KeyUse(key="AKIAOLDOLDOLDOLD", status=KeyStatus.ACTIVE, made=MADE, used=MADE)
NEW = KeyUse(key="AKIANEWNEWNEWNEW", status=KeyStatus.ACTIVE, made=MADE, used=MADE)
USER = AccessKeyFacts(
    name="deploy-key", cloud="main", user="deploy", quiet=HOUR, check=HOUR / 4, give_up=3 * HOUR,
    keys=(OLD,),
)  # fmt: skip
WHERE: dict[str, Any] = {"cloud": "main", "user": "deploy", "key": OLD.key}


@pytest.fixture
def aws(world: ImaginedWorld) -> ImaginedWorld:
    """A user with one key, and a provider that notes which key it made."""
    world.answers(ManagedAccessKeys, [USER])
    world.notes(CreateAccessKey, {"key": NEW.key})
    world.holds(DeactivateAccessKey(**WHERE), KeyStatus.ACTIVE)
    world.holds(DeleteAccessKey(**WHERE), KeyStatus.INACTIVE)
    return world


async def test_the_old_key_ends_only_after_the_proof_that_the_new_one_is_used_instead(
    aws: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    uses = [OLD]
    aws.answers(AccessKeyUse, lambda _: uses)
    run = await run_playbook(
        AccessKeyRotation, priority="P4", networks=(), hosts=(), accounts=("deploy",)
    )
    await run.go_on(hours=1)
    assert not any("deactivate" in done for done in run.done), "nobody has used the new key yet"
    uses = [OLD, NEW]
    await run.go_on(hours=3)
    assert [done.split()[1] for done in run.done] == ["make", "use", "deactivate", "delete"]
    assert any("access key of deploy rotated" in said for said in run.said)
    assert run.runs[0]["state"] == "done"


async def test_who_does_not_change_over_is_named_and_keeps_the_old_key(
    aws: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    aws.answers(AccessKeyUse, [OLD])
    run = await run_playbook(
        AccessKeyRotation, priority="P4", networks=(), hosts=(), accounts=("deploy",)
    )
    await run.go_on(hours=5)
    assert any("deploy has not cut over to its new key" in said for said in run.said)
    assert not any("deactivate" in done for done in run.done)


async def test_without_a_new_key_nothing_else_is_done(
    aws: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    aws.fails(CreateAccessKey)
    run = await run_playbook(
        AccessKeyRotation, priority="P4", networks=(), hosts=(), accounts=("deploy",)
    )
    await run.go_on(minutes=5)
    assert any("no access key was made for deploy" in said for said in run.said)
    assert not any("use version" in done for done in run.done)
