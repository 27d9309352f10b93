"""Preemption: who must make room. One file and one line here for each."""

from commonwatt.fleet.domain.policies.preempt import none, priority, reclaim
from commonwatt.fleet.domain.policies.preempt.policy import Preempt

__all__ = ["PREEMPTS", "Preempt"]

PREEMPTS: dict[str, Preempt] = {
    module.POLICY.name: module.POLICY for module in (none, priority, reclaim)
}
