"""No backfill: the first job that does not fit holds up all behind it."""

from __future__ import annotations

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.backfill.policy import BackfillPolicy
from commonwatt.fleet.domain.policies.plan import SchedulingPlan


def backfill_no_job(plan: SchedulingPlan) -> None:  # the form of a fill
    """Start nothing."""


POLICY = BackfillPolicy(
    "none", Message("the first job that does not fit holds up the rest"), backfill_no_job
)
