"""Killed, lost and restored: one rule, nothing lost, nothing asked or done twice, clocks on time."""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.e2e import faults
from tests.e2e.conftest import on_the_lab
from tests.e2e.runner import PYTHON, Runner, wazuh
from tests.e2e.test_leases import elements
from tests.lab.network import Lab

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOMENTS = (
    "before read",
    "after read",
    "before write",
    "after write",
    "after read-back",
)
UNDOS = {"before undo": "203.0.113.105", "after undo": "203.0.113.106"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runner(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runner]:
    """A runner whose workers can be doomed, and whose acknowledge clock at P3 is short."""
    folder: Path = tmp_path_factory.mktemp("doomed")
    settings = on_the_lab(lab) | {
        "wiring": "tests.e2e.faults:FaultyWiring",
        "sla": {
            "P3": {
                "acknowledge": "PT8S",
                "contain": "PT4H",
                "resolve": "P1D",
                "escalates_to": ["Operations"],
            }
        },
    }
    settings["inventory"]["points"] = settings["inventory"]["points"][:1]
    made = Runner(folder, settings)
    made.environment[faults.FILE] = str(folder / "fault")
    await made.start()
    yield made
    await made.close()


def doom(runner: Runner, moment: str) -> Path:
    flag = Path(runner.environment[faults.FILE])
    flag.write_text(moment)
    return flag


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_worker_killed_around_an_effect_leaves_exactly_one(
    runner: Runner, lab: Lab, moment: str
) -> None:
    address = f"203.0.113.{100 + MOMENTS.index(moment)}"
    flag = doom(runner, moment)
    await runner.post(wazuh(address, host="elsewhere", level=7))
    incident = await runner.about(address)
    await runner.until(lambda: _gone(flag), f"the worker to die {moment}", 60)
    began = time.monotonic()
    incident = await runner.status(incident["id"], "contained", 90)
    assert len(elements(lab, "web", address)) == 1
    kinds = [
        r["kind"]
        for r in runner.rows(
            "SELECT kind FROM audit WHERE incident = ? ORDER BY seq", incident["id"]
        )
    ]
    assert kinds.count("intent") == 1
    assert kinds.index("intent") < kinds.index("outcome")
    assert kinds.count("planned") == 1, "a retry never plans again"
    print(
        f"worker killed {moment}: whole again {time.monotonic() - began:.1f} s later, start of the process included"
    )
    found = await runner.api("GET", "/api/audit/verification")
    assert found["fault"] is None


async def test_a_worker_killed_around_an_undo_leaves_nothing_behind(
    runner: Runner, lab: Lab
) -> None:
    """One worker before its write, the next after; a third finds both, and what the dead had claimed."""
    for address in UNDOS.values():
        await runner.post(wazuh(address, host="elsewhere", level=7))
        incident = await runner.about(address)
        await runner.status(incident["id"], "contained", 60)
    for moment, address in UNDOS.items():
        flag = doom(runner, moment)
        await runner.api("POST", "/api/leases/end", json={"resource": f"block/fra1/{address}"})
        await runner.until(lambda flag=flag: _gone(flag), f"the worker to die {moment}", 60)  # type: ignore[misc]
    began = time.monotonic()
    # How long a dead worker's claim stands is tested with a clock moved by hand, for every moment.
    runner.write("UPDATE resources SET claimed_until = claimed_until - 45000000")

    async def lifted() -> bool:
        query = "SELECT name FROM resources WHERE state = 'clear'"
        clear = {row["name"] for row in runner.rows(query)}
        return all(
            f"block/fra1/{address}" in clear and not elements(lab, "web", address)
            for address in UNDOS.values()
        )

    await runner.until(lifted, "both undos to be finished", 90)
    print(f"undone {time.monotonic() - began:.1f} s after the second worker was killed")
    found = await runner.api("GET", "/api/audit/verification")
    assert found["fault"] is None


async def _gone(path: Path) -> bool:
    return not path.exists()


async def test_temporal_killed_with_a_clock_due_strikes_it_late_by_seconds_at_most(
    runner: Runner,
) -> None:
    await runner.post(wazuh("203.0.113.120", host="elsewhere", level=7))
    incident = await runner.about("203.0.113.120")
    await runner.status(incident["id"], "contained", 60)
    clock = next(c for c in incident["clocks"] if c["clock"] == "acknowledge")
    due = (
        runner.rows(
            "SELECT due FROM clocks WHERE incident = ? AND clock = 'acknowledge'", incident["id"]
        )[0]["due"]
        / 1e6
    )
    await asyncio.sleep(max(due - time.time() - 1.5, 0))
    runner.kill("temporal")
    assert clock["breached"] is None

    async def struck() -> bool:
        row = runner.rows(
            "SELECT breached FROM clocks WHERE incident = ? AND clock = 'acknowledge'",
            incident["id"],
        )[0]
        return row["breached"] is not None

    await runner.until(struck, "the clock to strike", 60)
    row = runner.rows(
        "SELECT data FROM audit WHERE kind = 'breached' AND incident = ?", incident["id"]
    )[0]
    print("the clock struck with Temporal killed just before:", row["data"])
    subjects = [
        r["subject"]
        for r in runner.rows("SELECT subject FROM messages WHERE incident = ?", incident["id"])
    ]
    assert sum("not acknowledged in time" in s for s in subjects) == 1
    assert sum("of the time to acknowledge is used" in s for s in subjects) == 2


async def test_the_api_killed_during_500_posts_loses_nothing_that_it_accepted(
    runner: Runner,
) -> None:
    accepted: set[str] = set()
    refused = 0

    async def send(number: int) -> None:
        nonlocal refused
        body = wazuh("203.0.113.130", host="elsewhere", level=7, number=f"storm-{number}")
        for _ in range(60):
            try:
                answer = await runner.post(body)
            except httpx.HTTPError:
                refused += 1
                await asyncio.sleep(0.3)
                continue
            assert answer.status_code in (200, 202), answer.text
            accepted.add(f"wazuh:storm-{number}")
            return

    async def kill() -> None:
        for _ in range(3):
            await asyncio.sleep(1.5)
            try:
                runner.kill("serve")
            except (AssertionError, ProcessLookupError):
                continue

    gate = asyncio.Semaphore(10)

    async def one(number: int) -> None:
        async with gate:
            await send(number)

    await asyncio.gather(kill(), *(one(n) for n in range(500)))
    assert len(accepted) == 500

    async def drained() -> bool:
        counted = await runner.api("GET", "/api/intake")
        return bool(counted["waiting"] == 0)

    await runner.until(drained, "the drain to take everything", 120)
    kept = {r["id"] for r in runner.rows("SELECT id FROM alerts WHERE id LIKE 'wazuh:storm-%'")}
    assert kept == accepted
    counted = await runner.api("GET", "/api/intake")
    assert counted["missing"] == 0
    opened = runner.rows("SELECT COUNT(*) AS n FROM incidents WHERE subject = '203.0.113.130'")[0][
        "n"
    ]
    assert opened == 1, "one subject is one incident, however many alerts"
    print(f"500 posts, {refused} sends met a dead API; {counted}")


async def test_with_temporal_away_alerts_are_taken_in_and_worked_on_later(
    runner: Runner, lab: Lab
) -> None:
    assert runner.supervisor is not None
    assert runner.supervisor.temporal is not None
    pid = runner.supervisor.temporal.pid
    assert pid is not None
    os.kill(pid, 19)  # SIGSTOP: there, and silent
    try:
        answer = await runner.post(wazuh("203.0.113.140", host="elsewhere", level=7))
        assert answer.status_code == 202
        await asyncio.sleep(1)
        assert not elements(lab, "web", "203.0.113.140")
    finally:
        os.kill(pid, 18)  # SIGCONT
    incident = await runner.about("203.0.113.140")
    await runner.status(incident["id"], "contained", 60)


async def test_temporals_database_lost_or_given_back_old_repeats_nothing(
    runner: Runner, lab: Lab
) -> None:
    """An ask is open, a block is held; the file is deleted, and later an old copy of it restored."""
    await runner.post(wazuh("203.0.113.150", host="web-1", level=12))
    incident = await runner.about("203.0.113.150")
    incident = await runner.status(incident["id"], "waiting for approval", 60)
    copy = runner.folder / "old-copy.sqlite"
    source = sqlite3.connect(runner.temporal_file, timeout=20)
    source.execute("VACUUM INTO ?", (str(copy),))
    source.close()

    def effects() -> tuple[int, int, int]:
        found = tuple(
            runner.rows(query, incident["id"])[0]["n"]
            for query in (
                "SELECT COUNT(*) AS n FROM asks WHERE incident = ?",
                "SELECT COUNT(*) AS n FROM holds WHERE incident = ?",
            )
        )
        intents = runner.rows(
            "SELECT COUNT(*) AS n FROM audit WHERE kind = 'intent' AND incident = ?", incident["id"]
        )
        return (*found, intents[0]["n"])

    before = effects()
    await _swap(runner, None)
    await _whole(runner, incident["id"])
    assert effects() == before
    assert len(elements(lab, "web", "203.0.113.150")) == 1

    # Decided while the lost database is being rebuilt: delivered to the run that took its place.
    [ask] = [a for a in incident["asks"] if a["state"] == "open"]
    code = await runner.fresh_code("ana")
    verdict = {"approve": True, "digest": ask["digest"], "code": code}
    await runner.api("POST", f"/api/asks/{ask['id']}/decisions", json=verdict)
    await runner.status(incident["id"], "contained", 60)
    assert not lab.probe("db", "web")
    before = effects()

    await _swap(runner, copy)
    await _whole(runner, incident["id"])
    assert effects() == before
    assert (await runner.incident(incident["id"]))["status"] == "contained"
    assert not lab.probe("db", "web")
    await runner.api(
        "POST",
        "/api/leases/end",
        json={"resource": "filter/web-1", "code": await runner.fresh_code("ben")},
        by="ben",
    )
    await runner.until(lambda: _open(lab), "the isolation to end", 60)


async def _open(lab: Lab) -> bool:
    return lab.probe("db", "web")


async def _swap(runner: Runner, copy: Path | None) -> None:
    """Take Temporal's database away, or put an old copy in its place, while Temporal is dead."""
    runner.kill("temporal")
    for leftover in runner.temporal_file.parent.glob(f"{runner.temporal_file.name}*"):
        leftover.unlink()
    if copy is not None:
        shutil.copy(copy, runner.temporal_file)


async def _whole(runner: Runner, incident: str) -> None:
    """Wait until Temporal runs the incident again, and every lease."""
    client = None

    async def there() -> bool:
        nonlocal client
        try:
            client = client or await runner.temporal()
            described: Any = await client.get_workflow_handle(incident).describe()
            held = runner.rows("SELECT name FROM resources WHERE state = 'held'")
            for row in held:
                lease: Any = await client.get_workflow_handle(f"lease/{row['name']}").describe()
                if lease.close_time is not None:
                    return False
        except Exception:  # noqa: BLE001 - it is only coming up
            return False
        return described.close_time is None

    began = time.monotonic()
    await runner.until(there, "Temporal to be rebuilt from the store", 90)
    await asyncio.sleep(3)
    print(f"rebuilt {time.monotonic() - began:.1f} s after the kill")


async def test_killing_the_supervisor_leaves_no_serve_and_no_worker(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """`up` is killed, not asked: its zygote notices, and ends what nobody watches any more."""
    folder = tmp_path_factory.mktemp("killed")
    other = Runner(folder, on_the_lab(lab))
    words = (PYTHON, "-m", "responder", "up")
    process = await asyncio.create_subprocess_exec(
        *words,
        env=other.environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:

        async def ready() -> bool:
            return (await other.http.get("/readyz?worker=true")).status_code == 200

        await other.until(ready, "everything to be ready", 90)
        process.kill()
        await process.wait()

        async def gone() -> bool:
            try:
                await other.http.get("/healthz")
            except httpx.HTTPError:
                return True
            return False

        await other.until(gone, "serve to end", 30)
    finally:
        note = json.loads((other.settings.state / "temporal" / "running.json").read_text())
        with suppress(ProcessLookupError):
            os.kill(note["pid"], signal.SIGTERM)
        await other.http.aclose()
