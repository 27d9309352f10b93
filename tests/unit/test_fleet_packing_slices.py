"""GPUs cut into slices: booked shares fill a GPU exactly and never pass it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonwatt.fleet.domain.machines import GpuType
from commonwatt.fleet.domain.policies.place import workload_in_gpu_slices
from commonwatt.fleet.engines.packing import place_arrived_load
from tests.packing_scenes import fleet, jobs


def sliced(slices: int, nodes: int = 1):
    """Return nodes of one GPU of type T4 cut into `slices`; V100 is not cut."""
    cut = GpuType(name="T4", idle_w=1.0, busy_w=2.0, slices=slices)
    whole = GpuType(name="V100", idle_w=1.0, busy_w=2.0)
    return replace(fleet([1] * nodes), gpu_types=(cut, whole))


@pytest.mark.parametrize("slices", [2, 3, 4, 7])
def test_as_many_small_jobs_fit_as_there_are_slices(slices):
    asks = jobs(*[(1, 50)] * 100)
    result = place_arrived_load(sliced(slices), asks, "best-fit", load=3.0, seed=1)
    assert result.jobs_placed == slices


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=9), st.sampled_from([2, 3, 4, 7, 8]))
def test_booked_shares_pass_a_gpu_exactly_when_their_slices_do(shares, slices):
    booked = workload_in_gpu_slices(
        jobs(*[(1, share) for share in shares]), sliced(slices)
    ).gpu_milli
    taken = sum(-(-share * slices // 1000) for share in shares)
    assert (int(booked.sum()) <= 1000) == (taken <= slices)


def test_a_job_that_cannot_use_the_cut_type_is_not_rounded():
    asks = jobs((1, 150), (1, 150), gpu_types=[0b10, 0b11])
    assert workload_in_gpu_slices(asks, sliced(7)).gpu_milli.tolist() == [150, 285]


def test_whole_gpus_and_cpu_jobs_stay_as_they_are():
    asks = jobs((1, 1000), (0, 1000))
    assert (workload_in_gpu_slices(asks, sliced(7)).gpu_milli == np.array([1000, 1000])).all()
