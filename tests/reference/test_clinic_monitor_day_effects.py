"""Rows of one day that share a disturbance: the law, its plain form, and what is learned of it."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.clinic.domain.errors import MonitorError
from commonwatt.clinic.engines.evidence.sketch import (
    BINS,
    STEP,
    model_score_bin_index,
    model_score_bin_middle_logits,
)
from commonwatt.clinic.engines.monitor import (
    DailyScoreCells,
    MonitorPlan,
    monitor_result_of_daily_cells,
)
from commonwatt.clinic.engines.monitor.day_effects import (
    clinic_days_differ_more_than_allowed,
    largest_plausible_monitor_day_effect_sd,
    learned_day_effect_sds,
)
from tests.proofs import PROOFS

CUT = MonitorPlan(alpha=1e-9, day_effect_sd=0.3).day_effect_range_in_standard_deviations
LOGITS = model_score_bin_middle_logits()
ALTERNATIVES = st.sampled_from(
    [(0.5, 1.0), (-0.5, 1.0), (1.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (0.0, 0.5), (0.0, 1.6)]
)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def plan_of(alternative, sd, band=0.1):
    return MonitorPlan(band=band, middle=-1.0, horizon=100, day_effect_sd=sd, alpha=1e-9,
                       alternatives=((*alternative, 1.0),))  # fmt: skip


def one_day(bins, labels):
    count = len(bins)
    return DailyScoreCells(
        day=np.zeros(count, np.int64), stream=np.zeros(count, np.int64),
        label=np.array(labels, np.int64), score_bin=np.array(bins, np.int64),
        rows=np.ones(count, np.int64), days=1, streams=1,
    )  # fmt: skip


def ratio_of_day(bins, labels, plan):
    """Return the ratio of a day from the statistic after it: M = (r + n) L."""
    result = monitor_result_of_daily_cells(one_day(bins, labels), plan)
    start = plan.head_start_statistic_rows + len(bins)
    return float(result.statistic[0]) * plan.monitor_alarm_limit(1) / start


NODES = np.linspace(-CUT, CUT, 401)
WEIGHTS = -0.5 * NODES**2 - np.logaddexp.reduce(-0.5 * NODES**2)


def normal_grid(sd):
    if sd == 0:
        return np.zeros(1), np.ones(1)
    u = np.linspace(-9 * sd, 9 * sd, 401)
    weight = np.exp(-0.5 * (u / sd) ** 2)
    return u, weight / weight.sum()


BIN = st.integers(BINS // 4, 5 * BINS // 8)


@pytest.mark.prove
@settings(max_examples=PROOFS.size(40, 2_000), deadline=None)
@given(
    st.lists(st.tuples(BIN, st.floats(-1, 1)), min_size=1, max_size=6), ALTERNATIVES,
    st.sampled_from([0.1, 0.3]), st.sampled_from([0.0, 0.3, 0.7, 1.0]),
)  # fmt: skip
def test_no_day_has_an_expectation_above_one(rows, alternative, sd, share):
    """Over every outcome of a small day, anywhere in the band, for every smaller day effect."""
    plan = plan_of(alternative, sd)
    bins = [each for each, _ in rows]
    truth = np.array([LOGITS[each] + where * (0.1 + STEP / 2) for each, where in rows])
    u, weight = normal_grid(share * sd)
    chance = sigmoid(truth[None] + u[:, None])
    expected = 0.0
    for labels in itertools.product((0, 1), repeat=len(bins)):
        y = np.array(labels)
        probability = (weight * np.where(y, chance, 1 - chance).prod(axis=1)).sum()
        expected += float(probability) * ratio_of_day(bins, labels, plan)
    assert expected <= 1 + 1e-4


def plain_ratio(bins, labels, alternative, sd, band=0.1):
    """The law of the module's docstring in logarithms, and the choice of its power."""
    width, x = band + STEP / 2, LOGITS[bins]
    q = -1.0 + alternative[0] + alternative[1] * (x + 1.0)
    p0 = np.clip(q, x - width, x + width)
    one, zero = np.log(sigmoid(q) / sigmoid(p0)), np.log(sigmoid(-q) / sigmoid(-p0))
    chance = 1 / (1 + np.exp(-(x + np.where(q > x, width, -width))[:, None] - NODES * sd))

    def largest(power):
        g = np.log(chance * np.exp(power * one)[:, None]
                   + (1 - chance) * np.exp(power * zero)[:, None]).sum(axis=0)  # fmt: skip
        return max(g[len(g) // 2], np.logaddexp.reduce(g + WEIGHTS))

    gain = np.where(labels, one, zero).sum()
    hoped = (sigmoid(q) * one + sigmoid(-q) * zero).sum()
    first = 1 / (1 + (sigmoid(x) * sigmoid(-x)).sum() * sd**2)
    powers = [first / 2**n for n in range(6)]
    worth = [power * hoped - largest(power) for power in powers]
    chosen, best = 0.0, 0.0
    for power, value in zip(powers, worth, strict=True):
        if value > best:
            best, chosen = value, power * gain - largest(power)
        elif best > 0:
            break
        if best >= 0.7 * first * hoped:
            break
    return chosen


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(BIN, st.sampled_from([0, 1])), min_size=1, max_size=30), ALTERNATIVES,
    st.sampled_from([0.05, 0.3, 1.0]), st.sampled_from([0.0, 0.1, 0.4]),
)  # fmt: skip
def test_the_kernel_of_day_effects_is_the_law_written_plainly(rows, alternative, sd, band):
    bins, labels = [each for each, _ in rows], [y for _, y in rows]
    wanted = plain_ratio(np.array(bins), np.array(labels), alternative, sd, band)
    assert math.log(ratio_of_day(bins, labels, plan_of(alternative, sd, band))) == pytest.approx(
        wanted, rel=1e-6, abs=1e-3
    )


