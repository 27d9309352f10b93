"""De-identify the tables of a dataset by a treatment for each column.

A column that no treatment names is dropped: forgetting one costs data, never
a person. Tokens are keyed hashes, so the same person has the same token in
every table of a project and another in every other project. All dates of a person
move by the same whole number of weeks, so every interval is kept exactly.

Source: HIPAA Safe Harbor, 45 CFR 164.514(b)(2), for the list of identifiers;
    Hripcsak et al. (2016), JAMIA 23(6), for shift of dates by person.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

import polars as pl

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import DeidentifyError
from commonwatt.sandbox.domain.import_report import TableImportReport
from commonwatt.sandbox.engines.deidentify.text import mask_identifiers_in_text
from commonwatt.sandbox.io.imports.dataset import Dataset, fill_and_publish_dataset_draft

MOST_WEEKS: Final = 52
"""Farthest that a person's dates move, back or forth [weeks]."""
_BAND_YEARS: Final = 5
# HIPAA Safe Harbor (C): ages over 89 fall into one category.
_OLDEST: Final = 89
_RARE: Final = 5


class ColumnTreatment(StrEnum):
    """What happens to a column."""

    KEEP = "keep"
    DROP = "drop"
    TOKEN = "token"  # noqa: S105  a treatment, no secret
    SHIFT = "shift"
    BIRTH_BAND = "birth band"
    AREA = "area"
    RARE = "rare"
    TEXT = "text"


class DateGrain(StrEnum):
    """How coarsely shifted dates are told; only exact ones keep intervals exactly."""

    EXACT = "exactly"
    WEEK = "by week"
    MONTH = "by month"
    QUARTER = "by quarter"
    YEAR = "by year"


_EVERY: Final = {
    DateGrain.WEEK: "1w",
    DateGrain.MONTH: "1mo",
    DateGrain.QUARTER: "1q",
    DateGrain.YEAR: "1y",
}
_KEEP, _TOKEN, _SHIFT = ColumnTreatment.KEEP, ColumnTreatment.TOKEN, ColumnTreatment.SHIFT
_CODED: Final = {"code_system": _KEEP, "code_code": ColumnTreatment.RARE}
# Every id of a row is a token, too: an encounter's number may stand on a letter to the patient.
_PERSON: Final = {"id": _TOKEN, "patient_id": _TOKEN, "encounter_id": _TOKEN, "status": _KEEP}

FHIR_POLICY: Final[dict[str, dict[str, ColumnTreatment]]] = {
    "Patient": _PERSON | {
        "gender": _KEEP, "birth_on": ColumnTreatment.BIRTH_BAND, "died_at": _SHIFT, "race": _KEEP,
        "ethnicity": _KEEP, "marital_code": _KEEP, "postal_code": ColumnTreatment.AREA,
    },
    "Observation": _PERSON | _CODED | {
        "effective_at": _SHIFT, "value_number": _KEEP, "value_unit": _KEEP, "value_code": _KEEP,
        "value_text": ColumnTreatment.TEXT, "component_codes": _KEEP, "component_numbers": _KEEP,
    },
    "Encounter": _PERSON | {
        "class_code": _KEEP, "type_system": _KEEP, "type_code": ColumnTreatment.RARE,
        "start_at": _SHIFT, "end_at": _SHIFT,
    },
    "Condition": _PERSON | _CODED | {
        "clinical_status": _KEEP, "onset_at": _SHIFT, "abatement_at": _SHIFT,
        "recorded_at": _SHIFT,
    },
    "MedicationRequest": _PERSON | _CODED | {"authored_at": _SHIFT},
    "Procedure": _PERSON | _CODED | {"performed_at": _SHIFT},
    "Immunization": _PERSON | _CODED | {"occurred_at": _SHIFT},
    "AllergyIntolerance": _PERSON | _CODED | {"criticality": _KEEP, "recorded_at": _SHIFT},
    "DiagnosticReport": _PERSON | _CODED | {"effective_at": _SHIFT},
    "CarePlan": _PERSON | {"start_at": _SHIFT},
    "Goal": _PERSON | {"start_at": _SHIFT},
    "ImagingStudy": _PERSON | {"start_at": _SHIFT},
}  # fmt: skip
"""Organisations and practitioners name people and places, so they are left out whole."""

