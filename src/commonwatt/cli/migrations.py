"""What the commands that migrate a database answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from commonwatt.cli.frame import CommandResult
from commonwatt.core.messages import Message, translate

if TYPE_CHECKING:
    from commonwatt.stores.migrate import StoreMigration


def migrate_database_command_result(where: str | Path) -> CommandResult:
    """Migrate every store in a database, and say what was done."""
    from commonwatt.stores.engine import (
        database_faults_as_store_errors,
        database_location_text_without_password,
    )
    from commonwatt.stores.migrate import migrate_database

    with database_faults_as_store_errors(where):
        migrations = migrate_database(where)
    place = database_location_text_without_password(where)
    return CommandResult(
        data={
            "database": place,
            "migrated": [
                {"store": each.store, "before": each.before, "after": each.after}
                for each in migrations
            ],
        },
        text=lambda language: _store_migrations_terminal_text(place, migrations, language),
    )


def _store_migrations_terminal_text(
    place: str, migrations: list[StoreMigration], language: str
) -> str:
    if not migrations:
        return translate("{database}: every store is of this version.", language).format(
            database=place
        )
    line = translate("{store}: {before} to {after}", language)
    return "\n".join(
        [
            Message("{database}: migrated.", {"database": place}).translate(language),
            *(line.format(store=e.store, before=e.before, after=e.after) for e in migrations),
        ]
    )
