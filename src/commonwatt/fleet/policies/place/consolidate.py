"""Consolidate: on nodes in use, the fewest GPUs left over; free nodes stay whole.

Source: Hu et al. (2021), "Characterization and Prediction of Deep Learning
    Workloads in Large-Scale GPU Datacenters" (Helios), SC, whose simulator gives a
    job as few nodes as possible and keeps free nodes for large jobs.
"""

from __future__ import annotations

from commonwatt.core.jit import njit
from commonwatt.core.messages import Message
from commonwatt.fleet.policies.place.policy import PlacePolicy
from commonwatt.fleet.policies.place.state import WHOLE, Nodes, Request
from commonwatt.fleet.policies.place.typical import Typical

CODE = 8
POLICY = PlacePolicy(
    "consolidate",
    CODE,
    Message("a node in use with the fewest GPUs left, so that free nodes stay whole"),
    "Hu et al. 2021",
)


@njit()
def score(request: Request, nodes: Nodes, node: int, typical: Typical) -> int:
    """Return the GPU in use after `request`, with any node in use before any free one."""
    left = nodes.gpu_milli[node].sum() - request.gpus * request.gpu_milli
    in_use = nodes.gpu_milli[node].sum() < nodes.gpus[node] * WHOLE
    return typical.largest_gpu_milli - left + (typical.largest_gpu_milli + 1) * in_use
