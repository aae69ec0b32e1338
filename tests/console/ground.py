"""A console under test: `serve` with its real parts over SQLite, in a thread, and a world to act on."""

import asyncio
import shutil
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from pyotp.totp import TOTP
from sqlalchemy import insert, update
from starlette.applications import Starlette

from responder.api.app import make_app, make_parts
from responder.api.parts import Parts
from responder.approval import totp
from responder.audit import Entry, append
from responder.console.events import Pulse
from responder.console.shell import Room
from responder.incident import Priority
from responder.people import sessions
from responder.policy.availability import Asset
from responder.policy.judge import Policy
from responder.policy.networks import parse_network
from responder.policy.sla import MATRIX
from responder.settings import Settings
from responder.standing.clocks import start_clocks
from responder.standing.facts import load
from responder.standing.judging import shown
from responder.store import Store
from responder.store.factors import factors
from responder.store.tables import alerts, asks, deliveries, holds, incidents
from responder.verbs.asking import bump, expire
from tests.databases import ManualClock, hasty
from tests.e2e.runner import free_ports
from tests.verbs.desk import Desk, block, isolate

PEOPLE = [
    {"name": "ana", "roles": ["operator"], "teams": ["Security Team"], "email": "ana@example.com"},
    {"name": "ben", "roles": ["operator"], "teams": ["Operations"]},
    {"name": "cyd", "roles": ["operator"], "teams": ["CISO"]},
    {"name": "root", "roles": ["admin"], "teams": ["Team Lead"]},
    {"name": "vic", "roles": ["viewer"]},
]
POLICY = Policy(
    budgets={},  # one world is shared by all of these tests
    assets=(
        Asset(name="web1", networks=(parse_network("198.51.100.10/32"),)),
        Asset(name="web2", networks=(parse_network("198.51.100.11/32"),)),
        Asset(name="db1", networks=(parse_network("198.51.100.20/32"),), protected=True),
    ),
)
_READY_SECONDS = 30.0


class Now(ManualClock):
    """The store's clock as the world of `Desk` reads it: this machine's, that no hand moves."""

    def __init__(self) -> None:
        """Nothing is kept."""

    @property
    def now(self) -> datetime:  # type: ignore[override]
        """This moment."""
        return datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


