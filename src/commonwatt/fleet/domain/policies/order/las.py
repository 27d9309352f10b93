"""Least attained service, in levels: jobs that have had little GPU time go first.

Source: Gu et al. (2019), "Tiresias", NSDI, section 3.2: discretised two-dimensional
    LAS, first in first out within a level. The limits are ours: 1 and 10 GPU-hours.
"""

from __future__ import annotations

import numpy as np

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.order.policy import OrderPolicy
from commonwatt.fleet.domain.policies.state import QueueState, job_ran_ms
from commonwatt.fleet.domain.workload import I64

HOUR_MS = 3_600_000
LIMITS = np.array([1 * HOUR_MS, 10 * HOUR_MS], np.int64)  # attained service [GPU-ms]


def las_order_keys(state: QueueState, jobs: I64) -> I64:
    """Return the level of each job: 0 until the first limit, and so on."""
    attained = job_ran_ms(state, jobs) * state.workload.gpus[jobs]
    # `right`: service equal to a limit has left the level below it.
    return np.searchsorted(LIMITS, attained, side="right").astype(np.int64)


def next_las_level_drop_at_ms(state: QueueState) -> int | None:
    """Return the instant at which the next running job drops a level [ms]."""
    # CPU jobs attain no GPU time and so never drop a level.
    jobs = state.running[state.workload.gpus[state.running] > 0]
    level = las_order_keys(state, jobs)
    jobs, level = jobs[level < len(LIMITS)], level[level < len(LIMITS)]
    if len(jobs) == 0:
        return None
    # Rounded up: woken before the limit, the queue would look the same and the alarm be set for the
    # same instant again, without end.
    needed_ms = -(-LIMITS[level] // state.workload.gpus[jobs])
    return int((state.now_ms + needed_ms - job_ran_ms(state, jobs)).min())


POLICY = OrderPolicy(
    "las",
    Message("the least attained GPU time first, in levels"),
    las_order_keys,
    "Gu et al. 2019",
    # A job that never ran has attained nothing: without preemption all wait on the first level.
    fixed=True,
    urgency=las_order_keys,
    wake=next_las_level_drop_at_ms,
)
