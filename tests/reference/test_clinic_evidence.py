"""Sketched metrics against the plainest computation over rows, and published figures."""

import gzip

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from commonwatt.clinic.domain.errors import EvidenceError
from commonwatt.clinic.engines.evidence import (
    compare_clinician_and_model,
    evaluate_score_sketch,
    model_net_benefit_by_group,
    score_recalibration_of_group,
    sketch_model_scores,
)
from commonwatt.clinic.engines.evidence.metrics import (
    auc_and_interval_by_group,
    auc_binning_error_bound_by_group,
)
from commonwatt.core.seeds import named_random_stream
from tests.shared_data import shared_data


def slow_auc(score, label):
    ranks = rankdata(score)
    p, n = label.sum(), (1 - label).sum()
    return (ranks[label == 1].sum() - p * (p + 1) / 2) / (p * n)


def drawn(seed, rows=400, groups=3):
    chance = named_random_stream(seed, "evidence-test")
    score = chance.beta(1, 4, rows)
    label = (chance.random(rows) < score).astype(np.int8)
    return score, label, chance.integers(0, groups, rows)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_every_metric_is_that_of_the_rows(seed):
    score, label, group = drawn(seed)
    made = sketch_model_scores(score, label, group, groups=3, threshold=0.3)
    frame = evaluate_score_sketch(made, ["a", "b", "c"], fewest=1)
    for g, name in enumerate("abc"):
        s, y = score[group == g], label[group == g]
        if y.sum() in (0, len(y)):
            continue
        estimates = dict(frame.filter(group=name).select("metric", "estimate").iter_rows())
        assert (
            abs(estimates["auc"] - slow_auc(s, y))
            <= auc_binning_error_bound_by_group(made.counts)[g] + 1e-12
        )
        assert estimates["o_over_e"] == pytest.approx(y.sum() / s.sum(), rel=1e-7)
        up = s >= 0.3
        assert estimates["sensitivity"] == pytest.approx((up & (y == 1)).sum() / y.sum())
        assert estimates["specificity"] == pytest.approx((~up & (y == 0)).sum() / (1 - y).sum())
        assert estimates["advised_share"] == pytest.approx(up.mean())
        expected = ((up & (y == 1)).sum() - (up & (y == 0)).sum() * 3 / 7) / len(y)
        assert model_net_benefit_by_group(made)[g] == pytest.approx(expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 400))
def test_hospitals_that_share_sketches_get_the_bytes_of_all_rows(seed, cut):
    score, label, group = drawn(seed)
    halves = [sketch_model_scores(score[part], label[part], group[part], groups=3)
              for part in (slice(cut), slice(cut, None))]  # fmt: skip
    whole = sketch_model_scores(score, label, group, groups=3)
    for merged in (
        halves[0].merge_score_sketch(halves[1]),
        halves[1].merge_score_sketch(halves[0]),
    ):
        for part in ("counts", "above", "score_sum"):
            assert getattr(merged, part).tobytes() == getattr(whole, part).tobytes()


def test_intervals_of_the_auc_cover_the_truth_as_often_as_they_say():
    truth, hits = slow_auc(*drawn(1, 400_000)[:2]), 0
    for seed in range(400):
        score, label, _ = drawn(seed + 2)
        _, low, high = auc_and_interval_by_group(sketch_model_scores(score, label).counts, 1.96)
        hits += low[0] <= truth <= high[0]
    assert 0.92 <= hits / 400 <= 0.98


def test_too_few_is_a_result_of_its_own():
    frame = evaluate_score_sketch(sketch_model_scores([0.2, 0.6], [0, 1]), ["all"])
    assert set(frame["verdict"]) == {"too few to say"}
    assert frame["estimate"].null_count() == frame.height


def test_recalibration_finds_the_line_that_was_drawn():
    chance = named_random_stream(4, "recalibration")
    logit = chance.normal(-1, 1.5, 200_000)
    label = chance.random(200_000) < 1 / (1 + np.exp(-(0.4 + 0.6 * logit)))
    recalibration = score_recalibration_of_group(
        sketch_model_scores(1 / (1 + np.exp(-logit)), label)
    )
    assert recalibration.slope == pytest.approx(0.6, abs=4 * recalibration.slope_se)
    assert recalibration.intercept == pytest.approx(0.4, abs=4 * recalibration.intercept_se)


