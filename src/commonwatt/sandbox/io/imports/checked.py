"""Part what was checked: kept rows into the store, broken ones into quarantine.

A reader fills a table `checked` in DuckDB: the columns to keep, `record` (its
place in the source) and `reason` (the rule it broke, or nothing). Everything
here streams from DuckDB to files, so memory does not grow with the records,
however many of them are broken.
"""

# ruff: noqa: S608  the names in the SQL are ours, and values are quoted by `dataset_sql_text_literal`

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from commonwatt.sandbox.domain.import_report import (
    TableImportReport,
    import_report_whose_counts_add_up,
)

WORK_TABLE: Final = "work"
"""Folder in a draft for what the finished dataset does not hold."""


@contextmanager
def open_dataset_import_database(
    spill: Path, *, memory_mb: int = 768, threads: int = 2
) -> Generator[duckdb.DuckDBPyConnection]:
    """Yield a database in memory that spills into `spill` beyond `memory_mb`."""
    settings = {
        "memory_limit": f"{memory_mb}MB", "threads": threads, "temp_directory": str(spill),
        # No extension is loaded by itself: the database would fetch it from the network while it
        # holds records.
        "autoinstall_known_extensions": False, "autoload_known_extensions": False,
        # Otherwise the zone of the machine that imports would be baked into every instant.
        "TimeZone": "UTC",
    }  # fmt: skip
    base = duckdb.connect()
    try:
        for name, value in settings.items():
            base.execute(f"SET {name} = {dataset_sql_text_literal(str(value))}")
        yield base
    finally:
        base.close()


def write_kept_and_quarantined_import_rows(
    base: duckdb.DuckDBPyConnection,
    table: str,
    *,
    source: str,
    columns: Iterable[str],
    rules: Iterable[str],
    to: Path,
) -> TableImportReport:
    """Write the kept rows of `checked` to `to`, note the others beside it, and count all."""
    column_list = ", ".join(columns)
    copy_import_query_to_parquet(
        base, f"SELECT {column_list} FROM checked WHERE reason IS NULL", to
    )
    # Rules that nobody broke stand with 0, so that a report shows what was looked for.
    counts = dict.fromkeys(rules, 0)
    reason_counts = base.execute("SELECT reason, count(*) FROM checked GROUP BY reason").fetchall()
    counts |= {reason: count for reason, count in reason_counts if reason is not None}
    read = sum(count for _, count in reason_counts)
    quarantine_file = (
        _write_quarantine_part_and_return_path(base, table, to.parent / WORK_TABLE)
        if any(counts.values())
        else None
    )
    # The next file is checked in a table of the same name; memory is given back before it is
    # read.
    base.execute("DROP TABLE checked")
    kept_count = next((count for reason, count in reason_counts if reason is None), 0)
    return import_report_whose_counts_add_up(
        TableImportReport(
            table=table,
            source=source,
            read_count=read,
            kept_count=kept_count,
            rules=counts,
            quarantine_file=quarantine_file,
        )
    )


def _write_quarantine_part_and_return_path(
    base: duckdb.DuckDBPyConnection, table: str, work: Path
) -> Path:
    path = work / f"{table}.quarantine.parquet"
    copy_import_query_to_parquet(
        base,
        f'SELECT {dataset_sql_text_literal(table)} AS "table", record, reason FROM checked'
        " WHERE reason IS NOT NULL ORDER BY record",
        path,
    )
    return path


def mark_broken_import_records(
    base: duckdb.DuckDBPyConnection, reason: str, broken_sql: str
) -> None:
    """Give `reason` to rows of `checked` that broke no rule yet and meet a SQL condition."""
    base.execute(
        f"UPDATE checked SET reason = ? WHERE reason IS NULL AND ({broken_sql})",
        [reason],
    )


def mark_duplicate_import_records(base: duckdb.DuckDBPyConnection, key: str, reason: str) -> None:
    """Give `reason` to all but the first of the rows of `checked` with the same `key`."""
    column = f'"{key}"'
    base.execute(
        f"UPDATE checked SET reason = ? FROM (SELECT {column} AS twice, min(record) AS first"
        # Among sound rows only: a broken row must not push out a good one with the same id.
        " FROM checked WHERE reason IS NULL GROUP BY twice HAVING count(*) > 1) AS seen"
        f" WHERE checked.{column} = seen.twice AND checked.record > seen.first"
        " AND reason IS NULL",
        [reason],
    )


def copy_import_query_to_parquet(base: duckdb.DuckDBPyConnection, query: str, to: Path) -> None:
    """Write what `query` returns into the Parquet file `to`."""
    base.execute(
        f"COPY ({query}) TO {dataset_sql_text_literal(str(to))} (FORMAT parquet, COMPRESSION zstd)"
    )


def dataset_sql_text_literal(text: str) -> str:
    """Return `text` as a string in SQL.

    >>> dataset_sql_text_literal("O'Hara")
    "'O''Hara'"
    """
    return "'" + text.replace("'", "''") + "'"


def import_error_without_record_content(error: Exception) -> Exception:
    """Return the kind of an error only; DuckDB's own words may quote a record."""
    return RuntimeError(type(error).__name__)
