"""What Alembic runs: the steps, on the connection that it is given."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from commonwatt.web.schema import metadata


def _run_console_migrations(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table="web_version",
        include_object=_is_console_table,
        # Alembic takes SQLite to be unable to roll back a change of tables; it can, and a step that
        # fails leaves nothing.
        transactional_ddl=True,
    )
    context.run_migrations()


def _is_console_table(
    thing: object, name: str | None, kind: str, reflected: bool, other: object
) -> bool:
    """Leave the tables of the ledger, of rooms and of models alone."""
    del thing, reflected, other
    return kind != "table" or (name or "").startswith("web_")


if __name__ == "env_py":  # the name under which Alembic runs this file
    _given: Connection = context.config.attributes["connection"]
    _run_console_migrations(_given)
