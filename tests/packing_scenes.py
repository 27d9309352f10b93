"""Small fleets and workloads for the packing tests, and strategies that draw them."""

import numpy as np
import polars as pl
from hypothesis import strategies as st

from commonwatt.fleet.domain.machines import SHARED, SINGLE_SITE, Fleet, GpuType
from commonwatt.fleet.domain.workload import Workload, workload_from_columns

TYPES = ("T4", "V100")


def fleet(
    gpus: list[int],
    *,
    cpu: list[int] | None = None,
    memory: list[int] | None = None,
    types: list[int] | None = None,
    tenants: list[int] | None = None,
) -> Fleet:
    """Return nodes with so many GPUs each; CPU [cores] and memory [MiB] 0 are unknown."""
    count = len(gpus)
    return Fleet(
        node_id=tuple(f"n{i:03d}" for i in range(count)),
        site=np.zeros(count, np.int32),
        gpu_type=np.array(types or [0] * count, np.int32),
        gpus=np.array(gpus, np.int32),
        cpu_milli=np.array(cpu or [0] * count, np.int64) * 1000,
        memory_mib=np.array(memory or [0] * count, np.int64),
        tenant=np.array(tenants or [SHARED] * count, np.int32),
        sites=(SINGLE_SITE,),
        gpu_types=tuple(GpuType(name=name, idle_w=50.0, busy_w=300.0) for name in TYPES),
        rtt_ms=np.zeros((1, 1)),
    )


def jobs(*asks: tuple[int, int], **columns: object) -> Workload:
    """Return jobs of (GPUs, milli-GPU of each) in this order; CPU in cores."""
    count = len(asks)
    cpu = np.array(columns.pop("cpu", [0] * count), np.int64) * 1000
    masks = {name: np.array(value, np.int64) for name, value in columns.items()}
    return workload_from_columns(
        np.arange(count),
        np.ones(count),
        [gpus for gpus, _ in asks],
        gpu_milli=np.array([share for _, share in asks], np.int32),
        cpu_milli=cpu,
        single_node=np.ones(count, np.bool_),
        job_id=pl.Series([f"j{i:04d}" for i in range(count)]),
        gpu_type_names=TYPES,
        **masks,
    )


_SHARES = st.sampled_from([1000, 1000, 500, 300, 250, 700])


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    """Draw one to six nodes of up to four GPUs, some with unknown CPU or memory."""
    count = draw(st.integers(1, 6))

    def column(values: st.SearchStrategy[int]) -> list[int]:
        return draw(st.lists(values, min_size=count, max_size=count))

    return fleet(
        column(st.integers(1, 4)),
        cpu=column(st.sampled_from([0, 4, 8, 16])),
        memory=column(st.sampled_from([0, 4000, 8000])),
        types=column(st.integers(0, 1)),
        tenants=column(st.sampled_from([SHARED, SHARED, 0, 1])),
    )


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    """Draw up to thirty requests of few kinds, so that kinds come again."""
    kinds = draw(
        st.lists(
            st.tuples(
                st.integers(0, 4), _SHARES, st.integers(0, 6), st.integers(0, 3), st.integers(0, 4)
            ),
            min_size=1,
            max_size=6,
        )
    )
    rows = draw(st.lists(st.sampled_from([*kinds, (1, 500, 1, 0, 0)]), min_size=2, max_size=30))
    rows.append((1, 1000, 1, 0, 1))
    tenants = draw(st.lists(st.integers(0, 1), min_size=len(rows), max_size=len(rows)))
    return jobs(
        *[(row[0], row[1]) for row in rows],
        cpu=[row[2] for row in rows],
        gpu_types=[row[3] for row in rows],
        memory_mib=[row[4] * 1000 for row in rows],
        tenant=tenants,
    )


def busy_scene(seed: int) -> tuple[Fleet, Workload]:
    """Return a fleet of some ten nodes and forty jobs of few kinds, mostly shares of a GPU."""
    chance = np.random.default_rng(seed)
    count = int(chance.integers(4, 12))
    nodes = fleet(
        chance.integers(1, 5, count).tolist(),
        cpu=chance.choice([0, 8, 16, 32], count).tolist(),
        memory=chance.choice([0, 8000, 16000], count).tolist(),
        types=chance.integers(0, 2, count).tolist(),
    )
    kinds = int(chance.integers(3, 9))
    gpus = chance.choice([0, 1, 1, 1, 1, 2, 3], kinds)
    share = np.where(gpus == 1, chance.integers(1, 11, kinds) * 100, 1000)
    cpu, memory = chance.integers(0, 5, kinds), chance.integers(0, 4, kinds) * 1000
    types = chance.choice([0, 0, 0, 1, 2, 3], kinds)
    rows = np.append(chance.integers(0, kinds, 40), 0)
    gpus[0], share[0] = 1, 300
    asks = [(int(gpus[row]), int(share[row])) for row in rows]
    columns = {"cpu": cpu[rows], "memory_mib": memory[rows], "gpu_types": types[rows]}
    return nodes, jobs(*asks, **columns)
