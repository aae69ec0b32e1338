"""`responder plan` on two real firewalls, by a worker that could not change anything if it tried."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.conftest import on_the_lab
from tests.e2e.runner import PYTHON, Runner
from tests.lab.network import Lab

pytestmark = pytest.mark.asyncio(loop_scope="module")
ATTACKER = "203.0.113.77"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runner(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runner]:
    """A runner whose worker can only read."""
    settings = on_the_lab(lab) | {"wiring": "tests.e2e.read_only:ReadOnlyWiring"}
    made = Runner(tmp_path_factory.mktemp("reading"), settings)
    await made.start()
    yield made
    await made.close()


async def plan(runner: Runner, *words: str, by: str = "ana") -> tuple[int, str, str]:
    environment = runner.environment | {
        "RESPONDER_TOKEN": runner.tokens[by],
        "RESPONDER_URL": runner.settings.api.url,
        "PATH": os.environ["PATH"],
    }
    process = await asyncio.create_subprocess_exec(
        PYTHON, "-m", "responder", "plan", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_before_after_blast_tier_and_permissions_and_not_a_byte_is_changed(
    lab: Lab, runner: Runner
) -> None:
    before = [lab.ruleset(host) for host in ("web", "edge2", "db")]
    status, out, said = await plan(runner, "Block", f"network={ATTACKER}")
    assert (status, "fra1" in out, "ams1" in out) == (0, True, True), said
    assert "False" in out
    assert "True" in out
    assert "allow · T1 is allowed at P2 · held for 24 h" in said
    assert "touches 0 hosts, 1 network" in said.replace("networks", "network")
    assert "nftables: nft, flock, ss -K, conntrack -D" in said
    assert "nothing was changed" in said

    status, out, said = await plan(runner, "Isolate", "host=web-1", "--json")
    found: dict[str, Any] = json.loads(out)
    assert found["plan"]["ruling"] == "ask"
    assert found["plan"]["changes"][0]["points"][0]["before"] == "open"
    assert found["plan"]["changes"][0]["points"][0]["after"] == "isolated"
    assert found["needs"]["people"] == 1

    assert [lab.ruleset(host) for host in ("web", "edge2", "db")] == before
    assert runner.rows("SELECT COUNT(*) AS n FROM holds")[0]["n"] == 0
    assert runner.rows("SELECT COUNT(*) AS n FROM steps")[0]["n"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("Explode",), "no such action"),
        (("Block",), "network: Field required"),
        (("Block", "network=203.0.113.7;reboot"), "network"),
        (("Block", "network=010.0.0.1"), "network"),
        (("Block", "network"), "NAME=VALUE"),
        (("Block", f"network={ATTACKER}", "--incident", "INC-1999-0001"), "no such incident"),
    ],
)
async def test_wrong_input_is_one_line(runner: Runner, words: tuple[str, ...], said: str) -> None:
    status, out, err = await plan(runner, *words)
    assert status in (1, 2)
    assert out == ""
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("Block", "network=198.51.100.10"), "isolate web-1 instead"),
        (("Block", "network=0.0.0.0/0"), "wider than"),
        (("Block", "network=::ffff:198.51.100.10"), "is ours (web-1)"),
        (("Isolate", "host=elsewhere"), "not in the inventory"),
    ],
)
async def test_what_would_be_refused_says_why(
    runner: Runner, words: tuple[str, ...], reason: str
) -> None:
    status, _, said = await plan(runner, *words)
    assert status == 0, said
    assert "refuse" in said
    assert reason in said


async def test_a_viewer_may_not_ask_the_firewalls(runner: Runner) -> None:
    status, _, said = await plan(runner, "Block", f"network={ATTACKER}", by="vic")
    assert status == 4
    assert "vic may not plans:draw" in said