IMAGE_POLICY: Final[dict[str, dict[str, ColumnTreatment]]] = {
    "Image": {
        "id": _KEEP, "patient_id": _TOKEN, "study_id": _KEEP, "series_id": _KEEP,
        "modality": _KEEP, "body_part": ColumnTreatment.RARE, "view_position": ColumnTreatment.RARE,
        "laterality": _KEEP, "studied_on": _SHIFT, "rows": _KEEP, "columns": _KEEP,
        "frames": _KEEP, "bits": _KEEP, "photometric": _KEEP,
    },
    "ImageFile": {"id": _KEEP, "patient_id": _TOKEN, "dicom": _KEEP},
}  # fmt: skip
"""Files were cleaned, and links between images made keyed ones, when they were imported."""

POLICY: Final = FHIR_POLICY | IMAGE_POLICY

QUASI_IDENTIFIERS: Final = (
    "postal_code",
    "marital_code",
    "ethnicity",
    "race",
    "birth_band",
    "gender",
)
"""What an acquaintance could know, the first to be given up first."""


def deidentify(
    dataset: Dataset,
    store: Path,
    name: str,
    *,
    key: bytes,
    leave_out: Iterable[str] = (),
    policy: Mapping[str, Mapping[str, ColumnTreatment]] = POLICY,
    k: int = 5,
    dates: DateGrain = DateGrain.EXACT,
) -> Dataset:
    """Write a de-identified copy of `dataset` under a new name.

    Args:
        dataset: What was imported.
        store: The project's folder of datasets.
        name: Of the copy.
        key: The project's secret, at least 32 bytes; whoever has it can undo the shift.
        leave_out: Patients who opted out, by their id in `dataset`.
        policy: Treatments by table and column; what is not named is dropped.
        k: Fewest people who must share their quasi-identifiers.
        dates: How coarsely dates are told; exact ones keep every interval and with it
            a fingerprint, coarser ones are for copies that more people see.

    Raises:
        DeidentifyError: The key is short, or the dataset has no table in the policy.
    """
    # As long as the digest: a shorter key could be searched, and whoever finds it undoes tokens
    # and shifts.
    if len(key) < 32:
        raise DeidentifyError("key", wanted=Message("a secret of at least 32 bytes"))
    tables = sorted(set(policy) & set(dataset.dataset_row_count_by_table))
    if not tables:
        raise DeidentifyError(dataset.name, wanted=Message("a table that the policy names"))
    excluded = pl.Series("patient_id", sorted(leave_out), dtype=pl.String)

    def write_deidentified_tables(draft: Path) -> list[TableImportReport]:
        return [
            _deidentify_table(
                dataset, table, policy[table], draft, key=key, excluded=excluded, k=k, dates=dates
            )
            for table in tables
        ]

    return fill_and_publish_dataset_draft(
        store, name, f"{dataset.form} de-identified", write_deidentified_tables
    )


def _deidentify_table(
    dataset: Dataset,
    table: str,
    treatments: Mapping[str, ColumnTreatment],
    draft: Path,
    *,
    key: bytes,
    excluded: pl.Series,
    k: int,
    dates: DateGrain,
) -> TableImportReport:
    frame = pl.read_parquet(dataset.table_path(table))
    read = frame.height
    frame = frame.filter(~pl.col("patient_id").is_in(excluded.implode()))
    treated = deidentify_columns(frame, treatments, key, dates=dates)
    if table == "Patient":
        treated = enforce_k_anonymity(
            treated, [c for c in QUASI_IDENTIFIERS if c in treated.columns], k
        )
    # By token: the order of the source often follows admission and would give it back.
    treated = treated.sort(treated.columns[0]) if "id" in treated.columns else treated
    treated.write_parquet(draft / f"{table}.parquet", compression="zstd")
    return TableImportReport(
        table=table, source=dataset.name, read_count=read, kept_count=treated.height
    )


