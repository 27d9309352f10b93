"""Read a table of scored patients: what is missing is counted, what is malformed is named by row.

Hospitals spell "missing" in many ways and outcomes in as many; a timestamp stands where a
day is wanted. Each is read for what it means, and the answer says how many of each there
were. Rows are counted from 1, the first below the header; no value of a row is quoted.
A group is read as it is written: `None` is a category of many a column, and a hole in none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from commonwatt.clinic.domain.errors import EvidenceError, MonitorError
from commonwatt.clinic.domain.surveillance import COLUMN_ROLES
from commonwatt.clinic.domain.words import NO_WORDS, YES_WORDS
from commonwatt.clinic.io.days_of_text import days_of_text
from commonwatt.clinic.io.handed_in_tables import read_clinic_text_table
from commonwatt.core.errors import InputError
from commonwatt.core.messages import Message

MISSING_WORDS: Final = frozenset(
    {"", "na", "n/a", "#n/a", "nan", "null", "none", "nil", ".", "-", "?", "missing", "<na>", "nat"}
)
MISSING_GROUP_WORDS: Final = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "<na>"})
"""Of these a group is missing; every other word may be one of its categories."""
UNKNOWN: Final = "unknown"
"""The group of a patient whose group is missing."""
DAY_AS_WRITTEN: Final = "as written"
"""Whose day a time with a zone is of where no zone was named: that of its own zone."""
_ROWS_NAMED: Final = 20
_ROW: Final = "number of the row in the table"  # no column of a hospital is called so
# With a decimal comma, too, which means the same behind any separator where no number is above 1.
_NUMBER: Final = r"^[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?$"


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
        second_score: Another probability of the same event, such as the doctor's own.
        by: Groups of patients.
        listed: Values of a column of groups that are groups whatever they look like.
        zone: IANA name of the zone of the institution's days; empty for the day as it is written.
    """

    score: str
    label: str
    day: str = ""
    known_on: str = ""
    patient: str = ""
    row_key: str = ""
    second_score: str = ""
    by: tuple[str, ...] = ()
    listed: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    zone: str = ""

    @property
    def names(self) -> list[str]:
        """Every column that is read, as often as it has a role."""
        single = (getattr(self, role) for role in COLUMN_ROLES)
        return [name for name in (*single, self.second_score, *self.by) if name]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReading:
    """What was met while a table was read.

    Args:
        rows: Rows of the table.
        missing: Missing cells by column, where there is any.
        without_score: Numbers of the first rows that were skipped for want of a score.
        cut_timestamps: Cells with a time of day, which was cut off, by column.
        zoned_timestamps: Those of them that name their zone, by column.
        zone: The zone whose day was taken of them; empty for the one that each names.
        repeated: Rows that were given twice under one key and are counted once.
    """

    rows: int
    missing: Mapping[str, int] = field(default_factory=dict[str, int])
    without_score: Sequence[int] = ()
    cut_timestamps: Mapping[str, int] = field(default_factory=dict[str, int])
    zoned_timestamps: Mapping[str, int] = field(default_factory=dict[str, int])
    zone: str = ""
    repeated: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        zoned = {
            "timestamps_with_a_zone": dict(self.zoned_timestamps),
            "day_of_zone": self.zone or DAY_AS_WRITTEN,
        }
        return {
            "rows": self.rows,
            "missing": dict(self.missing),
            "rows_without_score": list(self.without_score),
            "timestamps_cut_to_days": dict(self.cut_timestamps),
            "rows_given_twice": self.repeated,
            **(zoned if self.zoned_timestamps else {}),
        }


