"""The console's tables in the ledger's database, brought up to date by Alembic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.config import Config

HEAD: Final = "0001"
VERSION_TABLE: Final = "web_version"
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


def console_schema_version(engine: sa.Engine) -> str:
    """Return the step that a database stands at, or "" where it has none of our tables."""
    if not sa.inspect(engine).has_table(VERSION_TABLE):
        return ""
    with engine.connect() as connection:
        query = sa.text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608
        version_row = connection.execute(query).first()
        return str(version_row[0]) if version_row else ""


def upgrade_console_schema(engine: sa.Engine, to: str = HEAD) -> None:
    """Bring the console's tables up to `to`; costs nothing where they are."""
    if console_schema_version(engine) == to:
        return
    # Imported only where there is a step to take: every start of every worker passes here.
    from alembic import command

    with engine.begin() as connection:
        command.upgrade(_alembic_config(connection), to)


def downgrade_console_schema(engine: sa.Engine, to: str = "base") -> None:
    """Take the console's tables back to `to`, for tests of the steps."""
    from alembic import command

    with engine.begin() as connection:
        command.downgrade(_alembic_config(connection), to)


def _alembic_config(connection: sa.Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config
