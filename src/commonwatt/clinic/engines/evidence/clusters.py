"""How much less the rows of patients who come again say than as many rows of other patients.

A patient of twenty scans is not twenty witnesses: what drives one score and outcome drives the
others. The variance of each figure is therefore that of sums by patient. With one row a patient
every effect is one and every interval that of the rows, to the last digit.

Sources: Obuchowski (1997), Biometrics 53, 567 (areas under the curve of clustered data); Rao and
Scott (1992), Biometrics 48, 577, and (1999), Statistics in Medicine 18, 1373 (shares and counts by
their design effect); Liang and Zeger (1986), Biometrika 73, 13 (the line through the scores).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.clinic.engines.evidence.recalibrate import Recalibration
from commonwatt.clinic.engines.evidence.sketch import (
    BINS,
    UNIT,
    model_score_bin_index,
    model_score_bin_middle_logits,
)

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_FEWEST_PATIENTS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientRows:
    """The rows that a sketch was counted from, with the patient of each, shape (rows,).

    Args:
        score: Probability that the model gave.
        label: Whether the event came, 0 or 1.
        patient: Number of the patient.
        group: Number of the group.
        groups: How many groups there are.
        threshold: Score from which the model advises.
    """

    score: F64
    label: I64
    patient: I64
    group: I64
    groups: int
    threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientEffects:
    """What patients that come again take from the figures of each group, shape (groups,).

    Args:
        with_event: Patients who had the event in some row.
        without_event: Patients who did not have it in some row.
        patients: All of them.
        auc_se: Standard error of the AUC.
        design_effects: By metric, the variance over that of as many rows of other patients.
    """

    with_event: I64
    without_event: I64
    patients: I64
    auc_se: F64
    design_effects: Mapping[str, F64]


def patient_effects(rows: PatientRows) -> PatientEffects:
    """Return how the patients of rows share what the rows say, group by group."""
    parts = [_effects_of_group(_rows_of_group(rows, group)) for group in range(rows.groups)]
    return PatientEffects(
        with_event=np.array([part.with_event for part in parts]),
        without_event=np.array([part.without_event for part in parts]),
        patients=np.array([part.patients for part in parts]),
        auc_se=np.array([part.auc_se for part in parts]),
        design_effects={
            name: np.array([part.design_effects[name] for part in parts])
            for name in parts[0].design_effects
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _GroupEffects:
    with_event: int
    without_event: int
    patients: int
    auc_se: float
    design_effects: Mapping[str, float]


def _rows_of_group(rows: PatientRows, group: int) -> PatientRows:
    """Return the rows of a group, their patients numbered from 0."""
    mine = rows.group == group
    patient = np.unique(rows.patient[mine], return_inverse=True)[1]
    return replace(rows, score=rows.score[mine], label=rows.label[mine],
                   patient=patient.astype(np.int64), group=rows.group[mine])  # fmt: skip


def _effects_of_group(rows: PatientRows) -> _GroupEffects:
    event, above = rows.label == 1, rows.score >= rows.threshold
    every = np.ones(len(event), np.bool_)
    shares = {
        "sensitivity": (above, event),
        "specificity": (~above, ~event),
        "ppv": (event, above),
        "npv": (~event, ~above),
        "advised_share": (above, every),
    }
    effects = {
        name: share_design_effect(hit[among], rows.patient[among])
        for name, (hit, among) in shares.items()
    }
    # Rounded as the sketch rounds each score, so that the ratio is that of the table.
    expected = np.floor(rows.score * UNIT + 0.5) / UNIT
    return _GroupEffects(
        with_event=len(np.unique(rows.patient[event])),
        without_event=len(np.unique(rows.patient[~event])),
        patients=len(np.unique(rows.patient)),
        auc_se=auc_standard_error_by_patient(rows.score, event, rows.patient),
        design_effects=effects | {"o_over_e": ratio_design_effect(event, expected, rows.patient)},
    )


def share_design_effect(hit: npt.NDArray[np.bool_], patient: I64) -> float:
    """Return the variance of a share by patient over that of as many rows of other patients.

        D = Σ_i (Σ_j r_ij)² I / (I − 1) / (Σ r_ij² n / (n − 1)),  r = hit − share

    At least one; where all rows agree nothing tells how much patients share, and all is taken to
    be shared: Σ n_i² / n.

    Source: Rao and Scott (1992), Biometrics 48, 577; Kish (1965), Survey Sampling, chapter 5.

    >>> hit, patient = np.array([True, False, True, True]), np.array([0, 1, 2, 3])
    >>> share_design_effect(hit, patient)
    1.0
    >>> round(share_design_effect(hit.repeat(3), patient.repeat(3)), 3)
    3.667
    """
    return ratio_design_effect(hit, np.ones(len(hit)), patient)


def ratio_design_effect(event: npt.NDArray[np.bool_], expected: F64, patient: I64) -> float:
    """Return the same of observed over expected events.

    Source: Rao and Scott (1999), Statistics in Medicine 18, 1373.

    Args:
        event: Whether the event came, shape (rows,).
        expected: What each row adds to the denominator, shape (rows,).
        patient: Number of the patient, shape (rows,).
    """
    rows, sums = len(event), np.bincount(patient)
    per_patient = sums[sums > 0]
    if len(per_patient) == rows or not rows:
        return 1.0
    total = float(expected.sum())
    residual = event - (event.sum() / total) * expected if total > 0 else np.zeros(rows)
    plain = float((residual**2).sum()) * rows / (rows - 1)
    # The rounding of a ratio is no disagreement between rows.
    if plain <= rows * 1e-18 or len(per_patient) < _FEWEST_PATIENTS:
        return float((per_patient.astype(np.float64) ** 2).sum() / rows)
    by_patient = np.bincount(patient, weights=residual)
    count = len(per_patient)
    return max(1.0, float((by_patient**2).sum()) * count / (count - 1) / plain)


def auc_standard_error_by_patient(score: F64, event: npt.NDArray[np.bool_], patient: I64) -> float:
    """Return the standard error of the AUC of binned scores, whose rows patients share.

        var = S₁₀ / P + S₀₁ / N + 2 S₁₁ / (P N)
        S₁₀ = I₁₀ / ((I₁₀ − 1) P) Σ_i (V₁₀(i) − p_i A)²,  likewise S₀₁
        S₁₁ = I / (I − 1) Σ_i (V₁₀(i) − p_i A) (V₀₁(i) − n_i A)

    with V(i) the sum of placements of patient i, who has p_i rows with the event and n_i without;
    I₁₀ patients have any with it, I₀₁ any without, and I are all. One row a patient gives the
    variance of DeLong. NaN below two patients of a kind.

    Source: Obuchowski (1997), Biometrics 53, 567.
    """
    bins = model_score_bin_index(score)
    neg = np.bincount(bins[~event], minlength=BINS).astype(np.float64)
    pos = np.bincount(bins[event], minlength=BINS).astype(np.float64)
    n, p = neg.sum(), pos.sum()
    if not n or not p:
        return float("nan")
    v10 = ((np.cumsum(neg) - neg / 2) / n)[bins[event]]
    v01 = (1 - (np.cumsum(pos) - pos / 2) / p)[bins[~event]]
    area, count = float(v10.mean()), int(patient.max()) + 1
    of_event, of_other = patient[event], patient[~event]
    apart10 = np.bincount(of_event, weights=v10 - area, minlength=count)
    apart01 = np.bincount(of_other, weights=v01 - area, minlength=count)
    with_event, without = len(np.unique(of_event)), len(np.unique(of_other))
    if min(with_event, without) < _FEWEST_PATIENTS:
        return float("nan")
    s10 = with_event / (with_event - 1) * float((apart10**2).sum()) / p
    s01 = without / (without - 1) * float((apart01**2).sum()) / n
    patients = len(np.unique(patient))
    s11 = patients / (patients - 1) * float((apart10 * apart01).sum())
    # Below zero only where a few patients hold events and others that cancel out.
    return float(np.sqrt(max(s10 / p + s01 / n + 2 * s11 / (p * n), 0.0)))


def recalibration_by_patient(line: Recalibration, rows: PatientRows) -> Recalibration:
    """Return a line with the errors that it has where patients come again.

        V = B⁻¹ (Σ_i u_i u_iᵀ) B⁻¹ I / (I − 1),  u_i = Σ_j x_ij (y_ij − p_ij),  B = Σ x xᵀ p (1 − p)

    Source: Liang and Zeger (1986), Biometrika 73, 13.
    """
    logit = model_score_bin_middle_logits()[model_score_bin_index(rows.score)]
    design = np.stack([np.ones_like(logit), logit])
    chance = 1 / (1 + np.exp(-np.clip(line.intercept + line.slope * logit, -700, 700)))
    bread = np.linalg.inv((design * (chance * (1 - chance))) @ design.T)
    score = design * (rows.label - chance)
    by_patient = np.stack([np.bincount(rows.patient, weights=each) for each in score])
    patients = len(np.unique(rows.patient))
    errors = np.sqrt(
        np.diag(bread @ (by_patient @ by_patient.T) @ bread) * patients / (patients - 1)
    )
    return replace(line, intercept_se=float(errors[0]), slope_se=float(errors[1]))
