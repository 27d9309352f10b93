"""VUS-PR against its slow twin, and against values of the authors' own software."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.operate.engines.care.detect.vus import (
    node_anomaly_first_and_last_steps,
    node_anomaly_vus_pr,
)
from commonwatt.operate.engines.care.detect.vus_reference import (
    node_anomaly_label_weights_with_buffers,
    reference_node_anomaly_vus_pr,
)


@given(
    runs=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 9)), min_size=1, max_size=6),
    window=st.integers(0, 24),
    decimals=st.integers(0, 6),
    thresholds=st.integers(2, 60),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=120, deadline=None)
def test_the_fast_area_is_that_of_the_definition(runs, window, decimals, thresholds, seed):
    label = np.concatenate([np.r_[np.zeros(a, int), np.ones(b, int)] for a, b in runs])
    score = np.round(np.random.default_rng(seed).random(len(label)), decimals) + 0.3 * label
    fast = node_anomaly_vus_pr(label, score, window=window, thresholds=thresholds)
    slow = reference_node_anomaly_vus_pr(
        label.tolist(), score.tolist(), window=window, thresholds=thresholds
    )
    assert fast == pytest.approx(slow, abs=1e-12)


# Values of RangeAUC_volume_opt of the authors' software (github TheDatumOrg/VUS, commit
# d0f2a443f4bab4003d1454b7845ad287509d82b0), run once on the series that `_series` makes.
PUBLISHED = [
    (0, 0, 0.5656433698374101),
    (0, 10, 0.6095665728144016),
    (1, 20, 0.6429783245078472),
    (2, 37, 0.7768599171587992),
    (3, 60, 0.8781283192767622),
    (5, 100, 0.9427631076940491),
]


def _series(case):
    """Return a label and a score from whole numbers alone, the same on any machine."""
    n = 300 + 7 * case
    at = np.arange(n)
    label = (((at * (case + 3)) // 40) % 5 == 1).astype(int)
    score = ((at * 7919 + case * 104729) % 1009) / 1009 + 0.4 * label * ((at % 7) < 5)
    return label, score


@pytest.mark.parametrize(("case", "window", "wanted"), PUBLISHED)
def test_the_area_is_that_of_the_authors_software(case, window, wanted):
    label, score = _series(case)
    assert node_anomaly_vus_pr(label, score, window=window) == pytest.approx(wanted, abs=1e-12)


def test_a_perfect_score_without_buffer_has_the_whole_area():
    label = np.array([0] * 50 + [1] * 10 + [0] * 40)
    assert node_anomaly_vus_pr(label, label.astype(float), window=0) == pytest.approx(1.0)


def test_a_random_score_stays_near_the_share_of_anomalies():
    chance = np.random.default_rng(3)
    label = np.zeros(20_000, dtype=int)
    for start in range(500, 20_000, 2000):
        label[start : start + 60] = 1
    area = node_anomaly_vus_pr(label, chance.random(20_000), window=0)
    assert area == pytest.approx(label.mean(), rel=0.5)


def test_weights_of_neighbouring_buffers_add_up_to_one_at_most():
    weights = node_anomaly_label_weights_with_buffers([0, 1, 0, 0, 1, 0], 4)
    assert max(weights) == 1.0
    assert weights[0] == pytest.approx(np.sqrt(1 - 1 / 4))


def test_a_run_that_ends_the_series_is_an_interval():
    starts, ends = node_anomaly_first_and_last_steps(np.array([1, 1, 0, 0, 1]))
    assert (starts.tolist(), ends.tolist()) == ([0, 4], [1, 4])
