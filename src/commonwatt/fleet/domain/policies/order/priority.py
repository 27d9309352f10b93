"""By the priority that the trace gives; equals by submission."""

from __future__ import annotations

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.order.policy import OrderPolicy, urgency_by_job_priority

POLICY = OrderPolicy(
    "priority", Message("the highest priority first"), urgency_by_job_priority, fixed=True
)
