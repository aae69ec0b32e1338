"""A playbook that goes wrong: its author gets a line, people are told, clocks go on, nothing is half done."""

import asyncio
import random
import time
from datetime import datetime

import pytest
from temporalio import workflow

from activities.block import Block
from activities.isolate import Isolate
from responder import Incident, Playbook
from responder.policy.networks import parse_network
from responder.testing import ImaginedWorld, Rehearsed, RunPlaybook

BLOCK = Block(network=parse_network("203.0.113.7"))


@workflow.defn
class Raises(Playbook, answers="raises"):
    """Has a fault."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        raise KeyError("no such host")


@workflow.defn
class NeedsAccounts(Playbook, answers="needs_accounts"):
    """Takes for granted what an alert need not have."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        first = incident.accounts[0]
        await self.announce(first)


@workflow.defn
class AsksForTooMany(Playbook, answers="too_many"):
    """Asks for 10,000 changes at once."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        await self.do(*(Isolate(host=f"host-{n}") for n in range(10_000)))


@workflow.defn
class WavesOfTooMany(Playbook, answers="waves_of_too_many"):
    """Begins small, and would go on with too many."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        await self.do_in_waves(*(Block(network=parse_network(f"192.0.2.{n}")) for n in range(250)))


@workflow.defn
class LooksAtTheClock(Playbook, answers="clock"):
    """Takes the time from its machine."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        await self.announce(f"at {datetime.now()}")  # noqa: DTZ005 - what the sandbox is to stop


@workflow.defn
class Gambles(Playbook, answers="gambles"):
    """Is not the same at a replay."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        await self.announce(f"number {random.random()}")


@workflow.defn
class ReachesTheCloud(Playbook, answers="reaches"):
    """Imports what reaches others."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        import boto3  # noqa: PLC0415 - what is tried

        boto3.client("ec2", region_name="eu-central-1")


@workflow.defn
class Blocks(Playbook, answers="blocks"):
    """Sleeps as no workflow may."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        time.sleep(3)


@workflow.defn
class Loops(Playbook, answers="loops"):
    """Asks the same again and again."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        while True:
            await self.announce("again")
            await asyncio.sleep(60)


def stopped(run: Rehearsed) -> str:
    """What is said of the run that failed; people were told, and the clocks are there."""
    [one] = run.runs
    assert one["state"] == "failed", one
    assert any("stopped" in said for said in run.said), run.said
    running = {clock["clock"] for clock in run.facts["clocks"] if clock["met"] is None}
    assert running >= {"acknowledge", "resolve"}
    assert "\n" not in one["said"]
    return str(one["said"])


@pytest.mark.parametrize(
    ("playbook", "said"),
    [
        (Raises, "KeyError: 'no such host'"),
        (NeedsAccounts, "IndexError: tuple index out of range"),
        (AsksForTooMany, "Refused: a batch of 10000 actions: at most 200 are done together"),
        (WavesOfTooMany, "Refused: a batch of 244 actions: at most 200 are done together"),
    ],
)
async def test_its_author_gets_one_line_and_nothing_was_done(
    playbook: type[Playbook], said: str, world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(playbook)
    assert stopped(run).startswith(said)
    assert run.facts["steps"] == []
    assert not world.written


@pytest.mark.parametrize("playbook", [LooksAtTheClock, Gambles, ReachesTheCloud, Blocks])
async def test_what_differs_at_a_replay_is_stopped_by_the_sandbox_and_clocks_go_on(
    playbook: type[Playbook], world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(playbook)
    assert stopped(run)
    await run.go_on(hours=1)
    assert not world.written
    assert any("acknowledge" in said for said in run.said), "the incident's own clocks go on"


async def test_who_loops_is_held_up_by_nothing_and_holds_up_nobody(
    run_playbook: RunPlaybook,
) -> None:
    run = await run_playbook(Loops)
    await run.go_on(hours=1)
    assert any("acknowledge" in said for said in run.said)
    assert run.runs[0]["state"] == "open"
