"""People who opted out, and every use that must not see them.

An opt-out has a scope. A project has one, too: what it does. Whoever
opted out of that, of research at large or of everything is left out of every
job and every question from the moment the opt-out is on record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Final

import polars as pl
import sqlalchemy as sa

import commonwatt.sandbox.io.store.schema as schema
from commonwatt.core.files import file_draft


class ConsentScope(StrEnum):
    """What a person can opt out of."""

    ALL = "all"
    RESEARCH = "research"
    AI_TRAINING = "ai-training"
    GENOMICS = "genomics"


def opt_out_reaches(opted_out: ConsentScope, use: ConsentScope) -> bool:
    """Return whether an opt-out keeps a person out of a use.

    >>> opt_out_reaches(ConsentScope.RESEARCH, ConsentScope.GENOMICS)
    True
    >>> opt_out_reaches(ConsentScope.GENOMICS, ConsentScope.AI_TRAINING)
    False
    """
    # Every project is research of some kind, so an opt-out of research at large reaches the
    # narrower scopes, and not the other way round.
    return opted_out in (ConsentScope.ALL, ConsentScope.RESEARCH) or opted_out is use


def record_opt_out(
    tx: sa.Connection, project: str, person: str, scope: ConsentScope, *, out: bool
) -> None:
    """Put on record that a person opted out of `scope`, or took that back."""
    row = {"room": project, "person": person, "scope": scope.value, "out": out}
    tx.execute(schema.opt_outs.insert().values(row))


def excluded_people(tx: sa.Connection, project: str, use: ConsentScope) -> frozenset[str]:
    """Return the people whom a use must not see, by their tokens in the project."""
    columns = (schema.opt_outs.c.person, schema.opt_outs.c.scope, schema.opt_outs.c.out)
    query = (
        sa.select(*columns)
        .where(schema.opt_outs.c.room == project)
        .order_by(schema.opt_outs.c.number)
    )
    # Each scope by itself: coming back into genomics does not undo an opt-out of AI training.
    last = {(row.person, row.scope): row.out for row in tx.execute(query)}
    return frozenset(
        person
        for (person, scope), out in last.items()
        if out and opt_out_reaches(ConsentScope(scope), use)
    )


PERSON_COLUMNS: Final = ("patient_id", "person_id")
"""Columns that name a person, in FHIR's tables and in OMOP's."""


def person_column_of_table(table: Path) -> str | None:
    """Return the column of a table that names a person, or None."""
    columns = pl.read_parquet_schema(table)
    return next((name for name in PERSON_COLUMNS if name in columns), None)


def people_in_tables(tables: Iterable[Path]) -> frozenset[str]:
    """Return everybody who has a row in one of `tables`."""
    people: set[str] = set()
    for table in tables:
        if column := person_column_of_table(table):
            rows = pl.scan_parquet(table).select(pl.col(column).cast(pl.String).unique())
            people |= set(rows.collect().to_series().drop_nulls())
    return frozenset(people)


def table_without_people(table: Path, people: frozenset[str], copies_folder: Path) -> Path:
    """Return a table without `people`: itself, or a filtered copy made once.

    The copy's name is a digest of the people and of the table's place, so a
    later opt-out never meets an earlier copy.
    """
    column = person_column_of_table(table) if people else None
    if column is None:
        return table
    excluded = pl.Series(sorted(people)).implode()
    rows = pl.scan_parquet(table).filter(~pl.col(column).cast(pl.String).is_in(excluded))
    # Sorted, so that the same people name the same copy in whatever order the set was built.
    key_parts = [str(table), *sorted(people)]
    return cached_isolated_job_table(
        copies_folder, key_parts, lambda draft: rows.collect().write_parquet(draft)
    )


def isolated_job_table_as_csv(table: Path, copies_folder: Path) -> Path:
    """Return a table as CSV, for programs that read no Parquet; lists become JSON text."""
    return cached_isolated_job_table(
        copies_folder,
        ["csv", str(table)],
        lambda draft: _dataset_table_nested_as_json(table).write_csv(draft),
    )


def cached_isolated_job_table(
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
