"""
One database, opened: transactions, time, and the two dialects' differences.

SQLite is used as its own documentation advises for durable multi-process use: WAL with
`synchronous=FULL` (a commit survives power loss), a busy timeout, and `BEGIN IMMEDIATE`, so that
a transaction that will write never fails half-way for want of the write lock.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import event, make_url, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from responder.errors import StateError
from responder.store import aiosqlite_direct

Transaction = AsyncConnection
Clock = Callable[[], datetime]

_BUSY_SECONDS = 15
# Writers take turns on PostgreSQL as they must on SQLite: almost all of them end in the audit, whose
# head is one row, and rows locked on the way there in different orders would be deadlocks.
_TAKE_TURNS = text("SELECT pg_advisory_xact_lock(82671337)")
_READS: dict[bool, dict[str, Any]] = {
    True: {"responder_reads": True},
    False: {"postgresql_readonly": True, "isolation_level": "REPEATABLE READ"},
}


def utc_now() -> datetime:
    """This machine's time; the one clock by which decisions are judged."""
    return datetime.now(UTC)


class Store:
    """The database behind everything: open one per process, close it at the end."""

    def __init__(self, url: str, *, clock: Clock = utc_now) -> None:
        self.url = make_url(url)
        self.clock = clock
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self._engine = _engine(url, sqlite=self.sqlite)
        # In one process writers queue here; SQLite's own busy wait sleeps up to 100 ms a time.
        self._writing = asyncio.Lock()

    @classmethod
    def at(cls, path: Path, *, clock: Clock = utc_now) -> "Store":
        """The SQLite database file at *path*."""
        return cls(f"sqlite+aiosqlite:///{path}", clock=clock)

    @property
    def engine(self) -> AsyncEngine:
        """SQLAlchemy's engine, for migrations and health checks."""
        return self._engine

    def now(self) -> datetime:
        """The store's time, UTC."""
        return self.clock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """All or nothing; committed, and on disk, when the block ends without an error."""
        if not self.sqlite:
            async with self._engine.begin() as connection:
                await connection.execute(_TAKE_TURNS)
                yield connection
            return
        async with self._writing, self._engine.connect() as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """One consistent view; writes here are an error."""
        async with self._engine.connect() as connection:
            view = await connection.execution_options(**_READS[self.sqlite])
            async with view.begin():
                yield view

    async def close(self) -> None:
        """Let go of every connection."""
        await self._engine.dispose()


def _engine(url: str, *, sqlite: bool) -> AsyncEngine:
    if not sqlite:
        return create_async_engine(url, pool_size=5, max_overflow=10, pool_pre_ping=True)
    engine = create_async_engine(
        url,
        pool_size=5,
        max_overflow=15,
        connect_args={"timeout": _BUSY_SECONDS, "async_creator_fn": aiosqlite_direct.connect},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DBAPI connection
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "invalidate")
    def let_go(connection: Any, _record: object, _error: object) -> None:  # noqa: ANN401 - the same
        # Of a task that was cancelled: closed alone, SQLite keeps the write lock while a cursor lives.
        connection.rollback()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("responder_reads", False)
        if connection.info.get("reads") is not reads:
            connection.exec_driver_sql(f"PRAGMA query_only={reads:d}")
            connection.info["reads"] = reads
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def unusable(error: DBAPIError) -> StateError:
    """A database error in words that name what to do."""
    said = str(error.orig)
    if "disk is full" in said or "No space left" in said:
        return StateError("the database's disk is full; free space, then start again")
    if "unable to open" in said or "readonly" in said:
        return StateError(f"the database cannot be opened for writing: {said}")
    return StateError(f"the database answered: {said}")
