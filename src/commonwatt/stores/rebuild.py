"""Write a database anew, so that no page of it holds what was deleted."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa


def vacuum_database_and_tell_if_complete(engine: sa.Engine, tables: Sequence[str]) -> bool:
    """Write tables anew without what was changed or deleted in them; return whether all of it went.

    A database keeps the bytes of old rows in free pages and in its log.
    """
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in tables:
                connection.exec_driver_sql(f"VACUUM FULL {table}")
        return True
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("VACUUM")
        # Busy where somebody still reads an older state, which the log must keep for them.
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        busy, *_ = cursor.fetchone() or (1,)
        return busy == 0
    finally:
        connection.close()