def read_scored_patients(path: Path, columns: PatientColumns) -> tuple[pl.DataFrame, TableReading]:
    """Return the rows that have a score, and what was met on the way.

    The columns of the answer are `row`, `score`, `label` (0, 1 or null), `day` and `known_on`
    (dates), `patient`, `second_score` (null where it is missing), and one text column `by 0`,
    `by 1` ... for each group.

    Raises:
        EvidenceError: The file cannot be read or lacks a column, a column has two roles, a score
            is no number from 0 to 1, an outcome is neither yes nor no, or one key has two rows.
        MonitorError: A day is none.
    """
    _check_one_role_a_column(path, columns)
    frame = _read_patient_text_columns(path, columns)
    frame, repeated = _unique_patient_rows_and_dropped_count(path, frame, columns)
    labels = _outcome_labels_of_text_column(path, frame, columns.label)
    missing = {name: int(frame[name].null_count()) for name in columns.names}
    missing[columns.label] = int(labels.null_count())
    dates: dict[str, pl.Series] = {}
    times, zoned = dict[str, int](), dict[str, int]()
    for target, name in (("day", columns.day), ("known_on", columns.known_on)):
        if name:
            dates[target], times[name], zoned[name] = _days_and_timed_and_zoned_cell_counts(
                path, frame, name, columns.zone
            )
    read = frame.select(
        pl.col(_ROW).alias("row"),
        _model_scores_of_text_column(path, frame, columns.score).alias("score"),
        labels.alias("label"),
        *(series.alias(target) for target, series in dates.items()),
        *([pl.col(columns.patient).alias("patient")] if columns.patient else []),
        *(
            [_model_scores_of_text_column(path, frame, columns.second_score).alias("second_score")]
            if columns.second_score
            else []
        ),
        *(
            pl.col(name).fill_null(UNKNOWN).alias(f"by {number}")
            for number, name in enumerate(columns.by)
        ),
    )
    skipped = read.filter(pl.col("score").is_null())["row"]
    reading = TableReading(
        rows=frame.height,
        missing=_positive(missing),
        without_score=skipped.head(_ROWS_NAMED).to_list(),
        cut_timestamps=_positive(times),
        zoned_timestamps=_positive(zoned),
        zone=columns.zone,
        repeated=repeated,
    )
    return read.filter(pl.col("score").is_not_null()), reading


