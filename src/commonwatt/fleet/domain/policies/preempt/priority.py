"""Preemption by urgency: a job may displace running jobs that are less urgent.

Urgency is the order's own: priority as the trace gives it, the remaining time under
`srtf`, the level of attained service under `las`. The least urgent go first, the
last started among equals.
"""

from __future__ import annotations

import numpy as np

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.plan import SchedulingPlan
from commonwatt.fleet.domain.policies.preempt.policy import PreemptPolicy


def preemption_victims_by_priority(plan: SchedulingPlan, job: int) -> list[int]:
    """Return the running jobs that are less urgent than `job`."""
    state = plan.state
    job_urgency = plan.order.urgency(state, np.array([job]))[0]
    urgency = plan.order.urgency(state, state.running)
    # Strictly less urgent: equals would go on displacing each other for ever.
    less = urgency > job_urgency
    running, urgency = state.running[less], urgency[less]
    last = np.lexsort((-running, -state.started_ms[running], -urgency))
    return running[last].tolist()


POLICY = PreemptPolicy(
    "priority", Message("less urgent running jobs make room"), preemption_victims_by_priority
)
