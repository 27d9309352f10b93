"""Policies: order × place × backfill × preemption, each a pure function of arrays.

A policy is parsed by name (`parse_scheduling_policy`); `decide` says what it does in a state,
which may be simulated or live. A new one is a new file and a line in a registry.
"""

from commonwatt.fleet.domain.policies.backfill import BACKFILLS
from commonwatt.fleet.domain.policies.decide import SchedulingDecision, decide_scheduling
from commonwatt.fleet.domain.policies.order import ORDERS
from commonwatt.fleet.domain.policies.place import PLACES
from commonwatt.fleet.domain.policies.policy import SchedulingPolicy, parse_scheduling_policy
from commonwatt.fleet.domain.policies.preempt import PREEMPTS
from commonwatt.fleet.domain.policies.state import QueueState

__all__ = [
    "BACKFILLS",
    "ORDERS",
    "PLACES",
    "PREEMPTS",
    "QueueState",
    "SchedulingDecision",
    "SchedulingPolicy",
    "decide_scheduling",
    "parse_scheduling_policy",
]
