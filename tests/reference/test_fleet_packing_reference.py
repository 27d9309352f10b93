"""The fast engine against the slow reference, and one decision against both."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.fleet.domain.policies.place import (
    PLACES,
    PlacementRequest,
    choose_node_and_gpus,
    take_or_release_request_on_node,
)
from commonwatt.fleet.engines.packing import protocol
from commonwatt.fleet.engines.packing.kernel import PlacementTrail
from commonwatt.fleet.engines.packing.protocol import (
    PackingSetup,
    copy_packing_capacity,
    prepare_packing,
    run_packing_of_jobs,
)
from commonwatt.fleet.engines.packing.reference import ReferencePlacement, pack_reference
from tests.packing_scenes import busy_scene, fleets, workloads

POLICIES = st.sampled_from(sorted(PLACES))


def fast_steps(scene: PackingSetup, trail: PlacementTrail) -> list[tuple[int, tuple[int, ...]]]:
    """Return node (by fleet index) and GPUs of each arrival."""
    steps = []
    for i, job in enumerate(scene.order.tolist()):
        first, count = int(trail.first_gpu[i]), int(scene.jobs.gpus[job])
        node = int(trail.node[i])
        gpus = tuple(trail.gpu[first : first + count].tolist()) if node >= 0 else ()
        steps.append((int(scene.node_order[node]) if node >= 0 else -1, gpus))
    return steps


def slow_steps(fleet, workload, policy: str, scene: PackingSetup) -> list[ReferencePlacement]:
    return pack_reference(
        fleet,
        workload,
        policy,
        order=scene.order.tolist(),
        node_order=scene.node_order.tolist(),
        draws=scene.draws.tolist(),
    )


@pytest.mark.parametrize("policy", sorted(PLACES))
def test_on_busy_fleets_the_fast_engine_and_the_reference_agree(policy):
    for seed in range(40):
        fleet, workload = busy_scene(seed)
        scene = prepare_packing(fleet, workload, load=1.4, seed=seed)
        _, trail = run_packing_of_jobs(scene, PLACES[policy])
        slow = slow_steps(fleet, workload, policy, scene)
        assert fast_steps(scene, trail) == [(step.node, step.gpus) for step in slow], seed


@settings(max_examples=150, deadline=None)
@given(fleets(), workloads(), POLICIES, st.integers(0, 5))
def test_the_fast_engine_picks_the_reference_s_node_and_gpus(fleet, workload, policy, seed):
    scene = prepare_packing(fleet, workload, load=1.5, seed=seed)
    _, trail = run_packing_of_jobs(scene, PLACES[policy])
    slow = slow_steps(fleet, workload, policy, scene)
    assert fast_steps(scene, trail) == [(step.node, step.gpus) for step in slow]


@settings(max_examples=60, deadline=None)
@given(fleets(), workloads(), POLICIES)
def test_the_fast_engine_measures_the_reference_s_fragmentation(fleet, workload, policy):
    scene = prepare_packing(fleet, workload, load=1.2, seed=1)
    _, trail = run_packing_of_jobs(scene, PLACES[policy])
    slow = slow_steps(fleet, workload, policy, scene)
    assert trail.fragmented.tolist() == [s.fragmented * scene.typical.weight for s in slow]


@settings(max_examples=60, deadline=None)
@given(fleets(), workloads(), POLICIES, st.integers(0, 3))
def test_scores_kept_for_few_shapes_change_nothing(fleet, workload, policy, cached_shapes):
    scene = prepare_packing(fleet, workload, load=1.5, seed=2)
    _, full = run_packing_of_jobs(scene, PLACES[policy])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "MOST_CACHED_SCORES", cached_shapes * len(fleet))
        _, spare = run_packing_of_jobs(scene, PLACES[policy])
    assert spare.node.tolist() == full.node.tolist()
    assert spare.gpu.tolist() == full.gpu.tolist()


@settings(max_examples=60, deadline=None)
@given(fleets(), workloads(), POLICIES)
def test_one_decision_at_a_time_gives_the_same_run(fleet, workload, policy):
    scene = prepare_packing(fleet, workload, load=1.5, seed=3)
    _, trail = run_packing_of_jobs(scene, PLACES[policy])
    nodes = copy_packing_capacity(scene.nodes)
    for i, job in enumerate(scene.order.tolist()):
        request = PlacementRequest(*(int(column[job]) for column in scene.jobs[:-1]))
        draws = (float(scene.draws[i, 0]), float(scene.draws[i, 1]))
        choice = choose_node_and_gpus(PLACES[policy], request, nodes, scene.typical, draws=draws)
        assert (choice.node if choice else -1) == trail.node[i]
        if choice is not None:
            first = int(trail.first_gpu[i])
            assert list(choice.gpus) == trail.gpu[first : first + request.gpus].tolist()
            take_or_release_request_on_node(
                request, nodes, choice.node, np.array(choice.gpus, np.int64), 1
            )
