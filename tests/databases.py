"""The two databases under test: a migrated template of each, copied for every test that asks."""

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import event

from responder.store import Store
from responder.store.every_table import metadata
from responder.store.schema import HEAD, bring_up_to_date

MAKERS = ("sqlite", "postgresql")
on_both = pytest.mark.parametrize("database", MAKERS)
_START_SECONDS = 30.0
# A test's database is thrown away, so it need not survive a power cut.
_HASTY = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "shared_buffers=32MB",
          "listen_addresses=", "max_connections=120", "timezone=UTC", "jit=off")  # fmt: skip
# `replica` sleeps the triggers that guard the audit, and foreign keys.
_EMPTY = "; ".join(
    (
        (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ),
        "SET session_replication_role = replica",
        *(f"DELETE FROM {table.name}" for table in metadata.sorted_tables),  # noqa: S608 - our tables
        f"UPDATE alembic_version SET version_num = '{HEAD}'",  # noqa: S608 - our constant
        "ALTER TABLE audit ENABLE TRIGGER ALL",
    )
)


class ManualClock:
    """The store's clock, moved by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, *, seconds: float = 0, **more: float) -> datetime:
        """Move on; returns the new time."""
        self.now += timedelta(seconds=seconds, **more)
        return self.now


class Postgres:
    """A server of our own on a Unix socket, in a folder that goes with it."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self.folder = Path(tempfile.mkdtemp(prefix="responder-pg-"))
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        """What `Store` connects to."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def say(self, statements: str, database: str = "postgres") -> None:
        """Run statements as the superuser, outside any transaction of ours."""
        with psycopg.connect(self._dsn, dbname=database, autocommit=True) as connection:
            connection.execute(statements.encode())

    def start(self) -> None:
        """Make the cluster and wait until it answers."""
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        data = str(self.folder / "data")
        made = subprocess.run(
            self._as_postgres("initdb", "--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", data),
            capture_output=True, text=True, check=False, cwd=self.folder,
        )  # fmt: skip
        if made.returncode:
            pytest.skip(f"PostgreSQL: initdb failed: {made.stderr.strip().splitlines()[-1]}")
        options = [word for setting in _HASTY for word in ("-c", setting)]
        command = self._as_postgres("postgres", "-D", data, "-k", str(self.folder), *options)
        log = (self.folder / "log").open("wb")
        self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        log.close()
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(self._dsn, dbname="postgres").close()
            except psycopg.OperationalError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End the server and remove what it kept."""
        if self._process is not None:
            self._process.send_signal(2)  # PostgreSQL's fast shutdown
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.send_signal(3)  # its immediate one
                self._process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _dsn(self) -> str:
        return f"host={self.folder} user=postgres"

    def _as_postgres(self, program: str, *arguments: str) -> list[str]:
        command = [str(self._binaries / program), *arguments]
        if os.geteuid() != 0:
            return command
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups",
                "--pdeathsig=INT", *command]  # fmt: skip


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL; `migrated` in it has our tables."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("PostgreSQL will not run as root, and setpriv is not here")
    server = Postgres(binaries)
    try:
        server.start()
        server.say("CREATE DATABASE migrated")
        asyncio.run(_migrate(server.url("migrated")))
        yield server
    finally:
        server.stop()


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """An empty database of PostgreSQL, of this test alone."""
    name = f"t_{uuid4().hex}"
    postgres.say(f"CREATE DATABASE {name} TEMPLATE template0")
    yield postgres.url(name)
    postgres.say(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _emptied(postgres: Postgres) -> Iterator[str]:
    """The database with our tables, as if it were new: quicker than a new one for every test."""
    try:
        yield postgres.url("migrated")
    finally:
        postgres.say(_EMPTY, "migrated")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with our tables."""
    path = tmp_path_factory.mktemp("template") / "responder.sqlite"
    asyncio.run(_migrate(f"sqlite+aiosqlite:///{path}"))
    return path


async def _migrate(url: str) -> None:
    store = Store(url)
    await bring_up_to_date(store)
    await store.close()


@pytest.fixture
def clock() -> ManualClock:
    """The clock of this test's stores."""
    return ManualClock()


@pytest.fixture(params=MAKERS)
def database(request: pytest.FixtureRequest) -> str:
    """Which database a test is about; both, unless a folder or a test says otherwise."""
    return str(request.param)


@pytest.fixture
def store_url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database of this test alone."""
    if database == "sqlite":
        path = tmp_path / "responder.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite+aiosqlite:///{path}"
    else:
        with _emptied(request.getfixturevalue("postgres")) as url:
            yield url


@pytest.fixture
def empty_url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table."""
    if database == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'empty.sqlite'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest_asyncio.fixture
async def store(store_url: str, clock: ManualClock) -> AsyncIterator[Store]:
    """A store with our tables and a clock moved by hand."""
    opened = hasty(Store(store_url, clock=clock))
    yield opened
    await opened.close()


def hasty(store: Store) -> Store:
    """*store* without waiting for the disk: what tests keep need not survive a power cut."""
    if store.sqlite:

        @event.listens_for(store.engine.sync_engine, "connect")
        def hurry(connection: Any, _record: object) -> None:
            cursor = connection.cursor()
            cursor.execute("PRAGMA synchronous=OFF")
            cursor.close()

    return store


Opener = Callable[[str], Store]


@pytest_asyncio.fixture
async def open_store(clock: ManualClock) -> AsyncIterator[Opener]:
    """Opens stores that are closed after the test."""
    opened: list[Store] = []

    def opener(url: str) -> Store:
        opened.append(hasty(Store(url, clock=clock)))
        return opened[-1]

    yield opener
    for one in opened:
        await one.close()
