"""No preemption: what runs, runs to its end."""

from __future__ import annotations

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.plan import Plan
from commonwatt.fleet.domain.policies.preempt.policy import Preempt


def victims(plan: Plan, job: int) -> list[int]:  # noqa: ARG001  # the form of victims
    """Return nothing."""
    return []


POLICY = Preempt("none", Message("what runs, runs to its end"), victims)
