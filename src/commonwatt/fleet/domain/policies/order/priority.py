"""By the priority that the trace gives; equals by submission."""

from __future__ import annotations

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.order.policy import Order, by_priority

POLICY = Order("priority", Message("the highest priority first"), by_priority, fixed=True)
