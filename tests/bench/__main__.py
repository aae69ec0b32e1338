"""`make bench`: each figure beside its floor, from one run, on real parts."""

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

from typer.main import get_command

from activities.ssh import SSHShell
from responder.cli import app
from tests.bench.floor import bare, bare_rate
from tests.bench.measure import children_seconds, cpu_seconds, family, memory_mib, quantile, spread
from tests.bench.ping import Pinger
from tests.bench.playbooks import playbooks
from tests.e2e.conftest import on_the_lab
from tests.e2e.runner import PYTHON, Runner, wazuh
from tests.lab.network import Lab, why_not

SET = "inet floor scratch"


def say(what: str, figure: str) -> None:
    """One line of the report."""
    sys.stdout.write(f"{what:<46} {figure}\n")
    sys.stdout.flush()


@asynccontextmanager
async def floor_worker(runner: Runner) -> AsyncIterator[int]:
    """The floor's worker, a process of its own, as ours is."""
    words = [PYTHON, "-m", "tests.bench.floor", runner.settings.temporal.target, "responder"]
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, env=runner.environment
    )
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield process.pid
    finally:
        process.kill()
        await process.wait()


async def latency(runner: Runner, lab: Lab, count: int) -> None:
    """From an alert's POST to its attacker's packets being dropped, beside two floors in turn."""
    client = await runner.temporal(sealed=False)
    shell = SSHShell(lab.access("web"))
    await shell.run(
        "/usr/sbin/nft",
        "-f",
        "-",
        stdin=f"add table inet floor\nadd set {SET} {{ type ipv4_addr; }}\n",
    )
    ours: list[float] = []
    floor_workflow: list[float] = []
    floor_nft: list[float] = []
    for number in range(count + 3):
        address = f"203.0.113.{number + 1}"
        workflow = await bare(client)
        began = time.perf_counter()
        await shell.run("/usr/sbin/nft", "-f", "-", stdin=f"add element {SET} {{ {address} }}\n")
        nft = time.perf_counter() - began
        pinger = Pinger("attacker", address, "198.51.100.10")
        while not pinger.last_answer:
            await asyncio.sleep(0.001)
        await asyncio.sleep(random.uniform(0.0, 0.2))
        began = time.perf_counter()
        answer = await runner.post(wazuh(address, host="elsewhere", level=7))
        assert answer.status_code == 202, answer.text
        while not pinger.silent_for(0.3):
            await asyncio.sleep(0.02)
            assert time.perf_counter() - began < 30, runner.last_words()
        pinger.close()
        if number >= 3:
            ours.append(pinger.last_answer - began)
            floor_workflow.append(workflow)
            floor_nft.append(nft)
    await shell.run("/usr/sbin/nft", "delete", "table", "inet", "floor")
    await shell.close()
    await verified(runner, count, floor_nft)
    floor = median(floor_workflow) + median(floor_nft)
    say("alert POST -> attacker's packets dropped", spread(ours))
    say("  floor: bare workflow with one activity", spread(floor_workflow))
    say("  floor: nft over a kept SSH connection", spread(floor_nft))
    say("  median over the floors' sum", f"{median(ours) / floor:.2f} (goal <= 3)")
    say("  p99 over the floors' sum", f"{quantile(ours, 0.99) / floor:.2f} (goal <= 6)")


async def verified(runner: Runner, count: int, floor: list[float]) -> None:
    """From the worker taking up a request to the block read back, beside one nft on a kept connection."""
    client = await runner.temporal(sealed=False)
    query = (
        "SELECT runs.id AS run, audit.at AS at FROM runs JOIN audit ON audit.incident = runs.incident "
        "WHERE audit.kind = 'outcome' ORDER BY audit.seq DESC LIMIT ?"
    )
    times: list[float] = []
    for row in runner.rows(query, count):
        started = [
            event.event_time.ToMicroseconds()
            async for event in client.get_workflow_handle(row["run"]).fetch_history_events()
            if event.HasField("activity_task_started_event_attributes")
        ]
        times.append((row["at"] - min(started)) / 1e6)
    say("request -> verified block over SSH", spread(times))
    say("  floor: nft over a kept SSH connection", spread(floor))
    say("  median over the floor", f"{median(times) / median(floor):.1f}")


async def throughput(runner: Runner, count: int) -> None:
    """Incidents a second, each with playbook, verified block and lease; the bare rate beside it."""
    assert runner.supervisor is not None
    client = await runner.temporal(sealed=False)
    async with floor_worker(runner):
        await bare_rate(client, 20, 20)
        before = await bare_rate(client, count, 20)
        pids = family(os.getpid())
        used = cpu_seconds(pids)
        began = time.perf_counter()
        gate = asyncio.Semaphore(20)

        async def one(number: int) -> None:
            async with gate:
                address = (
                    f"192.0.2.{number % 250 + 1}" if number < 250 else f"2001:db8:7::{number:x}"
                )
                await runner.post(wazuh(address, host="elsewhere", level=7))

        await asyncio.gather(*(one(n) for n in range(count)))

        def whole() -> bool:
            row = runner.rows(
                "SELECT (SELECT COUNT(*) FROM resources WHERE outcome = 'verified' AND state = 'held') AS held, "
                "(SELECT COUNT(*) FROM runs WHERE state = 'done') AS done"
            )[0]
            return bool(
                row["done"] >= whole_before[1] + count and row["held"] >= whole_before[0] + count
            )

        while not whole():
            await asyncio.sleep(0.1)
            assert time.perf_counter() - began < 900, runner.last_words()
        seconds = time.perf_counter() - began
        ours = cpu_seconds(family(os.getpid())) - used
        after = await bare_rate(client, count, 20)
    bare_both = (before + after) / 2
    say("incidents/s (playbook, verified block, lease)", f"{count / seconds:.1f}  n {count}")
    say(
        "  floor: bare workflows/s, one activity",
        f"{bare_both:.1f} (before {before:.1f}, after {after:.1f})",
    )
    say("  share of the floor's rate", f"{count / seconds / bare_both:.2f} (goal >= 0.2)")
    say("  CPU-seconds per incident, all processes", f"{ours / count:.3f}")
    say("  memory of all processes, loaded", f"{memory_mib(_ours(runner)):.0f} MiB")


