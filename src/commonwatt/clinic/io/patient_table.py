"""Read a table of scored patients: what is missing is counted, what is malformed is named by row.

Hospitals spell "missing" in many ways and outcomes in as many; a timestamp stands where a
day is wanted. Each is read for what it means, and the answer says how many of each there
were. Rows are counted from 1, the first below the header; no value of a row is quoted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from commonwatt.clinic.domain.errors import EvidenceError, MonitorError
from commonwatt.core.errors import InputError
from commonwatt.core.messages import Message
from commonwatt.core.spreadsheets import read_spreadsheet_csv

MISSING_WORDS: Final = frozenset(
    {"", "na", "n/a", "#n/a", "nan", "null", "none", "nil", ".", "-", "?", "missing", "<na>", "nat"}
)
YES_WORDS: Final = frozenset({"1", "1.0", "yes", "y", "true", "t", "positive", "pos", "是", "有"})
NO_WORDS: Final = frozenset({"0", "0.0", "no", "n", "false", "f", "negative", "neg", "否", "無"})
UNKNOWN: Final = "unknown"
"""The group of a patient whose group is missing."""
_ROWS_NAMED: Final = 20
_ROW: Final = "number of the row in the table"  # no column of a hospital is called so


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientColumns:
    """Names of the columns; an empty name stands for a column that there is not.

    Args:
        score: The model's probability.
        label: The outcome.
        day: Day of the score.
        known_on: Day on which the outcome became known.
        patient: Opaque name of the patient.
        row_key: Name of the row, the same whenever it is given again.
        by: Groups of patients.
    """

    score: str
    label: str
    day: str = ""
    known_on: str = ""
    patient: str = ""
    row_key: str = ""
    by: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Every column that is read, once each."""
        single = (self.score, self.label, self.day, self.known_on, self.patient, self.row_key)
        return list(dict.fromkeys(name for name in (*single, *self.by) if name))


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReading:
    """What was met while a table was read.

    Args:
        rows: Rows of the table.
        missing: Missing cells by column, where there is any.
        without_score: Numbers of the first rows that were skipped for want of a score.
        cut_timestamps: Cells with a time of day, which was cut off, by column.
        repeated: Rows that were given twice under one key and are counted once.
    """

    rows: int
    missing: Mapping[str, int] = field(default_factory=dict[str, int])
    without_score: Sequence[int] = ()
    cut_timestamps: Mapping[str, int] = field(default_factory=dict[str, int])
    repeated: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "rows": self.rows,
            "missing": dict(self.missing),
            "rows_without_score": list(self.without_score),
            "timestamps_cut_to_days": dict(self.cut_timestamps),
            "rows_given_twice": self.repeated,
        }


def read_scored_patients(path: Path, columns: PatientColumns) -> tuple[pl.DataFrame, TableReading]:
    """Return the rows that have a score, and what was met on the way.

    The columns of the answer are `row`, `score`, `label` (0, 1 or null), `day` and `known_on`
    (dates), `patient`, and one text column `by 0`, `by 1` ... for each group.

    Raises:
        EvidenceError: The file cannot be read or lacks a column, a score is no number from 0 to
            1, an outcome is neither yes nor no, or one key has two rows.
        MonitorError: A day is none.
    """
    frame = _read_text_columns(path, columns.names)
    frame, repeated = _rows_once_by_key(path, frame, columns)
    missing = {name: int(frame[name].null_count()) for name in columns.names}
    dates: dict[str, pl.Series] = {}
    cut: dict[str, int] = {}
    for target, name in (("day", columns.day), ("known_on", columns.known_on)):
        if name:
            dates[target], times = _dates_of_text(path, frame, name)
            cut |= {name: times} if times else {}
    read = frame.select(
        pl.col(_ROW).alias("row"),
        _scores_of_text(path, frame, columns.score).alias("score"),
        _labels_of_text(path, frame, columns.label).alias("label"),
        *(series.alias(target) for target, series in dates.items()),
        *([pl.col(columns.patient).alias("patient")] if columns.patient else []),
        *(
            pl.col(name).fill_null(UNKNOWN).alias(f"by {number}")
            for number, name in enumerate(columns.by)
        ),
    )
    skipped = read.filter(pl.col("score").is_null())["row"]
    reading = TableReading(
        rows=frame.height,
        missing={name: count for name, count in missing.items() if count},
        without_score=skipped.head(_ROWS_NAMED).to_list(),
        cut_timestamps=cut,
        repeated=repeated,
    )
    return read.filter(pl.col("score").is_not_null()), reading


