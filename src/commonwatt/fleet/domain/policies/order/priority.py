"""By the priority that the trace gives; equals by submission."""

from __future__ import annotations

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.order.policy import OrderPolicy, by_priority

POLICY = OrderPolicy("priority", Message("the highest priority first"), by_priority, fixed=True)
