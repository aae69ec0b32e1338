from datetime import timedelta

from activities.keys import KeyFacts, ManagedKeys
from activities.restrict import Limits, Restrict
from playbooks.authentication_bypass import AuthenticationBypass
from responder.policy.networks import parse_network
from responder.testing import ImaginedWorld, RunPlaybook, assert_undone

SLOWED = Restrict(network=parse_network("203.0.113.7"), connections_per_minute=30)
LIMITS = Limits(connections_per_minute=30)


async def test_it_is_slowed_and_watched_at_once_and_sessions_end_when_somebody_agrees(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(AuthenticationBypass, accounts=("cyd",))
    assert run.done[:2] == [
        "restrict 203.0.113.7 to 30 new connections/min",
        "raise monitoring of web-1",
    ]
    assert run.done[2].startswith("end the sessions of cyd")
    assert world.state_of(SLOWED) == {"imagined": LIMITS}
    assert any(message["audience"] == "Security Team" for message in run.facts["messages"])
    await run.go_on(hours=25)
    assert world.state_of(SLOWED) == {"imagined": Limits()}
    assert_undone(run)


async def test_an_exposed_key_gets_a_new_version_that_is_used_once_everybody_can_know_it(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    key = KeyFacts(
        name="jwt", type="rsa", retention=timedelta(days=90), distribute=timedelta(minutes=30)
    )
    world.answers(ManagedKeys, [key])
    run = await run_playbook(AuthenticationBypass, hosts=(), accounts=("jwt",))
    assert len(run.done) == 2
    assert run.done[1].startswith("emergency: make version")
    await run.go_on(minutes=40)
    assert run.done[2].startswith("emergency: use version")
    assert not any("end the sessions of jwt" in done for done in run.done)


async def test_a_no_leaves_sessions_and_keys_and_keeps_the_limits(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    key = KeyFacts(name="jwt", type="rsa", retention=timedelta(1), distribute=timedelta(0))
    world.answers(ManagedKeys, [key])
    run = await run_playbook(AuthenticationBypass, accounts=("cyd", "jwt"), says=lambda _: False)
    assert any("sessions were not ended" in said for said in run.said)
    assert any("exposed keys were not rotated" in said for said in run.said)
    assert world.state_of(SLOWED) == {"imagined": LIMITS}


async def test_a_silent_firewall_does_not_hide_that_the_host_is_watched(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    world.fails(Restrict)
    run = await run_playbook(AuthenticationBypass)
    outcomes = {hold["summary"]: hold["outcome"] for hold in run.facts["holds"]}
    assert outcomes.pop("raise monitoring of web-1") == "verified"
    assert set(outcomes.values()).isdisjoint({"verified"})


async def test_of_an_incident_that_names_nothing_people_are_told_so(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(AuthenticationBypass, networks=(), hosts=())
    assert any("Nothing is named" in message["body"] for message in run.facts["messages"])
    assert not world.written
