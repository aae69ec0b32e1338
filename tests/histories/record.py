"""
`python -m tests.histories.record`: run a few incidents for real and keep their histories.

To be run in the lab (`python -m tests.lab.sandbox -- python -m tests.histories.record`) when a
workflow's behaviour is changed on purpose; what was recorded before stays until no release that
wrote it may still have open runs.

The history of each playbook, under its category's name, is of its end-to-end test: it is written by
`RESPONDER_HISTORIES=1` with tests/e2e/test_each_playbook.py and test_system_compromise.py, there too.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from responder.crypto.codec import SealedPayloads
from responder.crypto.keyring import KeyRing
from tests.e2e.conftest import on_the_lab
from tests.e2e.runner import Runner, wazuh
from tests.histories.opened import opened
from tests.lab.network import Lab, why_not

HERE = Path(__file__).parent


async def main() -> None:
    """Three stories: blocked; asked, approved and isolated; asked and denied."""
    if said := why_not():
        sys.exit(said)
    with tempfile.TemporaryDirectory() as name:
        lab = Lab(Path(name))
        runner = Runner(Path(name), on_the_lab(lab))
        await runner.start()
        try:
            await record(runner)
        finally:
            await runner.close()
            lab.close()


async def record(runner: Runner) -> None:
    """Run the stories and write what Temporal kept of them."""
    keep: dict[str, str] = {}
    await runner.post(wazuh("203.0.113.10", host="elsewhere", level=7))
    blocked = await runner.about("203.0.113.10")
    await runner.status(blocked["id"], "contained")
    keep |= {"blocked-incident": blocked["id"], "blocked-run": blocked["runs"][0]["id"]}
    await runner.api("POST", "/api/leases/end", json={"resource": "block/fra1/203.0.113.10"})
    keep["ended-lease"] = "lease/block/fra1/203.0.113.10"
    keep["held-lease"] = "lease/block/ams1/203.0.113.10"
    for number, approve in ((11, True), (12, False)):
        await runner.post(wazuh(f"203.0.113.{number}", host="web-1", level=12))
        asked = await runner.about(f"203.0.113.{number}")
        asked = await runner.status(asked["id"], "waiting for approval")
        [ask] = [a for a in asked["asks"] if a["state"] == "open"]
        code = await runner.fresh_code("ana") if approve else ""
        verdict = {"approve": approve, "digest": ask["digest"], "code": code}
        await runner.api("POST", f"/api/asks/{ask['id']}/decisions", json=verdict)
        await runner.status(asked["id"], "contained")
        word = "approved" if approve else "denied"
        keep |= {f"{word}-incident": asked["id"], f"{word}-run": asked["runs"][0]["id"]}
    body = {"resolution": "resolved"}
    await runner.api("POST", f"/api/incidents/{blocked['id']}/close", json=body)
    await asyncio.sleep(3)
    client = await runner.temporal()
    codec = SealedPayloads(KeyRing.load(runner.settings.state / "keys" / "payloads.json"))
    for name, workflow in keep.items():
        history = await client.get_workflow_handle(workflow).fetch_history()
        (HERE / f"{name}.json").write_text(opened(history, codec))


if __name__ == "__main__":
    asyncio.run(main())
