"""
SQLite on a thread of its own, at one hand-over a statement.

SQLAlchemy's adapter asks aiosqlite for a cursor, an execution, the rows and a close, and each of
the four is a hand-over to the connection's thread and back. An incident is some hundred short
statements, so here the four travel together; nothing else of aiosqlite is changed.
"""

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Any, Self

import aiosqlite

Parameters = Any  # whatever the dialect compiled: a tuple, or for many a list of them


class DirectConnection(aiosqlite.Connection):
    """aiosqlite's connection, whose cursors take their rows along."""

    def cursor(self) -> "DirectCursor":  # type: ignore[override]
        """A cursor; nothing is handed over before its first statement."""
        return DirectCursor(self)

    async def rollback(self) -> None:
        """Roll back, where there is something to: the pool asks each time a connection comes home."""
        if self._connection is not None and self._connection.in_transaction:
            await super().rollback()

    async def hand_over(self, call: Any, *words: Any) -> Any:  # noqa: ANN401 - whatever the call gives
        """What *call* gives, from the connection's own thread."""
        return await self._execute(call, *words)  # type: ignore[no-untyped-call]


class DirectCursor:
    """What SQLAlchemy's adapter needs of a cursor: rows are there when the execution is."""

    def __init__(self, connection: DirectConnection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Sequence[Any] | None = None
        self.rowcount = -1
        self.lastrowid = -1
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, operation: str, parameters: Parameters = ()) -> Self:
        """Execute one statement and fetch all of its rows."""
        return await self._both("execute", operation, parameters)

    async def executemany(self, operation: str, parameters: Parameters) -> Self:
        """Execute one statement for each of *parameters*."""
        return await self._both("executemany", operation, parameters)

    async def fetchone(self) -> Any | None:  # noqa: ANN401 - a row
        """The next row."""
        return self._rows.pop(0) if self._rows else None

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        """The next *size* rows."""
        count = size or self.arraysize
        rows, self._rows = self._rows[:count], self._rows[count:]
        return rows

    async def fetchall(self) -> list[Any]:
        """Every row that is left."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Nothing is open: the statement was finished on its thread."""

    async def _both(self, method: str, operation: str, parameters: Parameters) -> Self:
        raw = self._connection._conn  # noqa: SLF001 - aiosqlite has no public name for it
        found = await self._connection.hand_over(partial(_run, raw, method), operation, parameters)
        self._rows, self.description, self.rowcount, self.lastrowid = found
        return self


def _run(
    raw: sqlite3.Connection, method: str, operation: str, parameters: Parameters
) -> tuple[list[Any], Any, int, int | None]:
    cursor = raw.cursor()
    try:
        getattr(cursor, method)(operation, parameters)
        rows = cursor.fetchall() if cursor.description is not None else []
        return rows, cursor.description, cursor.rowcount, cursor.lastrowid
    finally:
        cursor.close()


async def connect(path: str, **options: Any) -> DirectConnection:  # noqa: ANN401 - the dialect's
    """Open the database file at *path*: what SQLAlchemy's `async_creator_fn` is given."""
    opening = DirectConnection(partial(sqlite3.connect, path, **options), iter_chunk_size=64)
    opening._thread.daemon = True  # noqa: SLF001 - as SQLAlchemy's own adapter does
    await opening
    return opening
