"""The two statements whose spelling differs between the databases."""

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from responder.store.database import Transaction
from responder.store.tables import counters

# A row by its columns' names, whichever of SQLAlchemy's mapping types it comes in, or plain values.
Row = Any


async def insert_new(tx: Transaction, table: Table, values: dict[str, Any]) -> bool:
    """Insert a row unless one with its key is there; returns whether it was inserted."""
    insert = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
    # Asked for by RETURNING: psycopg does not keep the row count of an INSERT.
    made = insert(table).values(values).on_conflict_do_nothing().returning(*table.primary_key)
    return (await tx.execute(made)).first() is not None


async def next_number(tx: Transaction, name: str) -> int:
    """The next number of a counter, from 1; its row's lock makes it nobody else's."""
    insert = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
    counted = insert(counters).values(name=name, value=1)
    counted = counted.on_conflict_do_update(
        index_elements=[counters.c.name], set_={"value": counters.c.value + 1}
    )
    return int((await tx.execute(counted.returning(counters.c.value))).scalar_one())
