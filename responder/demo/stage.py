"""Everything the demo starts, and in the end ends: network, shop, visitors, runner."""

import asyncio
import os
import re
import secrets
import shutil
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal

import httpx
import structlog
from pyotp import parse_uri
from pyotp.totp import TOTP

from responder.demo.actors import Shop, Visitors
from responder.demo.cast import SHOP, VISITORS
from responder.demo.senders import Delivery, Senders
from responder.demo.setting_up import Files, free_ports, settings_of
from responder.demo.world import NoWorld, World
from responder.errors import StateError
from responder.settings import Settings, read_settings
from responder.supervise import Supervisor

Mode = Literal["auto", "kernel", "feed"]

FEED = "feed"
_PORT = 8080
_STEP = 30  # seconds that a code of the second factor is good for, RFC 6238
_SECONDS = 20.0


class Stage:
    """One demo's parts."""

    def __init__(self) -> None:
        self.world: World | None = None
        self.enforcement = ""
        """Which enforcement is used, and why."""
        self.files = Files(Path(tempfile.mkdtemp(prefix="responder-demo-")))
        self.keeps_files = False
        self.senders = Senders()
        self.shop = Shop()
        self.visitors = Visitors()
        self.address = ""
        """Where the shop is."""
        self.person = ""
        """Who uses the API: the one admin that the settings make of whoever runs this."""
        self.settings: Settings
        self.supervisor: Supervisor
        self.api: httpx.AsyncClient
        self._token = secrets.token_urlsafe(24)
        self._factor: TOTP | None = None
        self._last_step = 0
        self._open = AsyncExitStack()
        self._open.callback(self._remove_files)

    async def set_up(self, mode: Mode) -> None:
        """The network if there can be one, the settings, the shop and who comes there."""
        if mode == "feed":
            self.enforcement = "the blocklist feed, polled by the shop: --mode feed says so"
        else:
            await self._make_world(must=mode == "kernel")
        inside = self.world.inside if self.world else ()
        consumer = {"name": "shop", "token": self._token}
        feed = {"kind": "feed", "name": FEED, "consumers": [consumer]}
        point = self.files.firewall() if self.world else feed
        self.files.write(
            settings_of(self.files.folder, self.senders.settings, self.files.host(inside), point),
            inside,
        )
        environment = self.files.environment()
        os.environ.clear()
        os.environ.update(environment)
        self.settings = read_settings()
        self.person = next(iter(self.settings.directory())).name
        address, port = (SHOP, _PORT) if self.world else ("127.0.0.1", free_ports(1)[0])
        self.address = f"http://{address}:{port}"
        self._open.push_async_callback(self.shop.close)
        await self.shop.start("--address", address, "--port", str(port), where=inside)
        if not self.world:
            self.let_shop_poll(polls=True)
        words = ["--host", address, "--port", str(port), *(() if self.world else ("--forwarded",))]
        for one in VISITORS:
            kind = "guesses" if one.guesses else "looks"
            words += ["--visitor", one.name, one.address, kind, str(one.pace)]
        self._open.push_async_callback(self.visitors.close)
        await self.visitors.start(*words, where=self.world.outside if self.world else ())

    def let_shop_poll(self, *, polls: bool) -> None:
        """Have the shop poll the blocklist feed, or not."""
        url = f"{self.settings.api.url}/feeds/{FEED}.txt"
        self.shop.order(f"poll {url} {self._token}" if polls else "stop")

    async def start_runner(self) -> None:
        """Temporal, the store, the API and the worker; then a client and a second factor."""
        self.files.logs.mkdir(mode=0o700)
        log = (self.files.logs / "demo.log").open("a")
        self._open.callback(log.close)
        structlog.configure(
            processors=[
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(),
            ],
            logger_factory=structlog.PrintLoggerFactory(log),
        )
        self.supervisor = Supervisor(self.settings, dict(os.environ), logs_to_files=True)
        self._open.push_async_callback(self.supervisor.stop)
        await self.supervisor.start()
        token = (self.settings.state / "keys" / "local.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        self.api = httpx.AsyncClient(
            base_url=self.settings.api.url, headers=headers, timeout=_SECONDS, trust_env=False
        )
        self._open.push_async_callback(self.api.aclose)
        enrolled = await self.post(f"/api/people/{self.person}/factor")
        factor = parse_uri(enrolled["otpauth"])
        assert isinstance(factor, TOTP)
        self._factor = factor

    async def close(self) -> None:
        """End everything, in the opposite order."""
        await self._open.aclose()

    async def get(self, path: str, **params: Any) -> Any:  # noqa: ANN401 - any JSON
        """What the API answers."""
        return (await self.api.get(path, params=params)).raise_for_status().json()

    async def post(self, path: str, **data: Any) -> Any:  # noqa: ANN401 - any JSON
        """What the API answers to a change that it takes."""
        return (await self.api.post(path, json=data)).raise_for_status().json()

    async def deliver(self, delivery: Delivery) -> httpx.Response:
        """Send to a webhook, as the sender would: with no token of ours."""
        headers = delivery.headers | {"Content-Type": "application/json"}
        async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False) as client:
            url = f"{self.settings.api.url}/webhooks/{delivery.source}"
            return await client.post(url, content=delivery.body, headers=headers)

    async def incident_about(self, subject: str) -> dict[str, Any] | None:
        """The open incident about *subject*, with all its parts."""
        listed = await self.get("/api/incidents")
        number = next((one["id"] for one in listed if one["subject"] == subject), None)
        return None if number is None else await self.incident(number)

    async def incident(self, number: str) -> dict[str, Any]:
        """One incident, with all its parts."""
        found: dict[str, Any] = await self.get(f"/api/incidents/{number}")
        return found

    def code(self) -> str:
        """A code of the person's second factor that was not used before."""
        assert self._factor is not None
        self._last_step = max(self._last_step + 1, int(time.time()) // _STEP)
        return self._factor.generate_otp(self._last_step)

    def worker_pid(self) -> int | None:
        """The worker's process id, while there is one."""
        process = self.supervisor.worker.process
        return None if process is None or process.returncode is not None else process.pid

    async def blocked(self) -> dict[str, str]:
        """Whom the enforcement point itself refuses now, and its own words for each."""
        if self.world is None:
            return {one: f"{one} in the shop's copy of the feed" for one in self.shop.blocked}
        listed = await self.world.nft("list", "set", "inet", "responder", "hosts4")
        found = {e.split()[0]: _uncounted(e) for e in _elements(listed)}
        return {address: found[address] for address in await self.world.blocked()}

    async def _make_world(self, *, must: bool) -> None:
        world = World()
        try:
            await world.build()
        except (NoWorld, OSError, TimeoutError) as error:
            said = " ".join(str(error).split()) or type(error).__name__
            if must:
                raise StateError(
                    f"no firewall of the demo's own can be made here: {said}\n\n"
                    "hint: apt-get install nftables iproute2 util-linux, or --mode feed"
                ) from error
            self.enforcement = f"the blocklist feed, polled by the shop: {said}"
            return
        self._open.push_async_callback(world.close)
        self.world = world
        how = "without root" if world.unprivileged else "as root"
        self.enforcement = f"a kernel firewall (nftables) in network namespaces, made {how}"

    def _remove_files(self) -> None:
        if not self.keeps_files:
            shutil.rmtree(self.files.folder, ignore_errors=True)


def _elements(listed: str) -> list[str]:
    """The elements of a set as `nft list set` prints them, one by one."""
    _, _, rest = listed.partition("elements = {")
    return [" ".join(one.split()) for one in rest.partition("}")[0].split(",") if one.split()]


def _uncounted(element: str) -> str:
    return re.sub(r"counter packets \d+ bytes \d+ ", "", element)


async def settle(seconds: float) -> None:
    """Let the world go on for a moment, so that there is something to be seen."""
    await asyncio.sleep(seconds)
