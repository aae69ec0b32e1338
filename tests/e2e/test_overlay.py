"""`responder playbooks graph NAME --incident INC-…` over what a whole runner went through."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.runner import ROOT, Runner, wazuh

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def alone(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runner]:
    """A runner whose one enforcement point is the feed that firewalls poll."""
    made = Runner(tmp_path_factory.mktemp("runner"))
    await made.start()
    yield made
    await made.close()


async def graph(runner: Runner, *words: str) -> tuple[int, str, str]:
    """The command, as an author types it who may read the state folder of nobody."""
    environment = {
        "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(runner.folder),
        "RESPONDER_URL": runner.settings.api.url, "RESPONDER_TOKEN": runner.tokens["vic"],
    }  # fmt: skip
    command = (sys.executable, "-m", "responder", "playbooks", "graph", *words)
    running = await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=runner.folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, said = await running.communicate()
    assert running.returncode is not None
    return running.returncode, out.decode(), said.decode()


async def test_what_happened_is_laid_over_the_graph(alone: Runner, tmp_path: Path) -> None:
    await alone.post(wazuh("203.0.113.61", level=7))
    incident = await alone.about("203.0.113.61")

    async def over() -> bool:
        found = await alone.incident(incident["id"])
        return all(run["state"] == "done" for run in found["runs"])

    await alone.until(over, "the run to end", 60)
    status, drawn, said = await graph(
        alone, "authentication_attack", "--incident", str(incident["id"])
    )
    assert status == 0, said
    boxes = {line.strip() for line in drawn.splitlines() if "✔" in line}
    for words in (
        f"{incident['id']}/authentication-attack/1 began", "step 1: done", "said at ", "told at ", "✔ done",
    ):  # fmt: skip
        assert any(words in box for box in boxes), (words, drawn)
    isolate = [line for line in drawn.splitlines() if "Isolate" in line and "[" in line]
    assert isolate
    assert not any("✔" in line for line in isolate), "nothing was isolated"
    status, picture, _ = await graph(
        alone, "authentication_attack", "--svg", "--incident", str(incident["id"])
    )
    assert status == 0
    assert picture.startswith("<svg ")
    assert "step 1: done" in picture


async def test_what_is_not_there_is_one_line(alone: Runner) -> None:
    incident = await alone.about("203.0.113.61")
    status, out, said = await graph(alone, "drill", "--incident", str(incident["id"]))
    assert (status, out) == (3, "")
    assert said.strip() == f"{incident['id']} has no run of Drill"
    status, out, said = await graph(alone, "drill", "--incident", "INC-2026-9999")
    assert (status, out) == (3, "")
    assert len(said.strip().splitlines()) == 1
    assert "INC-2026-9999" in said
