"""Synthetic data: tables of the same shape in which nobody stands.

A researcher writes and tests code on them, outside, and runs it inside on
the data. Each column is drawn on its own from a histogram that was released
under differential privacy, so they look right column by column and hold
no relation between columns, no record and no person. Columns without a domain
are there with the data's type, and empty.

The categories and bounds are fixed by a schema, not read from the data,
because a rare category that appears in synthetic data would tell of a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from commonwatt.core.messages import Message
from commonwatt.core.seeds import named_random_stream
from commonwatt.sandbox.domain.errors import PrivacyBudgetError
from commonwatt.sandbox.engines.privacy.measures import (
    check_epsilon_finite_above_zero,
    frame_limited_to_rows_a_person,
    noisy_histogram_query,
)


@dataclass(frozen=True, slots=True)
class CategoryColumn:
    """A column that holds one of a fixed set of values."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RangeColumn:
    """A column of numbers between fixed bounds, seen in `bins` equal steps."""

    lowest: float
    highest: float
    bins: int = 20


@dataclass(frozen=True, slots=True)
class InstantColumn:
    """A column of dates or times between fixed bounds, seen in `bins` equal steps."""

    first: datetime
    last: datetime
    bins: int = 20


@dataclass(frozen=True, slots=True)
class IdentifierColumn:
    """A column of identifiers: made up, and costs nothing."""


@dataclass(frozen=True, slots=True)
class PersonColumn:
    """A column that names a person: made up, the same people in every table, costs nothing."""


Domain = CategoryColumn | RangeColumn | InstantColumn | IdentifierColumn | PersonColumn


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticTable:
    """How one synthetic table is made.

    Args:
        domains: What each column may hold, fixed without looking at the data.
        rows: How many rows to make; chosen freely, not the number of the data's.
        rows_a_person: Most rows of one person that are looked at.
        person: The column of the data that names a person.
    """

    domains: Mapping[str, Domain]
    rows: int = 500
    rows_a_person: int = 1
    person: str = "patient_id"

    @property
    def privacy_spending_column_count(self) -> int:
        """Return how many columns look at the data, and so cost."""
        return sum(
            not isinstance(domain, IdentifierColumn | PersonColumn)
            for domain in self.domains.values()
        )


def make_synthetic_table_by_name(
    frames: Mapping[str, pl.DataFrame],
    tables: Mapping[str, SyntheticTable],
    *,
    epsilon: float,
    seed: int,
) -> dict[str, pl.DataFrame]:
    """Return synthetic tables that belong together; they cost `epsilon` in all.

    Args:
        frames: The data by table.
        tables: How to make each synthetic table.
        epsilon: What all of it costs, shared evenly between the columns that look.
        seed: For drawing from the released histograms; it guards no secret.

    Raises:
        PrivacyBudgetError: Epsilon is not above zero, or a column is not in the data.
    """
    check_epsilon_finite_above_zero(epsilon)
    # Evenly between the columns: a finer split would need to know which columns matter, and that
    # is read from the data.
    share = epsilon / max(1, sum(table.privacy_spending_column_count for table in tables.values()))
    # The same made-up people in every table, so that joins written outside run.
    people = max((table.rows for table in tables.values() if table.rows_a_person == 1), default=500)
    return {
        name: _draw_synthetic_table(frames[name], table, share, seed=seed, name=name, people=people)
        for name, table in sorted(tables.items())
    }


def make_synthetic_table(
    frame: pl.DataFrame,
    domains: Mapping[str, Domain],
    *,
    rows: int,
    epsilon: float,
    seed: int,
) -> pl.DataFrame:
    """Return one synthetic table of one row a person, with the columns of `domains` alone."""
    table = SyntheticTable(domains=domains, rows=rows)
    synthetic = make_synthetic_table_by_name(
        {"rows": frame}, {"rows": table}, epsilon=epsilon, seed=seed
    )
    return synthetic["rows"].select(list(domains))


def _draw_synthetic_table(
    frame: pl.DataFrame, table: SyntheticTable, share: float, *, seed: int, name: str, people: int
) -> pl.DataFrame:
    if missing := sorted(set(table.domains) - set(frame.columns)):
        raise PrivacyBudgetError(
            "synthetic data",
            found=Message("{count} columns that the data lack", {"count": str(len(missing))}),
            wanted=Message("columns of the data"),
        )
    if table.person in frame.columns:
        # Sensitivity is proved for so many rows a person; more of anybody's would break the
        # bound.
        frame = frame_limited_to_rows_a_person(frame, table.person, table.rows_a_person)
    elif table.privacy_spending_column_count:
        raise PrivacyBudgetError(
            "synthetic data", wanted=Message("a table whose rows name a person")
        )
    columns = [
        _draw_synthetic_column(
            frame[column], table, share, named_random_stream(seed, f"{name}.{column}"), people
        )
        for column in frame.columns
    ]
    return pl.DataFrame(columns)


