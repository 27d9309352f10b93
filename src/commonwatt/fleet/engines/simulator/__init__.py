"""The engine: replays a workload on a fleet under a policy, exactly and fast.

A compiled kernel serves whole GPUs under orders that are known at submission; a
plain event loop serves everything else; a slow twin on SimPy calls the policies'
pure functions at each event and must agree with both, job for job.
"""

from commonwatt.fleet.domain.result import JobState, Result, Segments
from commonwatt.fleet.engines.simulator.simulate import Runtime, simulate
from commonwatt.fleet.engines.simulator.user_policy import Job, UserPolicy, simulate_user

__all__ = [
    "Job",
    "JobState",
    "Result",
    "Runtime",
    "Segments",
    "UserPolicy",
    "simulate",
    "simulate_user",
]
