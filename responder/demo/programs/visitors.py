"""
Who comes to the shop: a customer who looks around, and people who guess passwords.

Each visitor sends requests at a steady pace from an address of its own and counts how they ended:
answered, refused by the shop, or no answer at all. The counts are reported four times a second.
"""

import asyncio
import json
import sys
from argparse import ArgumentParser, Namespace
from contextlib import suppress

_PATIENCE = 0.5  # seconds until a request without an answer is given up
_REPORT_SECONDS = 0.25
_REFUSED = "403"


class Visitor:
    """One address and its requests."""

    def __init__(self, name: str, address: str, kind: str, pace: str) -> None:
        self.name = name
        self.counts = {"answered": 0, "refused": 0, "silent": 0}
        self._address = address
        self._guesses = kind == "guesses"
        self._pause = 1 / float(pace)
        self._sent = 0
        self._under_way: set[asyncio.Task[None]] = set()

    async def come(self, host: str, port: int, *, forwarded: bool) -> None:
        """Send requests for ever; a slow answer does not slow the pace."""
        while True:
            self._sent += 1
            task = asyncio.create_task(self._ask(host, port, self._request(), forwarded=forwarded))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            await asyncio.sleep(self._pause)

    def _request(self) -> bytes:
        body = f"user=shop-admin&password=summer{self._sent:04d}" if self._guesses else ""
        line = "POST /login" if self._guesses else "GET /"
        return (
            f"{line} HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: {self._address}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
        ).encode()

    async def _ask(self, host: str, port: int, request: bytes, *, forwarded: bool) -> None:
        ended = "silent"
        local = None if forwarded else (self._address, 0)
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                reader, writer = await asyncio.open_connection(host, port, local_addr=local)
                try:
                    writer.write(request)
                    words = (await reader.readline()).decode("latin-1").split()
                finally:
                    writer.close()
                if len(words) > 1:
                    ended = "refused" if words[1] == _REFUSED else "answered"
        self.counts[ended] += 1


async def _report(visitors: dict[str, Visitor]) -> None:
    while True:
        print(json.dumps({v.name: v.counts for v in visitors.values()}), flush=True)  # noqa: T201
        await asyncio.sleep(_REPORT_SECONDS)


async def _run(arguments: Namespace) -> None:
    visitors = {name: Visitor(name, *rest) for name, *rest in arguments.visitor}
    coming: dict[str, asyncio.Task[None]] = {"": asyncio.create_task(_report(visitors))}
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while order := await orders.readline():
        word, _, name = order.decode().strip().partition(" ")
        if word == "start":
            come = visitors[name].come(
                arguments.host, arguments.port, forwarded=arguments.forwarded
            )
            coming[name] = asyncio.create_task(come)
        elif task := coming.pop(name, None):
            task.cancel()


if __name__ == "__main__":
    parser = ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--forwarded", action="store_true", help="Say the address, do not bind it.")
    parser.add_argument(
        "--visitor", nargs=4, action="append", metavar=("NAME", "IP", "KIND", "PACE")
    )
    asyncio.run(_run(parser.parse_args()))
