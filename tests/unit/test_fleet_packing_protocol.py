"""The arrived-load protocol: its arrivals, its result, a user's policy, its errors."""

import numpy as np
import pytest

from commonwatt.core.errors import IdentityError, UsageError
from commonwatt.fleet.domain.policies.place import PLACES, nodes_with_room
from commonwatt.fleet.engines.packing import place_arrived_load
from commonwatt.fleet.engines.packing.arrivals import draw_job_and_node_order_to_load
from commonwatt.fleet.engines.packing.chance import PublishedChance
from commonwatt.fleet.engines.packing.check import check_packing_conserves_capacity
from commonwatt.fleet.engines.packing.protocol import prepare_packing, run_packing_of_jobs
from tests.packing_scenes import busy_scene, fleet, jobs


class MyFirstFit:
    """A user's policy as the manual shows it."""

    name = "my-first-fit"

    def choose(self, request, nodes, draw):
        fitting = np.flatnonzero(nodes_with_room(request, nodes))
        return int(fitting[0]) if fitting.size else -1


class Stubborn:
    name = "stubborn"

    def choose(self, request, nodes, draw):
        return 0


def test_a_shuffle_keeps_every_item_and_moves_most():
    order = list(range(100))
    PublishedChance(7).shuffle_jobs_in_place(order)
    assert sorted(order) == list(range(100)) != order


def test_the_generator_is_the_one_whose_first_numbers_everybody_knows():
    chance = PublishedChance(1)
    assert [chance.draw_packing_number_below(100) for _ in range(5)] == [81, 87, 47, 59, 81]


def test_seed_zero_and_negative_seeds_are_seeds():
    assert PublishedChance(0).draw_packing_number_below(1000) == PublishedChance(
        2**31 - 1
    ).draw_packing_number_below(1000)
    assert PublishedChance(-1).draw_packing_number_below(1000) == PublishedChance(
        2**31 - 2
    ).draw_packing_number_below(1000)


def test_every_job_arrives_once_before_any_arrives_twice():
    order, _ = draw_job_and_node_order_to_load(
        fleet([4]), jobs((1, 1000), (1, 500)), load=1.0, seed=3
    )
    assert sorted(order[:2].tolist()) == [0, 1]


def test_too_much_demand_loses_jobs_until_it_is_at_the_load():
    requests = jobs(*[(1, 1000)] * 10)
    order, _ = draw_job_and_node_order_to_load(fleet([4]), requests, load=1.0, seed=3)
    assert len(set(order.tolist())) == 4


def test_the_order_of_nodes_is_a_permutation_that_the_seed_moves():
    machines, requests = fleet([1] * 20), jobs((1, 1000))
    first = draw_job_and_node_order_to_load(
        machines, requests, load=1.0, seed=1
    ).node_order.tolist()
    second = draw_job_and_node_order_to_load(
        machines, requests, load=1.0, seed=2
    ).node_order.tolist()
    assert sorted(first) == list(range(20))
    assert first != second


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    machines, requests = busy_scene(1)
    runs = [
        place_arrived_load(machines, requests, "fgd", load=1.2, seed=seed) for seed in (4, 4, 5)
    ]
    digests = [run.result_sha256 for run in runs]
    assert digests[0] == digests[1] != digests[2]


def test_the_curve_ends_at_the_shares_of_the_result():
    machines = fleet([4, 4])
    result = place_arrived_load(machines, jobs(*[(1, 1000)] * 8), "fgd", load=1.0, seed=1)
    last = result.arrived_load_curve().row(-1, named=True)
    assert last["arrived_percent"] == 100
    assert last["allocated_gpu_share"] == result.allocated_gpu_share == 1.0
    assert (result.jobs_arrived, result.jobs_placed, result.fragmented_gpu_share) == (8, 8, 0.0)


def test_a_users_own_policy_runs_like_a_built_in_one():
    machines, requests = busy_scene(2)
    by_user = place_arrived_load(machines, requests, MyFirstFit(), load=1.3, seed=6)
    built_in = place_arrived_load(machines, requests, "first-fit", load=1.3, seed=6)
    assert by_user.trail.node.tolist() == built_in.trail.node.tolist()
    assert by_user.trail.fragmented[-1] > 0


def test_a_users_policy_that_names_a_full_node_is_told_so():
    with pytest.raises(UsageError, match="stubborn: found node 0, wanted a node with room"):
        place_arrived_load(fleet([1]), jobs((1, 1000)), Stubborn(), load=2.0, seed=1)


def test_an_unknown_policy_is_answered_with_the_known_ones():
    with pytest.raises(UsageError, match="found tetris, wanted first-fit, best-fit"):
        place_arrived_load(fleet([1]), jobs((1, 1000)), "tetris", load=1.0, seed=1)


@pytest.mark.parametrize("load", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_a_load_that_is_no_share_is_refused(load):
    with pytest.raises(UsageError, match="--arrived-load"):
        place_arrived_load(fleet([1]), jobs((1, 1000)), "fgd", load=load, seed=1)


def test_a_workload_without_gpu_jobs_cannot_reach_a_load():
    with pytest.raises(UsageError, match="without any GPU job"):
        place_arrived_load(fleet([1]), jobs((0, 1000)), "fgd", load=1.0, seed=1)


def test_a_lost_gpu_share_is_noticed():
    machines, requests = busy_scene(3)
    scene = prepare_packing(machines, requests, load=1.0, seed=1)
    end, trail = run_packing_of_jobs(scene, PLACES["fgd"])
    check_packing_conserves_capacity(scene.nodes, end, scene.order, scene.jobs, trail)
    end.gpu_milli[0, 0] -= 1
    with pytest.raises(IdentityError, match="GPU"):
        check_packing_conserves_capacity(scene.nodes, end, scene.order, scene.jobs, trail)
