"""One budget over many streams: each row counts where it belongs, and the limit pays for all."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.clinic.domain.errors import MonitorError
from commonwatt.clinic.engines.evidence.sketch import BINS, STEP, model_score_bin_middle_logits
from commonwatt.clinic.engines.monitor import (
    MonitorPlan,
    monitor_result_of_daily_counts,
    monitor_result_of_scored_rows,
)
from commonwatt.clinic.engines.monitor.plan import calibration_test_log_ratios_by_label
from commonwatt.clinic.engines.monitor.rows import NO_ALARM, monitor_result_with_stream_verdicts
from tests.proofs import PROOFS

NEVER = MonitorPlan(alpha=1e-9, middle=-1.0)


def _sigmoid(x):
    return 1 / (1 + math.exp(-x))


def _ratio(p, y, alternative, plan):
    """Return q(y) / p0(y): the law of the plan's page, in chances and not in logits."""
    shift, slope, _ = alternative
    x = math.log(p / (1 - p))
    q = _sigmoid(plan.middle + shift + slope * (x - plan.middle))
    p0 = min(max(q, _sigmoid(x - plan.band)), _sigmoid(x + plan.band))
    return q / p0 if y else (1 - q) / (1 - p0)


def _slow_streams(rows, plan, count):
    """Return alarm, peak over the limit, rows and events of every stream, row after row."""
    limit = (plan.horizon + plan.head_start_share * plan.horizon) * count / plan.alpha
    start = plan.head_start_share * plan.horizon
    state = [[start] * len(plan.alternatives) for _ in range(count)]
    alarm, peak = [NO_ALARM] * count, [0.0] * count
    seen, events = [0] * count, [0] * count
    for number, (p, y, streams) in enumerate(rows):
        for g in streams:
            seen[g] += 1
            events[g] += y
            if alarm[g] != NO_ALARM:
                continue
            state[g] = [
                (m + 1) * _ratio(p, y, alternative, plan)
                for m, alternative in zip(state[g], plan.alternatives, strict=True)
            ]
            total = sum(w * m for (_, _, w), m in zip(plan.alternatives, state[g], strict=True))
            peak[g] = max(peak[g], total)
            if total >= limit:
                alarm[g] = number
    return alarm, [each / limit for each in peak], seen, events


ROWS = st.lists(
    st.tuples(st.floats(0.05, 0.6), st.sampled_from([0, 1, 1]), st.integers(1, 3)),
    min_size=12, max_size=40,
)  # fmt: skip


@pytest.mark.prove
@settings(max_examples=PROOFS.size(60, 3_000), deadline=None)
@given(ROWS, st.sampled_from([0.02, 0.3, 0.9]), st.sampled_from([0.0, 0.02, 0.5]))
def test_the_kernel_is_the_law_in_every_stream(drawn, alpha, head):
    """Four streams: the whole and three groups; labels that come too often, so that some alarm."""
    plan = MonitorPlan(alpha=alpha, horizon=40, middle=-1.0, head_start_share=head, fewest=3)
    rows = [(p, y, (0, group)) for p, y, group in drawn]
    result = monitor_result_of_scored_rows(
        [p for p, _, _ in rows], [y for _, y, _ in rows], [s for _, _, s in rows], plan, count=4
    )
    alarm, peak, seen, events = _slow_streams(rows, plan, 4)
    assert result.alarm_at.tolist() == alarm
    assert result.statistic == pytest.approx(peak, rel=1e-9)
    assert (result.rows.tolist(), result.events.tolist()) == (seen, events)
    fewer = [min(e, n - e) for n, e in zip(seen, events, strict=True)]
    assert result.verdicts == tuple(
        "alarm" if a != NO_ALARM
        else "quiet" if q >= 3 else "too few" if q else "no information"
        for a, q in zip(alarm, fewer, strict=True)
    )  # fmt: skip
    assert result.bound == alpha


@pytest.mark.parametrize("streams", [1, 4, 11])
def test_the_limit_of_each_stream_pays_for_all_of_them(streams):
    """(T + r) S / alpha, with the plan of the page: 50,000 rows and a head start of 1,000."""
    plan = MonitorPlan()
    assert plan.head_start_statistic_rows == 1000
    assert plan.monitor_alarm_limit(streams) == pytest.approx(510_000 * streams)


def test_more_streams_make_the_same_rows_alarm_later_and_never_sooner():
    """The bound is on any false alarm anywhere: an eleventh stream must cost the other ten."""
    score, label = np.full(400, 0.2), np.arange(400) % 2
    alarms = []
    for count in (1, 10, 10_000):
        streams = np.zeros((400, 1), np.int32)
        plan = MonitorPlan(horizon=1_000, middle=-1.4)
        alarms.append(
            int(monitor_result_of_scored_rows(score, label, streams, plan, count=count).alarm_at[0])
        )
    assert 0 < alarms[0] < alarms[1] < alarms[2]


