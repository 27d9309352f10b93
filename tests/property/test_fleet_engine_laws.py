"""Laws that hold for every order × place × backfill × preemption."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.fleet.domain.policies import (
    BACKFILLS,
    ORDERS,
    PLACES,
    PREEMPTS,
    parse_scheduling_policy,
)
from commonwatt.fleet.domain.policies.backfill.easy import promised_start_ms_and_room_then
from commonwatt.fleet.domain.policies.plan import SchedulingPlan
from commonwatt.fleet.engines.simulator import JobState, simulate_schedule
from commonwatt.fleet.engines.simulator.loop import EventReplay, HeapAgenda
from commonwatt.fleet.engines.simulator.setup import (
    ReplaySetup,
    believed_runtimes_ms,
    placement_random_draws_by_job,
)
from tests.fleet_cases import fleets, workloads
from tests.proofs import most_examples_reach

COMBINATIONS = list(product(ORDERS, BACKFILLS, PREEMPTS))


@pytest.mark.parametrize(("order", "backfill", "preempt"), COMBINATIONS)
@given(
    jobs=workloads(shares=True),
    fleet=fleets(),
    place=st.sampled_from(list(PLACES)),
    quotas=st.sampled_from([None, {"a": 2, "b": 4}]),
    borrow=st.booleans(),
    keep_progress=st.booleans(),
)
@settings(max_examples=5, deadline=None)
def test_every_policy_conserves_gpu_time_and_repeats_itself(
    order, backfill, preempt, jobs, fleet, place, quotas, borrow, keep_progress
):
    policy = parse_scheduling_policy(
        order, place, backfill, preempt, borrow=borrow, keep_progress=keep_progress
    )
    first = simulate_schedule(jobs, fleet, policy, quotas=quotas, seed=3)
    again = simulate_schedule(jobs, fleet, policy, quotas=quotas, seed=3)
    assert first.schedule_sha256 == again.schedule_sha256
    if borrow or quotas is None:
        assert not (first.state == JobState.WAITING).any()
    if preempt == "none" or keep_progress:
        assert (first.pending_ms >= -1).all()


def test_easy_backfill_keeps_its_promise_to_the_first_in_the_queue():
    # Many jobs on one or two nodes: without a queue nothing is promised.
    @given(
        jobs=workloads(busy=True),
        fleet=fleets(most=2),
        place=st.sampled_from(["first-fit", "consolidate"]),
    )
    @settings(max_examples=60, deadline=None)
    def law(jobs, fleet, place):
        examples.drawn += 1
        promises, result = _easy_backfill_promises(jobs, fleet, place)
        for job, promised_ms in promises.items():
            assert result.start_ms[job] <= promised_ms
        examples.reached += bool(promises)

    with most_examples_reach(0.5) as examples:
        law()


def _easy_backfill_promises(jobs, fleet, place):
    """Return the first start that was promised to each job at the queue's head, and the replay."""
    policy = parse_scheduling_policy("fifo", place, "easy")
    setup = ReplaySetup(
        workload=jobs,
        fleet=fleet,
        policy=policy,
        believed_ms=believed_runtimes_ms(jobs, "oracle"),
        chance=placement_random_draws_by_job(0, len(jobs), policy),
        quota_milli=None,
    )
    replay = EventReplay(setup, HeapAgenda())
    promises: dict[int, int] = {}
    act = replay.apply_decision

    def apply(decision):
        act(decision)
        plan = SchedulingPlan(replay.state, policy.order, policy.place, borrow=True)
        queue = plan.startable_jobs_in_order()
        if queue and (promise := promised_start_ms_and_room_then(plan, queue[0])) is not None:
            promises.setdefault(queue[0], promise[0])

    replay.apply_decision = apply
    return promises, replay.run_to_end()


@given(jobs=workloads(), fleet=fleets())
@settings(max_examples=40, deadline=None)
def test_a_strict_first_in_first_out_queue_starts_in_order(jobs, fleet):
    result = simulate_schedule(jobs, fleet, parse_scheduling_policy("fifo"))
    starts = result.start_ms[result.state == JobState.FINISHED]
    assert (np.diff(starts) >= 0).all()


@given(jobs=workloads(), fleet=fleets(), order=st.sampled_from(["fifo", "sjf"]))
@settings(max_examples=40, deadline=None)
def test_the_plain_loop_gives_the_kernel_s_schedule(jobs, fleet, order):
    fast = simulate_schedule(jobs, fleet, parse_scheduling_policy(order, "best-fit", "easy"))
    quotas = {"a": 1000, "b": 1000}
    if len(set(jobs.tenant.tolist())) == 1:
        slow = simulate_schedule(
            jobs, fleet, parse_scheduling_policy(order, "best-fit", "easy"), quotas=quotas
        )
        np.testing.assert_array_equal(fast.start_ms, slow.start_ms)
