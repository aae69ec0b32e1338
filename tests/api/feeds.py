"""The feeds' own route, served over a store and polled as a firewall would."""

from types import SimpleNamespace

import httpx
from starlette.applications import Starlette

from responder.api import feeds
from responder.api.app import _problem
from responder.api.route import Problem
from responder.inventory import Inventory
from responder.points import FeedPoint
from responder.store import Store

TOKENS = {"fw1": "token-of-fw1-0123456789", "fw2": "token-of-fw2-0123456789"}


async def asked(
    store: Store,
    point: FeedPoint,
    path: str = "",
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    auth: tuple[str, str] | None = None,
) -> httpx.Response:
    """What the route answers."""
    app = Starlette(
        routes=[one.route for one in feeds.routes.declared],
        exception_handlers={Problem: _problem},
    )
    settings = SimpleNamespace(inventory=Inventory(points=(point,)))
    app.state.parts = SimpleNamespace(store=store, settings=settings)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://feeds.example.com") as one:
        return await one.request(
            method, path or f"/feeds/{point.name}.txt", headers=headers, auth=auth
        )


async def polled(
    store: Store, point: FeedPoint, consumer: str, query: str = "", **headers: str
) -> httpx.Response:
    """What *consumer* is handed; header names are written with underscores."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent["Authorization"] = f"Bearer {TOKENS[consumer]}"
    return await asked(store, point, f"/feeds/{point.name}.txt{query}", headers=sent)
