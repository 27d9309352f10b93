"""Shortest remaining time first; with preemption, a shorter job displaces longer ones."""

from __future__ import annotations

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.order.policy import OrderPolicy
from commonwatt.fleet.domain.policies.state import QueueState, job_ran_ms
from commonwatt.fleet.domain.workload import I64


def srtf_order_keys(state: QueueState, jobs: I64) -> I64:
    """Return the believed run time that is left [ms]."""
    return state.believed_ms[jobs] - job_ran_ms(state, jobs)


POLICY = OrderPolicy(
    "srtf",
    Message("the shortest remaining time first"),
    srtf_order_keys,
    # What is left of a job that never ran is all of it.
    fixed=True,
    urgency=srtf_order_keys,
)
