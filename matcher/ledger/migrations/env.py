"""Environment of the migrations, as Alembic runs it: on the connection that holds the lock."""

from __future__ import annotations

from alembic import context

from matcher.ledger.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