def _draw_synthetic_column(
    column: pl.Series, table: SyntheticTable, share: float, chance: np.random.Generator, people: int
) -> pl.Series:
    rows, name = table.rows, column.name
    domain = table.domains.get(name)
    draw = _SyntheticDraw(rows, share, chance, table.rows_a_person)
    match domain:
        # A column that nobody described might hold anything, free text included; it is there, and
        # empty.
        case None:
            return pl.Series(name, [None] * rows, dtype=column.dtype)
        case IdentifierColumn():
            made_up = [f"{number:024x}" for number in chance.integers(2**62, size=rows)]
            return pl.Series(name, made_up).cast(pl.String)
        case PersonColumn():
            return pl.Series(name, _made_up_person_ids(rows, people, table, chance))
        case CategoryColumn(values):
            return _draw_synthetic_categories(column, values, draw)
        case RangeColumn(lowest, highest, bins):
            numbers = column.cast(pl.Float64, strict=False)
            return _draw_synthetic_numbers(numbers, lowest, highest, bins, draw).cast(
                column.dtype, strict=False
            )
        case InstantColumn(first, last, bins):
            return _draw_synthetic_instants(column, first, last, bins, draw)


def _made_up_person_ids(
    rows: int, people: int, table: SyntheticTable, chance: np.random.Generator
) -> list[str]:
    """Return made-up people: each once where a table has a row a person, else by chance."""
    alone = table.rows_a_person == 1
    numbers = np.arange(rows) if alone else chance.integers(0, people, rows)
    return [f"twin{number:020d}" for number in numbers]


@dataclass(frozen=True, slots=True)
class _SyntheticDraw:
    """Rows drawn from noisy counts."""

    rows: int
    epsilon: float
    chance: np.random.Generator
    rows_a_person: int

    def draw_histogram_cells(self, counts: list[int]) -> npt.NDArray[np.int64]:
        """Return a cell for each row."""
        noisy = (
            noisy_histogram_query(counts, rows_a_person=self.rows_a_person)
            .answer(self.epsilon)
            .values
        )
        # Working on noisy counts costs nothing more (post-processing, Dwork and Roth, proposition
        # 2.1).
        weights = np.maximum(np.array(noisy), 0.0)
        if weights.sum() == 0:
            weights = np.ones(len(counts))
        return self.chance.choice(len(counts), size=self.rows, p=weights / weights.sum())


def _draw_synthetic_categories(
    column: pl.Series, values: tuple[str, ...], draw: _SyntheticDraw
) -> pl.Series:
    texts = column.cast(pl.String)
    counts = [int((texts == value).sum()) for value in values]
    cells = draw.draw_histogram_cells([*counts, column.null_count()])
    choices: list[str | None] = [*values, None]
    return pl.Series(column.name, [choices[i] for i in cells], dtype=pl.String).cast(
        column.dtype, strict=False
    )


def _draw_synthetic_numbers(
    column: pl.Series, lowest: float, highest: float, bins: int, draw: _SyntheticDraw
) -> pl.Series:
    """Return numbers spread evenly within drawn bins; an empty cell is a bin of its own."""
    numbers = column.drop_nulls().drop_nans().clip(lowest, highest).to_numpy()
    # Bounds come from the schema and values beyond are held at them, so that no edge tells of the
    # data.
    counts = np.histogram(numbers, np.linspace(lowest, highest, bins + 1))[0].tolist()
    cells = draw.draw_histogram_cells([*counts, column.null_count()])
    width = (highest - lowest) / bins
    values = lowest + width * (cells + draw.chance.random(draw.rows))
    blank = pl.Series(cells == bins)
    series = pl.Series(column.name, values)
    return pl.select(pl.when(~blank).then(series).alias(column.name))[column.name]


def _draw_synthetic_instants(
    column: pl.Series, first: datetime, last: datetime, bins: int, draw: _SyntheticDraw
) -> pl.Series:
    kind = column.dtype
    seconds = column.cast(pl.Datetime("us"), strict=False).dt.epoch("s").cast(pl.Float64)
    bounds = [_synthetic_instant_with_utc(at).timestamp() for at in (first, last)]
    drawn_seconds = _draw_synthetic_numbers(seconds, bounds[0], bounds[1], bins, draw)
    moments = (drawn_seconds * 1_000_000).cast(pl.Int64).cast(pl.Datetime("us"))
    if isinstance(kind, pl.Datetime) and kind.time_zone:
        moments = moments.dt.replace_time_zone(kind.time_zone)
    return moments.cast(kind, strict=False).alias(column.name)


def _synthetic_instant_with_utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
