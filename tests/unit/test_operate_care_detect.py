"""Learned detectors, alarms and peers; on labelled servers where they are at hand."""

import functools

import numpy as np
import polars as pl
import pytest

from commonwatt.operate.domain.care.errors import TelemetryError
from commonwatt.operate.domain.care.findings import TelemetrySample
from commonwatt.operate.domain.cluster import JobRequest, NodeAllocation
from commonwatt.operate.engines.care.detect import alarms, learned
from commonwatt.operate.engines.care.detect.peer_watch import PeerWatch
from commonwatt.operate.engines.care.detect.peers import (
    gang_peer_scores,
    suspect_minority_gang_node_indices,
)
from commonwatt.operate.engines.care.detect.rules import DetectionRuleBook
from commonwatt.operate.engines.care.detect.vus import node_anomaly_vus_pr
from commonwatt.operate.engines.care.detect.windows import (
    centred_telemetry_mean,
    trailing_telemetry_mean,
)
from commonwatt.operate.engines.care.replay.cluster import SimCluster
from tests.shared_data import shared_data


def _server(folder, name):
    train = pl.read_parquet(folder / f"{name}.train.parquet").to_numpy().astype(float)
    test = pl.read_parquet(folder / f"{name}.test.parquet")
    values = test.drop("label").to_numpy().astype(float)
    return train, values, test["label"].to_numpy().astype(np.int64)


@pytest.fixture(scope="module")
def servers():
    folder = shared_data("telemetry", "smd")
    names = sorted(p.name.removesuffix(".train.parquet") for p in folder.glob("*.train.parquet"))
    return {name: _server(folder, name) for name in names}


@pytest.mark.slow
@pytest.mark.shared_data
def test_the_ranking_reaches_the_area_that_is_promised(servers):
    areas = [
        node_anomaly_vus_pr(
            label, learned.node_anomaly_ranking_detector().score(train, later)[1], window=100
        )
        for train, later, label in servers.values()
    ]
    assert np.mean(areas) >= 0.58


@pytest.mark.shared_data
def test_alarms_keep_their_budget_on_days_that_they_never_saw(servers):
    budget = alarms.AlarmBudget()
    scores = {n: learned.node_alarm_detector().score(a, b) for n, (a, b, _) in servers.items()}
    cuts = alarms.alarm_threshold_by_node({n: s[0] for n, s in scores.items()}, budget)
    every = functools.reduce(
        lambda first, second: first + second,
        [
            alarms.judge_node_alarms(s[1] > cuts[n], servers[n][2], budget)
            for n, s in scores.items()
        ],
    )
    assert every.false_episodes_per_day <= 0.1
    assert every.incident_recall >= 0.5  # 0.54 measured; the 0.70 aimed at is not reached


def _ordinary(steps=4000, metrics=4):
    chance = np.random.default_rng(5)
    day = np.sin(np.arange(steps) * 2 * np.pi / 500)[:, None]
    return 0.5 + 0.2 * day + 0.02 * chance.normal(size=(steps, metrics))


@pytest.mark.parametrize(
    "detector",
    [
        learned.PcaDistance(),
        learned.SeasonalDistance(day=500),
        learned.node_anomaly_ranking_detector(day=500),
        learned.node_alarm_detector(day=500),
    ],
    ids=["pca", "seasonal", "ranking", "alarming"],
)
def test_a_metric_that_leaves_the_others_is_found(detector):
    values = _ordinary()
    values[3500:3550, 2] += 0.3
    _, score = detector.score(values[:3000], values[3000:])
    assert score[505:545].min() > np.quantile(score[:480], 0.99)


def test_a_live_score_does_not_know_the_future():
    values = _ordinary()
    changed = values.copy()
    changed[3800:] += 1.0
    detector = learned.node_anomaly_ranking_detector(day=500, live=True)
    before, after = detector.score(values[:3000], values[3000:])
    _, changed_score = detector.score(values[:3000], changed[3000:])
    assert np.allclose(after[:800], changed_score[:800])
    assert before.shape == (3000,)


def test_other_metrics_than_on_ordinary_days_are_refused():
    with pytest.raises(TelemetryError):
        learned.PcaDistance().score(np.zeros((10, 3)), np.zeros((10, 4)))
    with pytest.raises(TelemetryError, match="two whole ordinary days"):
        learned.SeasonalDistance(day=100).score(np.zeros((150, 3)), np.zeros((10, 3)))


def test_means_over_windows_are_what_they_say():
    values = np.random.default_rng(1).random((50, 2))
    for window in (1, 4, 60):
        slow = [values[max(i - window + 1, 0) : i + 1].mean(axis=0) for i in range(50)]
        assert np.allclose(trailing_telemetry_mean(values, window), slow)
        both = [values[max(i - window // 2, 0) : i + window // 2 + 1].mean(axis=0)
                for i in range(50)]  # fmt: skip
        assert np.allclose(centred_telemetry_mean(values, window), both)


def test_judging_counts_episodes_and_adjusts_no_point():
    label = np.array([0, 1, 1, 1, 0, 0, 0, 0, 0, 1])
    alarm = np.array([0, 0, 1, 0, 0, 0, 1, 0, 0, 0], dtype=bool)
    judged = alarms.judge_node_alarms(alarm, label, alarms.AlarmBudget(quiet=1, day=10))
    assert (judged.incidents_found, judged.incidents, judged.false_episodes) == (1, 2, 1)
    assert (judged.minutes_found, judged.minutes, judged.days) == (1, 4, 1.0)
    assert (
        judged.incident_recall,
        judged.labelled_minutes_recall,
        judged.false_episodes_per_day,
    ) == (0.5, 0.25, 1.0)


def test_the_slow_node_of_a_gang_is_suspect_and_a_slow_gang_is_not():
    chance = np.random.default_rng(2)
    values = 100 + chance.normal(size=(60, 16, 3))
    values[30:, 5, 1] -= 30
    assert suspect_minority_gang_node_indices(
        gang_peer_scores(values, window=10), limit=6.0
    ).tolist() == [5]
    values[30:, :7, 1] -= 30
    assert (
        suspect_minority_gang_node_indices(gang_peer_scores(values, window=10), limit=6.0).tolist()
        == []
    )


def test_a_gap_in_one_nodes_telemetry_makes_no_suspect():
    values = np.full((20, 8, 1), 5.0)
    values[10:, 3] = np.nan
    assert (
        suspect_minority_gang_node_indices(gang_peer_scores(values, window=5), limit=3.0).tolist()
        == []
    )


def test_a_slow_node_of_a_running_gang_becomes_a_finding():
    names = [f"n{i}" for i in range(8)]
    cluster = SimCluster(names=names, now_s=1000.0)
    cluster.submit(JobRequest(job_id="j", argv=("x",)))
    cluster.start("j", [NodeAllocation(name) for name in names])
    watch, rules, findings = PeerWatch(window=4), DetectionRuleBook(), []
    for minute in range(12):
        cluster.now_s += 15.0
        samples = [
            TelemetrySample(cluster.now_s, name, "DCGM_FI_DEV_SM_CLOCK",
                   1980.0 + (i * minute) % 5 - 600.0 * (name == "n3"), str(gpu))
            for i, name in enumerate(names) for gpu in range(2)
        ]  # fmt: skip
        findings += rules.observe_telemetry(
            [*samples, *watch.take_samples_and_score_suspect_nodes(samples, cluster.observe())]
        )
    assert {finding.node for finding in findings} == {"n3"}
    assert findings[0].rule == "slower-than-peers"
    cluster.cancel("j", "over")
    assert watch.take_samples_and_score_suspect_nodes([], cluster.observe()) == []
