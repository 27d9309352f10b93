"""Laws that hold for every place policy, fleet and workload."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.fleet.domain.policies.place import PLACES
from commonwatt.fleet.engines.packing import place_arrived_load
from commonwatt.fleet.engines.packing.arrivals import RemainingPlaces
from commonwatt.fleet.engines.packing.chance import PublishedChance
from tests.packing_scenes import fleets, workloads

POLICIES = st.sampled_from(sorted(PLACES))


@settings(max_examples=80, deadline=None)
@given(fleets(), workloads(), POLICIES, st.floats(0.1, 3.0), st.integers(0, 99))
def test_shares_stay_between_nothing_and_all(fleet, workload, policy, load, seed):
    result = place_arrived_load(fleet, workload, policy, load=load, seed=seed)
    assert 0 <= result.fragmented_gpu_share <= result.unallocated_gpu_share + 1e-12
    assert result.unallocated_gpu_share <= 1
    assert result.allocated_gpu_share <= result.arrived_gpu_share + 1e-12
    assert (np.diff(result.trail.allocated_milli) >= 0).all()


@settings(max_examples=80, deadline=None)
@given(fleets(), workloads(), POLICIES)
def test_a_job_is_left_only_where_no_node_has_room(fleet, workload, policy):
    result = place_arrived_load(fleet, workload, policy, load=2.0, seed=1)
    left = result.order[result.trail.node < 0]
    whole = left[(workload.gpus[left] == 1) & (workload.gpu_milli[left] == 1000)]
    free = (result.nodes.gpu_milli == 1000).any(axis=1)
    bound = (
        (fleet.cpu_milli > 0) | (fleet.memory_mib > 0) | (fleet.tenant >= 0) | (fleet.gpu_type > 0)
    )
    if any(workload.gpu_types[job] == 0 for job in whole):
        assert not (free & ~bound).any()


@settings(max_examples=40, deadline=None)
@given(fleets(), workloads(), st.floats(0.2, 3.0), st.integers(0, 99))
def test_the_arrived_demand_ends_within_one_job_of_the_load(fleet, workload, load, seed):
    result = place_arrived_load(fleet, workload, "first-fit", load=load, seed=seed)
    largest = int(workload.gpu_demand_milli_by_job().max())
    assert abs(result.arrived_gpu_share - load) * fleet.gpu_capacity_milli <= largest


@settings(max_examples=100, deadline=None)
@given(st.integers(-(2**40), 2**40), st.integers(1, 2**31 - 1))
def test_a_number_below_a_limit_is_below_it(seed, limit):
    chance = PublishedChance(seed)
    assert all(0 <= chance.draw_packing_number_below(limit) < limit for _ in range(20))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 400))
def test_a_permutation_names_every_number_once(seed, count):
    assert sorted(PublishedChance(seed).draw_node_permutation(count)) == list(range(count))


@given(st.integers(1, 200), st.randoms(use_true_random=False))
def test_taking_the_nth_that_is_left_is_popping_a_list(count, chance):
    left, slow = RemainingPlaces(count), list(range(count))
    while slow:
        nth = chance.randrange(len(slow))
        assert left.pop_nth_arrival_place(nth) == slow.pop(nth)


@settings(max_examples=60, deadline=None)
@given(fleets(), workloads(), POLICIES, st.floats(0.1, 1.3), st.integers(0, 99))
def test_a_smaller_load_is_an_earlier_moment_of_the_same_run(fleet, workload, policy, load, seed):
    full = place_arrived_load(fleet, workload, policy, load=1.3, seed=seed)
    part = place_arrived_load(fleet, workload, policy, load=load, seed=seed)
    assert part.order.tolist() == full.order[: part.jobs_arrived].tolist()
    assert part.trail.node.tolist() == full.trail.node[: part.jobs_arrived].tolist()
