"""What a packing run shows: shares by arrived load, the final state, and a digest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from commonwatt.core.hashes import sha256_of_named_arrays
from commonwatt.fleet.domain.machines import F64
from commonwatt.fleet.domain.policies.place.state import I64, FreeCapacity
from commonwatt.fleet.domain.tables import PACKING_CURVE
from commonwatt.fleet.engines.packing.kernel import PlacementTrail


@dataclass(frozen=True, slots=True, kw_only=True)
class PackingResult:
    """A run of the arrived-load protocol.

    Arrivals are in order; nodes are in the fleet's order.

    Args:
        policy: Name of the place policy.
        load: GPU demand aimed at, over capacity [share].
        seed: Seed of the shuffles and draws.
        capacity_milli: GPU capacity [1/1000 GPU].
        weight: Typical jobs, the unit in which `trail.fragmented` counts.
        order: Row of the workload that arrived, shape (arrivals,).
        arrived_milli: GPU demand arrived so far, shape (arrivals,).
        trail: Node, GPUs and sums after each arrival.
        nodes: The state at the end.
    """

    policy: str
    load: float
    seed: int
    capacity_milli: int
    weight: int
    order: I64
    arrived_milli: I64
    trail: PlacementTrail
    nodes: FreeCapacity

    @property
    def jobs_arrived(self) -> int:
        """Jobs that arrived."""
        return len(self.order)

    @property
    def jobs_placed(self) -> int:
        """Jobs that found a node."""
        return int((self.trail.node >= 0).sum())

    @property
    def arrived_gpu_share(self) -> float:
        """GPU demand arrived, over all GPU."""
        return int(self.arrived_milli[-1]) / self.capacity_milli if self.jobs_arrived else 0.0

    @property
    def allocated_gpu_share(self) -> float:
        """Allocated GPU over all GPU, at the end."""
        return (
            int(self.trail.allocated_milli[-1]) / self.capacity_milli if self.jobs_arrived else 0.0
        )

    @property
    def unallocated_gpu_share(self) -> float:
        """1 - allocated GPU over all GPU, at the arrived load."""
        return 1.0 - self.allocated_gpu_share

    @property
    def fragmented_gpu_share(self) -> float:
        """Fragmented GPU over all GPU, at the arrived load (see `place.typical`)."""
        unit = self.capacity_milli * self.weight
        return int(self.trail.fragmented[-1]) / unit if self.jobs_arrived else 0.0

    @property
    def result_sha256(self) -> str:
        """Digest of every placement and of the final state."""
        state = {f"nodes.{name}": getattr(self.nodes, name) for name in FreeCapacity._fields}
        trail = {f"trail.{name}": getattr(self.trail, name) for name in PlacementTrail._fields}
        return sha256_of_named_arrays(state | trail | {"order": self.order})

    def arrived_load_curve(self) -> pl.DataFrame:
        """Return the shares at each 1 % of arrived load, as `PACKING_CURVE` describes them.

        Each line is the mean over the arrivals whose load rounds to it, as in the
        published curves; a line without any arrival is left out.
        """
        percent = np.rint(100.0 * self.arrived_milli / self.capacity_milli).astype(np.int64)
        allocated = self.trail.allocated_milli / self.capacity_milli
        lost = self.trail.fragmented / (self.capacity_milli * self.weight)
        lines = np.unique(percent)
        taken = _mean_gpu_share_by_load_percent(percent, allocated)[lines]
        return PACKING_CURVE.build_frame(
            arrived_percent=lines,
            allocated_gpu_share=taken,
            unallocated_gpu_share=1.0 - taken,
            fragmented_gpu_share=_mean_gpu_share_by_load_percent(percent, lost)[lines],
            fragmented_idle_share=_mean_gpu_share_by_load_percent(
                percent, _gpu_share_quotient(lost, 1.0 - allocated)
            )[lines],
        )


def _mean_gpu_share_by_load_percent(load_line: I64, gpu_amounts: F64) -> F64:
    totals: F64 = np.bincount(load_line, weights=gpu_amounts).astype(np.float64)
    return _gpu_share_quotient(totals, np.bincount(load_line).astype(np.float64))


def _gpu_share_quotient(gpu_part: F64, gpu_whole: F64) -> F64:
    # A full fleet has no idle GPU to be fragmented; `np.where` would still divide, and warn.
    return np.divide(gpu_part, gpu_whole, out=np.zeros_like(gpu_part), where=gpu_whole > 0)