def deidentify_columns(
    frame: pl.DataFrame,
    treatments: Mapping[str, ColumnTreatment],
    key: bytes,
    *,
    dates: DateGrain = DateGrain.EXACT,
) -> pl.DataFrame:
    """Return `frame` with every column treated, and those not named dropped.

    Needs a column `patient_id`, by which dates are shifted.
    """
    shift = pl.Series(
        "shift", _date_shift_us_by_row(frame["patient_id"], key), dtype=pl.Duration("us")
    )
    columns = [
        treated
        for column in frame.columns
        if (
            treated := _deidentified_column_or_none(
                frame[column], treatments.get(column, ColumnTreatment.DROP), key, shift
            )
        )
        is not None
    ]
    shifted = {name for name, treatment in treatments.items() if treatment is ColumnTreatment.SHIFT}
    return pl.DataFrame(
        [
            dates_coarsened_to_grain(column, dates) if column.name in shifted else column
            for column in columns
        ]
    )


def dates_coarsened_to_grain(dates: pl.Series, grain: DateGrain) -> pl.Series:
    """Return dates moved back to the first day of their week, month, quarter or year.

    >>> from datetime import date
    >>> dates_coarsened_to_grain(pl.Series([date(2024, 5, 17)]), DateGrain.MONTH).to_list()
    [datetime.date(2024, 5, 1)]
    """
    return dates if grain is DateGrain.EXACT else dates.dt.truncate(_EVERY[grain])


def _deidentified_column_or_none(  # noqa: PLR0911  one line a treatment
    column: pl.Series, treatment: ColumnTreatment, key: bytes, shift: pl.Series
) -> pl.Series | None:
    match treatment:
        case ColumnTreatment.KEEP:
            return column
        case ColumnTreatment.DROP:
            return None
        case ColumnTreatment.TOKEN:
            return _column_with_distinct_values_changed(column, lambda value: pseudonym(key, value))
        case ColumnTreatment.SHIFT:
            return column + shift
        case ColumnTreatment.BIRTH_BAND:
            return _birth_years_in_five_year_bands(column)
        case ColumnTreatment.AREA:
            return column.str.slice(0, 2)
        case ColumnTreatment.RARE:
            return _column_with_rare_values_as_other(column)
        case ColumnTreatment.TEXT:
            return _column_with_distinct_values_changed(column, mask_identifiers_in_text)


def pseudonym(key: bytes, value: str) -> str:
    """Return the token of an identifier: the same in one project, unlinkable across projects.

    >>> pseudonym(bytes(32), "p1") == pseudonym(bytes(32), "p1") != pseudonym(b"1" * 32, "p1")
    True
    """
    # Twenty-four hexadecimal digits are 96 bits: no two people of any country collide. The prefix
    # keeps tokens and shifts independent under one key.
    return hmac.digest(key, b"token:" + value.encode(), hashlib.sha256).hex()[:24]


def person_date_shift_weeks(key: bytes, person: str) -> int:
    """Return a person's secret shift: 1 to 52 weeks, back or forth, never none."""
    # Whole weeks, so that weekdays and the rhythm of wards stay; never none, so that no date is a
    # true one.
    number = int.from_bytes(hmac.digest(key, b"shift:" + person.encode(), hashlib.sha256)[:8])
    step = number % (2 * MOST_WEEKS)
    return step - MOST_WEEKS if step < MOST_WEEKS else step - MOST_WEEKS + 1


