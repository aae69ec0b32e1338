"""A whole runner under test: `up` with its children, on free ports and a state folder of its own."""

import asyncio
import hashlib
import hmac
import json
import os
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import httpx
import yaml
from pyotp import parse_uri
from pyotp.totp import TOTP
from temporalio.client import Client

from responder.approval import totp
from responder.crypto.codec import sealed_converter
from responder.crypto.keyring import KeyRing
from responder.embedded import VERSION
from responder.keys import Keys
from responder.people import tokens
from responder.people.token_keys import TokenKeys
from responder.settings import Settings, read_settings
from responder.store import Store
from responder.supervise import Supervisor

SECRET = "a-webhook-secret-for-tests-only"
ROOT = Path(__file__).parents[2]


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wazuh(
    address: str, *, host: str = "web-1", level: int = 10, number: str = ""
) -> dict[str, Any]:
    """An alert as Wazuh's manager writes it: sshd brute force from *address* on *host*."""
    number = number or f"{time.time_ns() / 1e9:.7f}"
    return {
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000+0000", time.gmtime()),
        "id": number,
        "rule": {
            "level": level,
            "id": "5763",
            "description": "sshd: brute force trying to get access to the system.",
            "groups": ["syslog", "sshd", "authentication_failures"],
            "mitre": {
                "id": ["T1110"],
                "tactic": ["Credential Access"],
                "technique": ["Brute Force"],
            },
        },
        "agent": {"id": "001", "name": host, "ip": "198.51.100.10"},
        "data": {"srcip": address, "dstuser": "root"},
    }


