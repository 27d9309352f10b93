"""The monitor's bound, its twin, and its silence and alarms on real records."""

import gzip
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.clinic.domain.errors import MonitorError
from commonwatt.clinic.engines.evidence import score_recalibration_of_group, sketch_model_scores
from commonwatt.clinic.engines.evidence.metrics import auc_and_interval_by_group
from commonwatt.clinic.engines.evidence.sketch import BINS
from commonwatt.clinic.engines.monitor import (
    ALTERNATIVES,
    MonitorPlan,
    label_free_auc,
    monitor_result_of_daily_counts,
    monitor_result_of_scored_rows,
)
from commonwatt.clinic.engines.monitor.plan import calibration_test_log_ratios_by_label
from commonwatt.clinic.usecases.monitor import realised_and_label_free_model_auc
from commonwatt.core.seeds import named_random_stream
from tests.shared_data import shared_data


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def slow_peak(scores, labels, plan):
    """The law of the plan's docstring, one number at a time."""
    peak, state = 0.0, [plan.head_start_share * plan.horizon] * len(plan.alternatives)
    for p, y in zip(scores, labels, strict=True):
        x = math.log(p / (1 - p))
        for k, (shift, slope, _) in enumerate(plan.alternatives):
            q = sigmoid(plan.middle + shift + slope * (x - plan.middle))
            p0 = min(max(q, sigmoid(x - plan.band)), sigmoid(x + plan.band))
            state[k] = (state[k] + 1) * (q / p0 if y else (1 - q) / (1 - p0))
        peak = max(peak, sum(w * m for (_, _, w), m in zip(plan.alternatives, state, strict=True)))
    return peak


def null_rows(seed, count, mean=-1.0, shift=0.0):
    chance = named_random_stream(seed, "monitor-test")
    x = chance.normal(mean, 1.2, count)
    return 1 / (1 + np.exp(-x)), chance.random(count) < 1 / (1 + np.exp(-(x + shift)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 0.4))
def test_the_kernel_is_the_law_written_plainly(seed, band):
    plan = MonitorPlan(band=band, middle=-1.0, alpha=1e-12)
    score, label = null_rows(seed, 60, shift=1.5)
    monitor = monitor_result_of_scored_rows(
        score, label, np.zeros((60, 1), np.int32), plan, count=1
    )
    wanted = slow_peak(score.tolist(), label.tolist(), plan) / plan.monitor_alarm_limit(1)
    assert monitor.statistic[0] == pytest.approx(wanted, rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.floats(-6, 6), st.floats(0, 0.5), st.floats(-1, 1))
def test_no_ratio_has_an_expectation_above_one_anywhere_in_the_band(x, band, where):
    zero, label_one = calibration_test_log_ratios_by_label(np.array([x]), MonitorPlan(band=band))
    p = sigmoid(x + where * band)
    expected = (1 - p) * np.exp(zero) + p * np.exp(label_one)
    assert (expected <= 1 + 1e-9).all()


@pytest.mark.parametrize("shift", [0.0, 0.1, -0.1])
def test_false_alarms_stay_within_the_stated_bound_anywhere_in_the_band(shift):
    plan = MonitorPlan(band=0.1, alpha=0.2, horizon=2_000, middle=-1.0)
    stream = np.zeros((2_000, 1), np.int32)
    alarms = sum(
        monitor_result_of_scored_rows(
            *null_rows(seed, 2_000, shift=shift), stream, plan, count=1
        ).alarm_at[0]
        >= 0
        for seed in range(300)
    )
    assert alarms / 300 <= plan.alpha + 3 * math.sqrt(0.2 * 0.8 / 300)


def test_every_stream_of_one_budget_is_watched_and_the_changed_one_is_named():
    plan = MonitorPlan(alpha=0.1, horizon=20_000, middle=-1.0)
    score, label = null_rows(1, 20_000)
    group = named_random_stream(2, "groups").integers(0, 10, 20_000)
    worse = group == 3
    label = np.where(worse, null_rows(1, 20_000, shift=1.2)[1], label)
    streams = np.stack([np.zeros(20_000), 1 + group], axis=1)
    monitor = monitor_result_of_scored_rows(score, label, streams, plan, count=11)
    assert monitor.verdicts[4] == "alarm"
    assert monitor.verdicts.count("alarm") <= 2  # the whole contains the part
    assert monitor.bound == 0.1


