"""Each place policy on a state small enough to see the answer."""

import numpy as np
import pytest

from commonwatt.fleet.domain.policies.place import (
    PLACES,
    PlacementRequest,
    choose_node_and_gpus,
    fragmented_weight_milli_gpu_of_node,
    idle_fleet_capacity,
    node_eligibility_by_job_class,
    nodes_with_room,
    placement_request_of_job,
    take_or_release_request_on_node,
    typical_gpu_demand,
)
from tests.packing_scenes import fleet, jobs

SHARE, ONE, TWO, CPU = (
    PlacementRequest(0, 0, 1, 400, 0),
    PlacementRequest(0, 0, 1, 1000, 0),
    PlacementRequest(0, 0, 2, 1000, 0),
    PlacementRequest(1000, 0, 0, 0, 0),
)


def state(*nodes: list[int], cpu: list[int] | None = None):
    """Return nodes whose GPUs have so much free, without types or tenants."""
    machines = fleet([len(free) for free in nodes], cpu=cpu)
    nodes_now = idle_fleet_capacity(machines, np.ones((1, len(nodes)), np.bool_))
    for node, free in enumerate(nodes):
        for gpu, left in enumerate(free):
            if left < 1000:
                used = PlacementRequest(0, 0, 1, 1000 - left, 0)
                take_or_release_request_on_node(used, nodes_now, node, np.array([gpu], np.int64), 1)
    usual = typical_gpu_demand(jobs((1, 400), (1, 1000), (1, 1000), (2, 1000)), machines)
    return nodes_now, usual


def place(policy: str, request: PlacementRequest, *nodes: list[int], cpu: list[int] | None = None):
    nodes_now, usual = state(*nodes, cpu=cpu)
    return choose_node_and_gpus(PLACES[policy], request, nodes_now, usual, draws=(0.99, 0.99))


def test_first_fit_takes_the_first_node_with_room():
    assert place("first-fit", ONE, [500], [1000], [1000]) == (1, (0,))


def test_best_fit_takes_the_node_with_the_least_left():
    assert place("best-fit", ONE, [1000] * 4, [1000], [1000] * 2) == (1, (0,))


def test_best_fit_weighs_cpu_like_gpu():
    assert place("best-fit", CPU, [1000], [1000], cpu=[64, 2]) == (1, ())


def test_worst_fit_takes_the_node_with_the_most_left_and_its_emptiest_gpu():
    assert place("worst-fit", SHARE, [1000], [500, 1000, 900]) == (1, (1,))


def test_dot_product_takes_the_node_with_the_least_free_along_the_request():
    assert place("dot-product", ONE, [1000] * 4, [1000], [1000] * 2) == (1, (0,))


def test_gpu_packing_prefers_a_shared_gpu_then_a_used_node_then_a_free_one():
    assert place("gpu-packing", SHARE, [1000, 1000], [1000, 500]) == (1, (1,))
    assert place("gpu-packing", ONE, [1000, 1000], [1000, 500]) == (1, (0,))
    assert place("gpu-packing", TWO, [1000, 500], [1000, 1000]) == (1, (0, 1))


def test_gpu_clustering_joins_jobs_of_the_same_kind():
    nodes_now, usual = state([1000] * 4, [1000] * 4, [1000] * 4)
    take_or_release_request_on_node(ONE, nodes_now, 1, np.array([0], np.int64), 1)
    take_or_release_request_on_node(TWO, nodes_now, 2, np.array([0, 1], np.int64), 1)
    assert choose_node_and_gpus(PLACES["gpu-clustering"], TWO, nodes_now, usual) == (2, (2, 3))
    assert choose_node_and_gpus(PLACES["gpu-clustering"], ONE, nodes_now, usual) == (1, (1,))
    assert choose_node_and_gpus(PLACES["gpu-clustering"], SHARE, nodes_now, usual) == (0, (0,))


def test_consolidate_fills_the_used_node_and_keeps_free_ones_whole():
    assert place("consolidate", ONE, [1000], [1000, 500, 1000]) == (1, (0,))


