"""A runner over a blocklist feed that a firewall polls: whole, and without a network of hosts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.runner import Runner, wazuh

TOKEN = "a-firewalls-token-for-tests-only"
POINT = {"kind": "feed", "name": "edge", "consumers": [{"name": "fw-1", "token": TOKEN}]}


@asynccontextmanager
async def running(folder: Path, watch_every: int = 10, **more: Any) -> AsyncIterator[Runner]:
    """A runner whose feed is polled, as a firewall would; it looks at Temporal every so many seconds."""
    made = Runner(folder, {"inventory": {"points": [POINT]}, **more})
    made.environment["RESPONDER_TEMPORAL__WATCH_EVERY"] = f"PT{watch_every}S"
    await made.start()
    polling = asyncio.create_task(_poll(made))
    try:
        yield made
    finally:
        polling.cancel()
        with suppress(asyncio.CancelledError):
            await polling
        await made.close()


async def _poll(runner: Runner) -> None:
    while True:
        with suppress(httpx.HTTPError):
            await runner.http.get("/feeds/edge.txt", headers={"authorization": f"Bearer {TOKEN}"})
        await asyncio.sleep(1)


async def contained(runner: Runner, address: str) -> dict[str, Any]:
    """An incident about *address*, shut out."""
    await runner.post(wazuh(address, host="elsewhere", level=7))
    incident = await runner.about(address)
    return await runner.status(incident["id"], "contained", 90)
