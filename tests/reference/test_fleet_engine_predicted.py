"""Predicted orders settled by rounds of the kernel, against deciding event by event."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.fleet.domain.policies import parse_scheduling_policy
from commonwatt.fleet.domain.policies.order.qssf import predict_job_runtime_ms
from commonwatt.fleet.engines.simulator.predicted import (
    _user_group_and_user_numbers_by_job,
    can_replay_predicted,
    predicted_job_runtimes_ms,
    replay_with_predicted_runtimes,
)
from commonwatt.fleet.engines.simulator.reference import replay_on_simpy
from commonwatt.fleet.engines.simulator.setup import FIRST_GUESS_MS
from tests.fleet_cases import fleets, workloads
from tests.reference.test_fleet_engine_kernel import setup_of


def with_length(jobs):
    """Jobs of no length could end before or after a submission of the same instant."""
    longer = np.maximum(jobs.runtime_ms, 1000)
    groups = (np.arange(len(jobs)) % 3).astype(np.int32)
    return replace(
        jobs, runtime_ms=longer, estimate_ms=np.maximum(jobs.estimate_ms, longer), group=groups
    )


@pytest.mark.parametrize("backfill", ["none", "easy"])
@given(jobs=workloads(), fleet=fleets())
@settings(max_examples=120, deadline=None)
def test_rounds_of_the_kernel_settle_on_the_reference_s_schedule(backfill, jobs, fleet):
    setup = setup_of(
        with_length(jobs), fleet, parse_scheduling_policy("qssf", "consolidate", backfill)
    )
    assert can_replay_predicted(setup)
    fast, slow = replay_with_predicted_runtimes(setup), replay_on_simpy(setup)
    assert fast is not None
    assert fast.schedule_sha256 == slow.schedule_sha256


@given(jobs=workloads(), ends=st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_a_prediction_is_the_law_written_plainly(jobs, ends):
    work = with_length(jobs)
    end_ms = np.array([ends.choice([-1, ends.randrange(30) * 1000]) for _ in range(len(work))])
    predicted = predicted_job_runtimes_ms(work, _user_group_and_user_numbers_by_job(work), end_ms)
    for job in range(len(work)):
        done = np.flatnonzero((end_ms >= 0) & (end_ms <= work.submit_ms[job]))
        assert predicted[job] == predict_job_runtime_ms(
            int(work.user[job]), int(work.group[job]),
            users=work.user[done], groups=work.group[done], runtimes_ms=work.runtime_ms[done],
            default_ms=FIRST_GUESS_MS,
        )  # fmt: skip


def test_too_few_rounds_leave_it_to_the_plain_loop():
    from commonwatt.fleet.domain.machines import uniform_fleet
    from commonwatt.fleet.domain.workload import workload_from_columns

    jobs = workload_from_columns([0, 0, 1, 2, 30, 31], [20, 5, 9, 3, 4, 2], [8, 8, 8, 8, 8, 8])
    setup = setup_of(jobs, uniform_fleet(1, 8), parse_scheduling_policy("qssf", "consolidate"))
    assert replay_with_predicted_runtimes(setup, rounds=1) is None
    assert replay_with_predicted_runtimes(setup) is not None
