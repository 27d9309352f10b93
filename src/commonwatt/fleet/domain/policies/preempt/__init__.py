"""Preemption: who must make room. One file and one line here for each."""

from commonwatt.fleet.domain.policies.preempt import none, priority, reclaim
from commonwatt.fleet.domain.policies.preempt.policy import PreemptPolicy

__all__ = ["PREEMPTS", "PreemptPolicy"]

PREEMPTS: dict[str, PreemptPolicy] = {
    module.POLICY.name: module.POLICY for module in (none, priority, reclaim)
}
