"""Quota reclaim: a tenant below its quota takes back what others have borrowed.

Only a job that stays within its tenant's quota may reclaim, and only from tenants
above theirs, down to their quota; the last started go first.

Source: Kueue documentation, "Cluster Queue: preemption", `reclaimWithinCohort`.
"""

from __future__ import annotations

import numpy as np

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.plan import SchedulingPlan
from commonwatt.fleet.domain.policies.preempt.policy import PreemptPolicy


def victims_holding_borrowed_gpus(plan: SchedulingPlan, job: int) -> list[int]:
    """Return the running jobs whose GPUs were borrowed and may be reclaimed for `job`."""
    state = plan.state
    quota = state.quota_milli
    # A tenant may claim back what it is owed; a job beyond its quota borrows, and waits like
    # others.
    if quota is None or not plan.within_quota_if_started_flags(np.array([job]))[0]:
        return []
    used, demand = plan.gpu_milli_held_by_tenant(), state.workload.gpu_demand_milli_by_job()
    chosen: list[int] = []
    last = np.lexsort((-state.running, -state.started_ms[state.running]))
    for victim in state.running[last].tolist():
        tenant = state.workload.tenant[victim]
        # The job that crosses the quota still goes, because half a gang cannot be stopped; a CPU
        # job never does, because it frees no GPU.
        if used[tenant] > quota[tenant] and demand[victim] > 0:
            used[tenant] -= demand[victim]
            chosen.append(victim)
    return chosen


POLICY = PreemptPolicy(
    "reclaim",
    Message("tenants below quota take back what was borrowed"),
    victims_holding_borrowed_gpus,
)