@pytest.mark.slow
@pytest.mark.prove
def test_the_mean_false_alarm_rate_over_streams_stays_below_its_bound():
    """Ten streams of a right model, one budget: alarms of any in at most a fifth of the runs."""
    plan = MonitorPlan(alpha=0.2, horizon=300, middle=-1.0, band=0.0)
    chance, alarmed, runs = np.random.default_rng(7), 0, PROOFS.size(200, 2_000)
    for _ in range(runs):
        score = 1 / (1 + np.exp(-chance.normal(-1, 1.2, 3_000)))
        label = chance.random(3_000) < score
        streams = (np.arange(3_000) % 10)[:, None]
        result = monitor_result_of_scored_rows(score, label, streams, plan, count=10)
        alarmed += bool((result.alarm_at != NO_ALARM).any())
    assert alarmed <= runs * 0.2


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"band": -0.01}, {"band": 0.0}),
        ({"alpha": 0.0}, {"alpha": 1e-9}),
        ({"alpha": 1.0}, {"alpha": 0.999}),
        ({"horizon": 0}, {"horizon": 1}),
        ({"head_start_share": -0.01}, {"head_start_share": 0.0}),
        ({"alternatives": ()}, {"alternatives": ((0.5, 1.0, 1.0),)}),
        ({"alternatives": ((0.5, 1.0, 0.9),)}, {"alternatives": ((0.5, 1.0, 1 - 1e-12),)}),
        ({"alternatives": ((0.5, 1.0, 1.1),)}, {"alternatives": ((0.5, 1.0, 1 + 1e-12),)}),
        (
            {"alternatives": ((0.5, 1.0, -0.5), (0.5, 1.0, 1.5))},
            {"alternatives": ((0.5, 1.0, 0.0), (0.5, 1.0, 1.0))},
        ),
    ],
)
def test_a_plan_that_promises_nothing_or_everything_is_refused(wrong, right):
    with pytest.raises(MonitorError):
        MonitorPlan(**wrong)
    MonitorPlan(**right)


def test_the_plan_of_the_page_is_the_default():
    plan = MonitorPlan()
    assert (plan.band, plan.alpha, plan.horizon, plan.middle) == (0.1, 0.1, 50_000, 0.0)
    assert (plan.fewest, plan.head_start_share, NO_ALARM) == (10, 0.02, -1)
    assert sum(weight for _, _, weight in plan.alternatives) == pytest.approx(1)
    # Both directions of shift and both of slope are watched, and most of the budget is on slopes.
    assert {math.copysign(1, a) for a, _, _ in plan.alternatives if a} == {1, -1}
    assert min(b for _, b, _ in plan.alternatives) < 1 < max(b for _, b, _ in plan.alternatives)


@pytest.mark.parametrize(
    "changes",
    [
        {"score": 0.0}, {"score": 1.0}, {"label": -1}, {"label": 2}, {"streams": -1},
        {"streams": 3},
    ],
)  # fmt: skip
def test_a_row_out_of_bounds_is_named_by_its_number(changes):
    columns = {"score": [0.5] * 4, "label": [0, 1, 0, 1], "streams": [0, 1, 2, 0]}
    right = {name: list(values) for name, values in columns.items()}
    for name, value in changes.items():
        columns[name][2] = value
    with pytest.raises(MonitorError, match="row 2"):
        monitor_result_of_scored_rows(
            columns["score"], columns["label"], [[s] for s in columns["streams"]], NEVER, count=3
        )
    monitor_result_of_scored_rows(
        right["score"], right["label"], [[s] for s in right["streams"]], NEVER, count=3
    )


def test_columns_of_other_lengths_are_refused():
    for label, streams in (([0, 1, 0], [[0]] * 2), ([0, 1], [[0]] * 3)):
        with pytest.raises(MonitorError, match="rows"):
            monitor_result_of_scored_rows([0.5, 0.5], label, streams, NEVER, count=1)


def test_a_stream_says_too_few_until_both_outcomes_are_enough():
    plan = MonitorPlan(fewest=10)
    seen = np.array([[10, 10], [9, 50], [50, 9], [0, 0]])
    alarm = np.array([NO_ALARM] * 4)
    result = monitor_result_with_stream_verdicts(alarm, np.zeros(4), seen, plan)
    assert result.verdicts == ("quiet", "too few", "too few", "no information")
    assert (result.rows.tolist(), result.events.tolist()) == ([20, 59, 59, 0], [10, 50, 9, 0])
    alarm[1] = 0
    assert (
        monitor_result_with_stream_verdicts(alarm, np.zeros(4), seen, plan).verdicts[1] == "alarm"
    )


