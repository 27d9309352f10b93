"""The fleet as columns: sites, GPU types and nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from commonwatt.fleet.domain.workload import I32, I64

F64 = npt.NDArray[np.float64]
SHARED = -1  # a node that belongs to no single tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuType:
    """A model of GPU and what it draws.

    Args:
        name: As traces and node lists spell it.
        idle_w: Draw of one idle GPU with its share of the server [W].
        busy_w: Draw of one allocated GPU with its share of the server [W].
        memory_gib: Device memory [GiB].
        slices: Parts that the device can be cut into (7 for MIG-like), 0 for free shares.
        source: Where the figures come from.
    """

    name: str
    idle_w: float
    busy_w: float
    memory_gib: float = 0.0
    slices: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place with nodes, its power price and the carbon of its grid.

    Args:
        name: As programme files spell it.
        region: Grid zone or country that price and carbon belong to.
        pue: Power usage effectiveness, facility draw over IT draw; at least 1.
        price_usd_per_mwh: Price of power, one value per hour from the origin, repeated
            when the run is longer, shape (hours,); a single value is a flat tariff.
        carbon_g_per_kwh: Carbon intensity, likewise, shape (hours,).
    """

    name: str
    region: str
    pue: float
    price_usd_per_mwh: F64
    carbon_g_per_kwh: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Nodes in a fixed order, which breaks ties.

    Node columns have shape (nodes,).

    Args:
        node_id: Name of each node.
        site: Index into `sites`.
        gpu_type: Index into `gpu_types`.
        gpus: GPUs on the node.
        cpu_milli: CPU [1/1000 core]; 0 where unknown, which then binds nothing.
        memory_mib: Memory [MiB]; 0 where unknown, which then binds nothing.
        tenant: Index of the only tenant that may use it, or `SHARED`.
        sites: The sites, in order.
        gpu_types: The GPU types, in order.
        rtt_ms: Round-trip time between sites [ms], shape (sites, sites).
    """

    node_id: tuple[str, ...]
    site: I32
    gpu_type: I32
    gpus: I32
    cpu_milli: I64
    memory_mib: I64
    tenant: I32
    sites: tuple[Site, ...]
    gpu_types: tuple[GpuType, ...]
    rtt_ms: F64

    def __len__(self) -> int:
        return len(self.gpus)

    @property
    def gpu_capacity_milli(self) -> int:
        """GPU capacity of the whole fleet [1/1000 GPU]."""
        # Multiplied as Python's integer: the column's 32 bits overflow at two million GPUs.
        return int(self.gpus.sum()) * 1000


def uniform_fleet(nodes: int, gpus_per_node: int) -> Fleet:
    """Return `nodes` equal nodes on one site, of an unnamed GPU type.

    The draw of the type is that of an NVIDIA V100-class server share; it is a
    stand-in, and results say so.

    >>> len(uniform_fleet(62, 8)), uniform_fleet(62, 8).gpu_capacity_milli
    (62, 496000)
    """
    return Fleet(
        node_id=tuple(f"node-{i:05d}" for i in range(nodes)),
        site=np.zeros(nodes, np.int32),
        gpu_type=np.zeros(nodes, np.int32),
        gpus=np.full(nodes, gpus_per_node, np.int32),
        # What is unknown binds nothing: equal nodes are given by their GPUs alone.
        cpu_milli=np.zeros(nodes, np.int64),
        memory_mib=np.zeros(nodes, np.int64),
        tenant=np.full(nodes, SHARED, np.int32),
        sites=(SINGLE_SITE,),
        gpu_types=(UNNAMED_GPU,),
        rtt_ms=np.zeros((1, 1)),
    )


# A run without a node list still says what it drew. These stand-ins are round assumptions and named
# as such in `source`, so that no bill made of them passes for a measured one.
SINGLE_SITE = Site(
    name="site",
    region="unknown",
    pue=1.3,
    price_usd_per_mwh=np.array([80.0]),
    carbon_g_per_kwh=np.array([450.0]),
)
UNNAMED_GPU = GpuType(
    name="any",
    idle_w=100.0,
    busy_w=400.0,
    memory_gib=32.0,
    source="assumption: V100-class server, a share of host included",
)