@pytest.mark.parametrize("rows", [50, 2_000, 20_000])
@pytest.mark.parametrize("mean", [-1.5, -4.0])
@pytest.mark.parametrize("alternative", [(2.0, 1.0), (1.0, 1.0), (-1.0, 1.0), (0.0, 0.5)])
def test_busy_days_and_seldom_events_are_integrated_well(rows, mean, alternative):
    """Where the far tail of the day effect rules, and a rule laid about zero would miss it."""
    chance = np.random.default_rng(rows)
    x = mean + 1.2 * chance.standard_normal(rows)
    bins, labels = model_score_bin_index(sigmoid(x)), (chance.random(rows) < sigmoid(x)).astype(int)
    key, counts = np.unique(bins * 2 + labels, return_counts=True)
    cells = one_day(key // 2, key % 2)
    cells = DailyScoreCells(day=cells.day, stream=cells.stream, label=cells.label,
                            score_bin=cells.score_bin, rows=counts, days=1, streams=1)  # fmt: skip
    plan = plan_of(alternative, 0.3)
    result = monitor_result_of_daily_cells(cells, plan)
    got = math.log(result.statistic[0] * plan.monitor_alarm_limit(1)) - math.log(
        plan.head_start_statistic_rows + rows
    )
    wanted = plain_ratio(bins, labels, alternative, 0.3)
    # A sum at steps of half a deviation is at or above the integral where its end rules.
    assert wanted - 1.5 <= got <= wanted + 1e-2


def test_scores_that_tell_nothing_add_their_row_and_no_ratio():
    plan = plan_of((1.0, 1.0), 0.3)
    bins, labels = [900, 950, 950], [1, 0, 1]
    alone = ratio_of_day(bins, labels, plan)
    assert ratio_of_day([*bins, 0, BINS - 1], [*labels, 1, 0], plan) == pytest.approx(alone)


def test_days_of_one_row_lose_nothing_to_an_allowance_for_day_effects():
    with_, without = (
        ratio_of_day([model_score_bin_index(np.array([0.2]))[0]], [1], plan_of((1.0, 1.0), sd))
        for sd in (0.3, 0.0)
    )
    assert with_ == pytest.approx(without, rel=0.03)


def drawn_days(sd, days, variance, seed):
    """Return squares and variances of days whose sums share an effect of that deviation."""
    chance = np.random.default_rng(seed)
    spread = np.sqrt(variance + variance**2 * sd**2)
    return (spread * chance.standard_normal(days)) ** 2, np.full(days, float(variance))


@pytest.mark.parametrize("sd", [0.0, 0.1, 0.2, 0.3])
@pytest.mark.parametrize("variance", [1.0, 10.0, 100.0])
def test_a_true_day_effect_is_ruled_out_no_more_often_than_its_error(sd, variance):
    ruled_out = sum(
        largest_plausible_monitor_day_effect_sd(*drawn_days(sd, 120, variance, seed), 0.3, 0.02)
        < sd - 1e-9
        for seed in range(300)
    )
    assert ruled_out / 300 <= 0.02 + 3 * math.sqrt(0.02 * 0.98 / 300)


def test_many_quiet_days_rule_large_effects_out_and_few_rule_nothing_out():
    plan = MonitorPlan(day_effect_sd=0.3)
    learned = learned_day_effect_sds(*drawn_days(0.0, 2_000, 20.0, 1), plan)
    assert (learned[:30] == 0.3).all()
    assert (np.diff(learned) <= 0).all()
    assert learned[-1] < 0.12
    assert len(learned) == 2_001
    true = learned_day_effect_sds(*drawn_days(0.3, 2_000, 20.0, 1), plan)
    assert true[-1] == pytest.approx(0.3, abs=0.02)


def test_what_is_learned_hangs_on_the_days_before_alone():
    plan = MonitorPlan(day_effect_sd=0.3)
    squares, variances = drawn_days(0.05, 400, 20.0, 2)
    first = learned_day_effect_sds(squares, variances, plan)
    squares[200:] *= 50
    later = learned_day_effect_sds(squares, variances, plan)
    assert later[:201].tolist() == first[:201].tolist()
    prefix = learned_day_effect_sds(squares[:200], variances[:200], plan)
    assert prefix.tolist() == first[:201].tolist()


def test_days_without_rows_teach_nothing():
    plan = MonitorPlan(day_effect_sd=0.3)
    squares, variances = drawn_days(0.0, 100, 20.0, 3)
    apart = np.zeros(200)
    apart[::2] = squares
    gaps = np.zeros(200)
    gaps[::2] = variances
    dense = learned_day_effect_sds(squares, variances, plan)
    assert learned_day_effect_sds(apart, gaps, plan)[-1] == dense[-1]
    assert (learned_day_effect_sds(apart, gaps, plan)[:59] == 0.3).all()


def test_days_that_differ_more_than_allowed_are_seen_and_others_are_not():
    for sd, allowed, broken in (
        (0.0, 0.0, False),
        (0.3, 0.3, False),
        (0.3, 0.0, True),
        (1.0, 0.3, True),
    ):
        days = drawn_days(sd, 400, 20.0, 4)
        assert clinic_days_differ_more_than_allowed(*days, band=0.05, sd=allowed) is broken
    assert not clinic_days_differ_more_than_allowed(np.zeros(5), np.zeros(5), band=0.1, sd=0.3)


@pytest.mark.parametrize(("wrong", "right"), [(-0.01, 0.0), (1.01, 1.0), (math.nan, 0.3)])
def test_a_plan_of_another_day_effect_is_refused(wrong, right):
    with pytest.raises(MonitorError, match="day_effect_sd"):
        MonitorPlan(day_effect_sd=wrong)
    MonitorPlan(day_effect_sd=right)


def test_the_error_is_split_between_alarms_and_what_is_learned_and_grows_past_the_horizon():
    plan = MonitorPlan(alpha=0.1, horizon=1_000, day_effect_sd=0.3)
    assert plan.alarm_error == pytest.approx(0.08)
    assert plan.day_effect_error == pytest.approx(0.02)
    assert plan.monitor_alarm_limit(3) == pytest.approx(1_020 * 3 / 0.08)
    assert plan.false_alarm_bound_after_rows(1_000) == pytest.approx(0.1)
    assert plan.false_alarm_bound_after_rows(2_020) == pytest.approx(0.02 + 0.16)
    assert plan.false_alarm_bound_after_rows(10**9) == 1.0
    assert MonitorPlan(alpha=0.1).alarm_error == 0.1
