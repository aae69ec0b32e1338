"""Stored histories are replayed; what would break an open run is told in plain words."""

import json
import shutil
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from temporalio import workflow

from activities.block import Block
from activities.connections import Connections
from playbooks import PLAYBOOKS
from responder import Incident, Playbook
from responder.authoring.replaying import Replayed, replay_all
from responder.policy.networks import parse_network
from responder.testing import RunPlaybook

KEPT = Path(__file__).parents[1] / "histories"
RUN = KEPT / "blocked-run.json"


async def test_every_kept_history_goes_on_as_it_was() -> None:
    found = await replay_all(sorted(KEPT.glob("*.json")), list(PLAYBOOKS))
    assert [one for one in found if one.said] == []
    assert len(found) >= 8


@workflow.defn(name="AuthenticationAttack", sandboxed=False)
class LooksFirst(Playbook, answers="authentication_attack"):
    """A change that would break: it reads before it does."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        await self.look_up(Connections(host="web-1"))
        await self.look_up(Connections(host="web-1"))


@workflow.defn(name="AuthenticationAttack", sandboxed=False)
class BlocksAnother(Playbook, answers="authentication_attack"):
    """A change that Temporal itself would not see: the same step, with another address."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        await self.do(Block(network=parse_network("192.0.2.99")))


@workflow.defn(name="AuthenticationAttack", sandboxed=False)
class Stops(Playbook, answers="authentication_attack"):
    """A change that does nothing any more."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        await workflow.sleep(5)


@pytest.mark.parametrize(
    ("changed", "said"),
    [(LooksFirst, "step 1: the history has do Block"), (BlocksAnother, "192.0.2.99"), (Stops, "the history")],
)  # fmt: skip
async def test_a_change_that_would_break_is_told_in_plain_words(changed: type, said: str) -> None:
    changed.__name__, name = "AuthenticationAttack", changed.__name__
    try:
        [found] = await replay_all([RUN], [changed])
    finally:
        changed.__name__ = name
    assert said in found.said
    assert "TMPRL" not in found.said
    assert "\n" not in found.said


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"events": []}', "\x00"])
async def test_what_is_no_history_is_said_to_be_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text(text)
    [found] = await replay_all([path], list(PLAYBOOKS))
    assert found.said.startswith("not a history of Temporal")


async def test_a_playbook_that_is_gone_is_named() -> None:
    assert await replay_all([RUN], []) == [
        Replayed(RUN, "AuthenticationAttack", "no playbook is called AuthenticationAttack any more")
    ]


async def test_a_rehearsal_keeps_histories_that_replay(
    run_playbook: RunPlaybook, tmp_path: Path
) -> None:
    [violation] = [p for p in PLAYBOOKS if p.__name__ == "PolicyViolation"]
    run = await run_playbook(violation, priority="P4", networks=())
    kept = await run.keep(tmp_path)
    assert {path.stem for path in kept} == {"policy-violation-1", "incident"}
    assert [one.said for one in await replay_all(kept, list(PLAYBOOKS))] == ["", ""]


async def test_other_parameters_of_a_kept_step_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    shutil.copyfile(RUN, path)
    history = json.loads(path.read_text())
    for event in history["events"]:
        scheduled = event.get("activityTaskScheduledEventAttributes")
        if scheduled and scheduled["activityType"]["name"] == "do":
            payload = scheduled["input"]["payloads"][0]
            text = b64decode(payload["data"]).replace(b"203.0.113.10", b"203.0.113.99")
            payload["data"] = b64encode(text).decode()
    path.write_text(json.dumps(history))
    [found] = await replay_all([path], list(PLAYBOOKS))
    assert "203.0.113.99" in found.said
