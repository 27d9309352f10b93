"""Shortest remaining time first; with preemption, a shorter job displaces longer ones."""

from __future__ import annotations

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.order.policy import OrderPolicy
from commonwatt.fleet.domain.policies.state import QueueState, ran_ms
from commonwatt.fleet.domain.workload import I64


def keys(state: QueueState, jobs: I64) -> I64:
    """Return the believed run time that is left [ms]."""
    return state.believed_ms[jobs] - ran_ms(state, jobs)


POLICY = OrderPolicy("srtf", Message("the shortest remaining time first"), keys, urgency=keys)