def test_days_of_sketches_give_the_alarm_that_rows_give():
    score, label = null_rows(5, 3_000, shift=1.0)
    plan = MonitorPlan(band=0.1, middle=-1.0)
    days = [
        sketch_model_scores(score[i : i + 50], label[i : i + 50]).counts
        for i in range(0, 3_000, 50)
    ]
    by_day = monitor_result_of_daily_counts(np.stack(days), plan)
    by_row = monitor_result_of_scored_rows(
        score, label, np.zeros((3_000, 1), np.int32), plan, count=1
    )
    assert abs(by_day.alarm_at[0] - by_row.alarm_at[0] / 50) <= 3


def test_hospitals_may_add_their_days_in_any_order():
    score, label = null_rows(6, 400)
    parts = [sketch_model_scores(score[i::4], label[i::4]).counts for i in range(4)]
    forward = monitor_result_of_daily_counts(sum(parts)[None], MonitorPlan())
    other = monitor_result_of_daily_counts(sum(reversed(parts))[None], MonitorPlan())
    assert forward.statistic.tobytes() == other.statistic.tobytes()


def test_a_stream_that_saw_too_few_is_not_called_quiet():
    monitor = monitor_result_of_scored_rows([0.1, 0.2], [0, 1], [[0], [0]], MonitorPlan(), count=2)
    assert monitor.verdicts == ("too few", "no information")


@pytest.mark.parametrize(
    "given_",
    [{"band": -1}, {"alpha": 0}, {"alpha": 1}, {"horizon": 0}, {"alternatives": ()},
     {"alternatives": ((0.0, 1.0, 0.5),)}],
)  # fmt: skip
def test_a_plan_that_promises_nothing_is_refused(given_):
    with pytest.raises(MonitorError, match="plan"):
        MonitorPlan(**given_)


def test_rows_and_sketches_that_are_not_of_the_form_are_refused():
    with pytest.raises(MonitorError, match="row 1"):
        monitor_result_of_scored_rows([0.5, 1.0], [0, 1], [[0], [0]], MonitorPlan(), count=1)
    with pytest.raises(MonitorError, match="as many labels"):
        monitor_result_of_scored_rows([0.5], [0, 1], [[0]], MonitorPlan(), count=1)
    with pytest.raises(MonitorError, match="counts by day"):
        monitor_result_of_daily_counts(np.zeros((1, 2, BINS)), MonitorPlan())
    assert sum(weight for _, _, weight in ALTERNATIVES) == pytest.approx(1)


def covid():
    """Days of sketches of the frozen model, with the counts of the public record."""
    folder = shared_data("surveillance", "covid_il_2020")
    with gzip.open(folder / "tests_counts.csv.gz") as file:
        tests = pl.read_csv(file.read(), infer_schema_length=None)
    with gzip.open(folder / "frozen_model_scores.csv.gz") as file:
        model = pl.read_csv(file.read(), infer_schema_length=None)
    keys = ["cough", "fever", "sore_throat", "shortness_of_breath", "head_ache"]
    tests = tests.filter(pl.col("corona_result").is_in(["positive", "negative"])).with_columns(
        age60=pl.col("age_60_and_above").replace_strict({"Yes": 1, "No": 0}, default=-1),
        male=pl.col("gender").replace_strict({"male": 1, "female": 0}, default=-1),
        contact=(pl.col("test_indication") == "Contact with confirmed").cast(pl.Int64),
        label=(pl.col("corona_result") == "positive").cast(pl.Int64),
    )
    keys += ["age60", "male", "contact"]
    tests = tests.with_columns(pl.col(keys).cast(pl.Int64, strict=False))
    joined = tests.join(model.with_columns(pl.col(keys).cast(pl.Int64)), on=keys)
    days = {}
    for (day,), rows in joined.group_by("test_date"):
        n = rows["n"].to_numpy()
        days[day] = sketch_model_scores(
            np.repeat(rows["p"].to_numpy(), n), np.repeat(rows["label"].to_numpy(), n)
        )
    return dict(sorted(days.items()))


