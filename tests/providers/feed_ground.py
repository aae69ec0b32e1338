"""The blocklist feed as ground for the contract: two firewalls poll it over its own route."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from activities.providers.feed import FeedBlock
from responder.incident import Network
from responder.points import Consumer, FeedPoint
from responder.store import Store
from responder.store.feeds import feed_entries
from tests.api.feeds import TOKENS, polled
from tests.databases import hasty
from tests.providers.ground import Ground

POINT = FeedPoint(
    name="point",
    consumers=tuple(Consumer(name=name, token=SecretStr(token)) for name, token in TOKENS.items()),
)


class FeedGround(Ground):
    """The feed, read from its rows. What its firewalls then do with packets is their business."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # A database that cannot be opened is what an unknown feed looks like.
        self._gone = Store("sqlite+aiosqlite:////nowhere/at/all.sqlite")
        self._silent = False

    def block(self, network: Network) -> FeedBlock:
        return FeedBlock(self._gone if self._silent else self._store, network, POINT)

    async def dump(self) -> str:
        async with self._store.reading() as tx:
            rows = (await tx.execute(select(feed_entries).order_by(feed_entries.c.network))).all()
        return "\n".join(f"{row.feed} {row.network} {row.until}" for row in rows)

    async def place(self, network: Network) -> None:
        await self.block(network).write(True, key="theirs", until=None, tag="")

    async def silence(self) -> None:
        self._silent = True

    async def mend(self) -> None:
        self._silent = False

    async def handed_over(self) -> None:
        for name in TOKENS:
            answer: httpx.Response = await polled(self._store, POINT, name)
            assert answer.status_code == 200

    async def close(self) -> None:
        """Let go of both databases."""
        await self._store.close()
        await self._gone.close()


@asynccontextmanager
async def polled_by_two(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    """The ground, opened."""
    folder: Path = request.getfixturevalue("tmp_path")
    path = folder / "feed.sqlite"
    shutil.copy(request.getfixturevalue("sqlite_template"), path)
    ground = FeedGround(hasty(Store(f"sqlite+aiosqlite:///{path}")))
    try:
        yield ground
    finally:
        await ground.close()
