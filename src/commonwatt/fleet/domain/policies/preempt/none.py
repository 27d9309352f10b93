"""No preemption: what runs, runs to its end."""

from __future__ import annotations

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.plan import SchedulingPlan
from commonwatt.fleet.domain.policies.preempt.policy import PreemptPolicy


def no_preemption_victims(plan: SchedulingPlan, job: int) -> list[int]:  # noqa: ARG001  # the form of victims
    """Return nothing."""
    return []


POLICY = PreemptPolicy("none", Message("what runs, runs to its end"), no_preemption_victims)
