"""Forecast realism: how past forecasts fared, and whether they lean to one side.

Source: IMF (2022), Staff Guidance Note on the SRDSF, realism tools: the record of
forecast errors and its bias.
"""

from __future__ import annotations

import math

from commonwatt.treasury.domain.publications import ForecastVintage
from commonwatt.treasury.domain.tables import Row

BIAS_SHARE = 0.75  # share of errors on one side from which a lean is flagged
RECENT = 4


def forecast_track_record_row(vintages: tuple[ForecastVintage, ...]) -> Row:
    """Return the record: size, bias, whether it leans, and of the most recent ones.

    A lean is flagged where three in four errors or more fall on one side; `p_value` is
    the two-sided chance of such a split, were both sides as likely.
    """
    errors = [v.forecast_error_share for v in vintages if v.forecast_error_share is not None]
    recent = errors[-RECENT:]
    return {
        "forecasts": len(vintages),
        "with_outturn": len(errors),
        "mean_error_share": _mean_over_debt_forecast_errors(errors),
        "mean_absolute_error_share": _mean_over_debt_forecast_errors([abs(e) for e in errors]),
        "optimistic_share": _mean_over_debt_forecast_errors([float(e < 0) for e in errors]),
        "p_value": forecast_sign_test_p_value(sum(e < 0 for e in errors), len(errors)),
        "recent_forecasts": len(recent),
        "recent_mean_error_share": _mean_over_debt_forecast_errors(recent),
        "recent_flag": _forecast_bias_word(recent),
        "flag": _forecast_bias_word(errors),
    }


def _mean_over_debt_forecast_errors(forecast_errors: list[float]) -> float:
    return math.fsum(forecast_errors) / len(forecast_errors) if forecast_errors else 0.0


def _forecast_bias_word(forecast_errors: list[float]) -> str:
    # By the count of signs, not by the mean: one large error must not make a lean.
    optimistic = _mean_over_debt_forecast_errors([float(e < 0) for e in forecast_errors])
    if optimistic >= BIAS_SHARE:
        return "optimistic"
    return "cautious" if 1 - optimistic >= BIAS_SHARE else "no lean"


def forecast_sign_test_p_value(successes: int, trials: int) -> float:
    """Return the two-sided chance of a split at least this uneven under even odds.

    >>> round(forecast_sign_test_p_value(0, 4), 4)
    0.125
    """
    # Exact, because seventeen forecasts are too few for a normal approximation.
    tail = min(successes, trials - successes)
    chance = sum(math.comb(trials, k) for k in range(tail + 1)) / 2**trials
    return min(1.0, 2 * chance)
