"""The check before a run and the engines agree on which jobs could ever start."""

import numpy as np
import pytest

from commonwatt.core.errors import TraceError
from commonwatt.fleet.domain.machines import SHARED, Fleet, GpuType, Site
from commonwatt.fleet.domain.policies import parse_scheduling_policy
from commonwatt.fleet.domain.policies.place import workload_in_gpu_slices
from commonwatt.fleet.domain.result import JobState
from commonwatt.fleet.domain.workload import Workload, workload_from_columns
from commonwatt.fleet.engines.simulator import simulate_schedule
from commonwatt.fleet.io.traces import check_jobs_fit_fleet, jobs_that_fit_fleet
from tests.proofs import PROOFS

TYPES, SITES, TENANTS = ("A", "B"), ("x", "y", "z"), ("t", "u")


def _drawn_fleet(rng: np.random.Generator) -> Fleet:
    # Few sizes, so that groups of several nodes come about and not one group a node.
    nodes = int(rng.integers(1, 9))
    flat = np.array([1.0])
    return Fleet(
        node_id=tuple(f"n{i}" for i in range(nodes)),
        site=rng.integers(0, 3, nodes).astype(np.int32),
        gpu_type=rng.integers(0, 2, nodes).astype(np.int32),
        gpus=rng.choice([0, 2, 4], nodes, p=[0.1, 0.5, 0.4]).astype(np.int32),
        cpu_milli=rng.choice([0, 4000, 8000], nodes).astype(np.int64) * rng.integers(0, 2),
        memory_mib=rng.choice([0, 64, 128], nodes).astype(np.int64) * rng.integers(0, 2),
        # Owners mean nothing to a run in which all tenants share the nodes.
        tenant=np.full(nodes, SHARED, np.int32),
        sites=tuple(Site(name=name, region="", pue=1.0, price_usd_per_mwh=flat,
                         carbon_g_per_kwh=flat) for name in SITES),
        gpu_types=tuple(
            GpuType(name=name, idle_w=1, busy_w=2, slices=slices)
            for name, slices in zip(TYPES, (0, 7), strict=True)
        ),
        rtt_ms=np.zeros((3, 3)),
    )  # fmt: skip


def _drawn_jobs(rng: np.random.Generator) -> Workload:
    count = 12
    gpus = rng.choice([0, 1, 2, 3, 4, 5, 8], count).astype(np.int32)
    return workload_from_columns(
        np.arange(count), np.full(count, 60.0), gpus,
        gpu_milli=np.where((gpus == 1) & (rng.random(count) < 0.5), 300, 1000).astype(np.int32),
        cpu_milli=rng.choice([0, 0, 0, 3000, 8000, 16000], count).astype(np.int64),
        memory_mib=rng.choice([0, 0, 0, 64, 100, 256], count).astype(np.int64),
        single_node=rng.random(count) < 0.3,
        gpu_types=rng.choice([0, 0, 1, 2, 3], count).astype(np.int64),
        sites=rng.choice([0, 0, 1, 2, 3, 6], count).astype(np.int64),
        tenant=rng.integers(0, 2, count).astype(np.int32),
        gpu_type_names=TYPES, site_names=SITES, tenant_names=TENANTS,
    )  # fmt: skip


@pytest.mark.prove
def test_what_the_check_lets_pass_is_never_rejected_and_what_it_refuses_always_is():
    policies = (
        parse_scheduling_policy("fifo", "consolidate", "none", "none"),
        parse_scheduling_policy("las", "best-fit", "none", "none"),  # the plain event loop
    )
    rng, seen = np.random.default_rng(5), {True: 0, False: 0}
    for number in range(PROOFS.size(60, 1_000)):
        fleet = _drawn_fleet(rng)
        jobs = workload_in_gpu_slices(_drawn_jobs(rng), fleet)
        fits = jobs_that_fit_fleet(jobs, fleet)
        states = simulate_schedule(jobs, fleet, policies[number % 2], seed=1).state
        assert ((states != JobState.REJECTED) == fits).all(), number
        for job, able in enumerate(fits.tolist()):
            seen[able] += 1
            alone = jobs.workload_of_job_rows(np.array([job]))
            if able:
                check_jobs_fit_fleet(alone, fleet)
            else:
                with pytest.raises(TraceError, match=f"job {jobs.job_id[job]}"):
                    check_jobs_fit_fleet(alone, fleet)
    assert min(seen.values()) > 0.2 * sum(seen.values())
