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
from commonwatt.clinic.io.patient_table import read_numbers_and_outcomes
from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.core.seeds import named_random_stream

F64 = npt.NDArray[np.float64]
_ROW: Final = "number of the row in the table"  # no column of a hospital is called so
BACKGROUND: Final = 100  # rows that stand for what is not known


def model_explanation_dict_and_frame(
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

    Rows with a gap are left out, and counted in the answer.

    Raises:
        EvidenceError: The table lacks a column, a column is not of numbers, or the row has a gap.
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
    table, missing = read_numbers_and_outcomes(path, names, label)
    whole = table.with_row_index(_ROW).drop_nulls()
    if not whole.height:
        raise EvidenceError(
            str(path), found=Message("no row without a gap"), wanted=Message("rows of patients")
        )
    left_out = table.height - whole.height
    read = {"rows": table.height, "rows_left_out": left_out, "missing": missing}
    rows = whole.select(names).to_numpy()
    if row is not None:
        at = _place_of_row(path, table.height, whole[_ROW].to_list(), row)
        answer, frame = _patient_row_explanation_dict_and_frame(model, names, rows, at, seed)
        return answer | {"row": row, "read": read}, frame
    score = score_function_of_model(model, names)
    y = whole[label].to_numpy()
    frame = permutation_importance(score, rows, y, names, named_random_stream(seed, "importance"))
    answer = {"kind": "global", "rows": len(rows), "columns": frame.to_dicts(), "read": read}
    return answer, frame


def _place_of_row(path: Path, height: int, whole: list[int], row: int) -> int:
    """Return where a row of the table stands among those without a gap."""
    if not 0 <= row < height:
        raise EvidenceError(f"row {row:,}", wanted=Message("the number of a row"))
    if row not in whole:
        # Another row in its place would be explained under its number.
        raise EvidenceError(
            f"{path}, --row {row}",
            found=Message("a row with a gap"),
            wanted=Message("a row with every column that the model reads, and an outcome"),
        )
    return whole.index(row)


def _patient_row_explanation_dict_and_frame(
    model: Any, names: list[str], rows: F64, row: int, seed: int
) -> tuple[dict[str, Any], pl.DataFrame]:
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
