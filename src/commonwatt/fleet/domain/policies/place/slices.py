"""GPUs that are cut into fixed slices, as MIG does: a share takes whole slices.

A share of m thousandths of a GPU with s slices takes k = ceil(m s / 1000) of them and
is booked as floor(1000 k / s) thousandths. Booked shares of up to s slices never
pass 1000, and those of s + 1 slices do (for s up to 31), so slices need no books of
their own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from commonwatt.fleet.domain.machines import Fleet
from commonwatt.fleet.domain.workload import I32, Bools, Workload


def workload_in_gpu_slices(workload: Workload, fleet: Fleet) -> Workload:
    """Return `workload` with each share of a GPU rounded up to slices.

    A job that may use types cut in different ways is rounded for the way that
    costs it most, so that it fits whichever it gets.

    >>> from commonwatt.fleet.domain.machines import GpuType, uniform_fleet
    >>> from commonwatt.fleet.domain.workload import workload_from_columns
    >>> sliced = replace(uniform_fleet(1, 1), gpu_types=(GpuType(
    ...     name="A100", idle_w=1.0, busy_w=2.0, slices=7),))
    >>> milli = np.array([100, 150, 1000])
    >>> jobs = workload_from_columns([0, 0, 0], [1, 1, 1], [1, 1, 1], gpu_milli=milli)
    >>> workload_in_gpu_slices(jobs, sliced).gpu_milli.tolist()
    [142, 285, 1000]
    """
    booked = workload.gpu_milli
    for kind in fleet.gpu_types:
        if kind.slices > 0:
            allowed = _jobs_that_may_use_gpu_type(workload, kind.name)
            rounded = np.where(
                allowed, _gpu_milli_booked_in_slices(workload.gpu_milli, kind.slices), 0
            )
            # Rounded from the share as it was requested, type by type: rounding what is already
            # rounded for another type would grow it twice.
            booked = np.maximum(booked, rounded)
    return replace(workload, gpu_milli=booked.astype(np.int32))


def _gpu_milli_booked_in_slices(share: I32, slices: int) -> I32:
    taken = -(-share.astype(np.int64) * slices // 1000)
    return (1000 * taken // slices).astype(np.int32)


def _jobs_that_may_use_gpu_type(workload: Workload, name: str) -> Bools:
    bit = sum(1 << i for i, type_name in enumerate(workload.gpu_type_names) if type_name == name)
    return (workload.gpu_types == 0) | ((workload.gpu_types & bit) != 0)
