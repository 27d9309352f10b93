"""People who said no, and every use that must not see them.

An opt-out has a scope. A room has one, too: what its project does. Whoever
opted out of that, of research at large or of everything is left out of every
job and every question from the moment the opt-out is on record.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from pathlib import Path

import polars as pl
import sqlalchemy as sa

import commonwatt.sandbox.rooms.schema as schema


class Scope(StrEnum):
    """What a person can opt out of."""

    ALL = "all"
    RESEARCH = "research"
    AI_TRAINING = "ai-training"
    GENOMICS = "genomics"


def reaches(opted_out: Scope, use: Scope) -> bool:
    """Return whether an opt-out keeps a person out of a use.

    >>> reaches(Scope.RESEARCH, Scope.GENOMICS), reaches(Scope.GENOMICS, Scope.AI_TRAINING)
    (True, False)
    """
    return opted_out in (Scope.ALL, Scope.RESEARCH) or opted_out is use


def record(tx: sa.Connection, room: str, person: str, scope: Scope, *, out: bool) -> None:
    """Put on record that a person opted out of `scope`, or took that back."""
    row = {"room": room, "person": person, "scope": scope.value, "out": out}
    tx.execute(schema.opt_outs.insert().values(row))


def left_out(tx: sa.Connection, room: str, use: Scope) -> frozenset[str]:
    """Return the people whom a use must not see, by their tokens in the room."""
    columns = (schema.opt_outs.c.person, schema.opt_outs.c.scope, schema.opt_outs.c.out)
    query = (
        sa.select(*columns).where(schema.opt_outs.c.room == room).order_by(schema.opt_outs.c.number)
    )
    last = {(row.person, row.scope): row.out for row in tx.execute(query)}
    return frozenset(
        person for (person, scope), out in last.items() if out and reaches(Scope(scope), use)
    )


def view(table: Path, people: frozenset[str], views: Path) -> Path:
    """Return a table without `people`: itself, or a filtered copy made once.

    The copy's name is a digest of the people and of the table's place, so a
    later opt-out never meets an earlier copy.
    """
    if not people or "patient_id" not in pl.read_parquet_schema(table):
        return table
    digest = hashlib.sha256("\n".join([str(table), *sorted(people)]).encode()).hexdigest()
    copy = views / f"{digest}.parquet"
    if not copy.exists():
        views.mkdir(exist_ok=True)
        draft = views / f".{digest}.draft"
        gone = pl.Series(sorted(people)).implode()
        rows = pl.scan_parquet(table).filter(~pl.col("patient_id").is_in(gone))
        rows.collect().write_parquet(draft)
        draft.chmod(0o644)
        draft.replace(copy)
    return copy
