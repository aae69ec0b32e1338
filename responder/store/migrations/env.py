"""What Alembic runs: migrations on the connection that the program hands it."""

from alembic import context

from responder.store.every_table import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
