"""Explanations from a table of cases and a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.clinic.domain.tables import CASE
from commonwatt.clinic.engines.explain import (
    explain_linear_model_case,
    permutation_importance,
    sampled_shapley_values,
)
from commonwatt.clinic.engines.explain.shapley import Score
from commonwatt.clinic.engines.gateway.models import (
    LogisticModel,
    load_logistic_model,
    load_medical_model_function,
)
from commonwatt.clinic.usecases.evidence import read_patient_rows_with_score_and_label
from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.core.seeds import named_random_stream

F64 = npt.NDArray[np.float64]
BACKGROUND: Final = 100  # rows that stand for what is not known


def explain_model_on_table(
    path: Path,
    *,
    linear: Path | None,
    python: str,
    columns: Sequence[str],
    label: str,
    row: int | None,
    seed: int,
) -> tuple[dict[str, Any], pl.DataFrame]:
    """Return what each column is worth to a model, or what it adds in one row.

    Values of a row are never shown, only what they add.

    Raises:
        EvidenceError: The table lacks a column, or a column is not of numbers.
        UsageError: Not exactly one model is given, or no columns for a function.
    """
    if bool(linear) == bool(python):
        raise UsageError("clinic explain", wanted=Message("exactly one of --linear and --python"))
    model = (
        load_logistic_model(linear) if linear else load_medical_model_function(python, "--python")
    )
    names = list(model.weights) if isinstance(model, LogisticModel) else list(columns)
    if not names:
        raise UsageError("--column", wanted=Message("the columns that the function reads"))
    rows, y = _patient_rows_and_labels(path, names, label)
    if row is not None:
        return _explain_patient_row(model, names, rows, row, seed)
    score = score_function_of_model(model, names)
    frame = permutation_importance(score, rows, y, names, named_random_stream(seed, "importance"))
    return {"kind": "global", "rows": len(rows), "columns": frame.to_dicts()}, frame


def _patient_rows_and_labels(
    path: Path, names: list[str], label: str
) -> tuple[F64, npt.NDArray[np.int8]]:
    frame = read_patient_rows_with_score_and_label(path, [*names, label]).drop_nulls()
    try:
        numbers = frame.select(pl.col(names).cast(pl.Float64)).to_numpy()
        return numbers, frame[label].cast(pl.Int8).to_numpy()
    except pl.exceptions.PolarsError:
        raise EvidenceError(str(path), wanted=Message("columns of numbers")) from None


def _explain_patient_row(
    model: Any, names: list[str], rows: F64, row: int, seed: int
) -> tuple[dict[str, Any], pl.DataFrame]:
    if not 0 <= row < len(rows):
        raise EvidenceError(f"row {row:,}", wanted=Message("the number of a row"))
    if isinstance(model, LogisticModel):
        weights = np.array([model.weights[name] for name in names])
        explanation = explain_linear_model_case(
            model.intercept, weights, rows.mean(axis=0), rows[row]
        )
        added, errors, scale = explanation.contributions, np.zeros(len(names)), "logit"
        base, total = explanation.base, explanation.logit
    else:
        chance = named_random_stream(seed, "shapley")
        # Rows of the table itself, because a mean patient may be one who cannot exist.
        background = rows[chance.choice(len(rows), min(BACKGROUND, len(rows)), replace=False)]
        shares = sampled_shapley_values(
            score_function_of_model(model, names), background, rows[row], chance
        )
        added, errors, scale = shares.values, shares.errors, "score"
        base, total = shares.base, shares.score
    # The largest first, whatever its sign; ties in the order of the columns.
    order = np.lexsort((np.arange(len(names)), -np.abs(added)))
    frame = CASE.build_frame(
        column=[names[i] for i in order], adds=added[order], error=errors[order]
    )
    answer = {"kind": "case", "row": row, "scale": scale, "base": base, "whole": total}
    return answer | {"columns": frame.to_dicts()}, frame


def score_function_of_model(model: Any, names: Sequence[str]) -> Score:
    """Return a model of named facts as one of rows of numbers."""
    if isinstance(model, LogisticModel):
        weights = np.array([model.weights[name] for name in names])
        return lambda rows: 1 / (1 + np.exp(-np.clip(model.intercept + rows @ weights, -700, 700)))

    def score_patient_rows(rows: F64) -> F64:
        facts = (dict(zip(names, map(repr, row), strict=True)) for row in rows.tolist())
        return np.array([float(model(named)) for named in facts])

    return score_patient_rows