def test_random_fit_draws_among_the_nodes_and_gpus_with_room():
    assert place("random-fit", SHARE, [1000], [500, 900], [100]) == (1, (1,))


def test_fgd_gives_a_share_to_the_gpu_that_no_whole_job_could_use():
    assert place("fgd", SHARE, [1000, 1000], [1000, 500]) == (1, (1,))


@pytest.mark.parametrize("policy", sorted(PLACES))
def test_every_policy_leaves_a_job_without_room_and_the_state_as_it_was(policy):
    nodes_now, usual = state([1000, 300], [500])
    before = [column.copy() for column in nodes_now]
    assert choose_node_and_gpus(PLACES[policy], TWO, nodes_now, usual) is None
    choose_node_and_gpus(PLACES[policy], SHARE, nodes_now, usual)
    assert all((a == b).all() for a, b in zip(before, nodes_now, strict=True))


@pytest.mark.parametrize("policy", sorted(PLACES))
def test_giving_back_what_was_taken_restores_the_state(policy):
    nodes_now, usual = state([1000, 1000], [500, 1000], cpu=[4, 4])
    before = [column.copy() for column in nodes_now]
    for request in (SHARE, TWO, CPU):
        choice = choose_node_and_gpus(PLACES[policy], request, nodes_now, usual)
        picked = np.array(choice.gpus, np.int64)
        take_or_release_request_on_node(request, nodes_now, choice.node, picked, 1)
        take_or_release_request_on_node(request, nodes_now, choice.node, picked, -1)
        assert all((a == b).all() for a, b in zip(before, nodes_now, strict=True))


def test_a_job_may_use_only_nodes_of_its_gpu_types_and_tenant():
    machines = fleet([1, 1, 1], types=[0, 1, 1], tenants=[-1, -1, 1])
    asks = jobs((1, 1000), (1, 1000), (1, 1000), gpu_types=[0, 0b10, 0b10], tenant=[0, 0, 1])
    klass, eligible = node_eligibility_by_job_class(asks, machines)
    allowed = [eligible[klass[job]].tolist() for job in range(3)]
    assert allowed == [[True, True, False], [False, True, False], [False, True, True]]


def test_a_type_that_the_fleet_has_not_allows_no_node():
    machines = fleet([1, 1])
    asks = jobs((1, 1000), gpu_types=[0b10])
    klass, eligible = node_eligibility_by_job_class(asks, machines)
    nodes = idle_fleet_capacity(machines, eligible)
    assert not nodes_with_room(placement_request_of_job(asks, 0, klass), nodes).any()


def test_a_cpu_job_is_not_held_to_a_gpu_type():
    klass, eligible = node_eligibility_by_job_class(jobs((0, 1000), gpu_types=[0b10]), fleet([1]))
    assert eligible[klass[0]].all()


def test_fragmentation_is_the_mean_share_that_typical_jobs_cannot_use():
    machines = fleet([2])
    usual = typical_gpu_demand(jobs((1, 500), (1, 500), (1, 1000), (2, 1000)), machines, 1.0)
    free = np.array([1000, 600], np.int64)
    # half GPUs can use both; one whole GPU leaves 600; two whole GPUs leave all 1,600
    assert fragmented_weight_milli_gpu_of_node(0, free, 0, usual) == 2 * 0 + 600 + 1600


def test_a_job_without_gpus_counts_every_idle_share_as_fragmented():
    usual = typical_gpu_demand(jobs((0, 1000), (1, 1000)), fleet([1]), 1.0)
    assert fragmented_weight_milli_gpu_of_node(0, np.array([1000], np.int64), 0, usual) == 1000


def test_typical_demand_stops_once_the_popular_requests_make_up_the_share():
    asks = jobs(*[(1, 1000)] * 19, (1, 100))
    assert typical_gpu_demand(asks, fleet([1]), 0.95).weight == 19
    assert typical_gpu_demand(asks, fleet([1]), 0.96).weight == 20
