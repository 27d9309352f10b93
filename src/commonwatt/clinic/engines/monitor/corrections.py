"""Outcomes that were corrected after their day was counted: what is told of them, and no more.

An outcome counts as it is known when its wait is over, and that one stands. Which version of an
outcome counts is thereby decided before it is seen, so that the bound holds whatever is corrected
later and by whom: a correction that entered the test would let whoever gives the table choose the
outcomes after the scores. What the test then watches is the outcome as it is known at that age,
which says little of the patients where many are corrected; so more than a stated share is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import polars as pl

_CELL: Final = ["day", "stream", "bin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedDay:
    """A day that was counted, and how many of its outcomes are others now.

    Args:
        day: On which the rows counted.
        to_event: Rows that are events now.
        to_no_event: Rows that are none now.
        withdrawn: Rows whose outcome is not known any more, or is dated after the wait.
    """

    day: date
    to_event: int
    to_no_event: int
    withdrawn: int

    @property
    def rows(self) -> int:
        """How many outcomes differ; two that were exchanged at one score show as none."""
        return self.to_event + self.to_no_event + self.withdrawn


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDays:
    """The days of a table that were counted before, held against what was counted.

    Args:
        rows: Rows that were counted on them.
        corrected: Days whose outcomes differ, in order.
        changed: The first day that differs by more than its outcomes; None where none does.
    """

    rows: int
    corrected: Sequence[CorrectedDay]
    changed: date | None

    @property
    def corrected_rows(self) -> int:
        """How many outcomes were corrected."""
        return sum(day.rows for day in self.corrected)


def compare_past_days(
    known: pl.DataFrame, given: pl.DataFrame, uncounted: pl.DataFrame
) -> PastDays:
    """Return how the days of a table differ from what was counted for them.

    An outcome was corrected where score, day and groups are as they were. A row whose outcome is
    gone, or has a later date, is still in the table: among those that do not count.

    Args:
        known: What was counted, with the columns of `CELL_SCHEMA`.
        given: What the table would count for the same days.
        uncounted: Rows of these days that the table holds and that do not count, in the same form.
    """
    cells = pl.concat(
        [
            known.with_columns(part=pl.format("known {}", "label")),
            given.with_columns(part=pl.format("given {}", "label")),
            uncounted.with_columns(part=pl.lit("uncounted")),
        ]
    )
    parts = ("known 0", "known 1", "given 0", "given 1", "uncounted")
    wide = cells.group_by(_CELL).agg(
        pl.col("rows").filter(pl.col("part") == part).sum().alias(part) for part in parts
    )
    gone = pl.sum_horizontal("known 0", "known 1") - pl.sum_horizontal("given 0", "given 1")
    wide = wide.with_columns(gone=gone)
    changed = wide.filter((pl.col("gone") < 0) | (pl.col("gone") > pl.col("uncounted")))
    of_all = wide.filter(pl.col("stream") == 0).with_columns(
        to_event=(pl.col("given 1") - pl.col("known 1")).clip(lower_bound=0),
        to_no_event=(pl.col("given 0") - pl.col("known 0")).clip(lower_bound=0),
    )
    days = (
        of_all.group_by("day")
        .agg(pl.col("to_event", "to_no_event", "gone").sum())
        .filter(pl.sum_horizontal("to_event", "to_no_event", "gone") > 0)
        .sort("day")
    )
    first = changed["day"].min()
    return PastDays(
        rows=int(of_all.select(pl.sum_horizontal("known 0", "known 1").sum()).item() or 0),
        corrected=tuple(_corrected_day(row) for row in days.iter_rows(named=True)),
        changed=first if isinstance(first, date) else None,
    )


def _corrected_day(row: Mapping[str, Any]) -> CorrectedDay:
    return CorrectedDay(
        day=row["day"],
        to_event=row["to_event"],
        to_no_event=row["to_no_event"],
        withdrawn=row["gone"],
    )
