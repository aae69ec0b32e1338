"""The facts on disk: rows written in one transaction each, in SQLite or PostgreSQL."""

from responder.store.database import Store as Store
from responder.store.database import Transaction as Transaction