def read_numbers_and_outcomes(
    path: Path, names: Sequence[str], label: str
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return columns of numbers and the outcome of every row, and the missing cells by column.

    A word of yes or no is one or zero. The columns of the answer are `names`, with `label` (0, 1
    or null) behind them; what is missing is null.

    Raises:
        EvidenceError: The file cannot be read, lacks a column or has it in two roles, a cell is no
            number, or an outcome is neither yes nor no.
    """
    columns = PatientColumns(score="", label=label, by=tuple(names))
    _check_one_role_a_column(path, columns)
    # Of a number every word for "missing" is one, as it is of a score.
    frame = _missing_as_null(read_clinic_text_table(path, [*names, label]), columns, groups=())
    read = frame.select(
        *(_numbers_or_flags_of_text(path, frame, name).alias(name) for name in names),
        _outcome_labels_of_text_column(path, frame, label).alias(label),
    )
    missing = {name: int(read[name].null_count()) for name in (*names, label)}
    return read, _positive(missing)


def _numbers_or_flags_of_text(path: Path, frame: pl.DataFrame, name: str) -> pl.Series:
    words, numbers = frame[name].str.to_lowercase(), _patient_table_numbers_or_null(frame[name])
    flags = pl.select(
        pl.when(words.is_in(list(YES_WORDS))).then(1.0).when(words.is_in(list(NO_WORDS))).then(0.0)
    ).to_series()
    read = numbers.zip_with(numbers.is_not_null(), flags)
    _refuse_first(path, frame, name, frame[name].is_not_null() & read.is_null(), _A_NUMBER)
    return read


_A_NUMBER: Final = Message("a number, or yes or no")


def _positive(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def _check_one_role_a_column(path: Path, columns: PatientColumns) -> None:
    twice = [name for name in columns.names if columns.names.count(name) > 1]
    if twice:
        raise EvidenceError(
            str(path),
            found=Message("the column {name} in two roles", {"name": twice[0]}),
            wanted=Message("a column for each role"),
        )


def _read_patient_text_columns(path: Path, columns: PatientColumns) -> pl.DataFrame:
    """Return columns as text, missing as null, under the number of each row."""
    return _missing_as_null(read_clinic_text_table(path, columns.names), columns, groups=columns.by)


def _missing_as_null(
    text: pl.DataFrame, columns: PatientColumns, *, groups: Sequence[str]
) -> pl.DataFrame:
    def missing_as_null(name: str) -> pl.Expr:
        words = MISSING_GROUP_WORDS if name in groups else MISSING_WORDS
        if name == columns.label:
            words = words - {"-"}  # the sign of a negative outcome beside +
        missing = pl.col(name).str.to_lowercase().is_in(list(words))
        # What a plan lists is a group, and not the hole that it looks like.
        listed = pl.col(name).is_in(list(columns.listed.get(name, ())))
        return pl.when(missing & ~listed).then(None).otherwise(pl.col(name)).alias(name)

    return text.select(map(missing_as_null, columns.names)).with_row_index(_ROW, offset=1)


def _unique_patient_rows_and_dropped_count(
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


def _patient_table_numbers_or_null(text: pl.Series) -> pl.Series:
    """Return the number of each cell; null where it is none, or not finite."""
    number = text.str.contains(_NUMBER).fill_null(value=False)
    plain = text.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
    return plain.zip_with(number, pl.Series([None], dtype=pl.Float64))


def _model_scores_of_text_column(path: Path, frame: pl.DataFrame, name: str) -> pl.Series:
    scores = _patient_table_numbers_or_null(frame[name])
    wrong = frame[name].is_not_null() & ~scores.is_between(0, 1).fill_null(value=False)
    # Never divided by 100 in silence: 0.8 of a column in percent is 0.008, and looks like 0.8.
    share = Message("a score from 0 to 1")
    percent = frame[name].str.ends_with("%").fill_null(value=False)
    _refuse_first(path, frame, name, wrong & percent, share, found=Message("a percent sign"),
                  remedy=_DIVIDE_BY_100)  # fmt: skip
    above = (scores > 1).fill_null(value=False)
    _refuse_first(path, frame, name, above, share, found=Message("a number above 1"),
                  remedy=_DIVIDE_BY_100)  # fmt: skip
    _refuse_first(path, frame, name, wrong, share)
    return scores


_DIVIDE_BY_100: Final = Message(
    "If the scores are in percent, divide all of them by 100 first; none is taken for a percent"
    " by its size."
)


def _outcome_labels_of_text_column(path: Path, frame: pl.DataFrame, name: str) -> pl.Series:
    words, numbers = frame[name].str.to_lowercase(), _patient_table_numbers_or_null(frame[name])
    yes = words.is_in(list(YES_WORDS)) | (numbers == 1).fill_null(value=False)
    no = words.is_in(list(NO_WORDS)) | (numbers == 0).fill_null(value=False)
    minus, plus = words == "-", words == "+"
    # Beside + it is the sign of a negative; alone it is how many a laboratory writes "no value".
    negative = minus & bool(plus.any())
    apart = negative & bool((no | yes & ~plus).any())
    _refuse_first(path, frame, name, apart.fill_null(value=False),
                  Message("one way to write outcomes: + and -, or words or numbers"))  # fmt: skip
    known = yes | no | negative
    wrong = frame[name].is_not_null() & ~(known | minus).fill_null(value=False)
    _refuse_first(path, frame, name, wrong, Message("an outcome, as 1 or 0 or yes or no"))
    return yes.cast(pl.Int8).zip_with(
        known.fill_null(value=False), pl.Series([None], dtype=pl.Int8)
    )


def _days_and_timed_and_zoned_cell_counts(
    path: Path, frame: pl.DataFrame, name: str, zone: str
) -> tuple[pl.Series, int, int]:
    """Return the days of a column, and how many cells had a time of day, and a zone."""
    read = days_of_text(frame[name], zone)
    year_first = Message("a day as YYYY-MM-DD, with or without a time of day")
    _refuse_first(
        path, frame, name, read.ambiguous, year_first, error=MonitorError,
        found=Message("a day that does not begin with its year"),
        remedy=Message("Days such as 01/02/2026 are read in two ways: write the year first."),
    )  # fmt: skip
    _refuse_first(path, frame, name, read.malformed, year_first, error=MonitorError)
    return read.days, read.times, read.zoned


def _refuse_first(
    path: Path,
    frame: pl.DataFrame,
    name: str,
    wrong: pl.Series,
    wanted: Message,
    *,
    found: Message | str = "",
    remedy: Message | str = "",
    error: type[InputError] = EvidenceError,
) -> None:
    if wrong.any():
        row = int(frame[_ROW][int(np.argmax(wrong.to_numpy()))])
        # By number: its value is a patient's and is not quoted.
        raise error(f"{path}, row {row:,}, {name}", found=found, wanted=wanted, remedy=remedy)
