"""Runs the migrations on the connection, and in the transaction, that opened the database."""

from alembic import context
from sqlalchemy import Connection

from prodrome.cds_hooks.database.tables import metadata

connection: Connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