def _read_text_columns(path: Path, names: Sequence[str]) -> pl.DataFrame:
    """Return columns as text, missing as null, under the number of each row."""
    try:
        if path.suffix in (".parquet", ".pq"):
            frame = pl.read_parquet(path)
        else:
            # As text: one `NA` among numbers would otherwise make a column of words of them all,
            # or end the reading far from the row that it stands in.
            frame = read_spreadsheet_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise EvidenceError(str(path), found=type(error).__name__) from None
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise EvidenceError(
            str(path), wanted=Message("the columns {names}", {"names": ", ".join(absent)})
        )
    text = frame.select(names).select(pl.all().cast(pl.String).str.strip_chars())
    return text.with_columns(
        pl.when(pl.all().str.to_lowercase().is_in(list(MISSING_WORDS)))
        .then(None)
        .otherwise(pl.all())
        .name.keep()
    ).with_row_index(_ROW, offset=1)


def _rows_once_by_key(
    path: Path, frame: pl.DataFrame, columns: PatientColumns
) -> tuple[pl.DataFrame, int]:
    if not columns.row_key:
        return frame, 0
    # Equal in all that is read: a system that sends a row again sends it as it was.
    unique = frame.unique(subset=columns.names, keep="first", maintain_order=True)
    key = pl.col(columns.row_key)
    twice = unique.filter(key.is_duplicated() & key.is_not_null())
    if twice.height:
        rows = twice.filter(pl.col(columns.row_key) == twice[columns.row_key][0])[_ROW]
        gaps = {"first": f"{rows[0]:,}", "second": f"{rows[1]:,}"}
        raise EvidenceError(
            f"{path}, {columns.row_key}",
            found=Message("rows {first} and {second} of one key that differ", gaps),
            wanted=Message("one row a key"),
        )
    return unique, frame.height - unique.height


def _scores_of_text(path: Path, frame: pl.DataFrame, name: str) -> pl.Series:
    scores = frame[name].cast(pl.Float64, strict=False)
    wrong = frame[name].is_not_null() & ~scores.is_between(0, 1).fill_null(value=False)
    _refuse_first(path, frame, name, wrong, Message("a score from 0 to 1"))
    return scores


def _labels_of_text(path: Path, frame: pl.DataFrame, name: str) -> pl.Series:
    words = frame[name].str.to_lowercase()
    yes, no = words.is_in(list(YES_WORDS)), words.is_in(list(NO_WORDS))
    wrong = frame[name].is_not_null() & ~(yes | no).fill_null(value=False)
    _refuse_first(path, frame, name, wrong, Message("an outcome, as 1 or 0 or yes or no"))
    return yes.cast(pl.Int8)


def _dates_of_text(path: Path, frame: pl.DataFrame, name: str) -> tuple[pl.Series, int]:
    """Return the days of a column, and how many cells had a time of day."""
    text = frame[name]
    days = text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    rest = text.str.slice(10)
    # A time begins with T or a space; `2026-01-012` is no day.
    malformed = text.is_not_null() & (days.is_null() | ~rest.str.contains(r"^$|^[T ]"))
    written = Message("A date is written YYYY-MM-DD.")
    _refuse_first(path, frame, name, malformed, written, error=MonitorError)
    return days, int((rest.str.len_chars() > 0).sum())


def _refuse_first(
    path: Path,
    frame: pl.DataFrame,
    name: str,
    wrong: pl.Series,
    wanted: Message,
    *,
    error: type[InputError] = EvidenceError,
) -> None:
    if wrong.any():
        row = int(frame[_ROW][int(np.argmax(wrong.to_numpy()))])
        # By number: its value is a patient's and is not quoted.
        raise error(f"{path}, row {row:,}, {name}", wanted=wanted)
