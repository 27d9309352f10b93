"""Watch day by day, from sketches: no row leaves a hospital.

Within a day the order of rows does not matter, because ratios multiply. A
score is known only to half a bin, so the band is widened by as much and the
bound holds as it does for rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from commonwatt.clinic.domain.errors import MonitorError
from commonwatt.clinic.engines.evidence.sketch import BINS, STEP, model_score_bin_middle_logits
from commonwatt.clinic.engines.monitor.plan import MonitorPlan, calibration_test_log_ratios_by_label
from commonwatt.clinic.engines.monitor.rows import (
    NO_ALARM,
    MonitorResult,
    monitor_result_with_stream_verdicts,
)
from commonwatt.core.messages import Message

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


def monitor_daily_score_counts(counts: npt.ArrayLike, plan: MonitorPlan) -> MonitorResult:
    """Return what a monitor over daily sketches says.

        M_0 = r,   M_d = (M_{d−1} + n_d) · L_d,   E M_d ≤ r + rows up to d

    Args:
        counts: Rows by day, stream, label and bin, shape (days, streams, 2, BINS).
        plan: What was agreed; the horizon is in rows.

    Raises:
        MonitorError: The counts are not of this shape.
    """
    n = np.asarray(counts, np.float64)
    if n.ndim != 4 or n.shape[2:] != (2, BINS):
        raise MonitorError("sketch", wanted=Message("counts by day, stream, label and bin"))
    without_event, with_event = calibration_test_log_ratios_by_label(
        model_score_bin_middle_logits(), plan, slack=STEP / 2
    )
    without_event[:, [0, -1]] = with_event[:, [0, -1]] = (
        0.0  # the outermost bins have no width that is known
    )
    # Within a day the product of ratios is a product whatever the order, so a day's counts are
    # enough, and no row has to leave a hospital.
    gain = n[:, :, 0] @ without_event.T + n[:, :, 1] @ with_event.T  # (days, streams, alternatives)
    with np.errstate(divide="ignore"):
        shares = np.log(np.array([weight for _, _, weight in plan.alternatives]))
    limit = np.log(plan.monitor_alarm_limit(n.shape[1]))
    alarm, peak = _monitor_alarms_and_peaks(
        gain, n.sum(axis=(2, 3)), shares, limit, plan.head_start_statistic_rows
    )
    return monitor_result_with_stream_verdicts(
        alarm, peak, n.sum(axis=(0, 3)).astype(np.int64), plan
    )


def _monitor_alarms_and_peaks(
    gain: F64, rows: F64, shares: F64, limit: float, head: float
) -> tuple[I64, F64]:
    """Return the day of each stream's alarm and its largest statistic over the limit."""
    days, streams, k = gain.shape
    with np.errstate(divide="ignore"):
        state = np.full((streams, k), np.log(np.float64(head)))
    alarm, peak = np.full(streams, NO_ALARM, np.int64), np.full(streams, -np.inf)
    for day in range(days):
        with np.errstate(divide="ignore"):
            # In logarithms: the ratio of one busy day alone can lie below or above what a double
            # can hold.
            state = np.logaddexp(state, np.log(rows[day])[:, None]) + gain[day]
        total = np.logaddexp.reduce(state + shares, axis=1)
        peak = np.where(alarm == NO_ALARM, np.maximum(peak, total), peak)
        alarm = np.where((alarm == NO_ALARM) & (total >= limit), day, alarm)
    return alarm, np.exp(np.minimum(peak - limit, 700.0))