class Runner:
    """Start it, post to it, look into it, kill parts of it."""

    def __init__(self, folder: Path, settings: dict[str, Any] | None = None) -> None:
        self.folder = folder
        api, temporal, ui = free_ports(3)
        base: dict[str, Any] = {
            "state": str(folder / "state"),
            "api": {"port": api},
            # What is lost is found within the interval; the tests need not wait out the default.
            "temporal": {"port": temporal, "ui_port": ui, "reconcile_every": "PT5S"},
            "sources": {
                "wazuh": {
                    "kind": "wazuh",
                    "auth": {"scheme": "hmac", "header": "X-Signature", "secrets": [SECRET]},
                }
            },
            "people": [
                {"name": "ana", "roles": ["operator"], "teams": ["Security Team"]},
                {"name": "ben", "roles": ["operator"]},
                {"name": "root", "roles": ["admin"]},
                {"name": "vic", "roles": ["viewer"]},
            ],
            "protect_surroundings": False,
        }
        self.file = folder / "responder.yaml"
        self.file.write_text(yaml.safe_dump(base | (settings or {})))
        self.environment = {
            **os.environ,
            "RESPONDER_CONFIG": str(self.file),
            "PYTHONPATH": str(ROOT),
        }
        self.settings = self._read()
        self.supervisor: Supervisor | None = None
        self.tokens: dict[str, str] = {}
        self.codes: dict[str, TOTP] = {}
        self.http = httpx.AsyncClient(base_url=self.settings.api.url, timeout=20)

    def _read(self) -> Settings:
        before = os.environ.get("RESPONDER_CONFIG")
        os.environ["RESPONDER_CONFIG"] = str(self.file)
        try:
            return read_settings()
        finally:
            if before is None:
                del os.environ["RESPONDER_CONFIG"]
            else:
                os.environ["RESPONDER_CONFIG"] = before

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start everything, and sign everybody in."""
        self.supervisor = Supervisor(self.settings, self.environment, logs_to_files=True)
        await self.supervisor.start()
        if not self.tokens:
            await self._sign_in()

    async def _sign_in(self) -> None:
        store = Store(self.settings.database)
        keys = TokenKeys(Keys(self.settings.state).tokens)
        for person in self.settings.people:
            self.tokens[person.name] = await tokens.issue(store, keys, person.name)
        ring = KeyRing.load(Keys(self.settings.state).store)
        for name in ("ana", "ben"):  # as `responder people enrol --local` does
            async with store.transaction() as tx:
                made = parse_uri(await totp.enrol(tx, ring, name))
            assert isinstance(made, TOTP)
            self.codes[name] = made
        await store.close()

    async def stop(self) -> None:
        """Stop everything."""
        if self.supervisor is not None:
            await self.supervisor.stop()
            self.supervisor = None

    async def close(self) -> None:
        """Stop, and let go of connections."""
        await self.stop()
        await self.http.aclose()

    async def post(self, body: dict[str, Any], *, source: str = "wazuh") -> httpx.Response:
        """A signed delivery."""
        raw = json.dumps(body).encode()
        signature = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
        headers = {"content-type": "application/json", "x-signature": signature}
        return await self.http.post(f"/webhooks/{source}", content=raw, headers=headers)

    async def api(self, method: str, path: str, *, by: str = "ana", **more: Any) -> Any:
        """What the API answers *by*; raises on anything but success."""
        answer = await self.http.request(
            method, path, headers={"authorization": f"Bearer {self.tokens[by]}"}, **more
        )
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def incident(self, name: str) -> dict[str, Any]:
        """One incident as the API shows it."""
        found: dict[str, Any] = await self.api("GET", f"/api/incidents/{name}")
        return found

    async def about(self, subject: str) -> dict[str, Any]:
        """The open incident about *subject*, waited for."""

        async def found() -> dict[str, Any] | None:
            for row in await self.api("GET", "/api/incidents"):
                if row["subject"] == subject:
                    return await self.incident(row["id"])
            return None

        seen: dict[str, Any] = await self.until(found, f"an incident about {subject}")
        return seen

    async def until(
        self, look: Callable[[], Awaitable[Any]], what: str, seconds: float = 30.0
    ) -> Any:
        """Wait for *look* to give something true; the deadline is generous, the wait is not."""
        give_up = time.monotonic() + seconds
        while True:
            with suppress(httpx.HTTPError):
                if found := await look():
                    return found
            assert time.monotonic() < give_up, (
                f"waited {seconds:g} s for {what}\n{self.last_words()}"
            )
            await asyncio.sleep(0.05)

    async def status(self, name: str, status: str, seconds: float = 30.0) -> dict[str, Any]:
        """Wait for an incident to be in *status*."""
        last: dict[str, Any] = {}

        async def look() -> dict[str, Any] | None:
            nonlocal last
            last = await self.incident(name)
            return last if last["status"] == status else None

        try:
            found: dict[str, Any] = await self.until(look, f"{name} to be {status}", seconds)
        except AssertionError as error:
            raise AssertionError(
                f"{error}\n{name} is {last.get('status')}: {last.get('holds')}"
            ) from error
        return found

    async def code(self, who: str) -> str:
        """A code of *who* that was not used yet."""
        totp = self.codes[who]
        step = int(time.time()) // 30
        used = getattr(self, "_used", {})
        while step <= used.get(who, 0):
            step += 1
        assert step <= int(time.time()) // 30 + 1, "codes are good once: wait for the next"
        used[who] = step
        self._used = used
        return totp.generate_otp(step)

    async def fresh_code(self, who: str) -> str:
        """A code of *who*, waiting for the next one if the last two are used up."""
        while True:
            try:
                return await self.code(who)
            except AssertionError:
                await asyncio.sleep(1)

    async def temporal(self, *, sealed: bool = True, ring: KeyRing | None = None) -> Client:
        """A client of the embedded Temporal, as a stranger who got hold of it would have."""
        keys = self.settings.state / "keys" / "payloads.json"
        more: dict[str, Any] = (
            {"data_converter": sealed_converter(ring or KeyRing.load(keys))} if sealed else {}
        )
        return await Client.connect(self.settings.temporal.target, namespace="responder", **more)

    def write(self, statement: str, *values: Any) -> None:
        """Change the store behind everybody's back."""
        connection = sqlite3.connect(self.settings.state / "responder.sqlite", timeout=20)
        with connection:
            connection.execute(statement, values)
        connection.close()

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Rows of the store, read past everything."""
        connection = sqlite3.connect(self.settings.state / "responder.sqlite", timeout=20)
        connection.row_factory = sqlite3.Row
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    @property
    def temporal_file(self) -> Path:
        """The embedded Temporal's database."""
        return self.settings.state / "temporal" / f"temporal-{VERSION}.sqlite"

    def kill(self, part: str) -> int:
        """SIGKILL one of serve, worker, temporal; it is started again by the supervisor."""
        assert self.supervisor is not None
        pid = (
            self.supervisor.temporal.pid
            if part == "temporal" and self.supervisor.temporal
            else getattr(self.supervisor, part).process.pid
        )
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return int(pid)

    def last_words(self) -> str:
        """The end of the logs."""
        logs = sorted((self.settings.state / "logs").glob("*.log"))
        ends = [log.read_text(errors="replace").splitlines()[-12:] for log in logs]
        return "\n".join(
            f"--- {log.name}\n" + "\n".join(end) for log, end in zip(logs, ends, strict=True)
        )


PYTHON = sys.executable
