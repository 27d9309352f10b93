"""What Alembic runs: the steps of one store, on the connection that it is given."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection


def _run_store_migrations(connection: Connection, version_table: str) -> None:
    context.configure(
        connection=connection,
        version_table=version_table,
        # The caller's transaction holds every statement and the new version's name, on SQLite,
        # too, where Alembic would otherwise take each as committed by itself.
        transactional_ddl=True,
    )
    context.run_migrations()


if __name__ == "env_py":  # the name under which Alembic runs this file
    _attributes = context.config.attributes
    _run_store_migrations(_attributes["connection"], _attributes["version_table"])
