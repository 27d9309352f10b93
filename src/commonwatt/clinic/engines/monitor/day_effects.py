"""How much the rows of one day share, learned from the days before, never from the day itself.

With S_d the sum of label less chance and V_d the sum of variances of a day,
E S_d^2 >= V_d + V_d^2 sigma^2. After 30, 60, 120 ... days those sigma are set aside that
would have made the weighted sum of S_d^2 larger than it was, each time with a half of
the error that is left; what remains holds for the days that follow. A sum of squares is
skewed to the right, so that the normal quantile is on the safe side of its lower tail.

That the day effects of later days are no larger than those of the days learned from
is assumed, and the output says so.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.clinic.engines.monitor.plan import CUT_SHARE, MonitorPlan

F64 = npt.NDArray[np.float64]
FIRST_LOOK_DAYS: Final = 30
_GRID: Final = 60  # values of sigma that are looked at


def learned_day_effect_sds(squares: F64, variances: F64, plan: MonitorPlan) -> F64:
    """Return the day effect that is allowed for on each day, shape (days + 1,).

    The last value is what holds for the day after the last.

    Args:
        squares: Square of the day's sum of label less chance, shape (days,).
        variances: Least variance of that sum in the band, shape (days,).
        plan: What was agreed.
    """
    days = len(squares)
    sds = np.full(days + 1, plan.day_effect_sd)
    if plan.day_effect_sd == 0 or days == 0:
        return sds
    counted = np.cumsum(variances > 0)  # days with rows: an empty day teaches nothing
    look, error = FIRST_LOOK_DAYS, (1 - CUT_SHARE) * plan.day_effect_error / 2
    while look <= counted[-1]:
        end = int(np.searchsorted(counted, look)) + 1
        learned = largest_plausible_monitor_day_effect_sd(
            squares[:end], variances[:end], plan.day_effect_sd, error
        )
        # Never wider again: each limit holds for all days with its own part of the error.
        sds[end:] = np.minimum(sds[end:], learned)
        look, error = look * 2, error / 2
    return sds


def largest_plausible_monitor_day_effect_sd(
    squares: F64, variances: F64, most: float, error: float
) -> float:
    """Return the largest standard deviation up to `most` that the days do not rule out.

    Args:
        squares: Square of the day's sum of label less chance, shape (days,).
        variances: The day's variance without day effects, shape (days,).
        most: The largest that is considered.
        error: Probability with which a true value may be ruled out.
    """
    used = variances > 0
    s, v = squares[used], variances[used]
    z = NormalDist().inv_cdf(1 - error)
    sds = np.linspace(0.0, most, _GRID + 1)
    # Seldom events have heavier tails than the normal: the fourth cumulant of a day is about V.
    spread = v[None] + v[None] ** 2 * sds[:, None] ** 2
    weight = 1 / (2 * spread**2 + v[None])
    low = (weight * (s[None] - spread)).sum(axis=1) < -z * np.sqrt(weight.sum(axis=1))
    plausible = np.flatnonzero(~low)
    return float(sds[plausible[-1]]) if len(plausible) else 0.0


def clinic_days_differ_more_than_allowed(
    squares: F64, variances: F64, *, band: float, sd: float, z: float = 4.0
) -> bool:
    """Return whether days differ by more than the band and the allowed day effect make them.

    Args:
        squares: Square of the day's sum of label less chance, shape (days,).
        variances: The day's least variance in the band, shape (days,).
        band: Half width of what is tolerated, on the logit scale.
        sd: Day effect that is allowed.
        z: Standard errors of the weighted sum beyond which they do.
    """
    used = variances > 0
    s, v = squares[used], variances[used]
    # From the least variance in the band to the largest: twice the band on the logit scale.
    v = v * np.exp(2 * band)
    spread = v + v**2 * (sd**2 + band**2)
    weight = 1 / (2 * spread**2 + v)
    return bool((weight * (s - spread)).sum() > z * np.sqrt(weight.sum()))
