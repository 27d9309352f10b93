"""A dummy twin: a table of the same shape in which nobody stands.

A researcher writes and tests code on the twin, outside, and runs it inside on
the data. Each column is drawn on its own from a histogram that was released
under differential privacy, so the twin looks right column by column and holds
no relation between columns, no record and no person.

The categories and bounds are fixed by the schema, not read from the data,
because a rare category that appears in a twin would tell of a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from commonwatt.core.messages import Message
from commonwatt.core.seeds import stream
from commonwatt.sandbox.errors import BudgetError
from commonwatt.sandbox.privacy.measures import check_epsilon, histogram


@dataclass(frozen=True, slots=True)
class Categories:
    """A column that holds one of a fixed set of values."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """A column of numbers between fixed bounds, seen in `bins` equal steps."""

    lowest: float
    highest: float
    bins: int = 20


@dataclass(frozen=True, slots=True)
class Token:
    """A column of identifiers: made up, and costs nothing."""


Domain = Categories | Range | Token


def make_twin(
    frame: pl.DataFrame,
    domains: Mapping[str, Domain],
    *,
    rows: int,
    epsilon: float,
    seed: int,
    rows_a_person: int = 1,
) -> pl.DataFrame:
    """Return `rows` made-up rows with the columns of `domains`.

    The cost is `epsilon` in all, shared evenly between the columns that look at
    the data; the caller has taken it from the budget.

    Args:
        frame: The data, at most `rows_a_person` rows a person.
        domains: What each column may hold, fixed without looking at the data.
        rows: How many rows to make; chosen freely, not the number of the data's.
        epsilon: What the twin costs.
        seed: For drawing from the released histograms; it guards no secret.
        rows_a_person: Most rows of one person.

    Raises:
        BudgetError: Epsilon is not above zero, or a column is not in the data.
    """
    check_epsilon(epsilon)
    if missing := sorted(set(domains) - set(frame.columns)):
        raise BudgetError(
            "twin",
            found=Message("{count} columns that the data lack", {"count": str(len(missing))}),
            wanted=Message("columns of the data"),
        )
    looked_at = sum(not isinstance(domain, Token) for domain in domains.values())
    share = epsilon / max(looked_at, 1)
    return pl.DataFrame(
        [
            _column(frame[name], domain, rows, share, stream(seed, name), rows_a_person)
            for name, domain in domains.items()
        ]
    )


def _column(
    column: pl.Series,
    domain: Domain,
    rows: int,
    epsilon: float,
    chance: np.random.Generator,
    rows_a_person: int,
) -> pl.Series:
    match domain:
        case Token():
            made_up = [f"{number:024x}" for number in chance.integers(2**62, size=rows)]
            return pl.Series(column.name, made_up)
        case Categories(values):
            counts = [int((column.cast(pl.String) == value).sum()) for value in values]
            drawn = _draw([*counts, column.null_count()], rows, epsilon, chance, rows_a_person)
            made: list[str | None] = [*values, None]
            return pl.Series(column.name, [made[i] for i in drawn], dtype=pl.String)
        case Range(lowest, highest, bins):
            numbers = column.drop_nulls().cast(pl.Float64).clip(lowest, highest).to_numpy()
            edges = np.linspace(lowest, highest, bins + 1)
            counts = np.histogram(numbers, edges)[0].tolist()
            drawn = _draw([*counts, column.null_count()], rows, epsilon, chance, rows_a_person)
            width = (highest - lowest) / bins
            values = lowest + width * (drawn + chance.random(rows))
            blank = pl.Series(drawn == bins)
            series = pl.Series(column.name, values)
            return pl.select(pl.when(~blank).then(series).alias(column.name))[column.name]


def _draw(
    counts: list[int], rows: int, epsilon: float, chance: np.random.Generator, rows_a_person: int
) -> npt.NDArray[np.int64]:
    """Return `rows` cells drawn from noisy counts."""
    noisy = histogram(counts, rows_a_person=rows_a_person).answer(epsilon).values
    weights = np.maximum(np.array(noisy), 0.0)
    if weights.sum() == 0:
        weights = np.ones(len(counts))
    return chance.choice(len(counts), size=rows, p=weights / weights.sum())
