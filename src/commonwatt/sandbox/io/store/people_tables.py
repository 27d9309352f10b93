"""Tables of people: who has a row in them, and the copies without those who opted out.

Apart from the record of who opted out, so that whoever reads that alone loads no reader of
tables.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import polars as pl

from commonwatt.core.files import file_draft

PERSON_COLUMNS: Final = ("patient_id", "person_id")
"""Columns that name a person, in FHIR's tables and in OMOP's."""


def person_column_of_table_or_none(table: Path) -> str | None:
    """Return the column of a table that names a person, or None."""
    columns = pl.read_parquet_schema(table)
    return next((name for name in PERSON_COLUMNS if name in columns), None)


def people_in_tables(tables: Iterable[Path]) -> frozenset[str]:
    """Return everybody who has a row in one of `tables`."""
    people: set[str] = set()
    for table in tables:
        if column := person_column_of_table_or_none(table):
            rows = pl.scan_parquet(table).select(pl.col(column).cast(pl.String).unique())
            people |= set(rows.collect().to_series().drop_nulls())
    return frozenset(people)


def path_of_table_without_people(table: Path, people: frozenset[str], copies_folder: Path) -> Path:
    """Return a table without `people`: itself, or a filtered copy made once.

    The copy's name is a digest of the people and of the table's place, so a
    later opt-out never meets an earlier copy.
    """
    column = person_column_of_table_or_none(table) if people else None
    if column is None:
        return table
    excluded = pl.Series(sorted(people)).implode()
    rows = pl.scan_parquet(table).filter(~pl.col(column).cast(pl.String).is_in(excluded))
    # Sorted, so that the same people name the same copy in whatever order the set was built.
    key_parts = [str(table), *sorted(people)]
    return path_of_cached_isolated_job_table(
        copies_folder, key_parts, lambda draft: rows.collect().write_parquet(draft)
    )


def path_of_isolated_job_table_as_csv(table: Path, copies_folder: Path) -> Path:
    """Return a table as CSV, for programs that read no Parquet; lists become JSON text."""
    return path_of_cached_isolated_job_table(
        copies_folder,
        ["csv", str(table)],
        lambda draft: _dataset_table_nested_as_json(table).write_csv(draft),
    )


def path_of_cached_isolated_job_table(
    copies_folder: Path, key_parts: Iterable[str], write: Callable[[Path], object]
) -> Path:
    """Return the copy that `words` name, written now if it is not there."""
    copy = copies_folder / hashlib.sha256("\n".join(key_parts).encode()).hexdigest()
    if not copy.exists():
        with file_draft(copy, synced=False) as draft:
            write(draft)
            # The job's user reads it through a bind mount; the folder above lets nobody else in.
            draft.chmod(0o644)
    return copy


def _dataset_table_nested_as_json(table: Path) -> pl.DataFrame:
    frame = pl.read_parquet(table)
    # CSV has no lists, and Polars refuses to write them.
    nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
    return frame.with_columns(
        pl.Series(name, [json.dumps(value) for value in frame[name].to_list()], dtype=pl.String)
        for name in nested
    )
