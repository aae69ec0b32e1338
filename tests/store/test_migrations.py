import asyncio
import re
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

import responder.store.schema as schema_module
from responder.audit import Entry, append
from responder.errors import StateError
from responder.store import Store
from responder.store.every_table import metadata
from responder.store.schema import HEAD, bring_up_to_date, check_schema
from tests.databases import ManualClock, Opener

_VERSIONS = Path(schema_module.__file__).parent / "migrations" / "versions"


async def test_an_empty_database_is_brought_to_exactly_our_tables(
    empty_url: str, open_store: Opener
) -> None:
    store = open_store(empty_url)

    await bring_up_to_date(store)

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with store.transaction() as tx:
        assert await tx.run_sync(differences) == []
    await check_schema(store)


async def test_bringing_up_to_date_twice_changes_nothing(
    empty_url: str, open_store: Opener, clock: ManualClock
) -> None:
    store = open_store(empty_url)
    await bring_up_to_date(store)
    async with store.transaction() as tx:
        await append(tx, clock.now, Entry(kind="kept", actor="test", subject="a fact"))

    await bring_up_to_date(store)

    async with store.reading() as tx:
        assert (await tx.execute(text("SELECT kind FROM audit"))).scalars().all() == ["kept"]


async def test_an_empty_database_names_what_makes_its_tables(
    empty_url: str, open_store: Opener
) -> None:
    with pytest.raises(StateError, match="no tables yet; run `responder serve` or `responder up`"):
        await check_schema(open_store(empty_url))


@pytest.mark.parametrize("check", [check_schema, bring_up_to_date])
async def test_a_database_of_a_newer_version_is_refused_with_the_way_out(
    store: Store, check: object
) -> None:
    async with store.transaction() as tx:
        await tx.execute(text("UPDATE alembic_version SET version_num = '0999'"))

    with pytest.raises(StateError, match=rf"(?s)of version 0999, .* up to {HEAD}.*hint: .*backup"):
        await check(store)  # type: ignore[operator]

    async with store.reading() as tx:
        found = (await tx.execute(text("SELECT version_num FROM alembic_version"))).scalar()
    assert found == "0999"


def test_head_names_the_newest_migration() -> None:
    numbers = [m[1] for p in _VERSIONS.glob("*.py") if (m := re.match(r"(\d{4})_", p.name))]
    assert max(numbers) == HEAD
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'nobody'",
        "UPDATE audit SET actor = 'nobody' WHERE seq = 1",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE seq = 1",
        (
            "INSERT OR REPLACE INTO audit SELECT seq, at, kind, 'nobody', incident, subject, data,"
            " previous, digest FROM audit"
        ),
        (
            "INSERT INTO audit SELECT * FROM audit WHERE true"
            " ON CONFLICT (seq) DO UPDATE SET actor = 'nobody'"
        ),
        "TRUNCATE audit",
    ],
)
async def test_the_database_itself_refuses_to_change_or_remove_an_entry(
    store: Store, statement: str
) -> None:
    if (store.sqlite and "TRUNCATE" in statement) or (not store.sqlite and "REPLACE" in statement):
        return  # the other database's words
    async with store.transaction() as tx:
        await append(tx, store.now(), Entry(kind="kept", actor="ana", subject="a fact"))

    with pytest.raises(DBAPIError, match="append-only"):
        async with store.transaction() as tx:
            await tx.execute(text(statement))

    async with store.reading() as tx:
        assert (await tx.execute(text("SELECT actor FROM audit"))).scalars().all() == ["ana"]


async def test_a_database_that_cannot_be_opened_says_so(tmp_path: Path, open_store: Opener) -> None:
    store = open_store(f"sqlite+aiosqlite:///{tmp_path / 'missing' / 'responder.sqlite'}")
    with pytest.raises(StateError, match="cannot be opened for writing"):
        await bring_up_to_date(store)
    # aiosqlite ends its thread without being waited for, and would miss this test's loop.
    await asyncio.sleep(0.1)
