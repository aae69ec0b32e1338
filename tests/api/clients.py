"""Clients that hold connections as no honest one does, and a server whose handlers wait for a test."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from responder.api.listening import listening
from responder.process_settings import Api
from tests.e2e.runner import SECRET, free_ports

READY_SECONDS = 30.0
START_SECONDS = 120.0  # importing everything takes long on a busy machine
BIG = 32 * 1024 * 1024


class Client:
    """One raw connection, from an address of loopback that the test chooses."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self._writer = reader, writer

    async def say(self, text: str) -> None:
        """Send *text* as it is."""
        self._writer.write(text.encode())
        await self._writer.drain()

    async def drip(self, text: str, every: float) -> None:
        """Send *text* a byte at a time, until the other side has had enough."""
        try:
            for letter in text:
                await self.say(letter)
                await asyncio.sleep(every)
        except ConnectionError:
            pass

    async def ended(self, within: float) -> str:
        """All that is answered until the server closes; that has to happen *within* seconds."""
        async with asyncio.timeout(within):
            try:
                return (await self.reader.read()).decode()
            except ConnectionError:
                return ""

    async def line(self, within: float) -> str:
        """The next line of an answer; empty if the server closed."""
        async with asyncio.timeout(within):
            try:
                return (await self.reader.readline()).decode().strip()
            except ConnectionError:
                return ""

    async def open(self, wait: float = 0.02) -> bool:
        """Whether the server has left this connection open, and said nothing."""
        try:
            await self.ended(wait)
        except TimeoutError:
            return True
        return False

    def half_close(self) -> None:
        """Say that nothing more will come."""
        self._writer.write_eof()

    def close(self) -> None:
        """Be gone."""
        self._writer.transport.abort()


class Crowd:
    """Many clients, gone when the test is over."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._all: list[Client] = []

    async def one(self, address: str = "127.0.0.1", said: str = "") -> Client:
        """A client that comes from *address* and begins with *said*."""
        made = socket.socket()
        made.setblocking(False)
        made.bind((address, 0))
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", self._port))
        client = Client(*await asyncio.open_connection(sock=made))
        self._all.append(client)
        if said:
            await client.say(said)
        return client

    async def many(self, count: int, addresses: Sequence[str], said: str = "") -> list[Client]:
        """*count* of them, from each address in turn."""
        return [await self.one(addresses[n % len(addresses)], said) for n in range(count)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._all:
            one.close()


async def still_open(clients: Sequence[Client]) -> int:
    """How many of them the server has not closed."""
    return sum(await asyncio.gather(*(one.open(0.2) for one in clients)))


class Handlers:
    """An application whose handlers wait until the test lets them go on."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.running = 0
        self.left: list[str] = []

    @property
    def app(self) -> Starlette:
        """The application."""
        return Starlette(
            routes=[
                Route("/size", self._size, methods=["POST"]),
                Route("/refuse", self._refuse, methods=["POST"]),
                Route("/wait", self._wait),
                Route("/stream", self._stream),
                Route("/big", self._big),
                Route("/now", self._now),
            ]
        )

    async def until_running(self, count: int) -> None:
        """Wait until so many requests wait for the test."""
        async with asyncio.timeout(READY_SECONDS):
            while self.running != count:
                await asyncio.sleep(0.01)

    async def _now(self, _: Request) -> Response:
        return PlainTextResponse("now")

    async def _size(self, request: Request) -> Response:
        try:
            return PlainTextResponse(str(len(await request.body())))
        except ClientDisconnect:
            self.left.append(request.url.path)
            return Response()

    async def _refuse(self, _: Request) -> Response:
        return PlainTextResponse("too large", 413)

    async def _wait(self, _: Request) -> Response:
        self.running += 1
        await self.go.wait()
        self.running -= 1
        return PlainTextResponse("waited")

    async def _big(self, _: Request) -> Response:
        return PlainTextResponse(b"x" * BIG)

    async def _stream(self, _: Request) -> Response:
        async def beats() -> AsyncIterator[str]:
            while not self.go.is_set():
                yield "beat\n"
                await asyncio.sleep(0.05)

        return StreamingResponse(beats())


@asynccontextmanager
async def served(handlers: Handlers, **limits: Any) -> AsyncIterator[tuple[uvicorn.Server, Crowd]]:
    """*handlers* behind the server's own configuration, nobody being a trusted proxy."""
    (port,) = free_ports(1)
    api = Api.model_validate({"port": port, "proxies": (), "connections": limits})
    server = uvicorn.Server(listening(handlers.app, api))
    running = asyncio.create_task(server.serve())
    async with asyncio.timeout(READY_SECONDS):
        while not server.started:
            await asyncio.sleep(0.01)
    with Crowd(port) as crowd:
        yield server, crowd
    handlers.go.set()
    server.should_exit = True
    await running


@contextmanager
def serve(folder: Path, template: Path, **api: Any) -> Iterator[tuple[str, Path]]:
    """`responder serve` as it is started, without Temporal; its address and its log."""
    state = folder / "state"
    state.mkdir()
    shutil.copy(template, state / "responder.sqlite")
    port, temporal, ui = free_ports(3)
    hmac = {"scheme": "hmac", "header": "X-Signature", "secrets": [SECRET]}
    settings = {
        "state": str(state),
        "api": {"port": port, **api},
        "temporal": {"port": temporal, "ui_port": ui},
        "sources": {"wazuh": {"kind": "wazuh", "auth": hmac}},
        "protect_surroundings": False,
    }
    (folder / "responder.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(settings))))
    environment = {**os.environ, "RESPONDER_CONFIG": str(folder / "responder.yaml")}
    log = folder / "serve.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            (sys.executable, "-m", "responder", "serve"), env=environment, stdout=out, stderr=out
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + START_SECONDS
        while not _answers(url):
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < until, f"serve is not ready: {log.read_text()[-2000:]}"
            time.sleep(0.1)
        yield url, log
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").is_success
    except httpx.TransportError:
        return False
