"""Rows as cells of daily sketches: day, stream, label, bin and how many, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl

from commonwatt.clinic.domain.surveillance import OTHER_GROUP
from commonwatt.clinic.engines.evidence.sketch import model_score_bin_index
from commonwatt.clinic.engines.monitor.days import DailyScoreCells
from commonwatt.clinic.io.monitor_state import CELL_KEY, CELL_SCHEMA


def monitor_score_cell_frame(
    rows: pl.DataFrame, groups: Mapping[str, Sequence[str]]
) -> pl.DataFrame:
    """Return the cells of rows, ordered, with the columns of `CELL_SCHEMA`.

    Args:
        rows: Columns `score`, `label`, `counted_on`, and `by 0`, `by 1` ... for the groups.
        groups: The values of each column that are streams; what is not among them is the rest.
    """
    counted = rows.select(
        pl.col("counted_on").alias("day"),
        pl.col("label").cast(pl.Int64),
        pl.Series("bin", model_score_bin_index(rows["score"].to_numpy()), pl.Int64),
        *(
            pl.col(f"by {number}").replace_strict(
                [*values, None], [*range(len(values)), len(values)], default=len(values),
                return_dtype=pl.Int64,
            )
            for number, values in enumerate(groups.values())
        ),
    )  # fmt: skip
    parts = [counted.with_columns(stream=pl.lit(0, pl.Int64))]
    first = 1
    for number, values in enumerate(groups.values()):
        parts.append(counted.with_columns(stream=pl.col(f"by {number}") + first))
        first += len(values) + 1
    cells = [part.group_by(*CELL_KEY).agg(pl.len().cast(pl.Int64).alias("rows")) for part in parts]
    return pl.concat(cells).select(*CELL_SCHEMA).sort(*CELL_KEY)


def days_and_daily_cells_of_frame(
    cells: pl.DataFrame, streams: int
) -> tuple[list[date], DailyScoreCells]:
    """Return the days on which anything counted, and the cells by their number."""
    days = cells["day"].unique().sort()
    number = cells["day"].replace_strict(days, np.arange(len(days)), return_dtype=pl.Int64)
    # Of no rows at all polars gives columns of no type in particular.
    columns = {
        name: cells[name].to_numpy().astype(np.int64) for name in CELL_SCHEMA if name != "day"
    }
    return days.to_list(), DailyScoreCells(
        day=number.to_numpy().astype(np.int64),
        stream=columns["stream"],
        label=columns["label"],
        score_bin=columns["bin"],
        rows=columns["rows"],
        days=len(days),
        streams=streams,
    )


def days_without_rows(
    cells: pl.DataFrame, through: date, maturity_days: int
) -> list[tuple[date, date]]:
    """Return the stretches of days on which no row counted, first and last day of each.

    Args:
        cells: With the day on which each row counted.
        through: The last day that counted.
        maturity_days: Wait of every row, by which its own day is earlier.
    """
    days = cells["day"].unique().sort().to_list()
    a_day, wait = timedelta(days=1), timedelta(days=maturity_days)
    ends = [*days[1:], through + a_day] if days else []
    return [
        (before + a_day - wait, after - a_day - wait)
        for before, after in zip(days, ends, strict=True)
        if after - before > a_day
    ]


def monitor_group_values_by_column(
    rows: pl.DataFrame, by: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Return the values of each column of groups, as the table has them."""
    return {
        column: tuple(sorted(set(rows[f"by {number}"].unique().to_list()) - {OTHER_GROUP}))
        for number, column in enumerate(by)
    }
