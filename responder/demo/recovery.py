"""The chapter in which the worker is killed while it changes a firewall."""

import os
import signal
import sqlite3
import time
from contextlib import closing
from typing import Any

from responder.demo.arrival import seen_shut_out, verified, watched
from responder.demo.cast import ACCOMPLICE
from responder.demo.stage import Stage, settle
from responder.demo.teller import Teller

_SUMMARY = f"block {ACCOMPLICE.address}"
_RECOVERY_SECONDS = 90.0


async def be_killed(stage: Stage, teller: Teller) -> str:
    """Kill the worker between the effect and its record; returns the incident's number."""
    teller.chapter("Another address attacks; the worker is killed mid-action")
    came = time.monotonic()
    stage.visitors.order(f"start {ACCOMPLICE.name}")
    await watched(stage, teller, served=(ACCOMPLICE,))
    await settle(0.8)
    late = "the firewall answers late" if stage.world else "the shop does not poll"
    teller.say(f"for this chapter {late}, so that there is a middle to be killed in")
    _slow_down(stage, slow=True)
    await stage.deliver(stage.senders.wazuh(ACCOMPLICE))

    async def written() -> bool:
        return await _is_written(stage)

    await teller.until(f"{ACCOMPLICE.address} is written at the enforcement point", written)
    killed = stage.worker_pid()
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    died = time.monotonic()
    incident = await _incident(stage)
    step = incident["steps"][0]
    teller.claim(
        f"SIGKILL for process {killed}: the rule is written, and nobody has recorded that it is",
        expected=("carrying", None), found=(step["state"], step["finished"]),
    )  # fmt: skip
    _slow_down(stage, slow=False)
    hold = await teller.until(
        "another worker goes on",
        lambda: verified(stage, incident["id"], _SUMMARY),
        seconds=_RECOVERY_SECONDS,
    )
    took = time.monotonic() - died
    await teller.until("the step is recorded as done", lambda: _done(stage))
    pid = stage.worker_pid()
    teller.claim(
        f"{took:.1f} s later process {pid} has gone on where it stopped",
        expected=True, found=pid is not None and pid != killed,
    )  # fmt: skip
    await _once(stage, teller, hold)
    await seen_shut_out(stage, teller, ACCOMPLICE, since=came)
    return str(incident["id"])


async def _once(stage: Stage, teller: Teller, hold: dict[str, Any]) -> None:
    """One rule, one hold, one intent: nothing was planned, asked or written down twice."""
    incident = await _incident(stage)
    entries = await stage.get("/api/audit", last=1000, incident=incident["id"])
    intents = [e for e in entries if e["kind"] == "intent" and e["subject"] == hold["step"]]
    holds = [h for h in incident["holds"] if h["summary"] == _SUMMARY]
    rules = [address for address in await stage.blocked() if address == ACCOMPLICE.address]
    teller.claim(
        "still exactly one rule for the address, one hold and one intent in the audit",
        expected=(1, 1, 1), found=(len(rules), len(holds), len(intents)),
    )  # fmt: skip


async def _incident(stage: Stage) -> dict[str, Any]:
    return await stage.incident_about(ACCOMPLICE.address) or {"steps": [], "holds": [], "id": ""}


async def _done(stage: Stage) -> bool:
    return bool((await _incident(stage))["steps"][0]["state"] == "done")


async def _is_written(stage: Stage) -> bool:
    """Whether the effect is there, looked at behind everybody's back."""
    if stage.world:
        return ACCOMPLICE.address in await stage.world.blocked()
    with closing(sqlite3.connect(stage.files.store)) as store:
        query = "SELECT count(*) FROM feed_entries WHERE network = ?"
        return bool(store.execute(query, (ACCOMPLICE.address,)).fetchone()[0])


def _slow_down(stage: Stage, *, slow: bool) -> None:
    if not stage.world:
        stage.let_shop_poll(polls=not slow)
    elif slow:
        stage.files.slow.touch()
    else:
        stage.files.slow.unlink()
