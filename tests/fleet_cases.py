"""Small random fleets and workloads, for the tests that hold engines together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from commonwatt.fleet.domain.machines import SHARED, SINGLE_SITE, UNNAMED_GPU, Fleet
from commonwatt.fleet.domain.workload import Workload, workload_from_columns


@st.composite
def fleets(draw: st.DrawFn, sizes: tuple[int, ...] = (2, 4), *, most: int = 6) -> Fleet:
    """Return one to `most` nodes on two sites with two GPU types."""
    nodes = draw(st.integers(1, most))

    def column(values: st.SearchStrategy[int]) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=nodes, max_size=nodes)))

    return Fleet(
        node_id=tuple(f"n{i}" for i in range(nodes)),
        site=column(st.integers(0, 1)).astype(np.int32),
        gpu_type=column(st.integers(0, 1)).astype(np.int32),
        gpus=column(st.sampled_from(sizes)).astype(np.int32),
        cpu_milli=np.zeros(nodes, np.int64),
        memory_mib=np.zeros(nodes, np.int64),
        tenant=np.full(nodes, SHARED, np.int32),
        sites=(replace(SINGLE_SITE, name="here"), replace(SINGLE_SITE, name="there")),
        gpu_types=(replace(UNNAMED_GPU, name="old"), replace(UNNAMED_GPU, name="new")),
        rtt_ms=np.zeros((2, 2)),
    )


@st.composite
def workloads(
    draw: st.DrawFn, *, masks: bool = True, shares: bool = False, busy: bool = False
) -> Workload:
    """Return up to fourteen jobs of two tenants, close together in time.

    With `busy` there are at least eight, and each of them takes GPUs for a while: on one or two
    nodes they queue.
    """
    row = st.tuples(
        st.integers(0, 4 if busy else 12),  # submission
        st.integers(2 if busy else 0, 9),  # run time
        st.sampled_from([2, 1, 3, 4] if busy else [0, 1, 1, 2, 2, 3, 4, 5, 6, 9]),  # GPUs
        st.integers(0, 3),  # how far the estimate lies above the run time
        st.integers(0, 2),  # priority
        st.integers(0, 1),  # tenant
        st.integers(0, 3) if masks else st.just(0),  # GPU types
        st.integers(0, 3) if masks else st.just(0),  # sites
        st.sampled_from([1000, 1000, 500, 300]) if shares else st.just(1000),
    )
    rows = draw(st.lists(row, min_size=8 if busy else 1, max_size=14))
    columns = np.array(rows, np.int64).T
    gpus, milli = columns[2], np.where(columns[2] > 0, columns[8], 1000)
    return workload_from_columns(
        columns[0],
        columns[1],
        gpus,
        estimate_ms=(columns[1] + columns[3]) * 1000,
        priority=columns[4].astype(np.int32),
        tenant=columns[5].astype(np.int32),
        user=columns[5].astype(np.int32),
        gpu_types=columns[6],
        sites=columns[7],
        gpu_milli=milli.astype(np.int32),
        single_node=milli < 1000,
        gpu_type_names=("old", "new"),
        site_names=("here", "there"),
        tenant_names=("a", "b"),
        user_names=("a", "b"),
    )