def _date_shift_us_by_row(people: pl.Series, key: bytes) -> list[int | None]:
    week_us = 7 * 86_400 * 1_000_000
    by_person = {
        person: None if person is None else person_date_shift_weeks(key, person) * week_us
        for person in people.unique().to_list()
    }
    return [by_person[person] for person in people.to_list()]


def _column_with_distinct_values_changed(
    column: pl.Series, change: Callable[[str], str]
) -> pl.Series:
    """Return `column` with each distinct value changed once."""
    # Text is masked once a distinct value: the same phrase stands in thousands of rows.
    values = column.cast(pl.String).unique().drop_nulls().sort()
    changed = pl.Series([change(value) for value in values.to_list()], dtype=pl.String)
    return column.cast(pl.String).replace_strict(values, changed, default=None).alias(column.name)


def _birth_years_in_five_year_bands(column: pl.Series) -> pl.Series:
    """Return the first year of a band of five; the oldest share one band.

    The oldest are told apart from the latest birth in the table, not from today,
    so that the same table always gives the same bands.
    """
    years = column.dt.year()
    latest = years.max()
    oldest = (int(latest) if isinstance(latest, int) else 0) - _OLDEST
    band = (years // _BAND_YEARS) * _BAND_YEARS
    first = (oldest // _BAND_YEARS) * _BAND_YEARS
    return band.clip(lower_bound=first).cast(pl.Int32).alias("birth_band")


def _column_with_rare_values_as_other(column: pl.Series) -> pl.Series:
    """Return `column` with values of fewer than five rows replaced by `other`."""
    counts = column.value_counts(name="rows")
    common = counts.filter(pl.col("rows") >= _RARE)[column.name]
    rare = column.is_not_null() & ~column.is_in(common.implode())
    # A code that few have points at them; `other` keeps the row and its date.
    return pl.select(pl.when(rare).then(pl.lit("other")).otherwise(column).alias(column.name))[
        column.name
    ]


def enforce_k_anonymity(frame: pl.DataFrame, quasi_identifiers: list[str], k: int) -> pl.DataFrame:
    """Return `frame` in which at least `k` rows share every combination of `quasi_identifiers`.

    Rows in small classes give up one column after the other, in the order of
    `quasi_identifiers`; a remainder smaller than `k` pulls in the next smallest class.

    >>> t = pl.DataFrame({"area": ["a", "a", "b"], "sex": ["F", "F", "M"]})
    >>> enforce_k_anonymity(t, ["area", "sex"], 2).rows()
    [(None, None), (None, None), (None, None)]
    """
    # In the order of `quasi`, the least useful to studies first, so that sex and age survive
    # longest.
    for column in quasi_identifiers:
        small = _quasi_identifier_class_size_by_row(frame, quasi_identifiers) < k
        keep = pl.when(pl.Series(small)).then(None).otherwise(pl.col(column))
        frame = frame.with_columns(keep.alias(column))
    while (sizes := _quasi_identifier_class_size_by_row(frame, quasi_identifiers)).len() and (
        int(sizes.min()) < k <= frame.height  # pyright: ignore[reportArgumentType]
    ):
        blank = pl.Series(
            frame.select(pl.all_horizontal(pl.col(quasi_identifiers).is_null())).to_series()
        )
        smallest = sizes.filter(~blank).min()
        # A remainder smaller than k would stay small alone; with the next smallest class it is
        # large enough.
        affected = (sizes < k) | (sizes == smallest)
        cleared = [
            pl.when(affected).then(None).otherwise(pl.col(c)).alias(c) for c in quasi_identifiers
        ]
        frame = frame.with_columns(cleared)
    return frame


def _quasi_identifier_class_size_by_row(
    frame: pl.DataFrame, quasi_identifiers: list[str]
) -> pl.Series:
    """Return for each row how many rows share its quasi-identifiers."""
    return frame.select(pl.len().over(quasi_identifiers)).to_series()
