"""Which rows count, on which day: each patient once, each outcome after the same wait.

Both choices are made from the scores and days alone. One that looked at the outcome,
such as "as soon as it is known" or "the last row of a patient", would itself look like a
model that went wrong.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class MatureRows:
    """The rows that count, and what became of the others.

    Args:
        frame: The rows, with the day on which each counts as `counted_on`.
        waiting: Rows whose wait is not over.
        without_day: Rows without a day.
        without_patient: Rows without a patient, where patients are told apart.
        repeated_patients: Rows of patients who have one already.
        without_label: Rows whose wait is over and whose outcome is not known.
        late_labels: Rows whose outcome became known after the wait.
        uncounted: Those rows without an outcome in time, with the day on which each would count.
    """

    frame: pl.DataFrame
    uncounted: pl.DataFrame
    waiting: int
    without_day: int
    without_patient: int
    repeated_patients: int
    without_label: int
    late_labels: int


def mature_rows(frame: pl.DataFrame, *, maturity_days: int, through: date) -> MatureRows:
    """Return the rows that count up to and with the day `through`.

    Args:
        frame: Columns `score`, `label` (null if not known) and `day`; `known_on` and `patient`
            where they are known.
        maturity_days: Wait of every row.
        through: The last day that counts.
    """
    dated = frame.drop_nulls("day").with_columns(
        counted_on=pl.col("day") + timedelta(days=maturity_days)
    )
    named = dated.drop_nulls("patient") if "patient" in frame.columns else dated
    single = _first_row_of_each_patient(named) if "patient" in frame.columns else named
    mature = single.filter(pl.col("counted_on") <= through)
    late = mature.clear()
    if "known_on" in frame.columns:
        # Left out on the day on which it would count and for ever: to take it later would let the
        # outcome choose its day.
        is_late = (pl.col("known_on") > pl.col("counted_on")).fill_null(value=False)
        late, mature = mature.filter(is_late), mature.filter(~is_late)
    labelled = mature.drop_nulls("label")
    return MatureRows(
        frame=labelled,
        uncounted=pl.concat([late, mature.filter(pl.col("label").is_null())]),
        waiting=single.height - mature.height - late.height,
        without_day=frame.height - dated.height,
        without_patient=dated.height - named.height,
        repeated_patients=named.height - single.height,
        without_label=mature.height - labelled.height,
        late_labels=late.height,
    )


def _first_row_of_each_patient(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the first row of each patient; of several on a day that with the highest score."""
    first = frame.filter(pl.col("day") == pl.col("day").min().over("patient"))
    first = first.filter(pl.col("score") == pl.col("score").max().over("patient"))
    tied = first.filter(pl.col("patient").is_duplicated())
    if tied.height == 0:
        return first
    # The same score on the same day: the order of a file may hang on the outcome, so the lot
    # decides, drawn from the patient's name over rows in an order of their own.
    # By all that a row says but its place in the file: rows that tie in that are one row.
    tied = tied.sort("patient", *(c for c in tied.columns if c not in ("patient", "row")))
    drawn = tied.group_by("patient", maintain_order=True).map_groups(
        lambda rows: rows[zlib.crc32(str(rows["patient"][0]).encode()) % rows.height]
    )
    return pl.concat([first.filter(~pl.col("patient").is_duplicated()), drawn])
