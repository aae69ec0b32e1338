from datetime import UTC, datetime, timedelta

from activities.keys import KeyFacts, ManagedKeys
from playbooks.key_rotation import KeyRotation
from responder.secrets.contract import Stage, Version, version_for
from responder.testing import ImaginedWorld, RunPlaybook

LONG_AGO = datetime(2025, 1, 2, tzinfo=UTC)
CURRENT = Version(id=version_for("last month", "jwt"), stage=Stage.CURRENT, made=LONG_AGO)
OLD = Version(
    id=version_for("long ago", "jwt"), stage=Stage.PREVIOUS, made=LONG_AGO, replaced=LONG_AGO
)
KEY = KeyFacts(
    name="jwt", type="rsa", retention=timedelta(days=90), distribute=timedelta(minutes=30),
    versions=(OLD, CURRENT),
)  # fmt: skip


async def test_a_version_is_used_once_everybody_can_know_it_and_what_is_out_of_retention_is_destroyed(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    world.answers(ManagedKeys, [KEY])
    run = await run_playbook(
        KeyRotation, priority="P4", networks=(), hosts=(), accounts=("jwt", "typo")
    )
    assert [done.partition(" ")[2][:12] for done in run.done] == ["make version"]
    await run.go_on(minutes=40)
    _made, used, destroyed = run.done
    assert "use version" in used
    assert OLD.id[:8] in destroyed
    assert CURRENT.id[:8] not in destroyed
    assert any("jwt done, 1 old destroyed" in said for said in run.said)
    assert any("no such key: typo" in said for said in run.said)
    assert run.runs[0]["state"] == "done"


async def test_a_no_makes_nothing_and_is_told(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    world.answers(ManagedKeys, [KEY])
    run = await run_playbook(
        KeyRotation, priority="P4", networks=(), hosts=(), accounts=("jwt",), says=lambda _: False
    )
    assert not world.written
    assert run.runs[0]["state"] == "failed"
    assert any("stopped" in said for said in run.said)
