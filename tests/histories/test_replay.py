"""A change that would break a running incident fails here, before it lands."""

import json
import re
from base64 import b64decode
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from playbooks import PLAYBOOKS
from responder.workflows.incident import IncidentWorkflow
from responder.workflows.lease import LeaseWorkflow

RECORDED = sorted(Path(__file__).parent.glob("*.json"))
RESTRICTIONS = SandboxRestrictions.default.with_passthrough_modules(
    "pydantic", "pydantic_core", "rfc8785", "responder", "activities"
)


def replayer(*workflows: type) -> Replayer:
    return Replayer(
        workflows=list(workflows),
        data_converter=pydantic_data_converter,
        workflow_runner=SandboxedWorkflowRunner(restrictions=RESTRICTIONS),
    )


def test_there_are_recorded_histories_of_every_kind() -> None:
    kinds = {
        json.loads(p.read_text())["events"][0]["workflowExecutionStartedEventAttributes"][
            "workflowType"
        ]["name"]
        for p in RECORDED
    }
    assert {"Incident", "Lease", *(playbook.__name__ for playbook in PLAYBOOKS)} <= kinds


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_history_names_no_folder_of_the_machine_it_was_made_on(recorded: Path) -> None:
    text = recorded.read_text()
    clear = b"".join(b64decode(data) for data in re.findall(r'"data": "([^"]*)"', text))
    assert re.findall(rb"/(?:tmp|work|home|root|var)/[^\"\s]*", clear + text.encode()) == []


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda path: path.stem)
async def test_a_recorded_history_replays(recorded: Path) -> None:
    history = WorkflowHistory.from_json(recorded.stem, recorded.read_text())
    found = await replayer(IncidentWorkflow, LeaseWorkflow, *PLAYBOOKS).replay_workflow(
        history, raise_on_replay_failure=False
    )
    assert found.replay_failure is None


@workflow.defn(name="Lease")
class Hasty:
    """A lease that undoes at once: what the gate is there to catch."""

    @workflow.run
    async def run(self, start: object) -> str:
        await workflow.sleep(1)
        return "undone"

    @workflow.signal
    def look(self) -> None:
        """Nothing."""


async def test_a_workflow_that_would_have_done_otherwise_is_caught() -> None:
    recorded = Path(__file__).parent / "ended-lease.json"
    history = WorkflowHistory.from_json("lease", recorded.read_text())
    found = await replayer(Hasty).replay_workflow(history, raise_on_replay_failure=False)
    assert "Nondeterminism" in type(found.replay_failure).__name__ or "TMPRL1100" in str(
        found.replay_failure
    )
