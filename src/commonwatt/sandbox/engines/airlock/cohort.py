"""Which people stand in each cell of a table that a researcher declared.

The job that made a table is foreign code and its word is not taken. The
researcher declares table, conditions and grouping; the trusted side counts
again, so that the differencing check knows the people behind each cell and a released count
is known to be the count that was declared.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import AirlockError
from commonwatt.sandbox.engines.airlock.checks import StopReason
from commonwatt.sandbox.io.imports.dataset import Dataset

# A closed list: a condition is data and never code.
_OPERATORS: Final = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
                     ">": operator.gt, ">=": operator.ge}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """People of one table, by conditions that all hold, split into groups.

    Args:
        table: Name of the table.
        where: Conditions: column, one of = != < <= > >=, value.
        by: Columns whose values split the people into cells; none for one cell.
        person: The column that names a person.
    """

    table: str
    where: tuple[tuple[str, str, str | float], ...] = ()
    by: tuple[str, ...] = field(default=())
    person: str = "patient_id"


def cohort_rows_of_dataset_table(dataset: Dataset, cohort: Cohort) -> pl.LazyFrame:
    """Return the rows of a cohort's table on which its conditions hold.

    Raises:
        AirlockError: The cohort names a column or operator that does not exist.
    """
    frame = pl.scan_parquet(dataset.table_path(cohort.table))
    columns = frame.collect_schema().names()
    named = {cohort.person, *cohort.by, *(column for column, _, _ in cohort.where)}
    unknown = sorted(named - set(columns))
    if unknown or any(how not in _OPERATORS for _, how, _ in cohort.where):
        signs = " ".join(_OPERATORS)
        raise AirlockError(
            cohort.table,
            found=Message("a column or operator that does not exist"),
            wanted=Message("columns of the table and one of {signs}", {"signs": signs}),
        )
    for column, how, value in cohort.where:
        frame = frame.filter(_OPERATORS[how](pl.col(column), value))
    return frame


def people_ids_by_cohort_cell(dataset: Dataset, cohort: Cohort) -> dict[tuple[str, ...], list[str]]:
    """Return the people in each cell, by the cell's labels.

    Raises:
        AirlockError: The cohort names a column or operator that does not exist.
    """
    labels = [pl.col(column).cast(pl.String).fill_null("") for column in cohort.by]
    person_column = pl.col(cohort.person).cast(pl.String).alias("who")
    # People and not rows: somebody with ten visits is one person in a cell.
    cells = (
        cohort_rows_of_dataset_table(dataset, cohort)
        .select(person_column, *labels)
        .unique()
        .collect()
    )
    people: dict[tuple[str, ...], list[str]] = {}
    for person, *label in cells.sort(cells.columns).iter_rows():
        people.setdefault(tuple(label), []).append(person)
    return people


def wrong_cohort_count_stop_reasons(
    released: dict[tuple[str, ...], float],
    people: dict[tuple[str, ...], list[str]],
    *,
    round_to: int,
) -> list[StopReason]:
    """Return why released counts are not the declared ones, if so.

    A cell may be withheld; what is shown must be the rounded count of its people.
    """
    wrong = 0
    for label, count in released.items():
        true = len(people.get(label, []))
        # Half a step is what rounding to the nearest allows; a zero is a withheld cell.
        wrong += abs(count - true) > round_to / 2 and count != 0
    if not wrong:
        return []
    return [
        StopReason(
            "declaration",
            Message("{n} counts are not those of the declared people.", {"n": str(wrong)}),
        )
    ]
