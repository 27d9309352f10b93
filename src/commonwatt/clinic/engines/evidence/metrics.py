"""Discrimination, calibration in the large and threshold metrics by group, with intervals.

AUC and its variance follow DeLong, DeLong and Clarke-Pearson (1988) on binned
scores; what binning can change is stated beside it. Shares have Wilson's
interval (1927), observed over expected the exact Poisson one (Garwood 1936). Where patients
come again, each is widened by what their rows share: see `clusters`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats as untyped_stats  # pyright: ignore[reportMissingTypeStubs]

from commonwatt.clinic.domain.tables import ESTIMATES
from commonwatt.clinic.engines.evidence.clusters import PatientEffects
from commonwatt.clinic.engines.evidence.sketch import UNIT, ScoreSketch

# SciPy ships no complete types; what is used of it is small.
stats: Any = untyped_stats
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
FEWEST_EVENTS: Final = 10  # events or non-events below which nothing is said that needs them


def evaluate_score_sketch(
    sketch: ScoreSketch,
    names: list[str],
    *,
    level: float = 0.95,
    fewest: int = FEWEST_EVENTS,
    whole_groups: bool = False,
    by_patient: PatientEffects | None = None,
) -> pl.DataFrame:
    """Return every metric for every group.

    Args:
        sketch: The counted rows.
        names: The name of each group, in order.
        level: Coverage of the intervals.
        fewest: Events that a figure of events needs, and non-events that one of non-events needs;
            a figure of all rows needs twice as many rows, of whatever outcome.
        whole_groups: Whether a group with too few of either outcome is told nothing at all, as
            where its labels are a secret that could be counted back from what it is told.
        by_patient: Of the same rows, where patients are told apart: intervals are then by patient,
            and what is needed is patients and not rows.
    """
    z = float(stats.norm.ppf((1 + level) / 2))
    n = sketch.counts.sum(axis=2)
    none, some, everyone = n[:, 0], n[:, 1], n.sum(axis=1)
    if by_patient is not None:
        none, some = by_patient.without_event, by_patient.with_event
        everyone = by_patient.patients
    # Both events and non-events must be there in number: an AUC over three events has an interval,
    # and it is not worth reading.
    enough = (none >= fewest) & (some >= fewest)
    metrics_of_groups = {
        "auc": auc_and_interval_by_group(
            sketch.counts, z, by_patient.auc_se if by_patient else None
        ),
        "o_over_e": observed_over_expected(sketch, level, _design_effect(by_patient, "o_over_e")),
    }
    metrics_of_groups |= {
        name: share_and_wilson_interval(k / effect, m / effect, z)
        for name, (k, m) in _hits_and_trials_by_threshold_metric(sketch).items()
        for effect in [_design_effect(by_patient, name)]
    }
    count, metrics = len(names), len(metrics_of_groups)
    values = np.stack(
        [np.stack([e, lo, hi]) for e, lo, hi in metrics_of_groups.values()]
    )  # (metric, 3, group)
    # Each figure for itself: a single non-event among a hundred events takes the specificity away,
    # and nothing from the sensitivity, whose interval says how much it rests on.
    needs_met = {"auc": enough, "sensitivity": some >= fewest, "specificity": none >= fewest}
    for number, name in enumerate(metrics_of_groups):
        is_enough = enough if whole_groups else needs_met.get(name, everyone >= 2 * fewest)
        values[number][:, ~is_enough] = np.nan
    columns = values.transpose(1, 0, 2).reshape(3, -1)
    exact = np.zeros((metrics, count))
    exact[0] = np.where(enough, auc_binning_error_bound_by_group(sketch.counts), 0.0)
    verdict = np.where(np.isnan(columns[0]), "too few to say", "estimated")
    return ESTIMATES.build_frame(
        group=names * metrics,
        metric=[name for name in metrics_of_groups for _ in range(count)],
        estimate=pl.Series(columns[0], nan_to_null=True),
        low=pl.Series(columns[1], nan_to_null=True),
        high=pl.Series(columns[2], nan_to_null=True),
        rows=np.tile(n.sum(axis=1), metrics),
        events=np.tile(n[:, 1], metrics),
        resolution=exact.ravel(),
        verdict=pl.Series(verdict),
    )


def _design_effect(by_patient: PatientEffects | None, metric: str) -> F64 | float:
    return by_patient.design_effects[metric] if by_patient else 1.0


def auc_and_interval_by_group(
    score_counts: I64, z: float, se: F64 | None = None
) -> tuple[F64, F64, F64]:
    """Return the AUC and its interval for each group.

        A = Σ_b p_b (N_<b + n_b / 2) / (P N)
        var = var(V₁₀) / P + var(V₀₁) / N, the placements of positives and negatives

    Args:
        score_counts: Rows by group, label and bin, shape (groups, 2, bins).
        z: Normal quantile of the interval.
        se: Standard error by patient, shape (groups,); that of independent rows by default.

    Source: DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44, 837.
    """
    neg, pos = score_counts[:, 0].astype(np.float64), score_counts[:, 1].astype(np.float64)
    n, p = neg.sum(axis=1), pos.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        v10 = (np.cumsum(neg, axis=1) - neg / 2) / n[:, None]
        v01 = 1 - (np.cumsum(pos, axis=1) - pos / 2) / p[:, None]
        area = (pos * v10).sum(axis=1) / p
        # The paper's estimator divides by the count less one; with ten events the difference is
        # five per cent of the interval.
        s10 = (pos * (v10 - area[:, None]) ** 2).sum(axis=1) / (p - 1)
        s01 = (neg * (v01 - area[:, None]) ** 2).sum(axis=1) / (n - 1)
        half = z * (np.sqrt(s10 / p + s01 / n) if se is None else se)
    return area, np.clip(area - half, 0, 1), np.clip(area + half, 0, 1)


def auc_binning_error_bound_by_group(score_counts: I64) -> F64:
    """Return how far the AUC of the rows can lie from that of their bins, shape (groups,)."""
    neg, pos = score_counts[:, 0].astype(np.float64), score_counts[:, 1].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num((neg * pos).sum(axis=1) / (2 * neg.sum(axis=1) * pos.sum(axis=1)))


def observed_over_expected(
    sketch: ScoreSketch, level: float, effect: F64 | float = 1.0
) -> tuple[F64, F64, F64]:
    """Return observed over expected events and its exact Poisson interval.

    With a design effect the interval is that of so many times fewer events.
    """
    observed = sketch.counts[:, 1].sum(axis=1) / effect
    expected = sketch.score_sum / UNIT / effect
    tail = (1 - level) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        # Garwood's lower bound for no event at all is zero, which the quantile with no degrees of
        # freedom does not give.
        low = np.where(observed > 0, stats.chi2.ppf(tail, 2 * observed) / 2, 0.0)
        high = stats.chi2.ppf(1 - tail, 2 * observed + 2) / 2
        return observed / expected, low / expected, high / expected


def share_and_wilson_interval(hits: I64 | F64, trials: I64 | F64, z: float) -> tuple[F64, F64, F64]:
    """Return a share and Wilson's interval; nothing over nothing is not a number.

    >>> eight, ten = np.array([8]), np.array([10])
    >>> [round(float(x[0]), 3) for x in share_and_wilson_interval(eight, ten, 1.96)]
    [0.8, 0.49, 0.943]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        # Wilson and not Wald: sensitivity near one has too few misses for the normal interval,
        # which would reach beyond one.
        share = hits / trials
        middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
        half = (
            z
            / (1 + z * z / trials)
            * np.sqrt(share * (1 - share) / trials + z * z / (4.0 * trials * trials))
        )
    # At no hit and at none missed the bound is the share itself, which rounding may miss by a bit.
    low, high = np.minimum(middle - half, share), np.maximum(middle + half, share)
    return share, np.clip(low, 0, 1), np.clip(high, 0, 1)


def model_net_benefit_by_group(sketch: ScoreSketch) -> F64:
    """Return the net benefit of each group at the threshold, per patient.

        NB = TP / n − FP / n · t / (1 − t)

    Source: Vickers and Elkin (2006), Medical Decision Making 26, 565.
    """
    n = sketch.counts.sum(axis=(1, 2))
    odds = sketch.threshold / (1 - sketch.threshold)
    return (sketch.above[:, 1] - sketch.above[:, 0] * odds) / n


def _hits_and_trials_by_threshold_metric(sketch: ScoreSketch) -> dict[str, tuple[I64, I64]]:
    n = sketch.counts.sum(axis=2)
    fp, tp = sketch.above[:, 0], sketch.above[:, 1]
    tn, fn = n[:, 0] - fp, n[:, 1] - tp
    return {
        "sensitivity": (tp, n[:, 1]),
        "specificity": (tn, n[:, 0]),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
        "advised_share": (tp + fp, n.sum(axis=1)),
    }
