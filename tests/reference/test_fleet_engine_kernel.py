"""The compiled kernel against the reference on SimPy, job for job."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.fleet.domain.machines import Fleet
from commonwatt.fleet.domain.policies import SchedulingPolicy, parse_scheduling_policy
from commonwatt.fleet.domain.workload import Workload
from commonwatt.fleet.engines.simulator.fast import can_replay_fast, replay_on_fast_kernel
from commonwatt.fleet.engines.simulator.identities import check_simulation_identities
from commonwatt.fleet.engines.simulator.reference import replay_on_simpy
from commonwatt.fleet.engines.simulator.setup import (
    ReplaySetup,
    believed_runtimes_ms,
    placement_random_draws_by_job,
)
from tests.fleet_cases import fleets, workloads

ORDERS = ("fifo", "sjf", "priority", "las", "srtf", "fair-share")


def setup_of(
    jobs: Workload, fleet: Fleet, policy: SchedulingPolicy, runtime: str = "oracle"
) -> ReplaySetup:
    return ReplaySetup(
        workload=jobs,
        fleet=fleet,
        policy=policy,
        believed_ms=believed_runtimes_ms(jobs, runtime),
        chance=placement_random_draws_by_job(1, len(jobs), policy),
        quota_milli=None,
    )


def assert_same(setup: ReplaySetup) -> None:
    fast, slow = replay_on_fast_kernel(setup), replay_on_simpy(setup)
    np.testing.assert_array_equal(fast.start_ms, slow.start_ms)
    for name in ("job", "start_ms", "end_ms", "node", "milli", "more_segment", "more_node"):
        ours, theirs = getattr(fast.segments, name), getattr(slow.segments, name)
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
    assert fast.schedule_sha256 == slow.schedule_sha256
    check_simulation_identities(fast, setup.workload, setup.fleet)


@pytest.mark.parametrize("place", ["first-fit", "best-fit", "worst-fit", "consolidate"])
@pytest.mark.parametrize("order", ORDERS)
@given(jobs=workloads(), fleet=fleets(), runtime=st.sampled_from(["oracle", "none"]))
@settings(max_examples=25, deadline=None)
def test_a_strict_queue_gives_the_reference_s_schedule(order, place, jobs, fleet, runtime):
    setup = setup_of(jobs, fleet, parse_scheduling_policy(order, place), runtime)
    assert can_replay_fast(setup)
    assert_same(setup)


@pytest.mark.parametrize("place", ["first-fit", "best-fit", "worst-fit", "consolidate"])
@pytest.mark.parametrize("order", ORDERS)
@given(jobs=workloads(), fleet=fleets(), runtime=st.sampled_from(["oracle", "none"]))
@settings(max_examples=40, deadline=None)
def test_easy_backfill_gives_the_reference_s_schedule(order, place, jobs, fleet, runtime):
    assert_same(setup_of(jobs, fleet, parse_scheduling_policy(order, place, "easy"), runtime))
