from datetime import timedelta

from activities.access_keys import (
    AccessKeyFacts,
    AccessKeyUse,
    KeyStatus,
    KeyUse,
    ManagedAccessKeys,
)
from playbooks.access_review import AccessReview
from responder.store.database import utc_now
from responder.testing import ImaginedWorld, RunPlaybook

DAY = timedelta(days=1)


async def test_what_was_not_used_for_90_days_is_proposed_and_nothing_is_changed(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    made = utc_now() - 200 * DAY
    world.answers(
        ManagedAccessKeys,
        [AccessKeyFacts(name="deploy", cloud="main", user="deployer", quiet=DAY, check=DAY, give_up=DAY)],
    )  # fmt: skip
    world.answers(
        AccessKeyUse,
        [
            KeyUse(key="AKIAOLDOLDOLDOLD", status=KeyStatus.ACTIVE, made=made),
            KeyUse(key="AKIANEWNEWNEWNEW", status=KeyStatus.ACTIVE, made=made, used=utc_now()),
            KeyUse(key="AKIAOFFOFFOFFOFF", status=KeyStatus.INACTIVE, made=made),
        ],
    )
    run = await run_playbook(
        AccessReview, priority="P4", networks=(), hosts=(), accounts=("deploy", "vic")
    )
    [told] = [m for m in run.facts["messages"] if "proposed, not applied" in m["subject"]]
    old, new, by_hand = told["body"].splitlines()
    assert "AKIAOLDOLDOLDOLD" in old
    assert old.endswith("proposed: deactivate it")
    assert new.endswith("confirm")
    assert by_hand == "vic: confirm by hand"
    assert told["audience"] == "Team Lead"
    assert not world.written


async def test_it_is_asked_for_day_after_day_until_somebody_reviews_it(
    run_playbook: RunPlaybook,
) -> None:
    run = await run_playbook(AccessReview, priority="P4", networks=(), hosts=(), accounts=("vic",))
    assert run.runs[0]["state"] == "open"
    await run.go_on(days=6)
    assert run.runs[0]["state"] == "done"
    assert sum("review 1 accesses" in said for said in run.said) >= 5


async def test_of_an_incident_that_names_nothing_people_are_told_so(
    run_playbook: RunPlaybook,
) -> None:
    run = await run_playbook(AccessReview, priority="P4", networks=(), hosts=())
    assert any("there is nothing to review" in m["body"] for m in run.facts["messages"])
    assert run.runs[0]["state"] == "done"
