"""Placement: the array model against a naive model, days against the whole, bounds that hold."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, milp

from commonwatt.core.errors import IdentityError, InfeasibleError
from commonwatt.siting.domain.errors import SeriesError
from commonwatt.siting.domain.placement import check_placement_plan, placement_plan_cost_usd
from commonwatt.siting.engines.place.decompose import (
    cut_placement_into_days,
    solve_placement_by_days,
    try_placement_size,
)
from commonwatt.siting.engines.place.exact import solve_placement_exactly
from tests.siting_problems import lifelike_problem, random_problem

SOME = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def least_cost(problem):
    """Return the least cost, from a model with one variable per arrival, pool and hour of run."""
    K, J, T = problem.shape
    runs = [
        (k, a, j, t)
        for k in range(K)
        for a in range(T)
        for j in range(J)
        if problem.allowed_class_pools[k, j]
        for t in range(a, min(a + problem.defer_h[k], a - a % 24 + 23) + 1)
    ]
    step = [u if u > 0 else 1.0 for u in problem.unit]
    n = len(runs)
    cost = [problem.draw[k] * problem.run_usd[j, t] + problem.move_usd[k, j] for k, _, j, t in runs]
    cost += [problem.size_usd[j] * step[j] for j in range(J)] + list(problem.open_usd)
    demand = np.zeros((K * T, n + J + len(problem.open_usd)))
    room = np.zeros((J * T, demand.shape[1]))
    for i, (k, a, j, t) in enumerate(runs):
        demand[k * T + a, i] = 1
        room[j * T + t, i] = 1
    for j in range(J):
        room[j * T : (j + 1) * T, n + j] = -step[j]
    opened = np.zeros((J, demand.shape[1]))
    for j in range(J):
        opened[j, n + j], opened[j, n + J + problem.site[j]] = step[j], -problem.max_size[j]
    whole = [0] * n + [int(u > 0) for u in problem.unit] + [1] * len(problem.open_usd)
    high = [math.inf] * n + [m / s for m, s in zip(problem.max_size, step, strict=True)]
    solution = milp(
        cost,
        constraints=[
            LinearConstraint(demand, problem.demand.ravel(), problem.demand.ravel()),
            LinearConstraint(room, -np.inf, 0),
            LinearConstraint(opened, -np.inf, 0),
        ],
        integrality=whole,
        bounds=([0.0] * len(cost), high + [1.0] * len(problem.open_usd)),
        options={"mip_rel_gap": 1e-9},
    )
    assert solution.success
    return solution.fun


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("unit", "opening"), [(0.0, 0.0), (20.0, 15.0)])
def test_the_array_model_finds_the_optimum_of_the_naive_model(seed, unit, opening):
    problem = random_problem(seed, classes=3, pools=3, unit=unit, opening=opening)
    plan = solve_placement_exactly(problem)
    assert math.isclose(plan.cost_usd, least_cost(problem), rel_tol=1e-7)
    assert plan.optimality_gap_share < 1e-8


@given(st.integers(0, 10_000), st.floats(0.7, 1.4))
@SOME
def test_a_day_by_flow_costs_what_it_costs_exactly(seed, stretch):
    problem = random_problem(seed)
    size = solve_placement_exactly(problem).size * stretch + 5
    days = cut_placement_into_days(problem)
    trial = try_placement_size(days, size)
    fixed = float((problem.size_usd * size).sum())
    proved = fixed + float((trial.plane.level + trial.plane.slope @ size).sum())
    assert math.isclose(trial.cost_usd, proved, rel_tol=1e-7, abs_tol=1e-5)
    if trial.unserved_gpu_hours == 0:
        free = replace(problem, size_usd=np.zeros_like(size), max_size=size)
        assert math.isclose(
            trial.cost_usd - fixed,
            solve_placement_exactly(free).cost_usd,
            rel_tol=1e-6,
            abs_tol=1e-4,
        )


@given(st.integers(0, 10_000), st.integers(0, 10_000))
@SOME
def test_the_plane_of_one_size_lies_below_the_cost_of_another(seed, other):
    problem = random_problem(seed)
    days = cut_placement_into_days(problem)
    rng = np.random.default_rng(other)
    first_size, two = (
        problem.max_size * rng.uniform(0.05, 0.6, len(problem.max_size)) for _ in "ab"
    )
    plane, truth = try_placement_size(days, first_size).plane, try_placement_size(days, two)
    below = float((problem.size_usd * two).sum() + (plane.level + plane.slope @ two).sum())
    assert below <= truth.cost_usd * (1 + 1e-9) + 1e-6


@given(st.integers(0, 10_000), st.integers(0, 10_000))
@SOME
def test_pools_without_size_cost_and_prove_what_their_absence_does(seed, other):
    problem = random_problem(seed)
    rng = np.random.default_rng(other)
    size = problem.max_size * rng.uniform(0, 0.4, 5) * rng.integers(0, 2, 5)
    without = replace(problem, latency_ok=problem.latency_ok & (size > 0))
    with_pools, two = (
        try_placement_size(cut_placement_into_days(each), size) for each in (problem, without)
    )
    assert math.isclose(with_pools.cost_usd, two.cost_usd, rel_tol=1e-9)
    proved = float(
        (problem.size_usd * size).sum()
        + (with_pools.plane.level + with_pools.plane.slope @ size).sum()
    )
    assert math.isclose(with_pools.cost_usd, proved, rel_tol=1e-7, abs_tol=1e-5)


@given(st.integers(0, 10_000), st.floats(0.5, 0.95), st.floats(1.0, 1.5))
@SOME
def test_days_taken_over_from_smaller_sizes_cost_no_less_and_bound_truly(seed, tight, wider):
    problem = random_problem(seed, days=3)
    days, size = cut_placement_into_days(problem), solve_placement_exactly(problem).size
    small = try_placement_size(days, size * tight)
    mended = try_placement_size(days, size * tight * wider, cached=small)
    anew = try_placement_size(days, size * tight * wider)
    assert mended.cost_usd >= anew.cost_usd * (1 - 1e-9) - 1e-6
    assert math.isclose(
        mended.unserved_gpu_hours, anew.unserved_gpu_hours, rel_tol=1e-6, abs_tol=1e-6
    )
    fixed = float((problem.size_usd * mended.size).sum())
    below = fixed + float((mended.plane.level + mended.plane.slope @ mended.size).sum())
    assert below <= anew.cost_usd * (1 + 1e-9) + 1e-6


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("unit", "opening"), [(0.0, 0.0), (10.0, 10.0)])
def test_the_days_close_on_the_exact_optimum(seed, unit, opening):
    problem = random_problem(seed, days=3, unit=unit, opening=opening)
    exact = solve_placement_exactly(problem)
    plan = solve_placement_by_days(problem, gap=1e-4)
    assert plan.optimality_gap_share <= 1e-4
    assert plan.bound_usd <= exact.cost_usd * (1 + 1e-7)
    assert exact.cost_usd <= plan.cost_usd * (1 + 1e-7)


@pytest.mark.slow
def test_a_week_of_30_regions_and_20_classes_is_exact_both_ways():
    problem = lifelike_problem(168)
    exact = solve_placement_exactly(problem, solver="simplex")
    plan = solve_placement_by_days(problem, gap=1e-4)
    assert exact.optimality_gap_share < 1e-9
    assert plan.bound_usd <= exact.cost_usd <= plan.cost_usd <= exact.cost_usd * (1 + 1.1e-4)


def test_the_same_problem_gives_the_same_bytes():
    problem = random_problem(5, days=2)
    first_run, two = solve_placement_by_days(problem), solve_placement_by_days(problem)
    assert first_run.load.tobytes() == two.load.tobytes()


def test_a_plan_that_loses_load_is_withheld():
    problem = random_problem(1)
    plan = solve_placement_exactly(problem)
    with pytest.raises(IdentityError):
        check_placement_plan(problem, replace(plan, load=plan.load * 0.9))


def test_a_plans_cost_is_sizes_openings_and_running():
    problem = random_problem(2, unit=10, opening=5)
    plan = solve_placement_exactly(problem)
    assert math.isclose(
        plan.cost_usd, placement_plan_cost_usd(problem, plan.size, plan.opened, plan.load)
    )


def test_limits_that_cannot_hold_are_refused():
    problem = random_problem(3)
    small = replace(problem, max_size=np.full(len(problem.max_size), 1.0))
    for solve in (solve_placement_exactly, solve_placement_by_days):
        with pytest.raises(InfeasibleError):
            solve(small)


def test_a_series_that_is_too_short_is_named():
    problem = random_problem(3)
    with pytest.raises(SeriesError, match="run_usd"):
        solve_placement_exactly(replace(problem, run_usd=problem.run_usd[:, :20]))
    with pytest.raises(SeriesError, match="whole days"):
        solve_placement_exactly(
            replace(
                problem,
                demand=problem.demand[:, :20],
                run_usd=problem.run_usd[:, :20],
                carbon_kg=problem.carbon_kg[:, :20],
            )
        )


def test_a_carbon_cap_lowers_carbon_and_costs_money():
    from commonwatt.siting.domain.placement import placement_carbon_kg

    problem = random_problem(4)
    free = solve_placement_exactly(problem)
    cap = 0.9 * placement_carbon_kg(problem, free.load)
    capped = solve_placement_exactly(replace(problem, carbon_cap_kg=cap))
    assert placement_carbon_kg(problem, capped.load) <= cap * (1 + 1e-6)
    assert capped.cost_usd >= free.cost_usd
