"""By the priority that the trace gives; equals by submission."""

from __future__ import annotations

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.order.policy import (
    OrderPolicy,
    priority_urgency_keys_least_first,
)

POLICY = OrderPolicy(
    "priority", Message("the highest priority first"), priority_urgency_keys_least_first, fixed=True
)
