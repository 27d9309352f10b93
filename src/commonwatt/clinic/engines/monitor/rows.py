"""Watch row by row: overall, by subgroup and by institution at once.

Rows are in the order in which labels became known. That order must not depend
on the label itself; where events are known sooner than non-events, let every
row wait for the same time before it is passed on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from commonwatt.clinic.domain.errors import MonitorError
from commonwatt.clinic.engines.monitor.plan import MonitorPlan
from commonwatt.core.jit import njit
from commonwatt.core.messages import Message

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
NO_ALARM = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorResult:
    """What a monitor says, stream by stream.

    Args:
        alarm_at: Row (or day) of the alarm, or `NO_ALARM`, shape (streams,).
        statistic: Largest value of the statistic over its limit, shape (streams,).
        rows: Rows seen, shape (streams,).
        events: Events seen, shape (streams,).
        verdicts: alarm, quiet, too few, or no information where nothing follows: no rows, outcomes
            of one kind alone, or scores so near to 0 or 1 that none could have rung; one a stream.
        bound: Probability of any false alarm that is guaranteed not to be passed.
        uninformative: Rows whose score is too near to 0 or 1, shape (streams,).
        day_effect_sd: What the rows of one day may still share, after what was learned.
    """

    alarm_at: I64
    statistic: F64
    rows: I64
    events: I64
    verdicts: tuple[str, ...]
    bound: float
    uninformative: I64
    day_effect_sd: float = 0.0


def monitor_result_of_scored_rows(
    score: npt.ArrayLike,
    label: npt.ArrayLike,
    streams: npt.ArrayLike,
    plan: MonitorPlan,
    *,
    count: int,
) -> MonitorResult:
    """Return what a monitor over rows says.

    Args:
        score: Probability that the model gave, strictly between 0 and 1, shape (rows,).
        label: Whether the event came, shape (rows,).
        streams: The streams that each row belongs to (overall, subgroup, institution …),
            shape (rows, streams of a row).
        plan: What was agreed.
        count: How many streams there are.

    Raises:
        MonitorError: A score, label or stream is out of bounds.
    """
    s = np.ascontiguousarray(score, np.float64)
    y = np.ascontiguousarray(label, np.int8)
    of = np.ascontiguousarray(streams, np.int32)
    _check_monitor_rows(s, y, of, count)
    tilt = np.array(plan.alternatives, np.float64)
    state = np.full((count, len(tilt)), plan.head_start_statistic_rows)
    alarm = np.full(count, NO_ALARM, np.int64)
    peak = np.zeros(count)
    counts_seen = np.zeros((count, 2), np.int64)
    _monitor_alarm_kernel(
        s,
        y,
        of,
        tilt,
        plan.band,
        plan.middle,
        plan.monitor_alarm_limit(count),
        state,
        alarm,
        peak,
        counts_seen,
    )
    return monitor_result_with_stream_verdicts(
        alarm, peak / plan.monitor_alarm_limit(count), counts_seen, plan
    )


def monitor_result_with_stream_verdicts(
    alarm: I64,
    statistic: F64,
    counts_seen: I64,
    plan: MonitorPlan,
    *,
    informative: I64 | None = None,
    day_effect_sd: float = 0.0,
) -> MonitorResult:
    """Return the answer with a verdict for each stream.

    Args:
        alarm: Row or day of the alarm, or `NO_ALARM`, shape (streams,).
        statistic: Largest value of the statistic over its limit, shape (streams,).
        counts_seen: Rows by stream and label, shape (streams, 2).
        plan: What was agreed.
        informative: The same without scores too near to 0 or 1; all, if left out.
        day_effect_sd: What the rows of one day may share.
    """
    known = counts_seen if informative is None else informative
    # Said of a quiet stream only: an alarm over few rows is an alarm, but silence over few rows is
    # no reassurance, and neither is silence over scores that could not have rung.
    fewest_of_a_kind = counts_seen.min(axis=1)
    few = (fewest_of_a_kind > 0) & (fewest_of_a_kind < plan.fewest)
    mute = known.min(axis=1) < plan.fewest
    silent = np.where(few, "too few", np.where(mute, "no information", "quiet"))
    verdicts = np.where(alarm != NO_ALARM, "alarm", silent)
    rows = counts_seen.sum(axis=1)
    return MonitorResult(
        alarm_at=alarm,
        statistic=statistic,
        rows=rows,
        events=counts_seen[:, 1],
        verdicts=tuple(str(verdict) for verdict in verdicts),
        bound=plan.false_alarm_bound_after_rows(int(rows.max(initial=0))),
        uninformative=rows - known.sum(axis=1),
        day_effect_sd=day_effect_sd,
    )


def _check_monitor_rows(
    scores: F64, labels: npt.NDArray[np.int8], streams: npt.NDArray[np.int32], stream_count: int
) -> None:
    # Before anything is compared: columns of other lengths cannot be, and would end in a traceback.
    if streams.shape[:1] != scores.shape or len(labels) != len(scores):
        raise MonitorError("rows", wanted=Message("as many labels and groups as scores"))
    good = (scores > 0) & (scores < 1) & (labels >= 0) & (labels <= 1)
    good &= ((streams >= 0) & (streams < stream_count)).all(axis=1)
    if not good.all():
        raise MonitorError(
            # The first bad row by number; its values are a patient's and are not quoted.
            f"row {int(np.argmin(good)):,}",
            wanted=Message("a score between 0 and 1, a label 0 or 1, a known group"),
        )


@njit(cache=True)
def _monitor_alarm_kernel(
    score: F64,
    label: Any,
    streams: Any,
    tilt: F64,
    band: float,
    middle: float,
    limit: float,
    state: F64,
    alarm: I64,
    peak: F64,
    counts_seen: I64,
) -> None:
    k = len(tilt)
    ratio = np.empty(k)
    for i in range(len(score)):
        x = np.log(score[i] / (1.0 - score[i]))
        for j in range(k):
            q = middle + tilt[j, 0] + tilt[j, 1] * (x - middle)
            p0 = min(max(q, x - band), x + band)
            if label[i] == 1:
                ratio[j] = (1.0 + np.exp(-p0)) / (1.0 + np.exp(-q))
            else:
                ratio[j] = (1.0 + np.exp(p0)) / (1.0 + np.exp(q))
        for g in streams[i]:
            counts_seen[g, label[i]] += 1
            if alarm[g] >= 0:
                continue
            total = 0.0
            for j in range(k):
                state[g, j] = (state[g, j] + 1.0) * ratio[j]
                total += tilt[j, 2] * state[g, j]
            peak[g] = max(peak[g], total)
            if total >= limit:
                alarm[g] = i