@pytest.mark.shared_data
def test_covid_19_in_israel_raises_the_alarm_within_a_day_and_fools_what_needs_no_label():
    days = covid()
    # the first week of April is the reference; what follows is watched
    later = np.stack([s.counts for day, s in days.items() if day >= "2020-04-08"])
    monitor = monitor_result_of_daily_counts(
        later, MonitorPlan(band=0.1, middle=-2.5, horizon=3_000_000)
    )
    assert 0 <= monitor.alarm_at[0] <= 1

    def between(first, last):
        parts = [s for day, s in days.items() if first <= day <= last]
        total = parts[0]
        for part in parts[1:]:
            total = total.merge_score_sketch(part)
        return total

    reference = score_recalibration_of_group(between("2020-04-01", "2020-04-07"))
    september = between("2020-09-01", "2020-09-30")
    realised = auc_and_interval_by_group(september.counts, 1.96)[0][0]
    estimated_auc = label_free_auc(september.counts[0].sum(axis=0), reference)
    assert realised == pytest.approx(0.742, abs=0.003)
    shown = realised_and_label_free_model_auc(
        np.stack([s.counts[0] for day, s in days.items() if "2020-04-01" <= day <= "2020-04-07"]
                 + [s.counts[0] for day, s in days.items() if day.startswith("2020-09")])
    )  # fmt: skip
    assert shown["realised_auc"] == pytest.approx(realised)
    assert shown["label_free_auc"] == pytest.approx(estimated_auc)
    assert estimated_auc > realised + 0.08  # the companion's failure, which the report must show


@pytest.mark.shared_data
def test_acs_massachusetts_stays_quiet_in_the_clinicians_band():
    folder = shared_data("surveillance", "acs_employment_ma")
    rows = pl.read_parquet(folder / "employment_MA_analysis.pq")
    label = pl.read_parquet(folder / "employment_MA_analysis_target.pq")
    joined = rows.join(label, on="id", maintain_order="left")
    score = np.clip(joined["predicted_probability"].to_numpy(), 1e-6, 1 - 1e-6)
    plan = MonitorPlan(band=0.1, horizon=len(score))
    streams = np.zeros((len(score), 1), np.int32)
    monitor = monitor_result_of_scored_rows(
        score, joined["employed"].to_numpy(), streams, plan, count=1
    )
    assert monitor.verdicts == ("quiet",)


@pytest.mark.shared_data
def test_most_eicu_hospitals_saw_too_few_to_say():
    folder = shared_data("surveillance", "eicu_demo")
    with gzip.open(folder / "apachePatientResult.csv.gz") as file:
        results = pl.read_csv(file.read(), infer_schema_length=None)
    with gzip.open(folder / "patient.csv.gz") as file:
        patients = pl.read_csv(file.read(), infer_schema_length=None)
    rows = results.filter(
        (pl.col("apacheversion") == "IVa") & (pl.col("predictedhospitalmortality") > 0)
    ).join(patients.select("patientunitstayid", "hospitalid"), on="patientunitstayid")
    institutions = rows["hospitalid"].rank("dense").cast(pl.Int64).to_numpy() - 1
    died = (rows["actualhospitalmortality"] == "EXPIRED").to_numpy()
    score = rows["predictedhospitalmortality"].to_numpy()
    count = int(institutions.max()) + 1
    monitor = monitor_result_of_scored_rows(
        score, died, institutions[:, None], MonitorPlan(), count=count
    )
    # Of a hospital in which nobody died nothing follows; of the others too little.
    assert set(monitor.verdicts) <= {"too few", "no information"}
    assert count > 100
