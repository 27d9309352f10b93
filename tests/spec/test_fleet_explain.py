"""Why a job waited, in small cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from commonwatt.core.errors import UsageError
from commonwatt.fleet.domain.machines import uniform_fleet
from commonwatt.fleet.domain.policies import parse_scheduling_policy
from commonwatt.fleet.domain.workload import workload_from_columns
from commonwatt.fleet.engines.explain import REASON_MESSAGES, QueueReason, explain_job_wait
from commonwatt.fleet.engines.simulator import simulate_schedule


def explained(jobs, fleet, job_id, *names, **options):
    policy = parse_scheduling_policy(*names, borrow=options.pop("borrow", True))
    result = simulate_schedule(jobs, fleet, policy, **options)
    return explain_job_wait(result, jobs, fleet, policy, job_id, **options)


@pytest.mark.parametrize(
    ("jobs", "nodes", "job_id", "reasons"),
    [
        (workload_from_columns([0, 1], [10, 10], [8, 4]), 1, "1", [QueueReason.TOO_FEW_FREE]),
        (
            workload_from_columns([0, 0, 1], [10, 10, 9], [5, 5, 6]),
            2,
            "2",
            [QueueReason.FRAGMENTED],
        ),
        (
            workload_from_columns([0, 1, 2], [10, 10, 1], [6, 4, 2]),
            1,
            "2",
            [QueueReason.BEHIND_OTHERS],
        ),
        (workload_from_columns([0, 1], [10, 1], [1, 99]), 1, "1", [QueueReason.NEVER_FITS]),
        (workload_from_columns([0], [10], [8]), 1, "0", []),
        (
            workload_from_columns([0, 0, 1, 2], [5, 9, 9, 9], [4, 4, 8, 4]),
            1,
            "3",
            [QueueReason.TOO_FEW_FREE, QueueReason.BEHIND_OTHERS, QueueReason.TOO_FEW_FREE],
        ),
    ],
)
def test_each_stretch_of_the_wait_has_its_reason(jobs, nodes, job_id, reasons):
    explanation = explained(jobs, uniform_fleet(nodes, 8), job_id)
    assert [interval.reason for interval in explanation.intervals] == reasons


def test_stretches_cover_the_wait_without_gaps():
    jobs = workload_from_columns([0, 0, 1, 2], [5, 9, 9, 9], [4, 4, 8, 4])
    explanation = explained(jobs, uniform_fleet(1, 8), "3")
    edges = [interval.from_ms for interval in explanation.intervals] + [
        explanation.intervals[-1].until_ms
    ]
    assert edges == [2000, 5000, 9000, 18000]


def test_a_preempted_job_says_so():
    priority = np.array([0, 1], np.int32)
    jobs = workload_from_columns([0, 2], [10, 3], [8, 8], priority=priority)
    explanation = explained(
        jobs, uniform_fleet(1, 8), "0", "priority", "first-fit", "none", "priority"
    )
    assert [interval.reason for interval in explanation.intervals] == [QueueReason.PREEMPTED]


def test_a_tenant_without_quota_left_says_so():
    jobs = workload_from_columns([0, 1], [10, 10], [4, 4], tenant_names=("a",))
    explanation = explained(jobs, uniform_fleet(1, 8), "1", quotas={"a": 4}, borrow=False)
    assert [interval.reason for interval in explanation.intervals] == [QueueReason.QUOTA_USED]


def test_blockers_are_the_jobs_that_held_the_gpus():
    jobs = workload_from_columns([0, 0, 1], [3600, 1800, 10], [6, 2, 8])
    explanation = explained(jobs, uniform_fleet(1, 8), "2")
    assert [blocker.job_id for blocker in explanation.blockers] == ["0", "1"]
    assert explanation.blockers[0].gpu_hours == pytest.approx(6 * 3599 / 3600)


def test_remedies_are_simulated_and_the_best_comes_first():
    jobs = workload_from_columns([0, 1, 2], [10, 10, 1], [6, 4, 2])
    explanation = explained(jobs, uniform_fleet(1, 8), "2")
    assert explanation.queue_delay_s == 8
    best = {remedy.change.text: remedy.saved_s for remedy in explanation.remedies}
    assert best["EASY backfill"] == 8
    assert best["top priority"] == 8
    assert [r.queue_delay_s for r in explanation.remedies] == sorted(
        r.queue_delay_s for r in explanation.remedies
    )


def test_an_unknown_job_is_a_fault_of_the_command_line():
    jobs = workload_from_columns([0], [1], [1])
    with pytest.raises(UsageError, match="wanted a job of the trace"):
        explained(jobs, uniform_fleet(1, 8), "nobody")


def test_every_reason_has_its_sentence():
    assert set(REASON_MESSAGES) == set(QueueReason)
