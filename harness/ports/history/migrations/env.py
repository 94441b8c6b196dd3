"""Alembic's entry: migrates over the connection that `harness.ports.history.schema` hands over."""

from alembic import context
from sqlalchemy import Connection

from harness.ports.history.schema import VERSION_TABLE, metadata


def migrate(connection: Connection) -> None:
    """Runs the migrations in one transaction."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if hasattr(context, "config"):  # Alembic runs this file; whoever only imports it migrates nothing
    migrate(context.config.attributes["connection"])
