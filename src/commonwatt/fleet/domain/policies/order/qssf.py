"""Quasi-shortest service first: predicted run time × GPUs, from finished jobs only.

Source: Hu et al. (2021), "Characterization and Prediction of Deep Learning
    Workloads in Large-Scale GPU Datacenters" (Helios), SC, section 4.2. Theirs
    learns a model; here the prediction is the mean of the user's finished jobs of
    the same group, else of the user's, else of everybody's, else nothing is known.
"""

from __future__ import annotations

import numpy as np

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.order.policy import OrderPolicy
from commonwatt.fleet.domain.policies.state import QueueState
from commonwatt.fleet.domain.workload import I64


def qssf_order_keys(state: QueueState, jobs: I64) -> I64:
    """Return predicted GPU time [GPU-ms]."""
    return state.predicted_ms[jobs] * state.workload.gpus[jobs]


def predict_job_runtime_ms(
    user: int, group: int, *, users: I64, groups: I64, runtimes_ms: I64, default_ms: int
) -> int:
    """Return the predicted run time of a job from the jobs that have finished [ms].

    Args:
        user: Who submits.
        group: Which jobs it is like.
        users: Users of finished jobs, shape (finished,).
        groups: Groups of finished jobs, shape (finished,).
        runtimes_ms: Run times of finished jobs [ms], shape (finished,).
        default_ms: What to say while nothing has finished [ms].

    >>> history = dict(users=np.array([1, 1]), groups=np.array([7, 8]))
    >>> predict_job_runtime_ms(1, 8, **history, runtimes_ms=np.array([10, 30]), default_ms=5)
    30
    """
    for alike in ((users == user) & (groups == group), users == user, np.ones_like(users, bool)):
        if alike.any():
            # Whole milliseconds, so that the compiled engine's running sums give the very same
            # keys.
            return int(runtimes_ms[alike].sum() // alike.sum())
    return default_ms


POLICY = OrderPolicy(
    "qssf",
    Message("the least predicted GPU time first, from finished jobs"),
    qssf_order_keys,
    "Hu et al. 2021",
)
