"""Use cases of care that touch no cluster: judge telemetry, replay faults, advise."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.core.spreadsheets import read_spreadsheet_csv
from commonwatt.operate.domain.care.errors import CareSettingsError, TelemetryError
from commonwatt.operate.domain.tables import SCORES
from commonwatt.operate.engines.care.checkpoints import care_gang_checkpoint_advice
from commonwatt.operate.engines.care.detect.alarms import (
    AlarmBudget,
    alarm_threshold_by_node,
    judge_node_alarms,
    node_alarm_episodes,
)
from commonwatt.operate.engines.care.detect.learned import (
    node_alarm_detector,
    node_anomaly_ranking_detector,
)
from commonwatt.operate.engines.care.detect.vus import node_anomaly_vus_pr
from commonwatt.operate.engines.care.lemons import LemonRule, lemon_nodes
from commonwatt.operate.engines.care.replay.faults import (
    NodeFault,
    node_faults_drawn_from_trace,
    node_faults_of_counts,
)
from commonwatt.operate.engines.care.replay.run import CareOutcome, replay_gang_in_care
from commonwatt.operate.engines.care.replay.setting import ReplaySetting
from commonwatt.operate.io.care.telemetry.table import NodeSeries, load_node_telemetry_series

WINDOW = 100
"""Longest buffer of VUS-PR, in steps."""


def node_alarm_episodes_and_scores(
    ordinary: Path, later: Path, *, day: int, budget: AlarmBudget
) -> tuple[dict[str, Any], pl.DataFrame]:
    """Return the alarm episodes of one node's later days, learned from its ordinary ones.

    Where the later table has a column `label`, the alarms are judged by it; the
    detectors never see it.

    Raises:
        TelemetryError: A table cannot be read, or their metrics differ.
    """
    first, second = load_node_telemetry_series(ordinary), load_node_telemetry_series(later)
    if first.metrics != second.metrics:
        raise TelemetryError(str(later), wanted=Message("the same metrics as on ordinary days"))
    before, after = node_alarm_detector(day=day).score(first.values, second.values)
    threshold = alarm_threshold_by_node({"node": before}, budget)["node"]
    alarm_spans = node_alarm_episodes(after > threshold, quiet=budget.quiet)
    rows = [
        _node_alarm_row_with_top_metrics(after, second, first, start, end)
        for start, end in alarm_spans
    ]
    detection: dict[str, Any] = {
        "steps": len(after),
        "metrics": len(first.metrics),
        "threshold": threshold,
        "episodes": rows,
        "judged": _node_alarm_accuracy_by_labels(first, second, after > threshold, day, budget),
    }
    scores = SCORES.build_frame(step=np.arange(len(after)), score=after, alarm=after > threshold)
    return detection, scores


def _node_alarm_row_with_top_metrics(
    score: np.ndarray[Any, np.dtype[np.float64]],
    later: NodeSeries,
    ordinary: NodeSeries,
    start: int,
    end: int,
) -> dict[str, Any]:
    """Return an episode with the metrics that moved most, as its evidence."""
    # A metric that never moved on ordinary days would have a spread of 0 and be the evidence of
    # every episode.
    spread = np.maximum(ordinary.values.std(axis=0), 0.01)
    moved = np.abs(later.values[start : end + 1].mean(axis=0) - ordinary.values.mean(axis=0))
    most = np.argsort(-moved / spread, kind="stable")[:3]
    return {
        "first_step": start,
        "last_step": end,
        "peak": float(score[start : end + 1].max()),
        "metrics": [later.metrics[i] for i in most.tolist()],
    }


def _node_alarm_accuracy_by_labels(
    ordinary: NodeSeries,
    later: NodeSeries,
    alarm: np.ndarray[Any, np.dtype[np.bool_]],
    day: int,
    budget: AlarmBudget,
) -> dict[str, Any] | None:
    if later.label is None or not later.label.any():
        return None
    # Ranking sees the whole later record, alarms only what came before: VUS-PR judges the
    # detector, the counts judge what a live cluster would have heard.
    _, ranked = node_anomaly_ranking_detector(day=day).score(ordinary.values, later.values)
    judged = judge_node_alarms(alarm, later.label, budget)
    return {
        "vus_pr": node_anomaly_vus_pr(later.label, ranked, window=WINDOW),
        "recall_share": judged.incident_recall,
        "minutes_recall_share": judged.labelled_minutes_recall,
        "false_episodes_per_day": judged.false_episodes_per_day,
    }


def care_replay_result(
    faults: Path, setting: ReplaySetting, *, watched: int, counts_days: float
) -> dict[str, Any]:
    """Return what becomes of a gang under recorded faults and the care of the live cluster.

    Args:
        faults: Histories of nodes, or counts by cause (a column `cause` and one of counts).
        setting: The fleet and how fast things go.
        watched: Nodes that the histories watched, those without faults included.
        counts_days: Over how many days the counts were taken.

    Raises:
        CareSettingsError: The table is of neither kind.
    """
    strikes = _node_faults_of_table(faults, setting, watched, counts_days)
    outcome = replay_gang_in_care(strikes, setting)
    return {"faults": len(strikes), **care_outcome_dict(outcome)}


def _node_faults_of_table(
    path: Path, setting: ReplaySetting, watched: int, counts_days: float
) -> list[NodeFault]:
    frame = pl.read_parquet(path) if path.suffix == ".parquet" else read_spreadsheet_csv(path)
    if "cause" not in frame.columns:
        return node_faults_drawn_from_trace(
            path, nodes=setting.nodes, days=setting.days, watched=watched, seed=setting.seed
        )
    numbers = [name for name, kind in frame.schema.items() if kind.is_integer()]
    if not numbers:
        raise CareSettingsError(str(path), wanted=Message("a column of counts"))
    scale = setting.days / counts_days
    counts = {str(c): round(n * scale) for c, n in frame.select("cause", numbers[0]).rows()}
    return node_faults_of_counts(counts, nodes=setting.nodes, days=setting.days, seed=setting.seed)


def care_outcome_dict(outcome: CareOutcome) -> dict[str, Any]:
    """Return an outcome as plain values; shares are of wall time."""
    isolation = np.array(outcome.isolation_s or (0.0,))
    shares = {f"{k}_share": v / outcome.wall_s for k, v in asdict(outcome.account).items()}
    return {
        "ettr_share": outcome.effective_training_share,
        **{name: float(share) for name, share in shares.items()},
        "save_every_s": outcome.save_every_s,
        "interruptions": outcome.interruptions,
        "isolation_median_s": float(np.median(isolation)),
        "isolation_p95_s": float(np.quantile(isolation, 0.95)),
        "isolation_longest_s": float(isolation.max()),
        "drains": outcome.drains,
        "false_drains": outcome.false_drains,
        "false_drains_per_1000_node_days": outcome.false_drains_per_1000_node_days,
        "handed_over": outcome.handed_over,
        "mean_nodes_in_care": outcome.mean_out,
        "moves": outcome.moves,
    }


def lemon_nodes_result(faults: Path, *, nodes: int, rule: LemonRule) -> dict[str, Any]:
    """Return the lemons in a history of faults with a column `node`.

    Raises:
        CareSettingsError: There is no such column, or fewer nodes are said than failed.
    """
    frame = pl.read_parquet(faults) if faults.suffix == ".parquet" else read_spreadsheet_csv(faults)
    if "node" not in frame.columns:
        raise CareSettingsError(str(faults), wanted=Message("a column node"))
    counts = {str(node): int(n) for node, n in frame.group_by("node").len().sort("node").rows()}
    # The law has one place a node of the fleet: fewer than failed would not fit, and is a slip.
    if nodes < len(counts):
        raise UsageError("--nodes", found=str(nodes), wanted=Message("all nodes of the fleet"))
    worst_nodes = lemon_nodes(counts, nodes, rule)
    return {
        "nodes": nodes,
        "faults": frame.height,
        "lemons": [asdict(lemon) for lemon in worst_nodes],
    }


def checkpoint_advice_result(
    *, nodes: int, faults_per_1000_node_days: float, save_s: float, restart_s: float
) -> dict[str, Any]:
    """Return how often a gang should save its work.

    Raises:
        CareSettingsError: A number is not positive.
    """
    if faults_per_1000_node_days <= 0:
        raise CareSettingsError("faults", wanted=Message("a number above 0"))
    node_mtbf_s = 1000 * 86_400 / faults_per_1000_node_days
    return asdict(
        care_gang_checkpoint_advice(
            nodes=nodes, node_mtbf_s=node_mtbf_s, save_s=save_s, restart_s=restart_s
        )
    )