whole_before = [0, 0]


def _ours(runner: Runner) -> list[int]:
    assert runner.supervisor is not None
    pids = [c.process.pid for c in (runner.supervisor.serve, runner.supervisor.worker) if c.process]
    if runner.supervisor.temporal and runner.supervisor.temporal.pid:
        pids.append(runner.supervisor.temporal.pid)
    return pids


async def events(runner: Runner) -> None:
    """Temporal events of one incident and its playbook with one auto-approved block."""
    client = await runner.temporal()
    row = runner.rows("SELECT id, incident FROM runs WHERE state = 'done' LIMIT 1")[0]
    counted = {}
    for name in (row["incident"], row["id"]):
        counted[name] = len(
            [e async for e in client.get_workflow_handle(name).fetch_history_events()]
        )
    total = sum(counted.values())
    say(
        "Temporal events, incident + playbook",
        f"{total} = {' + '.join(map(str, counted.values()))} (goal <= 40)",
    )


def help_ratio() -> None:
    """`responder --help` against an empty typer program with as many commands, in turn: processor time."""
    waiting, many = [get_command(app)], 0
    while waiting:
        inside = getattr(waiting.pop(), "commands", {})
        waiting += inside.values()
        many += len(inside)
    empty = (
        "import typer\napp = typer.Typer(no_args_is_help=True, rich_markup_mode=None)\n"
        f"for n in range({many}):\n    app.command(f'c{{n}}')(lambda: None)\napp()\n"
    )
    ours: list[float] = []
    floor: list[float] = []
    for _ in range(9):
        for words, into in (
            ([PYTHON, "-m", "responder", "--help"], ours),
            ([PYTHON, "-c", empty, "--help"], floor),
        ):
            before = children_seconds()
            subprocess.run(words, check=True, capture_output=True)
            into.append(children_seconds() - before)
    say(
        "responder --help over an empty typer program",
        f"{median(ours) / median(floor):.2f} (goal <= 1.3)",
    )


async def start_up(folder: Path, settings: dict[str, Any]) -> None:
    """From nothing to ready, and what that costs in memory."""
    times: list[float] = []
    for number in range(3):
        runner = Runner(folder, settings)
        began = time.perf_counter()
        await runner.start()
        times.append(time.perf_counter() - began)
        if number == 2:
            await asyncio.sleep(5)
            say(
                "memory of all processes, idle",
                f"{memory_mib(_ours(runner)):.0f} MiB (goal <= 400)",
            )
        await runner.close()
    say(
        "start -> ready",
        f"median {median(times):.1f} s, least {min(times):.1f} s, n {len(times)} (goal <= 5 s)",
    )


async def main() -> None:
    """Every figure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("-n", type=int, default=100, help="alerts whose latency is measured")
    parser.add_argument("--storm", type=int, default=200, help="incidents of the throughput run")
    parser.add_argument("--only", choices=("playbooks",), help="measure this alone")
    chosen = parser.parse_args()
    if chosen.only:
        await playbooks()
        return
    if said := why_not():
        sys.exit(f"{said}\n\nhint: make bench, as root on Linux")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lab = Lab(folder)
        try:
            lab.run(
                "attacker",
                "sh",
                "-c",
                "for i in $(seq 250); do ip addr add 203.0.113.$i/32 dev eth0; done",
            )
            lab.run("web", "ip", "route", "add", "203.0.113.0/24", "dev", "eth0")
            settings: dict[str, Any] = {**on_the_lab(lab), "budgets": {"Block": 100_000}}
            settings["inventory"]["points"] = settings["inventory"]["points"][:1]
            help_ratio()
            await start_up(folder, settings)
            runner = Runner(folder, settings)
            await runner.start()
            try:
                async with floor_worker(runner):
                    await latency(runner, lab, chosen.n)
                await events(runner)
                row = runner.rows(
                    "SELECT (SELECT COUNT(*) FROM resources WHERE outcome = 'verified' AND state = 'held') AS held, "
                    "(SELECT COUNT(*) FROM runs WHERE state = 'done') AS done"
                )[0]
                whole_before[:] = [row["held"], row["done"]]
                await throughput(runner, chosen.storm)
            finally:
                await runner.close()
            await playbooks()
        finally:
            lab.close()


if __name__ == "__main__":
    asyncio.run(main())
