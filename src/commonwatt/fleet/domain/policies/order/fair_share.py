"""Fair share: the tenant with the smallest dominant share goes first.

Source: Ghodsi et al. (2011), "Dominant Resource Fairness", NSDI, algorithm 1. With
    quotas each tenant's share is weighed by its quota.
"""

from __future__ import annotations

import numpy as np

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies.order.policy import OrderPolicy
from commonwatt.fleet.domain.policies.state import QueueState
from commonwatt.fleet.domain.workload import I64

# Whole numbers, so that equal shares tie exactly and submission decides between them.
SCALE = 1 << 30


def fair_share_order_keys(state: QueueState, jobs: I64) -> I64:
    """Return the weighed dominant share of each job's tenant, in 2⁻³⁰."""
    return scaled_dominant_share_by_tenant(state)[state.workload.tenant[jobs]]


def scaled_dominant_share_by_tenant(state: QueueState) -> I64:
    """Return each tenant's largest share of GPUs, CPU or memory, in 2⁻³⁰, shape (tenants,)."""
    work, fleet = state.workload, state.fleet
    tenants = len(work.tenant_names)
    shares = np.zeros(tenants, np.int64)
    for demand, capacity in (
        (work.gpu_demand_milli_by_job(), fleet.gpu_capacity_milli),
        (work.cpu_milli, int(fleet.cpu_milli.sum())),
        (work.memory_mib, int(fleet.memory_mib.sum())),
    ):
        used = np.zeros(tenants, np.int64)
        np.add.at(used, work.tenant[state.running], demand[state.running])
        # Where nobody knows the fleet's CPU or memory, nobody has a share of it.
        if capacity > 0:
            shares = np.maximum(shares, used * SCALE // capacity)
    return (
        shares
        if state.quota_milli is None
        else _dominant_shares_weighed_by_tenant_quota(shares, state.quota_milli)
    )


def _dominant_shares_weighed_by_tenant_quota(shares: I64, quota_milli: I64) -> I64:
    # A tenant without quota is weighed as a thousandth of a GPU: last, and nothing divided by
    # nought.
    return shares * max(int(quota_milli.max()), 1) // np.maximum(quota_milli, 1)


POLICY = OrderPolicy(
    "fair-share",
    Message("the tenant with the smallest dominant share first"),
    fair_share_order_keys,
    "Ghodsi et al. 2011",
)
