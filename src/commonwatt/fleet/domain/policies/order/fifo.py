"""First in, first out: by submission."""

from __future__ import annotations

import numpy as np

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.order.policy import OrderPolicy
from commonwatt.fleet.domain.policies.state import QueueState
from commonwatt.fleet.domain.workload import I64


def fifo_order_keys(state: QueueState, jobs: I64) -> I64:  # noqa: ARG001  # the form of keys
    """Return equal keys: the earliest submission goes first."""
    return np.zeros(len(jobs), np.int64)


POLICY = OrderPolicy("fifo", Message("first in, first out"), fifo_order_keys, fixed=True)
