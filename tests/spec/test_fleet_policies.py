"""What each order, backfill and preemption does, in small cases worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from commonwatt.core.errors import NodesError, UsageError
from commonwatt.fleet.domain.machines import uniform_fleet
from commonwatt.fleet.domain.policies import parse_scheduling_policy
from commonwatt.fleet.domain.policies.order.qssf import predict_job_runtime_ms
from commonwatt.fleet.domain.policies.place import workload_in_gpu_slices
from commonwatt.fleet.domain.workload import workload_from_columns
from commonwatt.fleet.engines.simulator import JobState, simulate_schedule

ONE = uniform_fleet(1, 8)


def starts(jobs, *names, fleet=ONE, **options):
    keep = {key: options.pop(key) for key in ("borrow", "keep_progress") if key in options}
    result = simulate_schedule(jobs, fleet, parse_scheduling_policy(*names, **keep), **options)
    return (result.start_ms // 1000).tolist()


def ends(jobs, *names, fleet=ONE, **options):
    keep = {key: options.pop(key) for key in ("borrow", "keep_progress") if key in options}
    return (
        simulate_schedule(jobs, fleet, parse_scheduling_policy(*names, **keep), **options).end_ms
        // 1000
    ).tolist()


def test_shortest_first_lets_a_short_job_overtake():
    jobs = workload_from_columns([0, 1, 2], [10, 9, 3], [8, 8, 8])
    assert starts(jobs, "fifo") == [0, 10, 19]
    assert starts(jobs, "sjf") == [0, 13, 10]


def test_without_an_oracle_shortest_first_goes_by_estimates():
    jobs = workload_from_columns(
        [0, 1, 2], [10, 3, 9], [8, 8, 8], estimate_ms=np.array([10, 50, 9]) * 1000
    )
    assert starts(jobs, "sjf", runtime="none") == [0, 19, 10]


def test_without_any_estimates_shortest_first_is_first_in_first_out():
    jobs = workload_from_columns([0, 1, 2], [10, 9, 3], [8, 8, 8])
    assert starts(jobs, "sjf", runtime="none") == [0, 10, 19]


def test_priority_goes_first():
    jobs = workload_from_columns(
        [0, 1, 2], [10, 5, 5], [8, 8, 8], priority=np.array([0, 0, 3], np.int32)
    )
    assert starts(jobs, "priority") == [0, 15, 10]


def test_fair_share_serves_the_tenant_with_less():
    tenant = np.array([0, 0, 0, 1], np.int32)
    jobs = workload_from_columns(
        [0, 0, 1, 2], [10, 20, 9, 9], [4, 4, 4, 4], tenant=tenant, tenant_names=("a", "b")
    )
    assert starts(jobs, "fifo") == [0, 0, 10, 19]
    assert starts(jobs, "fair-share") == [0, 0, 19, 10]


def test_predicted_service_knows_only_finished_jobs_of_the_same_user():
    user = np.array([0, 1, 0, 1], np.int32)
    jobs = workload_from_columns(
        [0, 0, 12, 13], [10, 2, 10, 2], [4, 4, 8, 8], user=user, user_names=("slow", "quick")
    )
    late = workload_from_columns(
        [0, 0, 11, 12, 12],
        [10, 2, 5, 10, 2],
        [4, 4, 8, 8, 8],
        user=np.array([0, 1, 0, 0, 1], np.int32),
        user_names=("slow", "quick"),
    )
    assert starts(jobs, "qssf") == [0, 0, 12, 22]
    assert starts(late, "qssf") == [0, 0, 11, 18, 16]


def test_prediction_falls_back_from_group_to_user_to_everybody():
    history = {
        "users": np.array([1, 1, 2]),
        "groups": np.array([5, 6, 5]),
        "runtimes_ms": np.array([10, 30, 80]),
        "default_ms": 7,
    }
    assert predict_job_runtime_ms(1, 6, **history) == 30
    assert predict_job_runtime_ms(1, 9, **history) == 20
    assert predict_job_runtime_ms(9, 9, **history) == 40
    none = {key: np.zeros(0, np.int64) for key in ("users", "groups", "runtimes_ms")}
    assert predict_job_runtime_ms(1, 6, **none, default_ms=7) == 7


def test_shortest_remaining_time_displaces_a_longer_job_that_then_goes_on():
    jobs = workload_from_columns([0, 2], [10, 3], [8, 8])
    assert ends(jobs, "srtf", "first-fit", "none", "priority") == [13, 5]
    lost = ends(jobs, "srtf", "first-fit", "none", "priority", keep_progress=False)
    assert lost == [15, 5]


def test_attained_service_lets_a_new_job_displace_one_past_its_first_level():
    hour = 3600
    jobs = workload_from_columns([0, 60], [2 * hour, 600], [8, 8])
    start_times = starts(jobs, "las", "first-fit", "none", "priority")
    assert start_times == [0, hour // 8]


def test_priority_preemption_stops_no_more_than_it_needs():
    priority = np.array([0, 1, 2], np.int32)
    jobs = workload_from_columns([0, 0, 5], [10, 10, 10], [4, 4, 4], priority=priority)
    result = simulate_schedule(jobs, ONE, parse_scheduling_policy("priority", preempt="priority"))
    assert result.preemptions.tolist() == [1, 0, 0]
    assert (result.end_ms // 1000).tolist() == [15, 10, 15]
    assert (result.pending_ms // 1000).tolist() == [5, 0, 0]


def test_a_tenant_below_its_quota_takes_back_what_was_borrowed():
    tenant = np.array([0, 0, 1], np.int32)
    jobs = workload_from_columns(
        [0, 1, 5], [20, 20, 5], [4, 4, 4], tenant=tenant, tenant_names=("a", "b")
    )
    quotas = {"a": 4, "b": 4}
    assert starts(jobs, quotas=quotas) == [0, 1, 20]
    result = simulate_schedule(jobs, ONE, parse_scheduling_policy(preempt="reclaim"), quotas=quotas)
    assert (result.start_ms // 1000).tolist() == [0, 1, 5]
    assert result.preemptions.tolist() == [0, 1, 0]


def test_a_job_larger_than_its_quota_waits_for_ever_unless_it_may_borrow():
    jobs = workload_from_columns([0], [5], [4], tenant_names=("a",))
    policy = parse_scheduling_policy(borrow=False)
    result = simulate_schedule(jobs, ONE, policy, quotas={"a": 2})
    assert result.state.tolist() == [JobState.WAITING]
    assert starts(jobs, quotas={"a": 2}) == [0]


def test_a_tenant_out_of_quota_does_not_hold_up_another():
    tenant = np.array([0, 0, 1], np.int32)
    jobs = workload_from_columns(
        [0, 1, 2], [20, 20, 5], [4, 2, 4], tenant=tenant, tenant_names=("a", "b")
    )
    assert starts(jobs, borrow=False, quotas={"a": 4, "b": 4}) == [0, 20, 2]


def test_easy_lets_a_short_job_by_and_holds_a_long_one_back():
    jobs = workload_from_columns([0, 1, 2, 3], [10, 10, 8, 9], [6, 4, 2, 2])
    assert starts(jobs, "fifo") == [0, 10, 10, 10]
    assert starts(jobs, "fifo", "first-fit", "easy") == [0, 10, 2, 10]


def test_conservative_backfill_delays_nobody_ahead():
    jobs = workload_from_columns([0, 1, 2, 3], [10, 10, 10, 17], [6, 8, 4, 2])
    assert starts(jobs, "fifo", "first-fit", "conservative") == [0, 10, 20, 20]
    short = workload_from_columns([0, 1, 2, 3], [10, 10, 10, 7], [6, 8, 4, 2])
    assert starts(short, "fifo", "first-fit", "conservative") == [0, 10, 20, 3]


def test_fragmented_gpus_do_not_start_a_gang_that_could_share_one_node():
    jobs = workload_from_columns([0, 0, 1], [10, 10, 5], [5, 5, 6])
    assert starts(jobs, "fifo", fleet=uniform_fleet(2, 8)) == [0, 0, 10]


def test_a_gang_wider_than_any_node_takes_whole_nodes():
    jobs = workload_from_columns([0, 1], [10, 5], [1, 16])
    assert starts(jobs, "fifo", fleet=uniform_fleet(2, 8)) == [0, 10]
    assert starts(jobs, "fifo", fleet=uniform_fleet(3, 8)) == [0, 1]


def test_shares_of_a_gpu_run_side_by_side():
    milli = np.array([500, 500, 500], np.int32)
    jobs = workload_from_columns([0, 0, 0], [10, 10, 10], [1, 1, 1], gpu_milli=milli)
    assert starts(jobs, "fifo", fleet=uniform_fleet(1, 1)) == [0, 0, 10]
    assert starts(jobs, "fifo", "fgd", fleet=uniform_fleet(1, 2)) == [0, 0, 0]


def test_shares_of_a_gpu_cut_into_slices_take_whole_slices():
    milli = np.array([300, 300, 300], np.int32)
    jobs = workload_from_columns([0, 0, 0], [10, 10, 10], [1, 1, 1], gpu_milli=milli)
    free = uniform_fleet(1, 1)
    cut = replace(free, gpu_types=(replace(free.gpu_types[0], slices=7),))
    assert starts(workload_in_gpu_slices(jobs, free), fleet=free) == [0, 0, 0]
    assert starts(workload_in_gpu_slices(jobs, cut), fleet=cut) == [0, 0, 10]


def test_pools_by_tenant_do_not_share_nodes():
    tenant = np.array([0, 0, 1], np.int32)
    jobs = workload_from_columns(
        [0, 0, 0], [10, 10, 10], [8, 8, 8], tenant=tenant, tenant_names=("a", "b")
    )
    fleet = uniform_fleet(2, 8)
    assert starts(jobs, fleet=fleet) == [0, 0, 10]
    fleet.tenant[:] = [0, 1]
    assert starts(jobs, fleet=fleet, pool="tenant") == [0, 10, 0]


def test_pools_by_tenant_want_an_owner_for_each_node():
    with pytest.raises(NodesError, match="node-00000: found no tenant"):
        simulate_schedule(
            workload_from_columns([0], [1], [1]),
            uniform_fleet(1, 8),
            parse_scheduling_policy(),
            pool="tenant",
        )


@pytest.mark.parametrize("name", ["lifo", "", "FIFO"])
def test_an_unknown_policy_is_answered_with_the_known_ones(name):
    with pytest.raises(UsageError, match="wanted one of fifo, sjf, srtf"):
        parse_scheduling_policy(name)


def test_a_quota_for_an_unknown_tenant_is_refused():
    with pytest.raises(UsageError, match="wanted one of all"):
        simulate_schedule(
            workload_from_columns([0], [1], [1]),
            ONE,
            parse_scheduling_policy(),
            quotas={"nobody": 3},
        )


def test_jobs_that_end_beyond_all_time_are_refused():
    from commonwatt.core.errors import TraceError

    with pytest.raises(TraceError, match="ends too late"):
        simulate_schedule(
            workload_from_columns([0, 1], [4e15, 1], [1, 1]), ONE, parse_scheduling_policy()
        )


def test_an_empty_workload_gives_an_empty_result():
    nothing = workload_from_columns([], [], [])
    assert len(simulate_schedule(nothing, ONE, parse_scheduling_policy())) == 0
    assert len(simulate_schedule(nothing, ONE, parse_scheduling_policy("las"))) == 0
