"""Shortest job first, by the run time that the scheduler believes."""

from __future__ import annotations

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.order.policy import OrderPolicy
from commonwatt.fleet.domain.policies.state import QueueState
from commonwatt.fleet.domain.workload import I64


def sjf_order_keys(state: QueueState, jobs: I64) -> I64:
    """Return the believed run times [ms]; an oracle's when run times are known."""
    return state.believed_ms[jobs]


POLICY = OrderPolicy("sjf", Message("the shortest job first"), sjf_order_keys, fixed=True)
