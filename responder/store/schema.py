"""Whether the database has the tables of this version, and bringing an older one there."""

from pathlib import Path

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from responder.errors import StateError
from responder.store.database import Store, unusable

# The newest migration; a test compares it with the files, so that starting needs no Alembic.
HEAD = "0012"
_MIGRATIONS = Path(__file__).parent / "migrations"


async def check_schema(store: Store) -> None:
    """Raises `StateError`, with the way out, unless the tables are of exactly this version."""
    found = await _version(store)
    if found == HEAD:
        return
    if found is None:
        raise StateError(
            "the database has no tables yet; run `responder serve` or `responder up` once"
        )
    raise StateError(_mismatch(found))


async def bring_up_to_date(store: Store) -> None:
    """Make or migrate the tables. Raises `StateError` if a newer version made them."""
    found = await _version(store)
    if found == HEAD:
        return
    known = {path.stem.split("_", 1)[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py")}
    if found is not None and found not in known:
        raise StateError(_mismatch(found))
    from alembic import command  # noqa: PLC0415 - only needed when there is something to migrate
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))

    def migrate(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    try:
        async with store.transaction() as tx:
            await tx.run_sync(migrate)
    except DBAPIError as error:
        raise unusable(error) from error


def _mismatch(found: str) -> str:
    return (
        f"the database is of version {found}, and this program knows versions up to {HEAD}; "
        "nothing was changed\n\n"
        "hint: run the responder that made it, or restore the backup taken before its upgrade"
    )


async def _version(store: Store) -> str | None:
    def read(connection: Connection) -> str | None:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()

    try:
        async with store.reading() as tx:
            return await tx.run_sync(read)
    except DBAPIError as error:
        raise unusable(error) from error
