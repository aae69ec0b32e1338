"""What Temporal kept of a playbook's run, for tests/histories; `RESPONDER_HISTORIES=1` has it written."""

import os
from pathlib import Path

from responder.crypto.codec import SealedPayloads
from responder.crypto.keyring import KeyRing
from tests.e2e.runner import Runner
from tests.histories.opened import opened

HISTORIES = Path(__file__).parents[1] / "histories"


async def keep(runner: Runner, number: str) -> None:
    """The history of an incident's run, opened, under the name of its category."""
    if os.environ.get("RESPONDER_HISTORIES") != "1":
        return
    client = await runner.temporal()
    codec = SealedPayloads(KeyRing.load(runner.settings.state / "keys" / "payloads.json"))
    incident = await runner.incident(number)
    [run] = incident["runs"]
    history = await client.get_workflow_handle(run["id"]).fetch_history()
    (HISTORIES / f"{incident['category']}.json").write_text(opened(history, codec))
