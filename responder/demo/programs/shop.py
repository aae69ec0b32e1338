"""
A small web shop with a login: what the demo's attacker wants into.

Without a feed it serves whoever reaches it, and a firewall decides who does. With a feed it is the
enforcement point itself: it polls the runner's blocklist and refuses who is on it. Everybody comes
from this machine then, so it goes by `X-Forwarded-For`, as behind a load balancer.
"""

import asyncio
import json
import sys
from argparse import ArgumentParser, Namespace
from contextlib import suppress

_POLL_SECONDS = 0.4
_LONGEST_BODY = 4096


class Shop:
    """The server, and what it last heard from the feed."""

    def __init__(self) -> None:
        self.blocked: list[str] = []
        self._feed: tuple[str, str] | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        with suppress(OSError, ValueError, TimeoutError, EOFError, asyncio.LimitOverrunError):
            async with asyncio.timeout(5):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                lines = (line.partition(":") for line in head.split("\r\n")[1:])
                headers = {name.lower(): value.strip() for name, _, value in lines}
                # Read to its end: closing on unread bytes would reset the answer away.
                await reader.readexactly(
                    min(int(headers.get("content-length", "0")), _LONGEST_BODY)
                )
                status = self._status(head, headers.get("x-forwarded-for", ""))
                answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                writer.write(answer.encode())
                await writer.drain()
        writer.close()

    def _status(self, head: str, visitor: str) -> str:
        if visitor in self.blocked:
            return "403 Forbidden"
        return "401 Unauthorized" if head.startswith("POST /login ") else "200 OK"

    async def poll(self) -> None:
        """Ask for the blocklist while told to; what cannot be read changes nothing."""
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            with suppress(OSError, TimeoutError, ValueError):
                async with asyncio.timeout(3):
                    if self._feed is not None:
                        self._heed(await _asked(*self._feed))

    def _heed(self, answer: str) -> None:
        head, _, body = answer.partition("\r\n\r\n")
        if " 200 " in head.split("\r\n", 1)[0] and (found := body.split()) != self.blocked:
            self.blocked = found
            print(json.dumps({"blocked": found}), flush=True)  # noqa: T201 - how it reports

    async def obey(self) -> None:
        """Take orders, one a line, until whoever gave them is gone."""
        orders = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        while order := await orders.readline():
            word, *words = order.decode().split()
            self._feed = (words[0], words[1]) if word == "poll" else None


async def _asked(url: str, token: str) -> str:
    host, _, rest = url.removeprefix("http://").partition(":")
    port, _, path = rest.partition("/")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        who = f"Host: {host}\r\nAuthorization: Bearer {token}"
        writer.write(f"GET /{path} HTTP/1.0\r\n{who}\r\n\r\n".encode())
        return (await reader.read()).decode()
    finally:
        writer.close()


async def _run(arguments: Namespace) -> None:
    shop = Shop()
    server = await asyncio.start_server(shop.serve, arguments.address, arguments.port)
    polling = asyncio.create_task(shop.poll())
    print(json.dumps({"serving": arguments.port}), flush=True)  # noqa: T201 - how it reports
    await shop.obey()
    polling.cancel()
    server.close()


if __name__ == "__main__":
    parser = ArgumentParser()
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(_run(parser.parse_args()))
