"""Whole units, shortages and opening costs of a placement, each worked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from commonwatt.core.errors import IdentityError, InfeasibleError
from commonwatt.siting.domain.placement import check_placement_plan, checked_placement_bound_usd
from commonwatt.siting.engines.place import decompose, exact
from commonwatt.siting.engines.place.decompose import (
    _largest_pool_size_in_steps,
    _pool_sizes_in_whole_units,
    _pool_sizes_with_shortage_added,
    cut_placement_into_days,
    gpus_needed_by_placement_pool_set,
    site_opening_cost_usd,
    size_trial_serving_all_load,
    solve_placement_by_days,
    try_placement_size,
)
from commonwatt.siting.engines.place.exact import solve_placement_exactly
from tests.siting_problems import random_problem

near = pytest.approx


def problem(**changes):
    """Return two pools; one class of 10 GPUs in each of 24 hours, which both reach."""
    plain = random_problem(1, classes=1, pools=2, deferrable=False)
    known = {
        "demand": np.full((1, 24), 10.0), "draw": np.ones(1), "run_usd": np.full((2, 24), 0.1),
        "move_usd": np.zeros((1, 2)), "latency_ok": np.ones((1, 2), bool),
        "size_usd": np.array([2.0, 1.0]), "open_usd": np.array([30.0, 50.0]),
        "max_size": np.array([20.0, 15.0]),
    }  # fmt: skip
    return replace(plain, **(known | changes))


@pytest.mark.parametrize(
    ("size", "unit", "most", "whole"),
    [
        (7.0, 0.0, 20.0, 7.0), (7.0, 4.0, 20.0, 8.0), (8.0, 4.0, 20.0, 8.0),
        (8.0 + 1e-6, 4.0, 20.0, 8.0), (8.1, 4.0, 20.0, 12.0), (0.0, 4.0, 20.0, 0.0),
        # No whole unit above the largest size: the last one below it.
        (18.0, 4.0, 18.0, 16.0), (17.0, 4.0, 20.0, 20.0), (0.5, 0.25, 9.0, 0.5),
        # Without a unit a size stays what it is.
        (7.3, 0.0, 20.0, 7.3),
    ],
)  # fmt: skip
def test_a_size_is_rounded_up_to_whole_units_that_can_be_built(size, unit, most, whole):
    made = problem(unit=np.full(2, unit), max_size=np.full(2, most))
    assert _pool_sizes_in_whole_units(made, np.full(2, size)).tolist() == near([whole] * 2)


def test_the_largest_size_counts_whole_units_only_where_there_are_any():
    made = problem(unit=np.array([0.0, 4.0]), max_size=np.array([18.0, 18.0]))
    step = np.array([1.0, 4.0])
    assert _largest_pool_size_in_steps(made, step, whole=True).tolist() == [18.0, 4.0]
    assert _largest_pool_size_in_steps(made, step, whole=False).tolist() == [18.0, 4.5]
    halves = problem(unit=np.array([0.0, 0.1]), max_size=np.array([1.5, 0.3]))
    # 0.3 holds three tenths, whatever its last bit.
    counts = _largest_pool_size_in_steps(halves, np.array([1.0, 0.1]), whole=True)
    assert counts.tolist() == [1.5, 3.0]


@pytest.mark.parametrize(
    ("size", "whole", "shared"),
    [((0, 0), 0, 0), ((5, 0), 30, 7.5), ((0, 3), 50, 10), ((20, 15), 80, 80)],
)
def test_a_site_is_opened_whole_or_by_the_share_of_its_largest_size(size, whole, shared):
    made = problem()
    assert site_opening_cost_usd(made, np.array(size, float), whole=True) == whole
    assert site_opening_cost_usd(made, np.array(size, float), whole=False) == near(shared)


def test_a_pool_of_less_than_one_gpu_opens_its_site_by_its_own_share():
    made = problem(max_size=np.array([0.5, 15.0]))
    assert site_opening_cost_usd(made, np.array([0.25, 0.0]), whole=False) == near(15)


def test_steps_below_one_gpu_count_as_what_they_hold():
    whole, halves = (solve_placement_exactly(problem(unit=np.full(2, u))) for u in (1.0, 0.5))
    assert halves.size.sum() == near(10)
    assert halves.cost_usd == near(whole.cost_usd)


def needed_gpus(made):
    days = cut_placement_into_days(made)
    return {tuple(pools.tolist()): n for pools, n in gpus_needed_by_placement_pool_set(days)}


def test_pools_must_hold_what_can_run_in_no_other_at_each_hour_and_on_the_mean_of_a_day():
    near_only, anywhere = np.full(24, 3.0), np.full(24, 4.0)
    near_only[5], anywhere[7] = 9.0, 28.0
    made = problem(
        class_names=("near", "anywhere"), demand=np.stack([near_only, anywhere]),
        draw=np.ones(2), move_usd=np.zeros((2, 2)), defer_h=np.array([0, 6]),
        latency_ok=np.array([[True, False], [True, True]]), residency_ok=np.ones((2, 2), bool),
        type_ok=np.ones((2, 2), bool),
    )  # fmt: skip
    # The first pool alone: the peak of what waits for nothing and goes nowhere else. Both: that
    # peak, or the mean of all, (23 * 3 + 9 + 23 * 4 + 28) / 24 = 8.25, which is less.
    assert needed_gpus(made) == {(0,): 9.0, (0, 1): 9.0}
    busier = replace(made, demand=np.stack([near_only, anywhere + 2]))
    assert needed_gpus(busier) == {(0,): 9.0, (0, 1): 10.25}


def trial_of(made, size, **how):
    days = cut_placement_into_days(made)
    return days, try_placement_size(days, np.array(size, float), **how)


@pytest.mark.parametrize("size", [(0, 0), (4, 0), (0, 7), (4, 6), (20, 15)])
def test_a_trial_costs_its_sizes_openings_load_and_what_finds_no_place(size):
    days, trial = trial_of(problem(), size)
    served = min(10, sum(size))
    assert trial.unserved_gpu_hours == near(24 * (10 - served), abs=1e-6)
    opened = 30 * (size[0] > 0) + 50 * (size[1] > 0)
    expected = 2 * size[0] + size[1] + opened + 24 * served * 0.1
    assert trial.cost_usd == near(expected + days.penalty * 24 * (10 - served), rel=1e-6)
    assert trial.flow.sum() == near(24 * served, abs=1e-6)
    assert (trial.mu >= 0).all()
    # The plane touches the running cost at its own size and lies below it everywhere else.
    for other in [(0, 0), (4, 0), (0, 7), (20, 15), (6, 6)]:
        bound = trial.plane.level.sum() + float((trial.plane.slope @ np.array(other, float)).sum())
        gone = 10 - min(10, sum(other))
        running = 24 * (10 - gone) * 0.1 + days.penalty * 24 * gone
        assert bound <= running * (1 + 1e-9) + 1e-6
        if other == size:
            assert bound == near(running, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("size", "unit", "expected"),
    [
        # 4 GPUs miss each hour; a day's worth is added to the cheaper pool, at most to its largest.
        ((6, 0), 0.0, (6, 15)), ((0, 9.9), 0.0, (0, 12.3)), ((6, 15), 0.0, (6, 15)),
        ((0, 9.9), 2.0, (0, 13.9)),
        # Where the cheaper one is full the other is raised.
        ((0, 15), 0.0, (0, 15)),
    ],
)  # fmt: skip
def test_a_shortage_is_added_where_a_gpu_is_cheapest(size, unit, expected):
    days, trial = trial_of(problem(unit=np.full(2, unit)), size)
    raised = _pool_sizes_with_shortage_added(days, trial)
    assert raised.tolist() == near(expected, rel=1e-4)
    assert (raised >= np.array(size) - 1e-12).all()
    missing = 24 * max(0, 10 - sum(size))
    added = raised - np.array(size)
    assert added[0] == 0
    assert missing == 0 or added[1] >= min(missing, 15 - size[1]) - 1e-9


def test_the_dearer_pool_is_raised_where_the_cheaper_one_is_full():
    days, trial = trial_of(problem(max_size=np.array([20.0, 5.0])), (0, 5))
    raised = _pool_sizes_with_shortage_added(days, trial)
    assert raised.tolist() == near([20.0, 5.0])


def test_sizes_are_raised_until_all_load_is_served_or_none_can_be():
    days, short = trial_of(problem(), (3, 0))
    full = size_trial_serving_all_load(days, short)
    assert full.unserved_gpu_hours <= 1e-6
    assert (full.size >= short.size).all()
    days, enough = trial_of(problem(), (10, 0))
    assert size_trial_serving_all_load(days, enough) is enough
    days, never = trial_of(problem(max_size=np.array([4.0, 5.0])), (4, 5))
    with pytest.raises(InfeasibleError, match="without a place"):
        size_trial_serving_all_load(days, never)
    # A shortage beyond the rounding of the flow counts, however large the load.
    many = problem(demand=np.full((1, 24), 1e4), max_size=np.array([1e4, 1.0]))
    days, little = trial_of(many, (1e4 - 1e-3, 0))
    assert size_trial_serving_all_load(days, little).size.sum() >= 1e4 - 1e-9


@pytest.mark.parametrize(
    ("unit", "most", "opening", "sizes", "cost"),
    [
        # The cheaper pool first, up to its largest size; energy is 24 USD in every case.
        (0.0, (18.0, 6.0), (0.0, 0.0), (4, 6), 14), (0.0, (18.0, 18.0), (0.0, 0.0), (0, 10), 10),
        # In whole fours a largest size of six holds one.
        (4.0, (18.0, 6.0), (0.0, 0.0), (8, 4), 20), (4.0, (18.0, 12.0), (0.0, 0.0), (0, 12), 12),
        # The last whole unit below 11 is 8, and the dearer pool takes the rest.
        (4.0, (18.0, 11.0), (0.0, 0.0), (4, 8), 16),
        # An opening that is dearer than what the second pool saves is not paid.
        (0.0, (18.0, 6.0), (0.0, 7.0), (10, 0), 20), (0.0, (18.0, 6.0), (0.0, 5.0), (4, 6), 19),
        (0.0, (18.0, 18.0), (3.0, 5.0), (0, 10), 15),
    ],
)  # fmt: skip
def test_the_exact_plan_is_the_cheapest_that_can_be_built(unit, most, opening, sizes, cost):
    made = problem(unit=np.full(2, unit), max_size=np.array(most), open_usd=np.array(opening))
    plan = solve_placement_exactly(made)
    assert plan.size.tolist() == near(sizes, abs=1e-6)
    assert plan.cost_usd == near(cost + 24)
    assert plan.bound_usd <= plan.cost_usd + 1e-9
    assert plan.bound_usd == near(plan.cost_usd, rel=1e-3)
    assert plan.opened.tolist() == [size > 0 for size in sizes]
    by_days = solve_placement_by_days(made)
    assert by_days.cost_usd == near(cost + 24, rel=1e-3)
    assert by_days.bound_usd <= cost + 24 + 1e-6


@pytest.mark.parametrize(("sizes", "sound"), [((8.0, 4.0), True), ((9.0, 4.0), False)])
def test_a_plan_with_a_size_between_whole_units_is_withheld(sizes, sound):
    made = problem(unit=np.full(2, 4.0), open_usd=np.zeros(2), max_size=np.array([18.0, 6.0]))
    plan = solve_placement_exactly(made)
    changed = replace(plan, size=np.array(sizes))
    if sound:
        check_placement_plan(made, changed)
        return
    with pytest.raises(IdentityError, match="between whole units"):
        check_placement_plan(made, changed)
    check_placement_plan(replace(made, unit=np.zeros(2)), changed)


@pytest.mark.parametrize(("cap", "dirty"), [(240.0, 10.0), (120.0, 5.0), (60.0, 2.5)])
def test_a_carbon_cap_moves_load_to_the_clean_pool(cap, dirty):
    """The cheaper pool draws a kilogram an hour and GPU, the other none."""
    made = problem(
        open_usd=np.zeros(2), max_size=np.full(2, 20.0), carbon_cap_kg=cap,
        carbon_kg=np.array([[0.0] * 24, [1.0] * 24]),
    )  # fmt: skip
    plan = solve_placement_exactly(made)
    assert float((plan.load[0] * made.carbon_kg).sum()) <= cap + 1e-5
    assert float(plan.load[0, 1].sum()) == near(24 * dirty, abs=1e-4)


@pytest.mark.parametrize("cost", [1.0, 250.0, 3.5e9, 0.0, -40.0])
def test_a_bound_above_the_cost_is_an_error_that_names_both_and_rounding_is_none(cost):
    scale = max(abs(cost), 1.0)
    assert checked_placement_bound_usd(cost - scale, cost) == cost - scale
    assert checked_placement_bound_usd(cost + 0.5e-6 * scale, cost) == cost
    for bound in (cost + 2e-6 * scale, cost + scale, float("inf"), float("nan")):
        with pytest.raises(IdentityError) as caught:
            checked_placement_bound_usd(bound, cost)
        assert {repr(bound), repr(cost)} <= set(str(caught.value).replace(",", " ").split())


@pytest.mark.parametrize("solve", [solve_placement_exactly, solve_placement_by_days])
def test_a_plan_cheaper_than_its_bound_is_never_given(solve, monkeypatch):
    """As if half of what the plan costs had been forgotten."""
    made = random_problem(3)
    assert solve(made).cost_usd > 0
    for module in (exact, decompose):
        right = module.checked_placement_bound_usd
        monkeypatch.setattr(
            module,
            "checked_placement_bound_usd",
            lambda bound, cost, right=right: right(bound, cost / 2),
        )
    with pytest.raises(IdentityError, match="lower bound"):
        solve(made)
