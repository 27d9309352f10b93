"""Copy a database of one kind into an empty one of another kind, as of one moment.

A backup of a PostgreSQL is a SQLite file, so that one archive holds either and can be
restored to either. Nothing of the copy is text that the target would run: types come
from a closed list, and checks are compared with what a check of ours can be.
"""

from __future__ import annotations

import re
from typing import Any, Final

import sqlalchemy as sa

from commonwatt.core.messages import Message
from commonwatt.ledger.errors import BackupError

_ROWS_AT_ONCE: Final = 1000
_PORTABLE: Final = (sa.String, sa.Integer, sa.Float, sa.Boolean, sa.LargeBinary, sa.JSON)
# Columns, numbers, comparisons and brackets; a name before a bracket would be a function's.
_CHECK: Final = re.compile(r"(?:[()\s]|[<>=!]+|\d+|\w+(?!\s*\()\b)+")


def copy_ledger_backup_tables_counting_rows(
    reading: sa.Connection, writing: sa.Connection
) -> dict[str, int]:
    """Make every table of one database in an empty one, with its rows; return rows by table.

    Raises:
        BackupError: The target holds tables already, or a column has no portable type.
    """
    if tables := sa.inspect(writing).get_table_names():
        raise BackupError(
            sorted(tables)[0],
            found=Message("a database that holds tables already"),
            wanted=Message("an empty database"),
        )
    metadata = _portable_ledger_backup_table_metadata(reading)
    metadata.create_all(writing)
    return {
        table.name: _copy_and_count_ledger_backup_table_rows(reading, writing, table)
        for table in metadata.sorted_tables
    }


def _copy_and_count_ledger_backup_table_rows(
    reading: sa.Connection, writing: sa.Connection, table: sa.Table
) -> int:
    count = 0
    key = list(table.primary_key.columns)
    # Ordered by the key, so that the copy of one state has the same rows in the same order.
    rows = reading.execute(sa.select(table).order_by(*key)).yield_per(_ROWS_AT_ONCE)
    for part in rows.mappings().partitions():
        writing.execute(sa.insert(table), [dict(row) for row in part])
        count += len(part)
    if writing.dialect.name == "postgresql" and table.autoincrement_column is not None and count:
        # Rows that bring their numbers leave the sequence where it began, and the next row would
        # take a number that is taken.
        column = table.autoincrement_column
        sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
        last = sa.select(sa.func.max(column)).scalar_subquery()
        writing.execute(sa.select(sa.func.setval(sequence, last)))
    return count


def _portable_ledger_backup_table_metadata(reading: sa.Connection) -> sa.MetaData:
    reflected, portable = sa.MetaData(), sa.MetaData()
    reflected.reflect(reading)
    inspector = sa.inspect(reading)
    for table in reflected.sorted_tables:
        copy = sa.Table(
            table.name,
            portable,
            *(_portable_ledger_backup_column(column) for column in table.columns),
        )
        _add_constraints_and_indexes_to_backup_table(
            table, copy, inspector.get_check_constraints(table.name)
        )
    return portable


def _portable_ledger_backup_column(column: sa.Column[Any]) -> sa.Column[Any]:
    generic = column.type.as_generic()
    if not isinstance(generic, _PORTABLE):
        raise BackupError(
            f"{column.table.name}.{column.name}",
            found=Message("a type that no backup knows"),
        )
    # SQLite counts in a column of the type INTEGER only; keys of other types bring their numbers.
    counts = type(generic) is sa.Integer and column.primary_key and not column.foreign_keys
    return sa.Column(
        column.name, generic, primary_key=column.primary_key, nullable=column.nullable,
        autoincrement="auto" if counts else False,
    )  # fmt: skip


def _add_constraints_and_indexes_to_backup_table(
    table: sa.Table, copy: sa.Table, checks: list[Any]
) -> None:
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint):
            names = [column.name for column in constraint.columns]
            copy.append_constraint(sa.UniqueConstraint(*names, name=constraint.name))
        elif isinstance(constraint, sa.ForeignKeyConstraint):
            names = [column.name for column in constraint.columns]
            to = [element.target_fullname for element in constraint.elements]
            copy.append_constraint(sa.ForeignKeyConstraint(names, to, name=constraint.name))
    unique = {constraint.name for constraint in copy.constraints}
    for index in table.indexes:
        # PostgreSQL lists the index behind a unique constraint a second time.
        if index.name not in unique:
            columns = [copy.columns[column.name] for column in index.columns]
            sa.Index(index.name, *columns, unique=index.unique)
    for check in checks:
        copy.append_constraint(_portable_ledger_backup_check_constraint(table.name, check))


def _portable_ledger_backup_check_constraint(table: str, check: Any) -> sa.CheckConstraint:
    # The text is run by the target. One that came from an archive may be anybody's.
    if not _CHECK.fullmatch(check["sqltext"]):
        raise BackupError(table, found=Message("a check that no backup knows"))
    return sa.CheckConstraint(check["sqltext"], name=check["name"])
