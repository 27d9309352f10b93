"""The rows that a model learns from, made by the project and not by the job.

A researcher declares features and outcome; the project makes the table, keeps a
share of the people back from everything that the job sees, and so can ask
afterwards, without taking the job's word for anything, whether the model knows
its own people from others like them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import AirlockError
from commonwatt.sandbox.engines.airlock.cohort import Cohort, cohort_rows_of_dataset_table
from commonwatt.sandbox.io.imports.dataset import Dataset

OUTCOME: Final = "outcome"
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFeature:
    """One number a person.

    Args:
        name: What the model calls it.
        column: A column of the training table: its number, or, with `equals`, 1
            where it holds that value and 0 elsewhere.
        equals: See above.
        cohort: Instead of a column: how many rows of a cohort are the person's.
    """

    name: str
    column: str = ""
    equals: str | None = None
    cohort: Cohort | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectTrainingDeclaration:
    """What a model learns from.

    Args:
        table: One row a person; a second row of a person is left out.
        features: Its inputs, in order.
        outcome: A column of the table, or a cohort: 1 for its people, else 0.
        held_out: Share of the people whom the job does not see at all.
        person: The column that names a person.
    """

    table: str
    features: tuple[TrainingFeature, ...]
    outcome: str | Cohort
    held_out: float = 0.4
    person: str = "patient_id"

    def __post_init__(self) -> None:
        # Too few on either side, and the attack could not tell a model that remembers from one
        # that does not.
        if not 0.2 <= self.held_out <= 0.8:
            raise AirlockError("held_out", wanted=Message("a share from 0.2 to 0.8"))
        if len({feature.name for feature in self.features}) != len(self.features):
            raise AirlockError("features", wanted=Message("a name of its own for each feature"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRows:
    """Training rows and rows kept back, as the model's inputs and outcomes."""

    x: Floats
    y: Floats
    is_member: npt.NDArray[np.bool_]


def is_person_held_out_of_training(key: bytes, dataset: str, person: str, share: float) -> bool:
    """Return whether the project keeps a person back, the same way in every job.

    Keyed, so that a researcher cannot choose who is kept back; a larger share
    keeps back the people of a smaller one, too.

    >>> (
    ...     is_person_held_out_of_training(bytes(32), "safe", "p1", 1.0),
    ...     is_person_held_out_of_training(bytes(32), "safe", "p1", 0.0),
    ... )
    (True, False)
    """
    message = f"held out\0{dataset}\0{person}".encode()
    # Same place for a person at every share: a researcher who asks for more cannot rotate who is
    # kept back and so see everybody.
    digest = hmac.new(key, message, hashlib.sha256).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def people_held_out_of_training(
    key: bytes, dataset: Dataset, training: ProjectTrainingDeclaration
) -> frozenset[str]:
    """Return the people whom the project keeps back."""
    people = pl.read_parquet(dataset.table_path(training.table), columns=[training.person])
    names = people[training.person].cast(pl.String).drop_nulls().unique()
    share = training.held_out
    return frozenset(
        person
        for person in names
        if is_person_held_out_of_training(key, dataset.name, person, share)
    )


def project_training_table(
    dataset: Dataset, training: ProjectTrainingDeclaration, opted_out: Iterable[str]
) -> pl.DataFrame:
    """Return one row a person: who, the features by name, the outcome; complete rows only.

    Raises:
        AirlockError: A declared table or column does not exist.
    """
    frame = pl.read_parquet(dataset.table_path(training.table))
    _check_project_training_columns(frame, training)
    frame = frame.with_columns(pl.col(training.person).cast(pl.String))
    left_out = pl.Series(sorted(opted_out), dtype=pl.String).implode()
    # One row a person, or somebody with many would be found by their repetition and not by the
    # model's memory.
    frame = frame.unique(training.person, keep="first", maintain_order=True)
    frame = frame.filter(~pl.col(training.person).is_in(left_out))
    columns = [
        _training_feature_column(frame, dataset, training, feature) for feature in training.features
    ]
    table = frame.select(training.person).with_columns(
        *columns, _training_outcome_column(frame, dataset, training).alias(OUTCOME)
    )
    # Sorted, so that the job sees the same bytes for the same people in every run.
    return table.drop_nulls().sort(training.person)


def split_training_rows(
    frame: pl.DataFrame, training: ProjectTrainingDeclaration, held_out: frozenset[str]
) -> TrainingRows:
    """Return a training table as arrays, with who was in the training."""
    names = [feature.name for feature in training.features]
    member = ~frame[training.person].is_in(pl.Series(sorted(held_out), dtype=pl.String).implode())
    return TrainingRows(
        x=frame.select(names).to_numpy().astype(float),
        y=frame[OUTCOME].to_numpy().astype(float),
        is_member=member.to_numpy(),
    )


def _check_project_training_columns(
    frame: pl.DataFrame, training: ProjectTrainingDeclaration
) -> None:
    named = {feature.column for feature in training.features if feature.cohort is None}
    named |= {training.person}
    if isinstance(training.outcome, str):
        named.add(training.outcome)
    if missing := named - set(frame.columns):
        raise AirlockError(
            training.table,
            found=Message("{count} columns that the data lack", {"count": str(len(missing))}),
            wanted=Message("columns of the table"),
        )


def _training_feature_column(
    frame: pl.DataFrame,
    dataset: Dataset,
    training: ProjectTrainingDeclaration,
    feature: TrainingFeature,
) -> pl.Series:
    if feature.cohort is not None:
        return _cohort_row_count_by_training_person(frame, dataset, training, feature.cohort).alias(
            feature.name
        )
    column = frame[feature.column]
    if feature.equals is not None:
        return (column.cast(pl.String) == feature.equals).cast(pl.Float64).alias(feature.name)
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        raise AirlockError(
            feature.column,
            found=Message("a column without numbers"),
            wanted=Message("column=value"),
        )
    return column.cast(pl.Float64).alias(feature.name)


def _training_outcome_column(
    frame: pl.DataFrame, dataset: Dataset, training: ProjectTrainingDeclaration
) -> pl.Series:
    if isinstance(training.outcome, str):
        return frame[training.outcome].cast(pl.Float64)
    return (
        _cohort_row_count_by_training_person(frame, dataset, training, training.outcome) > 0
    ).cast(pl.Float64)


def _cohort_row_count_by_training_person(
    frame: pl.DataFrame, dataset: Dataset, training: ProjectTrainingDeclaration, cohort: Cohort
) -> pl.Series:
    """Return how many rows of a cohort each person of the training table has."""
    rows = cohort_rows_of_dataset_table(dataset, cohort).select(
        pl.col(cohort.person).cast(pl.String).alias("who")
    )
    counts = rows.group_by("who").len("rows").collect()
    joined = frame.select(pl.col(training.person).alias("who")).join(
        counts, on="who", how="left", maintain_order="left"
    )
    return joined["rows"].fill_null(0).cast(pl.Float64)