def _slow_days(counts, plan):
    """Return alarm day and peak over the limit of every stream: M = (M + n) L, day after day."""
    days, streams = counts.shape[:2]
    limit = plan.monitor_alarm_limit(streams)
    logits = model_score_bin_middle_logits()
    wide = MonitorPlan(band=plan.band + STEP / 2, middle=plan.middle)
    start = plan.head_start_share * plan.horizon
    alarm, peak = [NO_ALARM] * streams, [0.0] * streams
    for g in range(streams):
        state = [start] * len(plan.alternatives)
        for day in range(days):
            rows = counts[day, g].sum()
            for k, alternative in enumerate(plan.alternatives):
                ratio = 1.0
                for label in (0, 1):
                    for bin_ in range(1, BINS - 1):
                        n = counts[day, g, label, bin_]
                        if n:
                            ratio *= _ratio(_sigmoid(logits[bin_]), label, alternative, wide) ** n
                state[k] = (state[k] + rows) * ratio
            total = sum(w * m for (_, _, w), m in zip(plan.alternatives, state, strict=True))
            if alarm[g] == NO_ALARM:
                peak[g] = max(peak[g], total)
                if total >= limit:
                    alarm[g] = day
    return alarm, [each / limit for each in peak]


@pytest.mark.prove
@settings(max_examples=PROOFS.size(25, 500), deadline=None)
@given(st.data(), st.sampled_from([0.0, 0.02]))
def test_days_are_the_law_in_every_stream(data, head):
    plan = MonitorPlan(alpha=0.9, horizon=60, middle=-1.0, head_start_share=head, fewest=2)
    counts = np.zeros((6, 3, 2, BINS), np.int64)
    cells = st.tuples(
        st.integers(0, 5), st.integers(0, 2), st.sampled_from([0, 1, 1]),
        st.one_of(st.sampled_from([0, BINS - 1]), st.integers(BINS // 3, BINS // 2)),
    )  # fmt: skip
    for cell in data.draw(st.lists(cells, min_size=10, max_size=60)):
        counts[cell] += 2
    result = monitor_result_of_daily_counts(counts, plan)
    alarm, peak = _slow_days(counts, plan)
    assert result.alarm_at.tolist() == alarm
    assert result.statistic == pytest.approx(peak, rel=1e-6)
    assert result.events.tolist() == counts[:, :, 1].sum(axis=(0, 2)).tolist()
    assert result.rows.tolist() == counts.sum(axis=(0, 2, 3)).tolist()


@pytest.mark.parametrize("shape", [(2, BINS), (1, 1, 2, BINS - 1), (1, 1, 1, BINS)])
def test_counts_of_another_shape_are_refused(shape):
    with pytest.raises(MonitorError):
        monitor_result_of_daily_counts(np.zeros(shape), MonitorPlan())
    monitor_result_of_daily_counts(np.zeros((1, 1, 2, BINS)), MonitorPlan())


def test_the_slack_of_a_bin_widens_the_band_on_both_sides():
    plan = MonitorPlan(band=0.1, alternatives=((0.3, 1.0, 0.5), (-0.3, 1.0, 0.5)))
    logits = np.array([-1.0, 0.0, 2.0])
    wider = MonitorPlan(band=0.15, alternatives=plan.alternatives)
    for ours, theirs in zip(
        calibration_test_log_ratios_by_label(logits, plan, slack=0.05),
        calibration_test_log_ratios_by_label(logits, wider),
        strict=True,
    ):
        assert ours == pytest.approx(theirs)
    without, with_event = calibration_test_log_ratios_by_label(logits, plan)
    for k, alternative in enumerate(plan.alternatives):
        for i, x in enumerate(logits):
            p = _sigmoid(x)
            assert math.exp(without[k, i]) == pytest.approx(_ratio(p, 0, alternative, plan))
            assert math.exp(with_event[k, i]) == pytest.approx(_ratio(p, 1, alternative, plan))


def test_a_statistic_that_meets_its_limit_exactly_is_an_alarm():
    """Where the watched change is none, every ratio is one and the statistic counts the rows."""
    plan = MonitorPlan(
        band=0.0, alpha=0.5, horizon=1, alternatives=((0.0, 1.0, 1.0),), head_start_share=0.0
    )
    rows = monitor_result_of_scored_rows([0.5, 0.5], [0, 1], [[0], [0]], plan, count=1)
    assert (rows.alarm_at.tolist(), rows.statistic.tolist()) == ([1], [1.0])
    counts = np.zeros((2, 1, 2, BINS))
    counts[:, 0, 1, BINS // 2] = 1
    days = monitor_result_of_daily_counts(counts, plan)
    assert (days.alarm_at.tolist(), days.statistic.tolist()) == ([1], [1.0])


def test_the_changes_that_are_watched_are_those_that_the_page_lists():
    assert MonitorPlan().alternatives == (
        (0.5, 1.0, 0.08), (-0.5, 1.0, 0.08), (1.0, 1.0, 0.2), (-1.0, 1.0, 0.08), (2.0, 1.0, 0.04),
        (0.0, 0.5, 0.36), (0.0, 0.25, 0.04), (0.0, 1.6, 0.04), (0.5, 0.6, 0.04), (-0.5, 0.6, 0.04),
    )  # fmt: skip
