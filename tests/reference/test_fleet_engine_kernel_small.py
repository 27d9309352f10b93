"""The fast kernel against the reference on small worlds, quick enough to run without a compiler."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.fleet.domain.machines import (
    SHARED,
    SINGLE_SITE,
    UNNAMED_GPU,
    Fleet,
    uniform_fleet,
)
from commonwatt.fleet.domain.policies import parse_scheduling_policy
from commonwatt.fleet.domain.workload import workload_from_columns
from commonwatt.fleet.engines.simulator.fast import can_replay_fast, replay_on_fast_kernel
from tests.fleet_cases import fleets, workloads
from tests.reference.test_fleet_engine_kernel import assert_same, setup_of

PLACES = ("first-fit", "best-fit", "worst-fit", "consolidate")
ORDERS = ("fifo", "sjf", "priority", "fair-share")


@pytest.mark.parametrize(
    ("order", "place", "backfill"),
    [(order, place, backfill) for (n, place), (m, order), backfill in
     product(enumerate(PLACES), enumerate(ORDERS), ("", "easy")) if (n + m) % 3 == 0 or m == 0],
)  # fmt: skip
@given(jobs=workloads(), fleet=fleets(), runtime=st.sampled_from(["oracle", "none"]))
@settings(max_examples=40, deadline=None)
def test_small_worlds_run_as_the_reference_says(order, place, backfill, jobs, fleet, runtime):
    words = (order, place, backfill) if backfill else (order, place)
    setup = setup_of(jobs, fleet, parse_scheduling_policy(*words), runtime)
    assert can_replay_fast(setup)
    assert_same(setup)


def wide_world(seed, nodes=150, jobs=40):
    """Return more nodes than a word has bits, nearly full, and jobs that come together."""
    rng = np.random.default_rng(seed)
    fleet = Fleet(
        node_id=tuple(f"n{i}" for i in range(nodes)),
        site=rng.integers(0, 2, nodes).astype(np.int32),
        gpu_type=rng.integers(0, 2, nodes).astype(np.int32),
        gpus=rng.choice([2, 4], nodes).astype(np.int32),
        cpu_milli=np.zeros(nodes, np.int64),
        memory_mib=np.zeros(nodes, np.int64),
        tenant=np.full(nodes, SHARED, np.int32),
        sites=(replace(SINGLE_SITE, name="here"), replace(SINGLE_SITE, name="there")),
        gpu_types=(replace(UNNAMED_GPU, name="old"), replace(UNNAMED_GPU, name="new")),
        rtt_ms=np.zeros((2, 2)),
    )
    submit, runtime = np.sort(rng.integers(0, 12, jobs)), rng.integers(1, 9, jobs)
    workload = workload_from_columns(
        submit, runtime, rng.choice([1, 2, 3, 4, 7, 40, 90, 130], jobs),
        estimate_ms=(runtime + rng.integers(0, 4, jobs)) * 1000,
        priority=rng.integers(0, 3, jobs).astype(np.int32),
        gpu_types=rng.integers(0, 4, jobs), sites=rng.integers(0, 4, jobs),
        gpu_type_names=("old", "new"), site_names=("here", "there"),
    )  # fmt: skip
    return workload, fleet


@pytest.mark.parametrize("backfill", ["", "easy"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("seed", range(len(ORDERS)))
def test_more_nodes_than_a_word_has_bits_run_as_the_reference_says(seed, place, backfill):
    workload, fleet = wide_world(seed)
    words = (ORDERS[seed], place, backfill) if backfill else (ORDERS[seed], place)
    assert_same(setup_of(workload, fleet, parse_scheduling_policy(*words)))


@pytest.mark.parametrize("newcomer_gpus", [8, 1])
def test_a_start_out_of_turn_lets_another_tenant_be_first_at_the_next_submission(newcomer_gpus):
    # One node of 8. A job of c runs; a's first is promised the whole node, and b's job would be
    # in its way. Then a short job of a starts out of turn: a has a share now and b has none, so
    # b's is the first when the next job comes, whatever that job requests.
    tenants = ("c", "a", "b", "a", "c")
    jobs = workload_from_columns(
        [0, 1, 2, 3, 4], [100, 50, 200, 10, 300], [4, 8, 2, 1, newcomer_gpus],
        tenant=np.array([sorted(set(tenants)).index(name) for name in tenants], np.int32),
        tenant_names=("a", "b", "c"),
    )  # fmt: skip
    policy = parse_scheduling_policy("fair-share", "consolidate", "easy")
    setup = setup_of(jobs, uniform_fleet(1, 8), policy)
    assert_same(setup)
    assert replay_on_fast_kernel(setup).start_ms.tolist()[:4] == [0, 204_000, 4_000, 3_000]
