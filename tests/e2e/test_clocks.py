"""Clocks through a whole runner: on time whatever is killed, and steered from the command line."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.runner import PYTHON, Runner, wazuh

pytestmark = pytest.mark.asyncio(loop_scope="module")
LATE = 5.0  # seconds, at most, whatever was killed
SLA = {
    "P3": {"acknowledge": "PT8S", "escalates_to": ["Operations"]},
    "P1": {"acknowledge": "PT1H", "contain": "PT11S", "escalates_to": ["Security Team", "CISO"]},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runner(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runner]:
    """A runner whose playbook changes nothing, and whose clocks are short."""
    settings = {"playbooks": ["tests.e2e.patient_playbook:PLAYBOOKS"], "sla": SLA}
    made = Runner(tmp_path_factory.mktemp("clocks"), settings)
    await made.start()
    yield made
    await made.close()


@pytest.fixture(autouse=True)
def _clean() -> None:
    """No firewall is touched here, so no lab is needed."""


async def opened(runner: Runner, address: str) -> dict[str, Any]:
    """A P3 that was just opened."""
    assert (await runner.post(wazuh(address, host="elsewhere", level=7))).status_code == 202
    incident = await runner.about(address)
    assert incident["priority"] == "P3"
    return incident


async def breach(runner: Runner, incident: str, clock: str, seconds: float = 60) -> float:
    """How late the breach was recorded, in seconds."""
    query = "SELECT due, breached FROM clocks WHERE incident = ? AND clock = ?"

    async def struck() -> Any:
        [row] = runner.rows(query, incident, clock)
        return row if row["breached"] is not None else None

    row = await runner.until(struck, f"{clock} of {incident} to strike", seconds)
    return float(row["breached"] - row["due"]) / 1e6


def due(runner: Runner, incident: str, clock: str) -> float:
    query = "SELECT due FROM clocks WHERE incident = ? AND clock = ?"
    return float(runner.rows(query, incident, clock)[0]["due"]) / 1e6


@pytest.mark.parametrize(
    ("number", "parts"),
    [(1, ("worker",)), (2, ("temporal",)), (3, ("worker", "temporal", "serve"))],
)
async def test_a_clock_strikes_on_time_whatever_is_killed_just_before(
    runner: Runner, number: int, parts: tuple[str, ...]
) -> None:
    incident = (await opened(runner, f"203.0.113.{number}"))["id"]
    await asyncio.sleep(max(due(runner, incident, "acknowledge") - time.time() - 1.5, 0))
    for part in parts:
        runner.kill(part)
    late = await breach(runner, incident, "acknowledge")
    print(f"{' and '.join(parts)} killed 1.5 s before: struck {late:.2f} s late")
    assert 0 <= late <= LATE
    said = runner.rows(
        "SELECT subject FROM messages WHERE incident = ? AND key LIKE 'breach/%/acknowledge/%'",
        incident,
    )
    assert len(said) == 1


async def test_a_new_priority_is_struck_on_time_though_the_worker_and_temporal_are_killed(
    runner: Runner,
) -> None:
    incident = (await opened(runner, "203.0.113.20"))["id"]
    await runner.api("POST", f"/api/incidents/{incident}/ack")
    body = {"priority": "P1", "reason": "it spreads"}
    await runner.api("POST", f"/api/incidents/{incident}/priority", json=body)
    wanted = due(runner, incident, "contain")
    found = await runner.incident(incident)
    began = datetime.fromisoformat(found["opened"])
    assert wanted == (began + timedelta(seconds=11)).timestamp()
    await asyncio.sleep(max(wanted - time.time() - 1.5, 0))
    for part in ("worker", "temporal"):
        runner.kill(part)
    late = await breach(runner, incident, "contain")
    print(f"planned anew by a priority, worker and temporal killed: struck {late:.2f} s late")
    assert 0 <= late <= LATE
    found = await runner.incident(incident)
    assert any("was P3, is P1 now: it spreads" in m["subject"] for m in found["messages"])


def responder(runner: Runner, who: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of the command line, as *who*."""
    environment = {
        **os.environ, "RESPONDER_CONFIG": str(runner.file), "NO_COLOR": "1", "COLUMNS": "200",
        "RESPONDER_URL": runner.settings.api.url, "RESPONDER_TOKEN": runner.tokens[who],
    }  # fmt: skip
    command = (PYTHON, "-m", "responder", *words)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


async def test_an_incident_is_steered_from_the_command_line(runner: Runner) -> None:
    async def up() -> bool:
        return (await runner.http.get("/readyz?worker=true")).status_code == 200

    await runner.until(up, "everything that was killed to be back", 60)
    incident = (await opened(runner, "203.0.113.30"))["id"]
    aware = datetime.now(UTC).isoformat()
    steps = [
        ("ana", ("ack", incident), 0, "is ana's"),
        ("ben", ("ack", incident), 4, f"responder incidents take {incident}"),
        ("ben", ("take", incident), 0, "it was ana's"),
        ("ben", ("note", incident, "two hosts left", "--update"), 0, "the next update is due anew"),
        ("ben", ("pause", incident, "resolve", "--for", "1h", "--reason", "vendor"), 0, "stands still"),
        ("ben", ("pause", incident, "resolve", "--for", "9h", "--reason", "more"), 4, "paused already"),
        ("ben", ("pause", incident, "nonsense", "--for", "1h", "--reason", "x"), 1, "clock"),
        ("ben", ("duty", incident, "dora", "--aware-at", aware), 0, ""),
        ("ben", ("duty", incident, "dora", "--classified-at", "now"), 0, ""),
        ("ben", ("duty", incident, "dora", "--done", "initial", "--reference", "CASE-7"), 0, ""),
        ("vic", ("note", incident, "may I"), 4, "vic may not"),
        ("ben", ("priority", incident, "p2", "--reason", "worse"), 0, "is P2"),
        ("vic", ("show", incident), 0, ""),
    ]  # fmt: skip
    card = ""
    for who, words, status, said in steps:
        done = await asyncio.to_thread(responder, runner, who, "incidents", *words)
        assert (done.returncode, said in done.stderr) == (status, True), (words, done)
        card = done.stdout
    for part in (
        "two hosts left",
        "resolve paused until",
        "dora initial",
        "reported as CASE-7",
        "ben",
    ):
        assert part in card
    done = await asyncio.to_thread(
        responder, runner, "vic", "incidents", "duty", incident, "--json"
    )
    stages = {row["stage"]: row["state"] for row in json.loads(done.stdout)}
    assert stages == {"initial": "done", "intermediate": "running", "final": "projected"}
    done = await asyncio.to_thread(responder, runner, "ben", "incidents", "resolve", incident)
    assert (done.returncode, "is closed: resolved" in done.stderr) == (0, True)
    found = await runner.api("GET", "/api/audit/verification")
    assert found["fault"] is None


async def test_the_auditors_age_is_in_the_health_and_in_the_metrics(runner: Runner) -> None:
    async def looked() -> bool:
        found = (await runner.http.get("/healthz")).json()
        return found["status"] == "ok" and found["auditor_age_seconds"] is not None

    await runner.until(looked, "the auditor to have looked")
    page = (await runner.http.get("/metrics")).text
    assert "responder_auditor_age_seconds" in page