@pytest.mark.parametrize(
    ("score", "label", "group"),
    [([1.2], [0], [0]), ([float("nan")], [0], [0]), ([0.5], [2], [0]), ([0.5], [0], [9])],
)
def test_a_row_out_of_bounds_is_named_by_its_number(score, label, group):
    with pytest.raises(EvidenceError, match="row 0: wanted a score"):
        sketch_model_scores(score, label, group)


def test_sketches_of_other_thresholds_and_ragged_rows_are_refused():
    with pytest.raises(EvidenceError, match="same threshold"):
        sketch_model_scores([0.5], [1]).merge_score_sketch(
            sketch_model_scores([0.5], [1], threshold=0.1)
        )
    with pytest.raises(EvidenceError, match="as many labels"):
        sketch_model_scores([0.5], [1, 0])
    with pytest.raises(EvidenceError, match="two scores"):
        score_recalibration_of_group(sketch_model_scores([0.5, 0.5], [1, 0]))


@pytest.mark.shared_data
def test_support2_gives_the_known_figures_of_model_doctor_and_both():
    with gzip.open(shared_data("surveillance", "support2", "support2.csv.gz")) as file:
        frame = pl.read_csv(file.read(), infer_schema_length=None, null_values=["", "NA"])
    both = frame.drop_nulls(["surv2m", "prg2m"])
    alive = ((both["d.time"] >= 60) | (both["death"] == 0)).to_numpy()
    model, doctor = both["surv2m"].to_numpy(), both["prg2m"].to_numpy()
    comparison = compare_clinician_and_model(model, doctor, alive)
    areas = (comparison.model[0], comparison.doctor[0], comparison.both[0])
    assert comparison.rows == 7456
    assert areas == pytest.approx((0.8048, 0.8043, 0.8437), abs=0.002)
    assert comparison.disagree == 1563
    assert comparison.doctor_right == pytest.approx(0.523, abs=0.001)


@pytest.mark.shared_data
def test_the_eicu_score_gives_its_known_figures():
    path = shared_data("surveillance", "eicu_demo", "apachePatientResult.csv.gz")
    with gzip.open(path) as file:
        frame = pl.read_csv(file.read(), infer_schema_length=None)
    rows = frame.filter(
        (pl.col("apacheversion") == "IVa") & (pl.col("predictedhospitalmortality") > 0)
    )
    died = (rows["actualhospitalmortality"] == "EXPIRED").to_numpy()
    made = sketch_model_scores(rows["predictedhospitalmortality"].to_numpy(), died)
    estimates = dict(evaluate_score_sketch(made, ["all"]).select("metric", "estimate").iter_rows())
    assert (rows.height, int(died.sum())) == (1683, 139)
    assert estimates["o_over_e"] == pytest.approx(0.793, abs=0.001)
    assert estimates["auc"] == pytest.approx(0.862, abs=0.001)


def test_areas_and_their_differences_are_those_of_every_pair_of_patients():
    """DeLong by placements, written out pair by pair."""
    from commonwatt.clinic.engines.evidence.joint import areas_under_roc_and_covariance
    from commonwatt.core.seeds import named_random_stream

    chance = named_random_stream(3, "delong")
    label = (chance.random(40) < 0.4).astype(np.int8)
    scores = np.round(chance.random((2, 40)) + 0.3 * label, 1)
    areas, covariance = areas_under_roc_and_covariance(scores, label)
    yes, no = np.flatnonzero(label), np.flatnonzero(label == 0)
    psi = np.array(
        [[[(s[i] > s[j]) + 0.5 * (s[i] == s[j]) for j in no] for i in yes] for s in scores]
    )
    np.testing.assert_allclose(areas, psi.mean(axis=(1, 2)))
    v10, v01 = psi.mean(axis=2), psi.mean(axis=1)
    np.testing.assert_allclose(covariance, np.cov(v10) / len(yes) + np.cov(v01) / len(no))


def test_the_shipped_forecasts_show_what_a_doctors_own_estimate_is_worth():
    from commonwatt.clinic.usecases.section import support_study_clinician_model_comparison

    comparison = support_study_clinician_model_comparison()
    assert (comparison.rows, comparison.disagree) == (7456, 1563)
    assert comparison.model[0] == pytest.approx(0.8048, abs=5e-4)
    assert comparison.doctor[0] == pytest.approx(0.8043, abs=5e-4)
    assert comparison.both[0] >= 0.84
    assert min(comparison.over_model[1], comparison.over_doctor[1]) > 0.03
