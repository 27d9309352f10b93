"""What a monitor promises, and against which changes it watches.

Null hypothesis: at every score p the chance of the event lies within the band
that the clinicians set, logit⁻¹(logit p ± δ). For an alternative q the
likelihood ratio against the nearest chance p₀ in the band has expectation at
most 1 whatever the truth in the band, because it rises with the label when
q > p₀ and falls when q < p₀. The Shiryaev-Roberts sum of such ratios

    M_0 = r,   M_t = (M_{t−1} + 1) · L_t,   E M_t ≤ t + r

is an e-detector, and so is a weighted mean of several. Therefore
P(M reaches (T + r) S / α within T rows in any of S streams) ≤ α.

The head start r costs a fiftieth of the limit and finds a model that is wrong
from its first day in two thirds of the rows; it dies out in a model that is right.

The rows of one day may share a disturbance of the logit, u ~ N(0, sigma_d^2): a day of
another mix of staff, machines or weather. `days.py` says how the ratios allow for it.

Source: Shin, Ramdas and Rinaldo (2024), "E-detectors: a nonparametric framework
for sequential change detection", New England J. Stat. Data Sci.; the head start
is that of Moustakides, Polunchenko and Tartakovsky (2011), "A numerical approach
to performance analysis of quickest change-point detection procedures", Stat. Sinica 21.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.clinic.domain.errors import MonitorError
from commonwatt.core.messages import Message

F64 = npt.NDArray[np.float64]

# Shift and slope of logit P(event) against logit score, about the plan's middle.
# The third number is the share of the error that is spent on it.
ALTERNATIVES: Final[tuple[tuple[float, float, float], ...]] = (
    (0.5, 1.0, 0.08), (-0.5, 1.0, 0.08), (1.0, 1.0, 0.2), (-1.0, 1.0, 0.08), (2.0, 1.0, 0.04),
    (0.0, 0.5, 0.36), (0.0, 0.25, 0.04), (0.0, 1.6, 0.04), (0.5, 0.6, 0.04), (-0.5, 0.6, 0.04),
)  # fmt: skip


LARGEST_DAY_EFFECT_SD: Final = 1.0  # beyond it the nodes of the integral over a day lie too wide
DAY_EFFECT_SHARE: Final = 0.2  # of the error
CUT_SHARE: Final = 0.02  # of that, for days that lie beyond the cut of the integral
DAYS_OF_TWENTY_YEARS: Final = 7_305
SMALLEST_TAIL: Final = 1e-15  # of a normal that a double can tell from nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorPlan:
    """What the clinicians and the committee agreed.

    Args:
        band: Half width of what is tolerated, on the logit scale.
        alpha: Bound on the probability of any false alarm within the horizon.
        horizon: Rows that the bound is for, in the busiest stream.
        middle: Logit about which slopes turn: that of the event rate at approval.
        alternatives: Shift, slope and weight of each change that is watched for.
        fewest: Events and non-events below which a stream that is quiet says nothing.
        head_start_share: Rows of evidence that each stream begins with, over the horizon.
        day_effect_sd: Largest standard deviation of what the rows of one day share that is still
            tolerated, on the logit scale; 0 takes rows as independent given their scores.
    """

    band: float = 0.1
    alpha: float = 0.1
    horizon: int = 50_000
    middle: float = 0.0
    alternatives: tuple[tuple[float, float, float], ...] = ALTERNATIVES
    fewest: int = 10
    head_start_share: float = 0.02
    day_effect_sd: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a plan that promises nothing or everything."""
        weights = [weight for _, _, weight in self.alternatives]
        # A bound of zero or one is no promise, and a band below zero would call a perfect model
        # wrong.
        good = self.band >= 0 and 0 < self.alpha < 1 and self.horizon >= 1
        good = good and self.head_start_share >= 0
        if not 0 <= self.day_effect_sd <= LARGEST_DAY_EFFECT_SD:
            gaps = {"most": f"{LARGEST_DAY_EFFECT_SD:g}"}
            raise MonitorError(
                "plan, day_effect_sd", wanted=Message("a number from 0 to {most}", gaps)
            )
        if not (good and min(weights, default=-1) >= 0 and abs(sum(weights) - 1) < 1e-9):
            raise MonitorError(
                "plan",
                wanted=Message("band 0 or more, alpha between 0 and 1, weights that add up to 1"),
            )

    @property
    def head_start_statistic_rows(self) -> float:
        """The statistic before the first row [rows]."""
        return self.head_start_share * self.horizon

    def monitor_alarm_limit(self, streams: int) -> float:
        """Return what the statistic of each of `streams` streams must reach."""
        # Times the streams: the bound is on any false alarm anywhere, which a regulator reads it
        # as, and Bonferroni's price is a delay that grows with the logarithm only.
        return (self.horizon + self.head_start_statistic_rows) * streams / self.alarm_error

    @property
    def alarm_error(self) -> float:
        """The part of `alpha` that the alarms may use."""
        # The rest pays for what is learned of the day effects: their limit may be too low.
        return self.alpha - self.day_effect_error

    @property
    def day_effect_error(self) -> float:
        """The part of `alpha` that the learned limit of the day effects may use."""
        return DAY_EFFECT_SHARE * self.alpha if self.day_effect_sd > 0 else 0.0

    @property
    def day_effect_range_in_standard_deviations(self) -> float:
        """Standard deviations beyond which no day of twenty years lies, but for a small error."""
        if self.day_effect_error == 0:
            return 0.0
        error = CUT_SHARE * self.day_effect_error / (2 * DAYS_OF_TWENTY_YEARS)
        return NormalDist().inv_cdf(1 - max(error, SMALLEST_TAIL))

    def false_alarm_bound_after_rows(self, rows: int) -> float:
        """Return the bound on any false alarm within `rows` rows of the busiest stream.

        It is `alpha` within the horizon; E M_t <= t + r goes on beyond it, and so does the bound.

        >>> MonitorPlan(horizon=1_000).false_alarm_bound_after_rows(1_000)
        0.1
        >>> round(MonitorPlan(horizon=1_000).false_alarm_bound_after_rows(2_020), 3)
        0.2
        """
        start = self.head_start_statistic_rows
        grown = max(1.0, (rows + start) / (self.horizon + start))
        return min(1.0, self.alarm_error * grown + self.day_effect_error)


def calibration_test_log_ratios_by_label(
    score_logits: F64, plan: MonitorPlan, *, slack: float = 0.0
) -> tuple[F64, F64]:
    """Return the logarithms of the ratios for label 0 and 1, shape (alternatives, scores).

    Args:
        score_logits: Logits of scores, shape (scores,).
        plan: The plan.
        slack: How far the logit of a score may lie from `score_logits`, which widens the band.
    """
    shift = np.array([a for a, _, _ in plan.alternatives])[:, None]
    slope = np.array([b for _, b, _ in plan.alternatives])[:, None]
    q = plan.middle + shift + slope * (score_logits - plan.middle)
    # The nearest chance in the band, so that the ratio has expectation at most one for every truth
    # in it and not only at its middle.
    p0 = np.clip(q, score_logits - plan.band - slack, score_logits + plan.band + slack)
    return _log_probability_of_logits(-q) - _log_probability_of_logits(
        -p0
    ), _log_probability_of_logits(q) - _log_probability_of_logits(p0)


def _log_probability_of_logits(logits: F64) -> F64:
    # `log(1 / (1 + exp(-x)))` loses all digits for large x and overflows for small.
    return -np.logaddexp(0.0, -logits)