class Ground:
    """The server, a world whose verbs write into its store, and what people hold in their hands."""

    def __init__(
        self, folder: Path, template: Path, settings: dict[str, Any] | None = None
    ) -> None:
        state = folder / "state"
        state.mkdir(parents=True)
        shutil.copy(template, state / "responder.sqlite")
        api, temporal, ui = free_ports(3)
        given: dict[str, Any] = {
            "state": state,
            "api": {"port": api},
            "temporal": {"port": temporal, "ui_port": ui},
            "people": PEOPLE,
            "protect_surroundings": False,
            "inventory": {
                "hosts": [
                    {"name": "web1", "addresses": ["198.51.100.10"]},
                    {"name": "web2", "addresses": ["198.51.100.11"]},
                    {"name": "db1", "addresses": ["198.51.100.20"], "protected": True},
                ]
            },
        }
        self.settings = Settings(**(given | (settings or {})))
        self.origin = self.settings.api.origin
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._ready = threading.Event()
        self._parts: Parts | None = None
        self._app: Starlette | None = None
        self.failed: BaseException | None = None
        self._numbers = iter(range(1, 10_000))
        self._codes: dict[str, TOTP] = {}

    @property
    def parts(self) -> Parts:
        """The server's parts; what is bound to its loop is not for ours."""
        assert self._parts is not None
        return self._parts

    async def start(self) -> None:
        """Serve, and have the world."""
        self._thread.start()
        until = asyncio.get_running_loop().time() + _READY_SECONDS
        while not (self._server and self._server.started):
            if self.failed is not None:
                raise self.failed
            assert asyncio.get_running_loop().time() < until, "serve is not ready"
            await asyncio.sleep(0.02)
        self.store = hasty(Store(self.settings.database))
        self.desk = Desk(self.store, Now(), policy=POLICY)
        self.desk.signer = self.parts.signer
        self.desk.people = {one.name: one for one in self.parts.people}
        self.desk.context = self.desk.worker("worker-1")

    async def stop(self) -> None:
        """End it."""
        if self._server is not None:
            self._server.should_exit = True
        await asyncio.to_thread(self._thread.join, 15)
        await self.store.close()
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        try:
            self._parts = await make_parts(self.settings)
            hasty(self._parts.store)
            self._app = app = make_app(self._parts)
            config = uvicorn.Config(
                app, host="127.0.0.1", port=self.settings.api.port, log_config=None,
                access_log=False, lifespan="on", timeout_graceful_shutdown=2,
            )  # fmt: skip
            server = uvicorn.Server(config)
            app.state.stopping = lambda: server.should_exit
            self._server = server
            await server.serve()
        except BaseException as error:
            self.failed = error
            raise

    # -- people --------------------------------------------------------------------------------

    async def session(self, who: str) -> str:
        """What the cookie of *who* carries, signed in with a second factor just now."""
        return await sessions.begin(
            self.store,
            self.parts.deliveries,
            who,
            method="password",
            factors=("password", "totp"),
            agent="a test",
        )

    async def enrol(self, who: str) -> None:
        """Give *who* an authenticator app, once."""
        if who in self._codes:
            return
        async with self.store.transaction() as tx:
            address = await totp.enrol(tx, self.parts.deliveries, who)
        secret = address.partition("secret=")[2].partition("&")[0]
        self._codes[who] = TOTP(secret)

    async def code(self, who: str) -> str:
        """A code of *who* as of now; that one was used before is forgotten, as `totp` is tested elsewhere."""
        await self.enrol(who)
        async with self.store.transaction() as tx:
            this = update(factors).where(factors.c.principal == who)
            await tx.execute(this.values(last_step=0))
        return str(self._codes[who].now())

    # -- the world -----------------------------------------------------------------------------

    async def incident(
        self,
        *,
        title: str = "Many sign-ins fail on web1",
        priority: str = "P2",
        address: str = "",
        began: timedelta = timedelta(minutes=4),
        hosts: Sequence[str] = ("web1", "web2", "db1"),
        **changed: Any,
    ) -> tuple[str, str]:
        """An incident with its clocks and an open run; returns both ids."""
        number = next(self._numbers)
        name, address = f"IR-{number}", address or f"203.0.113.{number}"
        run = await self.desk.open_run(name, networks=(address,), hosts=hosts, priority=priority)
        at = datetime.now(UTC) - began
        async with self.store.transaction() as tx:
            this = update(incidents).where(incidents.c.id == name)
            await tx.execute(
                this.values(
                    **{"title": title, "began": at, "opened": at, "subject": address} | changed
                )
            )
            await start_clocks(tx, name, MATRIX[Priority(priority)], at, None)
        return name, run

    async def alerts(self, incident: str, source: str, *titles: str) -> None:
        """What came from a source about an incident."""
        now = self.store.now()
        for number, title in enumerate(titles):
            row = {
                "source": source, "delivery": f"{incident}/{number}", "digest": "0" * 64,
                "received": now, "body": b"", "state": "done",
            }  # fmt: skip
            async with self.store.transaction() as tx:
                made = await tx.execute(insert(deliveries).values(**row))
                alert: dict[str, Any] = {
                    "id": f"{source}/{incident}/{number}", "source": source, "occurred": now,
                    "received": now, "delivery_id": made.lastrowid,
                    "facts": {"title": title}, "state": "started", "incident": incident,
                }  # fmt: skip
                await tx.execute(insert(alerts).values(**alert))
                entry = Entry(
                    kind="received", actor=source, subject=str(alert["id"]), incident=incident,
                    data={"title": title, "severity": "high", "joined": number > 0},
                )  # fmt: skip
                await append(tx, now, entry)

    async def ask(self, run: str, *actions: Any, step: int = 1) -> str:
        """What a playbook does that must be asked for; returns the ask's id."""
        done = await self.desk.do(run, *(actions or (isolate("web1"),)), step=step)
        assert done.ask is not None
        await self.look(run.partition("/")[0])
        return done.ask

    async def block(self, run: str, address: str, **lasts: float) -> None:
        """What a playbook does alone: a verified, leased block."""
        await self.desk.do(run, block(address, **(lasts or {"hours": 1})), step=90)
        await self.look(run.partition("/")[0])

    async def look(self, incident: str) -> str:
        """What the incident's workflow would note when it looks."""
        async with self.store.transaction() as tx:
            facts = await load(tx, incident, self.store.now())
            assert facts is not None
            status = shown(facts)
            this = update(incidents).where(incidents.c.id == incident)
            await tx.execute(this.values(status=status))
            await bump(tx, incident)
        return status

    async def ends_in(self, ask: str, seconds: float) -> None:
        """Let an ask end soon."""
        async with self.store.transaction() as tx:
            at = self.store.now() + timedelta(seconds=seconds)
            await tx.execute(update(asks).where(asks.c.id == ask).values(expires=at))

    async def expire(self, ask: str) -> None:
        """What the incident's workflow does at an ask's end."""
        async with self.store.transaction() as tx:
            query = asks.select().where(asks.c.id == ask)
            row = (await tx.execute(query)).mappings().one()
            assert await expire(tx, row, self.store.now())

    async def state(self, ask: str) -> str:
        """The ask's state in the store."""
        return str((await self.desk.ask(ask)).state)

    async def holds(self, incident: str) -> Sequence[Any]:
        """The holds of one incident."""
        async with self.store.reading() as tx:
            query = holds.select().where(holds.c.incident == incident)
            return (await tx.execute(query)).all()

    def as_if_all_answer(self) -> None:
        """Show pages as they are where Temporal and a worker answer; only pictures need it."""
        assert self._app is not None
        self._app.state.console = Room(self.parts)
        self._app.state.console.health._asked = time.monotonic() + 3600

    @property
    def listeners(self) -> int:
        """How many open pages listen; none before the first page was asked for."""
        assert self._app is not None
        return self.pulse.listeners if hasattr(self._app.state, "console") else 0

    @property
    def pulse(self) -> Pulse:
        """What every open page listens to."""
        assert self._app is not None
        found: Pulse = self._app.state.console.pulse
        return found
