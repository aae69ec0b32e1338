"""The double's Socket Mode: tickets, hello, envelopes to one connection at a time, disconnect."""

import asyncio
import json
import time
import uuid
from typing import Any

from aiohttp import WSMsgType, web

Json = dict[str, Any]
_MOST = 10  # connections of an app
_TRIES = 2


class Sockets:
    """The connections of one app."""

    def __init__(self, app: str) -> None:
        self._app = app
        self._tickets: set[str] = set()
        self._pending: dict[str, asyncio.Future[Json]] = {}
        self.open: list[web.WebSocketResponse] = []
        self.hellos = 0
        self.resent = 0
        self.deaf = 0  # how many of the next acknowledgements are lost on the way

    def ticket(self, port: int) -> str:
        """An address that is good for one connection."""
        name = uuid.uuid4().hex
        self._tickets.add(name)
        return f"ws://127.0.0.1:{port}/link/?ticket={name}&app_id={self._app}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One connection, until it ends."""
        if request.query.get("ticket") not in self._tickets:
            return web.Response(status=403)
        self._tickets.discard(request.query["ticket"])
        if len(self.open) >= _MOST:
            return web.Response(status=429)
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        self.open.append(socket)
        self.hellos += 1
        await socket.send_json(
            {
                "type": "hello",
                "num_connections": len(self.open),
                "connection_info": {"app_id": self._app},
                "debug_info": {"host": "double", "approximate_connection_time": 18060},
            }
        )
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT and message.data.startswith("{"):
                    self._heard(json.loads(message.data))
        finally:
            if socket in self.open:
                self.open.remove(socket)
        return socket

    def _heard(self, answer: Json) -> None:
        if self.deaf:
            self.deaf -= 1
            return
        waiting = self._pending.get(str(answer.get("envelope_id")))
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def send(self, kind: str, payload: Json, seconds: float) -> Json | None:
        """The acknowledgement of an envelope; None if there is none within *seconds* of any try."""
        name = str(uuid.uuid4())
        envelope = {"envelope_id": name, "type": kind, "payload": payload,
                    "accepts_response_payload": kind == "slash_commands"}  # fmt: skip
        for number in range(_TRIES):
            socket = await self._one(seconds)
            if socket is None:
                return None
            self._pending[name] = asyncio.get_running_loop().create_future()
            if number:
                self.resent += 1
            await socket.send_json(envelope | ({"retry_attempt": number} if number else {}))
            try:
                return await asyncio.wait_for(self._pending[name], seconds)
            except TimeoutError:
                continue
            finally:
                del self._pending[name]
        return None

    async def refresh(self) -> None:
        """Tell every connection that it ends; the clients open new ones."""
        for socket in list(self.open):
            await socket.send_json({"type": "disconnect", "reason": "refresh_requested"})

    async def drop(self) -> None:
        """Every connection is gone, without a word."""
        for socket in list(self.open):
            await socket.close()
        self.open.clear()

    async def connected(self, seconds: float = 10.0) -> None:
        """Wait until somebody is connected."""
        assert await self._one(seconds) is not None, f"nobody connected within {seconds:g} s"

    async def _one(self, seconds: float) -> web.WebSocketResponse | None:
        until = time.monotonic() + seconds
        while not self.open:
            if time.monotonic() > until:
                return None
            await asyncio.sleep(0.02)
        self.open.append(self.open.pop(0))
        return self.open[-1]
