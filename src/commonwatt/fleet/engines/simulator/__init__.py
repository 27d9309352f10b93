"""The engine: replays a workload on a fleet under a policy, exactly and fast.

A compiled kernel serves whole GPUs under orders that are known at submission; a
plain event loop serves everything else; a slow reference on SimPy calls the
policies' pure functions at each event and must agree with both, job for job.
"""

from commonwatt.fleet.domain.result import JobState, Segments, SimulationResult
from commonwatt.fleet.engines.simulator.simulate import (
    Runtime,
    is_replay_faster_in_plain_python,
    simulate_schedule,
)
from commonwatt.fleet.engines.simulator.user_policy import PolicyJob, UserPolicy, simulate_user

__all__ = [
    "JobState",
    "PolicyJob",
    "Runtime",
    "Segments",
    "SimulationResult",
    "UserPolicy",
    "is_replay_faster_in_plain_python",
    "simulate_schedule",
    "simulate_user",
]
